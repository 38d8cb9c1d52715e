/*
 * key: the rules for object keys, and who may write where.
 *
 * A key is 1 to 1,024 bytes of UTF-8 without NUL, CR, LF or tab, without a leading '/', and without
 * an empty, "." or ".." component (../../docs/formats/layout.md). Prefixes that begin with '_'
 * belong to a service; nobody else writes there.
 */
#ifndef LH_STORE_KEY_H
#define LH_STORE_KEY_H

#include "base/status.h"
#include "base/str.h"

#define LH_KEY_MAX 1024
#define LH_BUCKET_NAME_MAX 63

lh_status lh_key_check(lh_str key, struct lh_error *err); /* INVALID "store.key" */
/* The service that owns the key's first component ("_catalog" catalogd, …), "" when it is
 * anybody's; an unknown '_' prefix belongs to "storaged". */
const char *lh_key_owner(lh_str key);
/* [a-z0-9][a-z0-9.-]{1,61}[a-z0-9], as S3 names buckets. INVALID "store.bucket_name". */
lh_status lh_bucket_name_check(lh_str name, struct lh_error *err);

#endif
