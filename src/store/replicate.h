/*
 * replicate: fills a rescue bucket with copies of what the other buckets hold.
 *
 * Incremental: what is listed with the ETag that the object still has is left alone. An object that
 * is gone is marked, and its copy deleted once it has been gone for the grace. Objects that name
 * others (manifests) are listed before everything and copied after, so that at any moment whatever
 * the copies name is there too. The lists of copies are put as the work goes on: a run that was
 * broken off is gone on with by the next.
 *
 * One run at a time for each rescue bucket: of two, one finds the list changed and stops (BUSY
 * "store.replicate_race"). A bucket that seems to have lost most of what it had stops the run
 * (CONFLICT "store.replicate_vanished") unless that is said to be so.
 *
 * Fails    as reads and puts; one object that cannot be copied is counted and told, and the rest
 *          goes on. INVALID "store.no_rescue_bucket", when there is none, or the one named is none.
 * Limits   store.replicate_concurrency, store.replicate_bytes_per_second.
 */
#ifndef LH_STORE_REPLICATE_H
#define LH_STORE_REPLICATE_H

#include "store/store.h"

struct lh_replicate_totals {
    uint64_t seen, unchanged, copied, copied_bytes, gone, deleted, failed;
    uint64_t copied_journal; /* of the copied: objects of the journal, which grows by itself */
    char rescue[LH_BUCKET_NAME_MAX + 1];
    char first_failure[512]; /* of an object */
};

struct lh_replicate_options {
    lh_str to;           /* "": the rescue bucket */
    bool may_lose_most;  /* a bucket that lost most of its objects is believed */
    uint64_t save_every; /* bytes copied until the list is put in between; 0: 256 MiB */
    int64_t grace_us;    /* negative: store.replicate_grace */
    void (*progress)(void *self, const struct lh_replicate_totals *so_far); /* may be NULL */
    void *self;
};

lh_status lh_store_replicate(struct lh_store *s, struct lh_call *call,
                             const struct lh_replicate_options *options,
                             struct lh_replicate_totals *out, struct lh_error *err);

#endif
