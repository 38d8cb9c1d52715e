/*
 * keeper: the one background thread of the catalog.
 *
 * Looks for versions of other processes, keeps the journal complete (event.h), and reads the
 * manifests of all heads after the start, so that the first list need not. A pass that fails is
 * logged and tried again at the next one.
 */
#ifndef LH_SERVICES_CATALOGD_KEEPER_H
#define LH_SERVICES_CATALOGD_KEEPER_H

#include "services/catalogd/catalog.h"

struct catalog_keeper;

lh_status
catalog_keeper_start(struct catalog *c, struct catalog_keeper **out, struct lh_error *err);
void catalog_keeper_stop(struct catalog_keeper *k); /* cancels what it does, and frees it */

#endif
