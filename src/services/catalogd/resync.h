/*
 * resync: what the manifest says of its objects, held against the objects themselves.
 *
 * Sizes and presence come from the bucket, rows and column statistics from the Parquet footers; no
 * page is read. What differs in counts or statistics is put right by a version of mode "resync".
 * What no version can put right, an object that is missing or cannot be read, is only reported.
 */
#ifndef LH_SERVICES_CATALOGD_RESYNC_H
#define LH_SERVICES_CATALOGD_RESYNC_H

#include "services/catalogd/catalog.h"

/* Appends {"dataset","version","differences":[…],"committed":…}. */
lh_status catalog_resync(struct catalog *c, struct lh_call *call, lh_str dataset,
                         struct lh_buf *out, struct lh_error *err);

#endif
