/*
 * s3_keys: the credentials of one bucket, loaded when they are first needed and again when the
 * store no longer takes them.
 *
 * Threads  all functions from any thread. Whoever holds a set signs with it even while another
 *          thread loads a newer one.
 */
#ifndef LH_STORE_S3_KEYS_H
#define LH_STORE_S3_KEYS_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/secret.h"

struct s3_key_set {
    atomic_uint refs;
    struct lh_secret *secret;
    lh_str access_key_id, secret_access_key, session_token;
};

struct s3_keys {
    struct lh_secrets *secrets;
    char *entry;
    struct {
        pthread_mutex_t mutex;
        struct s3_key_set *set;
        int64_t loaded_ms;
    } lock;
};

void s3_keys_init(struct s3_keys *k, struct lh_secrets *secrets, const char *entry);
void s3_keys_fini(struct s3_keys *k);

lh_status s3_keys_hold(struct s3_keys *k, struct s3_key_set **out, struct lh_error *err);
void s3_keys_release(struct s3_key_set *set); /* NULL is fine */
/* After the store refused `used`: true when there are others by now. Loads at most once a second.
 */
bool s3_keys_renew(struct s3_keys *k, const struct s3_key_set *used);

#endif
