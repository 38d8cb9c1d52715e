/*
 * append_log: records that are only ever added, kept as write-once batch objects.
 *
 * Adders hand in one record each (a line of JSON without a line end) and wait. One thread gathers
 * what has come in and puts it as one object: many waiters, one put, one fsync. When
 * lh_append_log_add returns OK the record is in the bucket. Nothing is ever read, changed and
 * written back; any number of processes may append under one prefix, since each batch has a name of
 * its own.
 *
 * Format   <prefix><YYYY-MM-DD>/<UUIDv7>.ndjson, so that byte order is time order;
 *          docs/formats/append-log.md
 * Fails    as lh_object_put; BUSY "log.queue_full" when too many wait; TOO_BIG
 *          "log.record_too_big"; INVALID "log.record" for what is not one line.
 * Threads  all functions may be called from any thread.
 */
#ifndef LH_STORE_APPEND_LOG_H
#define LH_STORE_APPEND_LOG_H

#include "store/bucket.h"

struct lh_append_log;

struct lh_append_log_options {
    struct lh_bucket *bucket;
    const char *prefix;     /* "_journal/events/" */
    size_t batch_bytes_max; /* 0: 4 MiB */
    size_t queue_max;       /* waiting records; 0: 10,000 */
    int64_t linger_ms; /* wait for company before a put; 0: none, batches form while a put runs */
};

lh_status lh_append_log_open(const struct lh_append_log_options *options,
                             struct lh_append_log **out, struct lh_error *err);
/* Writes what waits, then stops. */
void lh_append_log_free(struct lh_append_log *log);
LH_AUTO_DEFINE(lh_append_log)

/* When the call ends first (TIMEOUT, CANCELED) the record may be written or not. */
lh_status lh_append_log_add(struct lh_append_log *log, struct lh_call *call, lh_str record,
                            struct lh_error *err);
/* Hands the record over and does not wait; it is written with the next batch, and tried again with
 * a later one when that fails. BUSY when the queue is full. */
lh_status lh_append_log_add_async(struct lh_append_log *log, lh_str record, struct lh_error *err);

/* Records newest first: batches from the last, lines of a batch from its end. Stops when `visit`
 * sets *stop or fails. A batch that cannot be read is reported through `broken` (may be NULL) and
 * skipped. */
struct lh_append_log_visitor {
    lh_status (*visit)(void *self, lh_str record, bool *stop, struct lh_error *err);
    void (*broken)(void *self, const char *key, const struct lh_error *why);
    void *self;
};
lh_status lh_append_log_scan(struct lh_append_log *log, struct lh_call *call,
                             const struct lh_append_log_visitor *visitor, struct lh_error *err);

struct lh_append_log_stats {
    uint64_t records, batches, bytes, failed_puts, waiting;
};
struct lh_append_log_stats lh_append_log_stats_get(const struct lh_append_log *log);

#endif
