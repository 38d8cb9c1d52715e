/*
 * shelf: the rows of one append log, newest first, from the bucket.
 *
 * The log itself (store/append_log.h) only writes; the shelf reads what any process wrote. It knows
 * the batch keys of the last two days and asks the bucket only for what came after them, at most
 * once a refresh interval unless this process has written since; older days are listed when a walk
 * gets there. Decoded batches never change, so they stay in a bounded cache.
 *
 * Archives of days long over (archive.h) are read with the batches of their day; a row has the same
 * place in both.
 *
 * Order    batch keys carry their time (UUIDv7), so byte order of keys, then line order, is the
 *          order of the log.
 * Broken   a batch or line that cannot be read is passed to `broken` once and skipped; everything
 *          else is still served. A bucket that does not answer is a failure of the walk.
 * Repeats  a row whose id a newer row has is left out: an event that was sent twice is one event.
 * Threads  all functions may be called from any thread.
 * Format   docs/formats/append-log.md
 */
#ifndef LH_SERVICES_JOURNALD_SHELF_H
#define LH_SERVICES_JOURNALD_SHELF_H

#include "services/journald/archive.h"
#include "services/journald/row.h"
#include "store/bucket.h"

struct journal_shelf;

struct journal_shelf_options {
    const struct lh_env *env;
    struct lh_bucket *bucket;
    const char *prefix;
    struct journal_row_shape shape;
    size_t cache_bytes;
    int64_t refresh_ms;
    void (*broken)(void *self, const char *key, const struct lh_error *why);
    void *self; /* of broken */
};

struct journal_shelf *journal_shelf_new(const struct journal_shelf_options *options);
void journal_shelf_free(struct journal_shelf *s);

/* This process has written up to its n-th batch: the next walk looks for it. */
void journal_shelf_written(struct journal_shelf *s, uint64_t batches);

/* Where a row stands: its batch key without the prefix, and its line. "" is before the newest row.
 */
#define JOURNAL_PLACE_KEY 56
struct journal_place {
    char key[JOURNAL_PLACE_KEY];
    uint32_t line;
};

struct journal_visitor {
    /* `is_past` is false for rows at or before `after`, which are visited only because their ids
     * count. */
    lh_status (*visit)(void *self, const struct journal_row *row, const struct journal_place *place,
                       bool is_past, bool *stop, struct lh_error *err);
    void *self;
    struct journal_place after;
    int64_t since_us; /* batches older than this are not opened; 0: all */
};

lh_status journal_shelf_walk(struct journal_shelf *s, struct lh_call *call,
                             const struct journal_visitor *visitor, struct lh_error *err);

#endif
