/* erase_plan: what a deletion changes, decided from what was found. Touches memory only. */
#ifndef LH_SERVICES_CATALOGD_ERASE_PLAN_H
#define LH_SERVICES_CATALOGD_ERASE_PLAN_H

#include "services/catalogd/erase.h"
#include "services/catalogd/erase_scan.h"

/* Counts, from a scan whose objects have been counted. */
struct catalog_erase_outcome
erase_plan_outcome(const struct erase_scan *s, const struct catalog_tombstone *item);
/* The tombstones from now on: those that still matter, and this one. An object that no version
 * names any more is left out, and so is a tombstone that hides nothing of those that are left.
 * `before` may be NULL. */
struct catalog_tombstones *
erase_plan_next(const struct erase_scan *s, const struct catalog_tombstones *before,
                const struct catalog_tombstone *item, uint64_t rows);
/* Whether some version still names an object with hidden rows. */
bool erase_plan_is_pending(const struct erase_scan *s, const struct catalog_tombstones *t);

#endif
