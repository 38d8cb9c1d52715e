/*
 * append_log_scan: reading the batches under a prefix, newest first (append_log.h,
 * lh_append_log_scan).
 */
#ifndef LH_STORE_APPEND_LOG_SCAN_H
#define LH_STORE_APPEND_LOG_SCAN_H

#include "store/append_log.h"

struct append_log_scan {
    struct lh_bucket *bucket;
    const char *prefix;
    struct lh_call *call;
    const struct lh_append_log_visitor *visitor;
    bool is_over; /* the visitor wants no more */
};
lh_status append_log_scan_run(struct append_log_scan *s, struct lh_error *err);

#endif
