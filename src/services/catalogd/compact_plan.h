/*
 * compact_plan: which objects of a version are to become one, and what a version looks like when
 * they have. Values in, values out.
 *
 * Only neighbours are put together, so the order of rows stays what it is. An object is small below
 * half of the target; an object with hidden rows is rewritten whatever its size.
 */
#ifndef LH_SERVICES_CATALOGD_COMPACT_PLAN_H
#define LH_SERVICES_CATALOGD_COMPACT_PLAN_H

#include "services/catalogd/client.h"

struct compact_wish {
    uint64_t target_bytes;
    size_t objects_min; /* that a version must be rid of, unless rows are hidden: fewer are not
                           worth a version */
};

struct compact_range {
    size_t begin, end; /* places of files, end excluded */
};

/* Ranges of `v`, in order; `out` has room for one of each file. 0: there is nothing to do. */
size_t compact_ranges(const struct lh_snapshot *v, const struct compact_wish *wish,
                      struct compact_range *out);

/* Objects that have been rewritten. */
struct compact_piece {
    const struct lh_catalog_file *old;
    size_t old_count;
    struct lh_catalog_file made; /* `key` NULL: no row was left */
};

/* The files of a version with each piece in the place of what it was made of; `out` has room for
 * all. False when one of them no longer stands there as it did. */
bool compact_splice(const struct lh_catalog_file *files, size_t count,
                    const struct compact_piece *pieces, size_t piece_count,
                    struct lh_catalog_file *out, size_t *out_count);

#endif
