/*
 * upload: a request's body in a file of the spool folder, and its SHA-256, taken in one pass at
 * constant memory.
 *
 * Owns     its files: all are unlinked by upload_fini, whatever happened.
 * Fails    TOO_BIG "ingest.body_too_big"; INVALID "request.multipart"; NO_SPACE, CANCELED, TIMEOUT,
 * IO.
 */
#ifndef LH_SERVICES_INGESTD_UPLOAD_H
#define LH_SERVICES_INGESTD_UPLOAD_H

#include <limits.h>
#include "base/hash.h"
#include "services/ingestd/ingestd.h"

struct upload {
    char path[PATH_MAX];
    char content_type[256]; /* of the file: the part's, or the request's */
    char file_name[256];
    char sha256[LH_SHA256_HEX];
    uint64_t size_bytes;
};

lh_status upload_receive(struct ingestd *d, struct lh_call *call, struct lh_request *req,
                         struct upload *out, struct lh_error *err);
void upload_fini(struct upload *u);

#endif
