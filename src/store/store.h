/*
 * store: the buckets of this installation, by name.
 *
 * `primary` always exists: a local folder <data>/primary unless the configuration says otherwise.
 * More buckets come from `[[bucket]]` tables or, at run time, from lh_store_bucket_add, which
 * records them as `_storage/buckets/<name>.json` in primary so that every process finds them.
 * Buckets are never unloaded while the store lives; a removed one answers NOT_FOUND, in other
 * processes a second later at the latest.
 *
 * Layout   docs/formats/layout.md
 */
#ifndef LH_STORE_STORE_H
#define LH_STORE_STORE_H

#include "base/config.h"
#include "base/json.h"
#include "base/secret.h"
#include "store/bucket.h"

extern const struct lh_config_key lh_store_config[]; /* "store.…", "bucket" tables */
extern const struct lh_config_key lh_s3_config[];    /* "s3.…": needed where a bucket is in S3 */

struct lh_store;

/* `data_dir` is created when absent. Keys of S3 buckets come from `secrets`, which outlives the
 * store; NULL: there are none. */
lh_status lh_store_open(const struct lh_config *config, const char *data_dir,
                        struct lh_secrets *secrets, struct lh_store **out, struct lh_error *err);
void lh_store_free(struct lh_store *s);
LH_AUTO_DEFINE(lh_store)

/* NOT_FOUND "store.no_bucket". Borrowed for the life of the store. */
lh_status lh_store_bucket(struct lh_store *s, struct lh_call *call, lh_str name,
                          struct lh_bucket **out, struct lh_error *err);
struct lh_bucket *lh_store_primary(struct lh_store *s);

/* NULL stands for "" everywhere. */
struct lh_bucket_spec {
    const char *name;
    const char *backend; /* "local" or "s3"; another is UNSUPPORTED "store.backend" */
    const char *root;    /* of local: an absolute folder, created when absent; "": our choice */
    const char *role;    /* "", or "rescue": holds copies of the others, for reads only */
    /* of s3 */
    const char *endpoint;    /* http(s)://host[:port]; "": that of AWS for the region */
    const char *region;      /* "": us-east-1 */
    const char *bucket;      /* as the store there names it; "": like `name` */
    const char *credentials; /* an entry of base/secret.h; never the values */
    bool is_path_style;      /* https://host/bucket/key, not https://bucket.host/key */
};
/* The members of its JSON object, as recorded and as shown: a description has no secrets. */
void lh_bucket_spec_print(const struct lh_bucket_spec *spec, struct lh_json_writer *w);
/* EXISTS "store.bucket_exists"; INVALID "store.bucket_name" | "store.bucket_root" (not absolute, or
 * overlapping with another bucket's) | "store.bucket_role" | "store.bucket_endpoint" (not of the
 * form, not allowed, or the bucket of another) | "store.bucket_region" |
 * "store.bucket_credentials"; for s3 also what a first look at it says. */
lh_status lh_store_bucket_add(struct lh_store *s, struct lh_call *call,
                              const struct lh_bucket_spec *spec, struct lh_error *err);
/* The objects stay where they are. DENIED "store.bucket_protected" for primary and configured ones,
 * and for a rescue bucket. */
lh_status
lh_store_bucket_remove(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_error *err);
/* Whether lh_store_bucket_remove would do it, and how it would fail. */
lh_status lh_store_bucket_removable(struct lh_store *s, struct lh_call *call, lh_str name,
                                    struct lh_error *err);
/* Calls `visit` for every bucket, primary first; `b` is NULL for one that cannot be opened now. */
lh_status
lh_store_buckets(struct lh_store *s, struct lh_call *call,
                 void (*visit)(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec),
                 void *self, struct lh_error *err);

/* ---- what a bucket was proven to do ---- */

struct lh_bucket_proof {
    struct lh_bucket_health health;
    int64_t proven_us; /* when */
};
/* Members write, conditional_put, compare_and_swap, range, list, checksums. */
void lh_bucket_health_print(const struct lh_bucket_health *h, struct lh_json_writer *w);
/* As it was written down in primary; or, when it never was, was for another place, or `anew`, by
 * lh_bucket_prove, and then written down. A bucket that was seen to ignore conditions is distrusted
 * from then on. Fails when the bucket cannot be reached, or the call ends: that proves nothing.
 * Buckets that are recorded (and a remote primary) are proven before they are used. */
lh_status lh_store_prove(struct lh_store *s, struct lh_call *call, lh_str name, bool anew,
                         struct lh_bucket_proof *out, struct lh_error *err);

/* A read that the rescue bucket answered. */
struct lh_rescue {
    const char *bucket; /* the one that failed */
    lh_str key;
    const char *rescue;        /* the one that answered */
    const char *reason, *text; /* how it failed */
};
/* Called on the thread of the read, with no lock held; must not read objects itself. */
typedef void (*lh_rescue_listener)(void *self, struct lh_call *call, const struct lh_rescue *told);
/* Before the store is shared, or while nothing is read. */
void lh_store_on_rescue(struct lh_store *s, lh_rescue_listener listener, void *self);

/* A folder on the data disk for files in progress (uploads, Parquet being written, DuckDB spill).
 * Emptied at start of the process that owns it; each process has its own. Borrowed. */
const char *lh_store_spool_dir(struct lh_store *s);
/* A fresh file there: `path` gets its name, the descriptor is open for reading and writing. */
lh_status lh_store_spool_file(struct lh_store *s, const char *suffix, char *path, size_t path_size,
                              int *fd, struct lh_error *err);

/* "lake://bucket/key" and back; the parts are borrowed from `uri`. False when it is not one. */
bool lh_lake_uri_parse(lh_str uri, lh_str *bucket, lh_str *key);

#endif
