/*
 * s3_settings: the settings of all S3 buckets of a store, and what they share.
 */
#ifndef LH_STORE_S3_SETTINGS_H
#define LH_STORE_S3_SETTINGS_H

#include <stdatomic.h>
#include "net/client.h"
#include "store/s3.h"

struct s3_settings {
    int64_t connect_timeout_ms;
    int64_t attempt_timeout_ms; /* of one request, beside its bytes */
    uint64_t rate_min;          /* bytes a second that a request must move, or it is begun anew */
    unsigned attempts_max;
    int64_t backoff_first_ms, backoff_max_ms;
    unsigned retry_budget;
    size_t part_bytes;
    unsigned parts_per_upload;
    unsigned parts_max; /* in the air for all uploads together */
    int64_t abandoned_after_ms;
};

struct s3_shared {
    struct lh_client *http;
    struct lh_secrets *secrets;
    struct store_claim *spool;
    struct s3_settings settings;
    atomic_uint parts_running;
    struct lh_metric *parts;
};

#endif
