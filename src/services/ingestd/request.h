/*
 * request: the query parameters of POST /v1/ingest, checked, and the key that makes an ingest
 * repeatable.
 *
 * Fails    INVALID "request.query" naming the parameter, "catalog.name", "ingest.key",
 * "ingest.types"; UNSUPPORTED "ingest.unknown_format".
 */
#ifndef LH_SERVICES_INGESTD_REQUEST_H
#define LH_SERVICES_INGESTD_REQUEST_H

#include "base/hash.h"
#include "engine/convert.h"
#include "net/http.h"

enum ingest_mode { INGEST_REPLACE, INGEST_APPEND, INGEST_UPSERT };

/* Texts live in the call's arena. */
struct ingest_request {
    const char *dataset;
    enum ingest_mode mode;
    const char *key; /* of an upsert */
    enum lh_file_format format;
    bool may_evolve, is_preview, allow_duplicate;
    json_t *types; /* owned, or NULL */
    int header;
    const char *delimiter;
    const char **nulls;
    size_t null_count;
    const char *bucket; /* of X-Lakehouse-Bucket, "primary" by default */
};

lh_status ingest_request_read(const struct lh_request *req, struct lh_arena *arena,
                              struct ingest_request *out, struct lh_error *err);
void ingest_request_fini(struct ingest_request *r);

const char *ingest_mode_name(enum ingest_mode mode);

/*
 * SHA-256 over the content's digest and every option that changes what comes out of it. The mode is
 * among them for an upsert only: a file that replaced a dataset is in it, and appending it again
 * would double it.
 */
void ingest_request_key(const struct ingest_request *r, const char *content_sha256,
                        char out[LH_SHA256_HEX]);

#endif
