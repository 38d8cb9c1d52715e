/*
 * verify: every manifest, and every object that one names, read again from the buckets; nothing is
 * believed that this process remembers. Differences go to the report.
 *
 * A version's manifest must decode, and follow the one before; its objects must be there with the
 * size, SHA-256, rows and columns that it says, by their Parquet footers; deep, their bytes are
 * hashed. Metadata, writers and leases must be what catalogd writes. An object that several
 * versions name is looked at once.
 */
#ifndef LH_SERVICES_CATALOGD_VERIFY_H
#define LH_SERVICES_CATALOGD_VERIFY_H

#include "services/catalogd/catalog.h"
#include "services/report.h"

lh_status catalog_verify(struct catalog *c, struct lh_call *call, bool is_deep,
                         struct lh_report *report, struct lh_error *err);

#endif
