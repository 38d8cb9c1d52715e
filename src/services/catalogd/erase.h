/*
 * erase: rows deleted by key.
 *
 * A deletion is a version like any other: first the object with the tombstones is put, then the
 * manifest that names it, by one conditional put. Whoever commits something else meanwhile loses
 * the race or makes the deletion lose it, so every commit comes before it or after it: an upsert
 * that read the rows before merges them again without them, an append that comes after it brings
 * new rows that it does not hide.
 *
 * It hides the rows in all versions that there are, so that neither `name@3` nor a rollback shows
 * them again (docs/decisions/tombstones.md). Objects that hold such rows are looked for at once:
 * who reads the others pays nothing.
 *
 * Fails    INVALID "catalog.tombstone" for a column that no version has, a value that is not of its
 *          type, too many values; TOO_BIG "catalog.too_many_tombstones" until a compaction has
 *          carried out what is there; NOT_FOUND "catalog.unknown_dataset".
 */
#ifndef LH_SERVICES_CATALOGD_ERASE_H
#define LH_SERVICES_CATALOGD_ERASE_H

#include "services/catalogd/catalog.h"

struct catalog_erase_request {
    lh_str key_column, actor, reason;
    const json_t *values; /* array of scalars; borrowed */
};

struct catalog_erase_outcome {
    uint64_t version;      /* that hides the rows; the head when there were none */
    uint64_t rows_removed; /* of the head */
    uint64_t rows;         /* that the head still has */
    uint64_t value_count;
    uint64_t object_count;      /* of all versions, with rows that this hides */
    uint64_t hidden_rows;       /* of these objects */
    const uint64_t *unreadable; /* versions that could not be looked at, in the call's arena */
    size_t unreadable_count;
    bool is_unchanged;
};

/* The body of the request; borrows from it. */
lh_status
catalog_erase_read(const json_t *body, struct catalog_erase_request *out, struct lh_error *err);
lh_status catalog_erase(struct catalog *c, struct lh_call *call, lh_str dataset,
                        const struct catalog_erase_request *request,
                        struct catalog_erase_outcome *out, struct lh_error *err);
void catalog_erase_print(lh_str dataset, const struct catalog_erase_request *request,
                         const struct catalog_erase_outcome *outcome, struct lh_buf *out);

/* The tombstones in force: {"dataset","tombstones":[…],"objects":…,"hidden_rows":…}; with their
 * values when asked. */
lh_status catalog_erase_list(struct catalog *c, struct lh_call *call, lh_str dataset,
                             bool with_values, struct lh_buf *out, struct lh_error *err);

/* Column statistics of what a version shows, read from its rows; in the arena. */
lh_status
catalog_erase_statistics(struct catalog *c, struct lh_call *call, const struct lh_snapshot *view,
                         const struct lh_catalog_column **out, struct lh_error *err);

#endif
