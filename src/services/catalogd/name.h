/*
 * name: which names a dataset may have, the id that follows from one, and names that look alike.
 */
#ifndef LH_SERVICES_CATALOGD_NAME_H
#define LH_SERVICES_CATALOGD_NAME_H

#include "base/id.h"
#include "base/json.h"

#define CATALOG_NAME_MAX 63

/* UUIDv5 of the name in this system's namespace: the same dataset has the same id on every machine,
 * for ever. */
lh_uuid catalog_name_id(lh_str name);
/* UUIDv5 of a version, "<version>" in the namespace of its dataset: the id of the journal event of
 * its commit. */
lh_uuid catalog_version_id(lh_str name, uint64_t version);

/* Edit distance of two names without regard to case, or `limit` + 1 when it is larger. */
size_t catalog_name_distance(lh_str a, lh_str b, size_t limit);
/* How far apart a name may be to be offered for `name`. */
size_t catalog_name_near_limit(lh_str name);

#endif
