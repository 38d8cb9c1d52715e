/*
 * compact: the same rows in fewer objects, without those that were deleted.
 *
 * Neighbouring small objects, and objects with hidden rows, are written anew. Order: the new object
 * is put, read back from the bucket and compared (rows, the values of each column, hashes of all
 * rows, whatever their order), then a version of mode "compact" is committed that lists it in place
 * of the old ones. Rows, schema and statistics are those of the version before. The old objects go
 * by collection, when no version names them.
 *
 * Races    an ingest that commits first wins: when the rewritten objects still stand in its version
 *          they are put into that one, else they are dropped and it is begun again. No append is
 *          lost, since a commit only ever replaces what it has read.
 * Memory   the work engine's limit; one object is written at a time.
 * Fails    CONFLICT "catalog.version_taken" after many tries; CORRUPT "catalog.compact" when what
 *          was read back is not what was to be written; as engine and store do.
 */
#ifndef LH_SERVICES_CATALOGD_COMPACT_H
#define LH_SERVICES_CATALOGD_COMPACT_H

#include "services/catalogd/catalog.h"

struct catalog_compact_report {
    uint64_t version;                                                  /* made, or the head */
    uint64_t objects_before, objects_after, bytes_before, bytes_after; /* of what was rewritten */
    uint64_t rows, rows_removed;
    bool is_unchanged, has_dropped_tombstones;
};

/* `objects_min` 1 also does what the background leaves for later. */
lh_status
catalog_compact(struct catalog *c, struct lh_call *call, lh_str dataset, size_t objects_min,
                struct catalog_compact_report *out, struct lh_error *err);
void
catalog_compact_print(lh_str dataset, const struct catalog_compact_report *r, struct lh_buf *out);

#endif
