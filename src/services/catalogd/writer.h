/*
 * writer: who is writing data objects of a dataset right now, and who is collecting them.
 *
 * A writer in progress is an object `_catalog/writers/<uuid>.json`, put before its first data
 * object and deleted after its commit; it expires unless renewed. A collection of a dataset is a
 * lease `_catalog/collecting/<dataset>.json`. Each is put before the other is looked for:
 *
 *     writer      puts its record, then looks for a lease, waits while there is one,
 *                 and gives up as BUSY
 *     collection  puts its lease, then looks for records, and touches nothing of a dataset
 *                 with a living one
 *
 * so at least one of two that meet sees the other, in whatever process they are, and a data object
 * that a writer puts or takes up again is not removed under it. Times are the wall clock's; both
 * sides leave catalog.clock_skew_max between the clocks of two machines, and a machine whose clock
 * is half of that off the store's is refused (UNAVAILABLE "catalog.clock_skew").
 *
 * Fails    NOT_FOUND "catalog.unknown_writer" for one that has ended or expired;
 *          BUSY "catalog.collecting".
 * Threads  all functions may be called from any thread.
 */
#ifndef LH_SERVICES_CATALOGD_WRITER_H
#define LH_SERVICES_CATALOGD_WRITER_H

#include "base/json.h"
#include "store/bucket.h"

#define CATALOG_WRITERS_PREFIX "_catalog/writers/"

struct catalog_writers;

struct catalog_writers *
catalog_writers_new(struct lh_bucket *bucket, int64_t ttl_ms, int64_t skew_ms);
void catalog_writers_free(struct catalog_writers *w);
int64_t catalog_writers_ttl_ms(const struct catalog_writers *w);

/* `id` is a UUID that the writer drew. Beginning twice is beginning once. */
lh_status catalog_writer_begin(struct catalog_writers *w, struct lh_call *call, lh_str id,
                               lh_str dataset, struct lh_error *err);
lh_status catalog_writer_renew(struct catalog_writers *w, struct lh_call *call, lh_str id,
                               struct lh_error *err);
lh_status catalog_writer_end(struct catalog_writers *w, struct lh_call *call, lh_str id,
                             struct lh_error *err); /* absent is OK */
/* That it writes this dataset and lives long enough for one commit; CONFLICT
 * "catalog.writer_expired". */
lh_status catalog_writer_check(struct catalog_writers *w, struct lh_call *call, lh_str id,
                               lh_str dataset, struct lh_error *err);

/* Whether anybody living writes this dataset. */
lh_status catalog_writers_live(struct catalog_writers *w, struct lh_call *call, lh_str dataset,
                               bool *is_written, struct lh_error *err);
/* Writers that have expired: they may be dead, or stand still and go on later. Of one dataset, or
 * with "" of all, in the call's arena. */
struct catalog_stale {
    const struct catalog_stale *next;
    const char *key, *etag, *dataset;
};
lh_status catalog_writers_stale(struct catalog_writers *w, struct lh_call *call, lh_str dataset,
                                const struct catalog_stale **out, struct lh_error *err);
/* Only as it was read; CONFLICT when it has been renewed since. */
lh_status catalog_stale_remove(struct catalog_writers *w, struct lh_call *call,
                               const struct catalog_stale *stale, struct lh_error *err);
/* Whether it cannot have expired yet by anybody's clock, as far as this process knows. */
bool catalog_writer_lives(struct catalog_writers *w, lh_str id);

/* ---- the other side ---- */

struct catalog_lease {
    char key[160];
    char etag[LH_ETAG_MAX];
    int64_t expires_us;
};

/* BUSY "catalog.collecting" when another collection has it. */
lh_status catalog_lease_take(struct catalog_writers *w, struct lh_call *call, lh_str dataset,
                             struct catalog_lease *out, struct lh_error *err);
/* Before each removal: renews in time, and fails with CONFLICT when the lease was lost. */
lh_status catalog_lease_hold(struct catalog_writers *w, struct lh_call *call,
                             struct catalog_lease *lease, struct lh_error *err);
void catalog_lease_drop(struct catalog_writers *w, struct lh_call *call,
                        const struct catalog_lease *lease);

#endif
