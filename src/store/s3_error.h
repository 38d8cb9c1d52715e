/*
 * s3_error: what an answer of the store that is no success means, by its <Code> and its status.
 */
#ifndef LH_STORE_S3_ERROR_H
#define LH_STORE_S3_ERROR_H

#include "store/backend.h"

#define S3_CODE_MAX 64

/* What may follow. */
enum s3_class {
    S3_FINAL,   /* it is so */
    S3_AGAIN,   /* nothing was done; may be sent again whatever it is */
    S3_UNKNOWN, /* something may have been done */
    S3_REFRESH, /* other keys may help */
    S3_SKEWED,  /* another time may help */
};

struct s3_failure {
    int http_status;
    char code[S3_CODE_MAX]; /* "" when the store gave none */
    enum s3_class class;
};

/* Fills both and returns err->status. `body` may be empty: answers to HEAD have none. */
lh_status s3_error_read(const struct lh_bucket *b, lh_str key, int http_status, lh_str body,
                        struct s3_failure *out, struct lh_error *err);

#endif
