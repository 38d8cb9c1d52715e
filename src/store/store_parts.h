/*
 * store_parts: what the files of the store share. Nobody else includes this.
 *
 * The list of buckets lives in memory and only grows, so a pointer to a bucket stays good while the
 * store lives. No I/O happens under the lock: a bucket is opened first and then entered, and when
 * another thread was faster its bucket is taken and ours closed.
 */
#ifndef LH_STORE_STORE_PARTS_H
#define LH_STORE_STORE_PARTS_H

#include <limits.h>
#include <pthread.h>
#include "store/block_cache.h"
#include "store/local.h"
#include "store/record.h"
#include "store/rescue.h"
#include "store/s3.h"

#define PRIMARY "primary"
#define S3_ENDPOINT_MAX 128 /* of our own making */

struct store_entry {
    struct store_entry *next;
    struct lh_bucket *bucket;
    struct store_spec spec;
    bool is_configured;
    /* under the store's lock */
    bool is_removed;
    int64_t fresh_until_ms; /* of a run-time bucket: its record was seen */
};

struct lh_store {
    char *data_dir; /* absolute */
    const struct lh_config *config;
    struct lh_secrets *secrets;
    struct store_limits limits;
    struct store_proven *proven;
    struct block_cache *blocks;
    struct lh_bucket *primary;
    struct rescue_hub rescue;
    atomic_int_fast64_t look_due_ms; /* when to look for a rescue bucket again */
    int spools_fd;
    struct store_claim spool;
    char *spool_path;
    struct {
        pthread_mutex_t mutex;
        struct store_entry *first;
        struct s3_shared *s3; /* NULL until there is such a bucket */
    } lock;
};

/* ---- the list (store_list.c) ---- */

lh_status store_fail_no_bucket(lh_str name, struct lh_error *err);
/* The living one of that name. Under the lock. */
struct store_entry *store_entry_find(struct lh_store *s, lh_str name);
/* Opens and enters the bucket, or finds the one that is there by now. */
lh_status store_entry_open(struct lh_store *s, const struct lh_bucket_spec *spec,
                           bool is_configured, struct lh_bucket **out, struct lh_error *err);
void store_entry_retire(struct lh_store *s, lh_str name);
void store_entry_free(struct store_entry *e);
bool store_is_configured(struct lh_store *s, lh_str name);
/* UNSUPPORTED "store.backend". */
lh_status store_backend_check(const struct lh_bucket_spec *spec, struct lh_error *err);
lh_status store_backend_open(struct lh_store *s, const struct lh_bucket_spec *spec,
                             struct lh_bucket **out, struct lh_error *err);
/* Fills in what was left to us. `endpoint` has room for that of AWS. */
void store_s3_defaults(struct lh_bucket_spec *spec, char endpoint[S3_ENDPOINT_MAX]);

/* ---- what was proven (store_proof.c) ---- */

lh_status store_proof_take(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
                           const struct lh_bucket_spec *spec, bool anew,
                           struct lh_bucket_proof *out, struct lh_error *err);
/* What others have found out about a remote bucket holds for this process too. */
void store_distrust_load(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
                         const struct lh_bucket_spec *spec);
/* A remote primary is proven before anything commits to it. */
void store_configured_prove(struct lh_store *s);

#endif
