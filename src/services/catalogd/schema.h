/*
 * schema: whether two lists of columns are the same schema, and in what they differ.
 *
 * The order of columns is part of a schema; a column that only moved is a difference of the
 * fingerprint without an added, removed or retyped column, and is told as such.
 */
#ifndef LH_SERVICES_CATALOGD_SCHEMA_H
#define LH_SERVICES_CATALOGD_SCHEMA_H

#include "services/catalogd/client.h"

/* CONFLICT "catalog.schema_drift" with added, removed and retyped in extra, always: the caller has
 * found the fingerprints different. */
lh_status
catalog_schema_drift(lh_str dataset, const struct lh_catalog_column *old, size_t old_count,
                     const struct lh_catalog_column *now, size_t now_count, struct lh_error *err);

#endif
