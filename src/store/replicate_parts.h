/*
 * replicate_parts: what the files of replicate share: the pace, copying one object, the old list of
 * copies as a stream, and the new one.
 */
#ifndef LH_STORE_REPLICATE_PARTS_H
#define LH_STORE_REPLICATE_PARTS_H

#include <pthread.h>
#include "store/backend.h"
#include "store/replica.h"
#include "store/replicate.h"

/* ---- pace: bytes a second for all copiers together ---- */

struct replicate_pace {
    uint64_t bytes_per_second; /* 0: as fast as it goes */
    struct {
        pthread_mutex_t mutex;
        int64_t next_ns; /* when the next bytes may go */
    } lock;
};
void replicate_pace_init(struct replicate_pace *p, uint64_t bytes_per_second);
void replicate_pace_fini(struct replicate_pace *p);
lh_status replicate_pace_wait(struct replicate_pace *p, struct lh_call *call, size_t bytes,
                              struct lh_error *err);

/* ---- one object (replicate_copy.c) ---- */

/* Copies the object as it is now; fills in `e`. A copy that is the object already is not made
 * again: *bytes is 0. */
lh_status replicate_copy(struct lh_bucket *from, struct lh_bucket *to, struct lh_call *call,
                         struct replicate_pace *pace, lh_str key, struct replica_entry *e,
                         uint64_t *bytes, struct lh_error *err);

/* ---- lists (replicate_list.c) ---- */

/* The old list, entry by entry in the order of keys. */
struct replicate_old {
    struct lh_reader_at *reader; /* NULL: there was none */
    struct lh_object_info info;
    struct lh_buf window;
    size_t line_at, line_len; /* of the current entry in the window; the length with its LF */
    uint64_t read_to;         /* how far the window has been filled */
    uint64_t at;              /* where the current entry begins */
    bool is_over;
    struct replica_entry entry; /* the current one */
};
lh_status replicate_old_open(struct replicate_old *o, struct lh_bucket *rescue,
                             struct lh_call *call, const char *key, struct lh_error *err);
void replicate_old_fini(struct replicate_old *o);
lh_status replicate_old_next(struct replicate_old *o, struct lh_call *call, struct lh_error *err);

/* The new list, gathered in a file of the spool folder. */
struct replicate_new {
    struct lh_store *store;
    struct lh_bucket *rescue;
    char key[LH_KEY_MAX + 1];
    char etag[LH_ETAG_MAX]; /* of the list that this one takes the place of; "": none */
    char path[4096];
    int fd;
    struct lh_buf pending;
    uint64_t size_bytes;
    bool is_changed;
};
lh_status replicate_new_open(struct replicate_new *n, struct lh_store *s, struct lh_bucket *rescue,
                             const char *key, const char *etag, struct lh_error *err);
void replicate_new_fini(struct replicate_new *n);
lh_status
replicate_new_add(struct replicate_new *n, const struct replica_entry *e, struct lh_error *err);
/* Puts what was gathered, followed by what the old list has from its current entry on. */
lh_status replicate_new_put(struct replicate_new *n, struct lh_call *call, struct replicate_old *o,
                            struct lh_error *err);

/* The buckets of a store for a run (store.c): the wanted rescue bucket and all that are none.
 * `sources` is in the arena. */
lh_status store_replicate_buckets(struct lh_store *s, struct lh_call *call, lh_str to,
                                  struct lh_bucket **rescue, struct lh_bucket ***sources,
                                  size_t *count, struct lh_error *err);
const struct lh_config *store_config(const struct lh_store *s);

#endif
