/*
 * listing: pages of datasets and of versions.
 *
 * A dataset whose head cannot be read is named under "broken" with its object; it never hides the
 * others. Pages go by name, and by version number from the newest down, so they stay right while
 * datasets come and go.
 */
#ifndef LH_SERVICES_CATALOGD_LISTING_H
#define LH_SERVICES_CATALOGD_LISTING_H

#include "services/catalogd/catalog.h"

struct catalog_page {
    size_t limit;
    lh_str cursor; /* "" is the first page */
    lh_str tag;    /* only datasets with this tag; "" is any */
};

lh_status
catalog_datasets_print(struct catalog *c, struct lh_call *call, const struct catalog_page *page,
                       struct lh_buf *out, struct lh_error *err);
/* Also of a hidden dataset: this is where one finds what to roll back to. */
lh_status
catalog_versions_print(struct catalog *c, struct lh_call *call, lh_str dataset,
                       const struct catalog_page *page, struct lh_buf *out, struct lh_error *err);

#endif
