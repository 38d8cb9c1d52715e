/*
 * index: which datasets and versions there are, in memory, as far as this process has seen them in
 * the bucket.
 *
 * A version is known from the listing of keys alone; what is in it (its digest) comes when its
 * manifest is first read. Touches memory only and never waits for anything but its lock.
 *
 * Owns     names, versions and digests. What it hands out is copied into the caller's arena.
 * Threads  all functions may be called from any thread.
 */
#ifndef LH_SERVICES_CATALOGD_INDEX_H
#define LH_SERVICES_CATALOGD_INDEX_H

#include "services/catalogd/snapshot.h"

enum catalog_version_state { CATALOG_UNREAD, CATALOG_READ, CATALOG_BROKEN };

/* What lists show of a version. */
struct catalog_digest {
    uint64_t parent, rows, rows_rejected, size_bytes, column_count, file_count;
    uint64_t erased; /* the version that put the tombstones in force; 0: there are none */
    int64_t created_us;
    const char *mode, *source, *content_sha256, *fingerprint, *actor;
};

/* Borrows from the snapshot. */
struct catalog_digest catalog_digest_of(const struct catalog_snapshot *s);

struct catalog_version {
    uint64_t number;
    enum catalog_version_state state;
    struct catalog_digest digest; /* zero unless READ */
};

/* A dataset and its newest version. */
struct catalog_entry {
    const char *name;
    struct catalog_version head;
    uint64_t evented; /* every version up to this one is known to have its event in the journal; 0:
                         none is */
};

struct catalog_index;

struct catalog_index *catalog_index_new(void);
void catalog_index_free(struct catalog_index *x);

/* A version that exists; true when it was not known. */
bool catalog_index_add(struct catalog_index *x, lh_str dataset, uint64_t version);
/* A version that is gone; the dataset goes with its last one. */
void catalog_index_remove(struct catalog_index *x, lh_str dataset, uint64_t version);
/* From now on versions below `floor` are as good as gone: collection is about to remove them, or
 * has, and a listing that began before does not bring them back. 0 takes that back. */
void catalog_index_floor_set(struct catalog_index *x, lh_str dataset, uint64_t floor);
/* Drops every version below the newest of `seen` that is not in `seen` (ascending): it was
 * collected elsewhere. */
void
catalog_index_prune(struct catalog_index *x, lh_str dataset, const uint64_t *seen, size_t count);

/* Its manifest has been read, or cannot be: `false` when that was known before. */
bool catalog_index_read(struct catalog_index *x, const struct catalog_snapshot *s);
bool catalog_index_broken(struct catalog_index *x, lh_str dataset, uint64_t version);
void catalog_index_evented(struct catalog_index *x, lh_str dataset, uint64_t version);

/* Without names and texts; what a query costs. */
struct catalog_head {
    uint64_t version, oldest; /* 0: there is no such dataset */
    enum catalog_version_state state;
    uint64_t erased; /* 0 unless READ */
    bool is_deleted; /* false unless READ */
    int64_t seen_ms; /* when the bucket was last looked at for it (lh_time_mono_ms); 0: never */
};
void catalog_index_seen(struct catalog_index *x, lh_str dataset, int64_t seen_ms);
struct catalog_head catalog_index_head(struct catalog_index *x, lh_str dataset);
bool catalog_index_has(struct catalog_index *x, lh_str dataset, uint64_t version);
/* With digest, in the arena. */
bool catalog_index_entry(struct catalog_index *x, lh_str dataset, struct lh_arena *arena,
                         struct catalog_entry *out);
/* All datasets after `after` in byte order of their names ("" from the start), also hidden ones. */
size_t catalog_index_entries(struct catalog_index *x, lh_str after, struct lh_arena *arena,
                             struct catalog_entry **out);
/* Newest first. */
size_t catalog_index_versions(struct catalog_index *x, lh_str dataset, struct lh_arena *arena,
                              struct catalog_version **out);

struct catalog_index_stats {
    uint64_t datasets, versions, broken; /* datasets without the hidden ones */
};
struct catalog_index_stats catalog_index_stats_get(struct catalog_index *x);

/* NOT_FOUND "catalog.unknown_dataset" with the names that look like it, hidden ones left out. */
lh_status catalog_index_unknown(struct catalog_index *x, lh_str dataset, struct lh_error *err);

#endif
