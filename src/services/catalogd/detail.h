/*
 * detail: everything that is known about the head of one dataset, as one JSON object.
 *
 * How many distinct values a column has is not in the manifest: it is estimated from the data when
 * somebody first asks for a version, and kept in memory. When it cannot be had the members are
 * null, and the rest is answered.
 */
#ifndef LH_SERVICES_CATALOGD_DETAIL_H
#define LH_SERVICES_CATALOGD_DETAIL_H

#include "services/catalogd/catalog.h"

struct catalog_distincts *catalog_distincts_new(void);
void catalog_distincts_free(struct catalog_distincts *d);

enum catalog_distinct_wish { CATALOG_DISTINCT_IF_CHEAP, CATALOG_DISTINCT_YES, CATALOG_DISTINCT_NO };

/* `etag` gets the ETag of the answer without quotes: "<version>.<ETag of the metadata>". */
#define CATALOG_DETAIL_ETAG (LH_ETAG_MAX + 24)
lh_status catalog_detail_print(struct catalog *c, struct lh_call *call, lh_str dataset,
                               enum catalog_distinct_wish wish, struct lh_buf *out,
                               char etag[CATALOG_DETAIL_ETAG], struct lh_error *err);

/* The part of such an ETag that stands for the metadata: what an If-Match of a PATCH is compared
 * with. */
lh_str catalog_detail_meta_etag(lh_str if_match);

#endif
