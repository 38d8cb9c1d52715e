/*
 * replica: where a rescue bucket keeps the copy of an object, and the lists of what it holds.
 *
 * The copies of one bucket are listed in two objects, a line for each, sorted by key. An entry says
 * which object it is a copy of (ETag, SHA-256, size) and which put made the copy (its own ETag), so
 * that a copy stands in for exactly the object that it was made of, or for none. Looking up is a
 * binary search in the bytes; an index is read anew when its ETag has changed.
 *
 * Format   docs/formats/layout.md
 * Fails    CORRUPT "store.replica_index" for a line that this system would not have written.
 * Threads  an index is shared; all functions from any thread.
 */
#ifndef LH_STORE_REPLICA_H
#define LH_STORE_REPLICA_H

#include "base/buf.h"
#include "store/bucket.h"

#define REPLICA_PREFIX "_replica/"
#define REPLICA_LINE_MAX                                                                           \
    ((size_t)16 << 10) /* a key of 1,024 control characters is 6 KiB of JSON                       \
                        */

struct replica_entry {
    char key[LH_KEY_MAX + 1];
    struct lh_object_info info;     /* of the object that was copied */
    char replica_etag[LH_ETAG_MAX]; /* of the copy */
    int64_t gone_us;                /* when the object was found to be deleted; 0: it is there */
};

/* The copy's key: "<bucket>/<key>", or a hash of the key when that is too long. */
void replica_key(const char *bucket, lh_str key, char out[LH_KEY_MAX + 1]);
/* Objects that name others: they are copied after what they name, and listed apart, since that
 * order is not the order of keys. */
enum replica_class { REPLICA_DATA, REPLICA_POINTER, REPLICA_CLASS_COUNT };
enum replica_class replica_class_of(lh_str key);
/* The prefixes beneath which there are pointers, ascending; NULL-ended. */
extern const char *const replica_pointer_prefixes[];
/* The key of a list of copies of a bucket. */
void replica_index_key(const char *bucket, enum replica_class class, char out[LH_KEY_MAX + 1]);
/* Objects that only say who is at work: they are neither copied nor believed when old. */
bool replica_is_left_out(lh_str key);

void replica_entry_print(const struct replica_entry *e, struct lh_buf *out); /* with its LF */
lh_status replica_entry_read(lh_str line, struct replica_entry *out, struct lh_error *err);

/* ---- looking up ---- */

struct replica_index;

/* An index without objects when there is none yet. */
lh_status
replica_index_open(struct lh_bucket *rescue, struct lh_call *call, const char *bucket,
                   enum replica_class class, struct replica_index **out, struct lh_error *err);
struct replica_index *replica_index_ref(struct replica_index *x);
void replica_index_free(struct replica_index *x); /* gives the reference back */
LH_AUTO_DEFINE(replica_index)
/* False when the bucket has another one by now. */
lh_status replica_index_is_current(struct replica_index *x, struct lh_call *call, bool *is_current,
                                   struct lh_error *err);
/* NOT_FOUND "store.no_replica", also for what was deleted. */
lh_status replica_index_find(struct replica_index *x, struct lh_call *call, lh_str key,
                             struct replica_entry *out, struct lh_error *err);

#endif
