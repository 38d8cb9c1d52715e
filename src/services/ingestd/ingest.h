/*
 * ingest: from a spooled file to a version of a dataset.
 *
 * Decides on the head it has read, writes data objects, then commits on exactly that head. When
 * somebody else was first it reads the new head and decides again: a twin that brought the same
 * content makes this one unchanged, an append goes on top, anything else is done anew. Nothing is
 * visible before the commit, and a crash leaves an orphan object at most.
 *
 * Fails    as engine/convert.h, catalogd/client.h and store say; CONFLICT "catalog.schema_drift";
 * NOT_FOUND "store.no_bucket".
 */
#ifndef LH_SERVICES_INGESTD_INGEST_H
#define LH_SERVICES_INGESTD_INGEST_H

#include "services/ingestd/ingestd.h"
#include "services/ingestd/request.h"
#include "services/ingestd/schema.h"
#include "services/ingestd/upload.h"

struct ingest {
    struct ingestd *d;
    struct lh_call *call;
    const struct ingest_request *request;
    const struct upload *upload;
    struct lh_engine *work;
    struct lh_bucket *bucket;
    char ingest_key[LH_SHA256_HEX];
    int64_t started_ns;

    struct lh_snapshot *head; /* NULL: the dataset does not exist */

    /* What was made for the head above. */
    struct lh_convert_result file, merged;
    struct schema_plan plan;
    char data_path[PATH_MAX + 16], rejects_path[PATH_MAX + 16], merged_path[PATH_MAX + 16];
    char writer_id[LH_UUID_TEXT];
    char *data_key, *rejects_key; /* put already, or NULL */
    struct lh_object_info data_info;
    bool is_in_doubt; /* a version may name them */
};

struct ingest_outcome {
    struct lh_snapshot *snapshot; /* owned; NULL for the preview of a dataset that does not exist */
    bool is_unchanged;
};

lh_status ingest_run(struct ingest *in, struct ingest_outcome *out, struct lh_error *err);
/* Converts without writing, for the answer of a preview; in->head and in->plan tell the rest. */
lh_status ingest_preview(struct ingest *in, struct ingest_outcome *out, struct lh_error *err);

lh_status ingest_init(struct ingest *in, struct ingestd *d, struct lh_call *call,
                      const struct ingest_request *request, const struct upload *upload,
                      struct lh_error *err);
void ingest_fini(struct ingest *in);

#endif
