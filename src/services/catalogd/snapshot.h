/*
 * snapshot: one version of a dataset in memory, and its JSON between services.
 *
 * Filled by one thread through its arena, checked, then never changed: shared between threads by
 * reference count. What other services see of it is the `struct lh_snapshot` at its front.
 *
 * Owns     all its strings, in its arena.
 * Fails    INVALID "catalog.snapshot" when it breaks a rule; who decodes stored bytes makes CORRUPT
 *          of it.
 */
#ifndef LH_SERVICES_CATALOGD_SNAPSHOT_H
#define LH_SERVICES_CATALOGD_SNAPSHOT_H

#include <stdatomic.h>
#include "services/cache.h"
#include "services/catalogd/client.h"

struct catalog_snapshot {
    struct lh_snapshot shown; /* first: a pointer to one is a pointer to the other */
    const char *ingest_key;   /* the ingest that made this version, or "" */
    const char *actor, *trace_id;
    const char *commit_id;     /* UUID drawn by who asked for the commit */
    const char *parent_commit; /* that of the version before; "" when it was not known */
    const char *tombstones;    /* key of the object of deletions by key in force, or "" */
    const char *reason;        /* of mode tombstone: why, and on whose word */
    const char *requested_by;
    struct catalog_snapshot *base; /* what this one is a view of: its texts live there; or NULL */
    atomic_uint refs;
    struct lh_arena arena;
};

struct catalog_snapshot *catalog_snapshot_new(void);
/* The same version, to be shown in another way. */
struct catalog_snapshot *catalog_snapshot_over(struct catalog_snapshot *base);
/* As a cache calls them, on a struct catalog_snapshot. */
void catalog_snapshot_ref(void *snapshot);
void catalog_snapshot_unref(void *snapshot);
static inline void
catalog_snapshot_free(struct catalog_snapshot *s)
{
    catalog_snapshot_unref(s);
}
LH_AUTO_DEFINE(catalog_snapshot)

/* Whether `next`, whose number is the one after, was built on this very version. */
bool
catalog_snapshot_follows(const struct catalog_snapshot *next, const struct catalog_snapshot *s);

/* Caches of snapshots have keys "name@version" for what the manifest says, and
 * "name@version~erased" for how it is to be read under tombstones. */
extern const struct lh_cache_kind catalog_snapshot_kind;
#define CATALOG_SNAPSHOT_KEY 128
lh_str catalog_snapshot_key(lh_str dataset, uint64_t version, char key[CATALOG_SNAPSHOT_KEY]);
lh_str catalog_snapshot_erased_key(lh_str dataset, uint64_t version, uint64_t erased,
                                   char key[CATALOG_SNAPSHOT_KEY]);

/* Fills in what follows from the rest: dataset_id, fingerprint, rows (without hidden ones),
 * size_bytes, is_deleted. INVALID on overflow. */
lh_status catalog_snapshot_seal(struct catalog_snapshot *s, struct lh_error *err);
/* Every rule of docs/formats/manifest.md that one version can be held to alone. */
lh_status catalog_snapshot_check(const struct catalog_snapshot *s, struct lh_error *err);
bool catalog_mode_is_known(const char *mode);

void catalog_snapshot_print(const struct catalog_snapshot *s, struct lh_buf *out);
lh_status
catalog_snapshot_read(const json_t *value, struct catalog_snapshot **out, struct lh_error *err);

/* Parts of it, as arrays, for manifests and commits too. Reading copies into the arena. */
void catalog_columns_print(struct lh_json_writer *w, const struct lh_catalog_column *columns,
                           size_t count);
void
catalog_files_print(struct lh_json_writer *w, const struct lh_catalog_file *files, size_t count);
void catalog_texts_print(struct lh_json_writer *w, const char *const *texts, size_t count);
lh_status
catalog_columns_read(const json_t *array, struct lh_arena *arena,
                     const struct lh_catalog_column **out, size_t *count, struct lh_error *err);
lh_status
catalog_files_read(const json_t *array, struct lh_arena *arena, const struct lh_catalog_file **out,
                   size_t *count, struct lh_error *err);
lh_status catalog_texts_read(const json_t *array, struct lh_arena *arena, const char *const **out,
                             size_t *count, struct lh_error *err);

/* How to read `file_count` objects without what was deleted. */
void catalog_erasure_print(struct lh_json_writer *w, const struct lh_erasure *e, size_t file_count);
lh_status catalog_erasure_read(const json_t *value, struct lh_arena *arena, size_t file_count,
                               const struct lh_erasure **out, struct lh_error *err);

/* Members of a JSON object, copied into the arena; `absent` stands for one that is missing or null.
 */
lh_status catalog_text_read(const json_t *object, const char *field, struct lh_arena *arena,
                            const char *absent, const char **out, struct lh_error *err);
lh_status
catalog_u64_read(const json_t *object, const char *field, uint64_t *out, struct lh_error *err);

#endif
