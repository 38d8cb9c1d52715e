/*
 * rescue: a read that a bucket fails is answered by the copy in the rescue bucket.
 *
 * Every other bucket of a store has a `struct bucket_rescue`. A read is tried on the bucket for as
 * long as store.rescue_after; when that fails as only a bucket can fail (UNAVAILABLE, TIMEOUT, IO,
 * CORRUPT), the copy that `replicate` recorded is read instead, and what the caller gets is named
 * by the ETag of the object that was copied. NOT_FOUND is an answer. When there is no copy a slow
 * bucket is asked again without haste, and the failure of another is the answer. After
 * store.breaker_failures in a row the copy is asked first, and the bucket only now and then.
 *
 * Never  lists, writes, or objects that say who is at work (replica_is_left_out).
 * Tells  the call (lh_call_rescued_by), the counters, and whoever listens (lh_store_on_rescue).
 * Threads all functions from any thread.
 */
#ifndef LH_STORE_RESCUE_H
#define LH_STORE_RESCUE_H

#include <stdatomic.h>
#include "store/backend.h"
#include "store/breaker.h"
#include "store/replica.h"
#include "store/store.h"

/* One for each store. */
struct rescue_hub {
    struct lh_bucket *_Atomic rescue; /* NULL: there is none */
    int64_t after_ms;                 /* 0: a slow bucket is waited for */
    unsigned failures_max;
    int64_t reset_ms;
    lh_rescue_listener listener;
    void *listener_self;
};

struct bucket_rescue {
    struct rescue_hub *hub;
    struct lh_bucket *bucket; /* the one that may fail */
    struct store_breaker breaker;
    struct lh_metric *rescued, *missed, *opened, *is_open;
    struct {
        pthread_mutex_t mutex;
        struct replica_index *index[REPLICA_CLASS_COUNT];
        int64_t fresh_until_ms[REPLICA_CLASS_COUNT];
    } lock;
};

struct bucket_rescue *bucket_rescue_new(struct rescue_hub *hub, struct lh_bucket *b);
void bucket_rescue_free(struct bucket_rescue *r); /* NULL is fine */

/* What bucket.c does on a bucket that has one; their twins there touch the bucket alone. */
lh_status rescue_head(struct lh_bucket *b, struct lh_call *call, lh_str key,
                      struct lh_object_info *info, struct lh_error *err);
lh_status rescue_open(struct lh_bucket *b, struct lh_call *call, lh_str key,
                      struct lh_reader_at **out, struct lh_error *err);
lh_status rescue_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to,
                      size_t n, struct lh_error *err);
lh_status rescue_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset,
                      uint64_t length, int *fd, struct lh_error *err);

#endif
