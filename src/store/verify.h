/*
 * verify: the buckets read again, and every difference told.
 *
 * Reads go straight to the bucket: neither the rescue bucket nor a cache answers for it. Shallow,
 * an object's size, tag and what is kept beside it must agree; deep, its bytes are read whole and
 * their SHA-256 compared with the one that was written down. Lists of copies, records of buckets
 * and proofs, and the batches of append logs are read in any case, since they are small.
 *
 * What catalogs say of their objects is not looked at here (services/catalogd/verify.h).
 */
#ifndef LH_STORE_VERIFY_H
#define LH_STORE_VERIFY_H

#include "store/store.h"

struct lh_difference {
    const char *bucket;
    lh_str key;
    const char *what; /* "object", "checksum", "size", "copy", "record", "log", "bucket" */
    const char *expected, *found;
};

struct lh_verify_options {
    bool is_deep;
    /* Stops when one fails. */
    lh_status (*visit)(void *self, const struct lh_difference *d, struct lh_error *err);
    void (*progress)(void *self, uint64_t objects, uint64_t bytes); /* after each object */
    void *self;
};

lh_status lh_store_verify(struct lh_store *s, struct lh_call *call,
                          const struct lh_verify_options *options, struct lh_error *err);

#endif
