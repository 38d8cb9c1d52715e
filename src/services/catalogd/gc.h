/*
 * gc: collection of what no version names: old versions, and data objects left behind.
 *
 * Each dataset is collected by itself, under a lease that keeps its writers out (writer.h). An
 * object goes only if it stands under `_data/<dataset>/` in primary or a bucket that a version of
 * the dataset names (or is a tombstones object of it), no version of the dataset names it, it is
 * older than asked, and nobody is writing the dataset. A version goes only if it is older than
 * asked since another took its place, and no statement reads it: from the moment of asking nobody
 * can begin to, who has begun is spared. What stands in doubt stays there: a dataset with a
 * manifest that cannot be read, or with a version that appeared meanwhile, is refused as a whole.
 *
 * Order    manifests of expired versions first, oldest first, then objects: a crash in between
 *          leaves orphans for the next run, never a version without its objects.
 */
#ifndef LH_SERVICES_CATALOGD_GC_H
#define LH_SERVICES_CATALOGD_GC_H

#include "services/catalogd/catalog.h"

#define CATALOG_GC_OLDER_THAN_S 3600

struct catalog_gc_options {
    bool is_dry;
    uint64_t keep_versions; /* of each dataset; 0: all, but for versions with deleted rows. The head
                               always stays */
    int64_t older_than_us;  /* neither versions nor objects younger than this */
};

/* Appends the answer; `out` may be NULL. One dataset that is refused does not stop the others. */
lh_status
catalog_gc(struct catalog *c, struct lh_call *call, const struct catalog_gc_options *options,
           struct lh_buf *out, struct lh_error *err);

#endif
