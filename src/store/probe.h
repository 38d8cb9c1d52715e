/*
 * probe: what the two parts of looking at a bucket share: one thing after the other (probe.c), and
 * several writers at once (prove.c). Both touch the bucket itself: neither the rescue bucket nor a
 * cache answers, and a rescue bucket may be written to.
 */
#ifndef LH_STORE_PROBE_H
#define LH_STORE_PROBE_H

#include "store/backend.h"

struct probe {
    struct lh_bucket *bucket;
    struct lh_call *call;
    struct lh_bucket_health *health;
    char folder[64]; /* "_probe/<uuid>/": keys of this probe */
};

/* Notes what fell short, if it is the first; always false. */
bool probe_fell_short(struct probe *p, const char *what, const char *why);
/* Positive evidence that a condition was accepted and not held to. */
bool probe_lied(struct probe *p, const char *what, const char *why);

lh_status
probe_put(struct lh_bucket *b, struct lh_call *call, const char *key, lh_str text,
          const struct lh_put_options *o, struct lh_object_info *info, struct lh_error *err);
/* At most `size` - 1 bytes, ended by NUL. */
lh_status probe_get(struct lh_bucket *b, struct lh_call *call, const char *key, char *text,
                    size_t size, struct lh_object_info *info, struct lh_error *err);
void probe_remove(struct probe *p, const char *key);

/* The steps without and with a race; the second only after the first. */
void probe_steps(struct probe *p);
void probe_race(struct probe *p);

#endif
