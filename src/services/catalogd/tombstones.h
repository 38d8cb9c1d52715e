/*
 * tombstones: the deletions by key that are in force for a dataset.
 *
 * One object holds all of them: the values, by tombstone and key column, and which data objects
 * have rows that they hide. It is put before the version that names it and never changed; the next
 * deletion puts another with what still matters of it. What a version shows is its rows without
 * those that the head's tombstones hide, so that no older version shows what has been deleted.
 *
 * Owns     shared and counted, like a snapshot; all texts live in its arena.
 * Fails    CORRUPT "catalog.tombstones" when the object is not one.
 * Format   docs/formats/tombstones.md
 */
#ifndef LH_SERVICES_CATALOGD_TOMBSTONES_H
#define LH_SERVICES_CATALOGD_TOMBSTONES_H

#include "engine/table.h"
#include "services/catalogd/snapshot.h"

#define CATALOG_TOMBSTONES_PREFIX "_catalog/tombstones/"
#define CATALOG_TOMBSTONES_KEY 192

struct catalog;

/* One request. Its number is the version that it made. */
struct catalog_tombstone {
    uint64_t number;
    const char *key_column, *type; /* of the column then */
    int64_t created_us;
    const char *actor, *reason, *principal, *trace_id;
    const char *const *values; /* as DuckDB writes them */
    size_t value_count;
    uint64_t rows; /* of the head that it hid */
};

/* A data object with hidden rows: those of tombstones from number `first` on. */
struct catalog_hidden {
    const char *bucket, *key;
    uint64_t first, rows;
};

struct catalog_tombstones {
    atomic_uint refs;
    const char *key;                       /* of its object */
    const struct catalog_tombstone *items; /* ascending by number */
    size_t count;
    const struct catalog_hidden *objects; /* ascending by key, then bucket */
    size_t object_count;
    struct lh_arena arena;
};

struct catalog_tombstones *catalog_tombstones_new(void);
void catalog_tombstones_ref(void *tombstones);
void catalog_tombstones_unref(void *tombstones);
static inline void
catalog_tombstones_free(struct catalog_tombstones *t)
{
    catalog_tombstones_unref(t);
}
LH_AUTO_DEFINE(catalog_tombstones)
extern const struct lh_cache_kind catalog_tombstones_kind;

/* ---- pure ---- */

/* `_catalog/tombstones/<dataset>/<version as 10 digits>-<uuid>.parquet` */
lh_str catalog_tombstones_key(lh_str dataset, uint64_t version, lh_uuid id,
                              char key[CATALOG_TOMBSTONES_KEY]);
const struct catalog_hidden *
catalog_tombstones_find(const struct catalog_tombstones *t, const struct lh_catalog_file *file);
/* Rows of these files that are hidden. */
uint64_t catalog_tombstones_hide(const struct catalog_tombstones *t,
                                 const struct lh_catalog_file *files, size_t count);
/* The order of `objects`. */
int catalog_object_order(const char *key, const char *bucket, const char *other_key,
                         const char *other_bucket);
/* How `base` is to be read: the same with `erasure`, `hidden_rows` and `rows` filled in. Keeps a
 * reference to it. `bucket` is where the object of the tombstones is. */
struct catalog_snapshot *
catalog_snapshot_erase(struct catalog_snapshot *base, const struct catalog_tombstones *t,
                       uint64_t erased, const char *bucket);

lh_status catalog_tombstones_to_table(const struct catalog_tombstones *t, lh_str dataset,
                                      struct lh_table **out, struct lh_error *err);
lh_status catalog_tombstones_from_table(const struct lh_table *table, lh_str key,
                                        struct catalog_tombstones **out, struct lh_error *err);

/* ---- in the bucket ---- */

/* "workers@tombstones" in a statement: the tombstones in force for `workers`, as if they were a
 * dataset. */
#define CATALOG_TOMBSTONES_TABLE "@tombstones"
lh_status catalog_tombstones_show(struct catalog *c, struct lh_call *call, lh_str name,
                                  struct catalog_snapshot **out, struct lh_error *err);

/* From the object itself, whatever has been remembered of it. */
lh_status catalog_tombstones_read(struct catalog *c, struct lh_call *call, lh_str key,
                                  struct catalog_tombstones **out, struct lh_error *err);
lh_status catalog_tombstones_load(struct catalog *c, struct lh_call *call, lh_str key,
                                  struct catalog_tombstones **out, struct lh_error *err);
/* Those in force for a dataset; NULL when there are none. `*erased` is the version that put them.
 * When the head cannot be read, and an older version cannot speak for it, CORRUPT: rather nothing
 * than what somebody had deleted. */
lh_status
catalog_tombstones_of(struct catalog *c, struct lh_call *call, lh_str dataset,
                      struct catalog_tombstones **out, uint64_t *erased, struct lh_error *err);

#endif
