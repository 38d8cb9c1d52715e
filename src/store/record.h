/*
 * record: a bucket as it is written down in primary, `_storage/buckets/<name>.json`.
 *
 * Fails    CORRUPT "store.bucket_record" for what this system would not have written.
 * Format   docs/formats/layout.md
 */
#ifndef LH_STORE_RECORD_H
#define LH_STORE_RECORD_H

#include "base/json.h"
#include "store/store.h"

#define STORE_RECORD_PREFIX "_storage/buckets/"
#define STORE_RECORD_SUFFIX ".json"
#define STORE_RECORD_BYTES_MAX ((size_t)64 << 10)

/* Owned strings. */
struct store_spec {
    char *name, *backend, *root, *role;
    char *endpoint, *region, *bucket, *credentials;
    bool is_path_style;
};
void store_spec_init(struct store_spec *s, const struct lh_bucket_spec *from);
void store_spec_fini(struct store_spec *s);
struct lh_bucket_spec store_spec_view(const struct store_spec *s);
bool store_spec_is_s3(const struct lh_bucket_spec *s);
bool store_spec_is_rescue(const struct lh_bucket_spec *s);
/* The form of role, endpoint, region, bucket and credentials; as lh_store_bucket_add fails. */
lh_status store_spec_check(const struct lh_bucket_spec *s, struct lh_error *err);
/* The same objects behind two names. */
bool store_spec_is_same_place(const struct lh_bucket_spec *a, const struct lh_bucket_spec *b);
bool store_spec_eq(const struct lh_bucket_spec *a, const struct lh_bucket_spec *b);

char *store_record_key(const char *name, char key[LH_KEY_MAX + 1]);
void store_record_encode(const struct lh_bucket_spec *spec, struct lh_buf *out);
/* `name` is what the key says; the content must agree. */
lh_status
store_record_decode(lh_str name, lh_str json, struct store_spec *out, struct lh_error *err);

#endif
