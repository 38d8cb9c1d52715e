/*
 * upkeep: compaction and collection in the background.
 *
 * One thread goes over all datasets every catalog.compact_interval and every catalog.gc_interval; 0
 * switches either off. Collection keeps what catalog.gc_keep_versions says and takes nothing that
 * is younger than catalog.retention, which must be longer than the longest statement: so what
 * another process of this bucket reads is not taken under its hands.
 *
 * A dataset that fails is named in the log and the error journal, and the others go on.
 */
#ifndef LH_SERVICES_CATALOGD_UPKEEP_H
#define LH_SERVICES_CATALOGD_UPKEEP_H

#include "services/catalogd/catalog.h"

struct catalog_upkeep;

lh_status
catalog_upkeep_start(struct catalog *c, struct catalog_upkeep **out, struct lh_error *err);
void catalog_upkeep_stop(struct catalog_upkeep *u);

#endif
