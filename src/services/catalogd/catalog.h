/*
 * catalog: the datasets and versions of this installation, as the bucket has them.
 *
 * The bucket is the truth: `_catalog/datasets/<name>/<version>.parquet`, one object a version,
 * never changed. The index holds the names of what was seen there, a bounded cache the versions
 * that were read. Another process may commit too: one thread looks for its versions every
 * catalog.refresh_interval, and a question about a version that is not known looks at once.
 *
 * Start    the keys are listed, nothing is decoded. When the bucket does not answer, the catalog
 *          starts all the same and is not ready until it does.
 * Fails    NOT_FOUND "catalog.unknown_dataset" | "catalog.unknown_version";
 *          CORRUPT "catalog.manifest" for one version, which is reported to the error journal once
 *          and hides nothing else; UNAVAILABLE "catalog.not_ready".
 * Threads  all functions may be called from any thread.
 */
#ifndef LH_SERVICES_CATALOGD_CATALOG_H
#define LH_SERVICES_CATALOGD_CATALOG_H

#include "services/catalogd/index.h"
#include "services/catalogd/manifest.h"
#include "services/service.h"

struct catalog_writers;
struct catalog_metas;
struct catalog_distincts;

struct catalog {
    const struct lh_env *env;
    struct lh_bucket *bucket;
    struct catalog_index *index;
    struct lh_cache *snapshots, *tombstones;
    struct catalog_writers *writers;
    struct catalog_metas *metas;
    struct catalog_distincts *distincts;
    atomic_bool is_loaded; /* the bucket was listed whole at least once */
    struct catalog_keeper *keeper;
    atomic_bool is_verifying; /* one at a time */
    struct catalog_upkeep *upkeep;
};

extern const struct lh_config_key catalog_config[];
extern const struct lh_route catalog_routes[];

lh_status catalog_open(const struct lh_env *env, struct catalog **out, struct lh_error *err);
void catalog_drain(struct catalog *c); /* no more background work */
void catalog_free(struct catalog *c);

lh_status catalog_ready_check(struct catalog *c, struct lh_error *err);

/* One version of a dataset as it is to be read, without what was deleted by key; 0 is the head,
 * which a hidden dataset does not have. */
lh_status catalog_load(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                       struct catalog_snapshot **out, struct lh_error *err);
/* What the manifest of a version says, of one that is known to be listed, hidden or not. */
lh_status
catalog_version_load(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                     struct catalog_snapshot **out, struct lh_error *err);
/* Whether its manifest is still in the bucket; one that is gone is forgotten. */
lh_status catalog_version_prove(struct catalog *c, struct lh_call *call, lh_str dataset,
                                uint64_t version, struct lh_error *err);
/* How a version is to be read, as a new reference. */
lh_status catalog_version_erase(struct catalog *c, struct lh_call *call, struct catalog_snapshot *s,
                                struct catalog_snapshot **out, struct lh_error *err);
/* NOT_FOUND for a version that the next one was not built on: its number had been collected and was
 * taken again by a process that had slept (commit.h). */
lh_status catalog_version_true(struct catalog *c, struct lh_call *call,
                               const struct catalog_snapshot *s, struct lh_error *err);
/* The number of the head, also of a hidden dataset (0: none), and whether it is hidden; `is_hidden`
 * is false when the head is broken. */
lh_status catalog_head(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t *version,
                       bool *is_hidden, struct lh_error *err);

/* Reads the head of an entry when that has not been done; one that cannot be read becomes
 * CATALOG_BROKEN. */
lh_status catalog_entry_read(struct catalog *c, struct lh_call *call, struct catalog_entry *entry,
                             struct lh_error *err);
bool catalog_entry_is_shown(const struct catalog_entry *entry); /* read, and not hidden */

/* Remembers a version that this process has put. */
void catalog_keep(struct catalog *c, struct catalog_snapshot *s);

/* Before a read of the head: whether what is remembered of it is still so in the bucket, unless
 * that was looked at less than catalog.head_age_max ago. Two HEADs: the next version is absent, and
 * ours is there, or we have slept through both coming and going. A bucket that does not answer is a
 * failure: what another process committed must not be hidden by guessing. */
lh_status
catalog_head_check(struct catalog *c, struct lh_call *call, lh_str dataset, struct lh_error *err);
/* Looks for versions of one dataset that are newer than its head. */
lh_status catalog_dataset_refresh(struct catalog *c, struct lh_call *call, lh_str dataset,
                                  struct lh_error *err);
/* Looks at everything. Whole: lists every key, and so also finds what is gone; else one key a
 * dataset. */
lh_status
catalog_refresh(struct catalog *c, struct lh_call *call, bool is_whole, struct lh_error *err);
/* The manifests of one dataset as the bucket has them now: version numbers, ascending, in the
 * arena. */
lh_status catalog_versions_list(struct catalog *c, struct lh_call *call, lh_str dataset,
                                uint64_t **out, size_t *count, struct lh_error *err);

#endif
