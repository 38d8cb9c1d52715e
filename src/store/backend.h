/*
 * backend: what a kind of bucket has to bring, and what the functions of bucket.h do for all kinds.
 *
 * bucket.c checks keys, limits and the call, counts and measures, and then calls the backend. A
 * backend stores bytes: its structs begin with the ones declared here, it fills `info`, and it may
 * take for granted that keys are well-formed and that one thread at a time uses an upload. Read
 * operations of one reader may come from many threads at once.
 */
#ifndef LH_STORE_BACKEND_H
#define LH_STORE_BACKEND_H

#include <stdatomic.h>
#include "base/metrics.h"
#include "store/bucket.h"
#include "store/limits.h"

struct block_reader;
struct block_source;
struct object_lister;
struct bucket_rescue;

struct bucket_ops {
    const char *backend; /* "local" */
    bool is_remote;      /* a read costs a round trip: block_cache.h stands in front of `read` */

    lh_status (*upload_begin)(struct lh_bucket *b, lh_str key, const struct lh_put_options *options,
                              struct lh_upload **out, struct lh_error *err);
    lh_status (*upload_write)(struct lh_upload *u, lh_bytes bytes, struct lh_error *err);
    lh_status (*upload_commit)(struct lh_upload *u, struct lh_object_info *info,
                               struct lh_error *err);
    void (*upload_free)(struct lh_upload *u);

    /* `size_max` is the limit that holds for this key. */
    lh_status (*put_file)(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *path,
                          const struct lh_put_options *options, uint64_t size_max,
                          struct lh_object_info *info, struct lh_error *err);
    lh_status (*remove)(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
                        struct lh_error *err);

    lh_status (*head)(struct lh_bucket *b, struct lh_call *call, lh_str key,
                      struct lh_object_info *info, struct lh_error *err);
    lh_status (*open)(struct lh_bucket *b, struct lh_call *call, lh_str key,
                      struct lh_reader_at **out, struct lh_error *err);
    /* The range is within the object. */
    lh_status (*read)(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to,
                      size_t n, struct lh_error *err);
    lh_status (*file)(struct lh_reader_at *r, struct lh_call *call, uint64_t offset,
                      uint64_t length, int *fd, struct lh_error *err);
    bool (*is_proven)(const struct lh_reader_at *r, uint64_t offset, uint64_t length);
    void (*reader_free)(struct lh_reader_at *r);

    /* Hands keys in byte order to object_lister_add until it is full. */
    lh_status (*list)(struct lh_bucket *b, struct lh_call *call, struct object_lister *l,
                      struct lh_error *err);
    void (*free)(struct lh_bucket *b);

    /* Removes the objects of a page (at most 1,000), absent ones being no failure. NULL: they are
     * removed one by one. */
    lh_status (*remove_page)(struct lh_bucket *b, struct lh_call *call,
                             const struct lh_object_list *page, struct lh_error *err);
    bool (*keeps_metadata)(const struct lh_bucket *b); /* NULL: it does not */
};

enum bucket_op { BUCKET_PUT, BUCKET_GET, BUCKET_HEAD, BUCKET_DELETE, BUCKET_LIST, BUCKET_OP_COUNT };

/* Series of one bucket, looked up once. */
struct bucket_metrics {
    struct lh_metric *count[BUCKET_OP_COUNT], *failures[BUCKET_OP_COUNT], *seconds[BUCKET_OP_COUNT];
    struct lh_metric *read_bytes, *written_bytes, *checksum_failures;
    struct lh_metric *proven_hits, *proven_misses; /* blocks */
};

struct lh_bucket {
    const struct bucket_ops *ops;
    char *name;
    struct store_limits *limits;  /* shared by the buckets of a store */
    struct bucket_rescue *rescue; /* owned; NULL: nothing stands in for this one */
    bool is_rescue;               /* written by replication only */
    const char *_Atomic distrust; /* why conditional puts are refused; NULL: they are not. Kept */
    struct bucket_metrics metrics;
    struct block_source *blocks; /* of a remote bucket; NULL: read without the cache */
};

struct object_md5 {
    bool is_known;
    uint8_t digest[16];
    unsigned parts; /* 0: of the whole at once */
};

struct lh_upload {
    struct lh_bucket *bucket;
    struct lh_call *call;
    char key[LH_KEY_MAX + 1];
    uint64_t size_bytes, size_max;
    int64_t began_ns;
    lh_status outcome; /* the first failure */
    bool is_over;      /* failed or committed: nothing may follow */
    struct object_md5 md5;
};

struct lh_reader_at {
    struct lh_bucket *bucket;
    char key[LH_KEY_MAX + 1];
    struct lh_object_info info;  /* as the backend has it */
    struct lh_object_info shown; /* as the caller does: differs when a copy stands in */
    lh_str metadata;             /* the backend's */
    size_t first_bytes; /* of a remote object: came with the opening, and are not asked for again */
    struct block_reader *blocks; /* NULL: straight from the backend */
    struct lh_read_tally *tally; /* NULL: nobody counts */
    bool is_exact;               /* lh_reader_at_use */
    bool is_copy;
    struct lh_reader_at *_Atomic stand_in; /* of the copy, once this one has failed */
};

void bucket_init(struct lh_bucket *b, const struct bucket_ops *ops, const char *name,
                 struct store_limits *limits);
void bucket_fini(struct lh_bucket *b);
void bucket_free(struct lh_bucket *b); /* through its backend; NULL is fine */

/* ---- what the functions of bucket.h do once key, range and call are checked: reads touch this
 * bucket alone, writes are not refused for being to a rescue bucket ---- */

lh_status bucket_upload_begin(struct lh_bucket *b, struct lh_call *call, lh_str key,
                              const struct lh_put_options *options, struct lh_upload **out,
                              struct lh_error *err);
lh_status bucket_delete(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
                        struct lh_error *err);

lh_status bucket_head(struct lh_bucket *b, struct lh_call *call, lh_str key,
                      struct lh_object_info *info, struct lh_error *err);
lh_status bucket_open(struct lh_bucket *b, struct lh_call *call, lh_str key,
                      struct lh_reader_at **out, struct lh_error *err);
lh_status bucket_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to,
                      size_t n, struct lh_error *err);
lh_status bucket_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset,
                      uint64_t length, int *fd, struct lh_error *err);

/* ---- refusals that sound the same from every backend ---- */

lh_status bucket_fail_no_object(const struct lh_bucket *b, lh_str key, struct lh_error *err);
/* `found` NULL: there is no such object. */
lh_status bucket_fail_precondition(const struct lh_bucket *b, lh_str key, const char *wanted,
                                   const char *found, struct lh_error *err);
/* Attaches bucket and object, so that the journal of failures can name them. */
void bucket_error_subject(const struct lh_bucket *b, lh_str key, struct lh_error *err);
/* Counts the failure. */
lh_status
bucket_fail_checksum(const struct lh_bucket *b, lh_str key, const char *what, struct lh_error *err);

/* True when `etag` meets an if_match condition: equal, or the condition is "*". */
bool bucket_etag_meets(const char *if_match, const char *etag);

/* ---- listing ---- */

/* Collects one page: a backend offers keys in byte order, the lister keeps those that belong to it.
 */
struct object_lister {
    lh_str prefix, after;
    size_t limit;
    size_t capacity;
    struct lh_object_list *list;
};

/* False when the page is full: has_more is set and the backend stops. */
bool object_lister_has_room(struct object_lister *l);
void object_lister_add(struct object_lister *l, lh_str key, const struct lh_object_info *info);

#endif
