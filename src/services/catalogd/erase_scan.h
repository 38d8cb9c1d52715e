/*
 * erase_scan: the data objects of all versions of a dataset, each with the version that brought it,
 * and how many rows of each a deletion would hide.
 */
#ifndef LH_SERVICES_CATALOGD_ERASE_SCAN_H
#define LH_SERVICES_CATALOGD_ERASE_SCAN_H

#include "services/catalogd/tombstones.h"

struct erase_object {
    const struct lh_catalog_file *file;
    size_t since;  /* place of the oldest version that names it */
    uint64_t rows; /* that the deletion hides, beyond what is hidden already */
    bool is_counted;
};

struct erase_scan {
    struct catalog_snapshot **versions; /* that can be read, ascending */
    size_t version_count;
    uint64_t *unreadable;
    size_t unreadable_count;
    struct erase_object *objects; /* ascending by key, then bucket; each once */
    size_t object_count;
};

/* All in the call's arena; erase_scan_fini gives the versions back. */
lh_status erase_scan_load(struct catalog *c, struct lh_call *call, lh_str dataset,
                          struct erase_scan *out, struct lh_error *err);
void erase_scan_fini(struct erase_scan *s);

/* Pure: the order of objects, and who brought each. */
void erase_scan_gather(struct erase_scan *s, struct lh_arena *arena);
/* The type of a column in the newest version that has it; NULL: none has. */
const char *erase_scan_type(const struct erase_scan *s, const char *column);

/* Counts of an earlier try, whose versions are no longer held. */
struct erase_count {
    const char *bucket, *key;
    uint64_t rows;
};
/* In the arena, in the order of the objects; and taken up again for objects that are still there.
 */
struct erase_count *erase_scan_counts(const struct erase_scan *s, struct lh_arena *arena);
void erase_scan_recall(struct erase_scan *s, const struct erase_count *counts, size_t count);

/* Fills in `rows` of every object that is not counted yet. One that is gone holds nothing. */
lh_status erase_scan_count(struct catalog *c, struct lh_call *call, struct erase_scan *s,
                           const struct catalog_tombstones *before,
                           const struct catalog_tombstone *item, struct lh_error *err);

#endif
