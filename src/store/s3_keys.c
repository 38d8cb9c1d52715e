#include "store/s3_keys.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

#define RENEW_MS 1000

void
s3_keys_init(struct s3_keys *k, struct lh_secrets *secrets, const char *entry)
{
    k->secrets = secrets;
    k->entry = lh_strdup(entry);
    pthread_mutex_init(&k->lock.mutex, NULL);
    k->lock.set = NULL;
    k->lock.loaded_ms = 0;
}

void
s3_keys_fini(struct s3_keys *k)
{
    s3_keys_release(k->lock.set);
    pthread_mutex_destroy(&k->lock.mutex);
    free(k->entry);
}

void
s3_keys_release(struct s3_key_set *set)
{
    if (!set || atomic_fetch_sub(&set->refs, 1) > 1)
        return;
    lh_secret_free(set->secret);
    free(set);
}

static struct s3_key_set *
current_hold(struct s3_keys *k)
{
    LH_AUTO_LOCK(&k->lock.mutex);

    if (k->lock.set)
        atomic_fetch_add(&k->lock.set->refs, 1);
    return k->lock.set;
}

/* With one reference, for the caller. */
static lh_status
set_load(struct s3_keys *k, struct s3_key_set **out, struct lh_error *err)
{
    struct lh_secret *secret;
    struct s3_key_set *set;

    LH_TRY(lh_secrets_load(k->secrets, lh_str_of(k->entry), "SECRET_ACCESS_KEY", &secret, err));
    set = LH_NEW(struct s3_key_set);
    atomic_init(&set->refs, 1);
    set->secret = secret;
    set->access_key_id = lh_secret_field(secret, "ACCESS_KEY_ID");
    set->secret_access_key = lh_secret_field(secret, "SECRET_ACCESS_KEY");
    set->session_token = lh_secret_field(secret, "SESSION_TOKEN");
    if (set->access_key_id.len == 0 || set->secret_access_key.len == 0) {
        s3_keys_release(set);
        return lh_fail(err, LH_UNAVAILABLE, "s3.credentials",
                       "the secret '%s' lacks ACCESS_KEY_ID or SECRET_ACCESS_KEY", k->entry);
    }
    *out = set;
    return LH_OK;
}

/* Of two who load at once the later one stays. */
static void
set_keep(struct s3_keys *k, struct s3_key_set *set)
{
    struct s3_key_set *old;

    atomic_fetch_add(&set->refs, 1);
    pthread_mutex_lock(&k->lock.mutex);
    old = k->lock.set;
    k->lock.set = set;
    k->lock.loaded_ms = lh_time_mono_ms();
    pthread_mutex_unlock(&k->lock.mutex);
    s3_keys_release(old);
}

lh_status
s3_keys_hold(struct s3_keys *k, struct s3_key_set **out, struct lh_error *err)
{
    struct s3_key_set *set = current_hold(k);
    LH_AUTO_ERROR(why);

    if (!set) {
        if (set_load(k, &set, &why) != LH_OK)
            return lh_fail(err, LH_UNAVAILABLE, "s3.credentials", "%s", why.text);
        set_keep(k, set);
    }
    *out = set;
    return LH_OK;
}

bool
s3_keys_renew(struct s3_keys *k, const struct s3_key_set *used)
{
    struct s3_key_set *set = current_hold(k);
    bool is_other = set != used, may_load;

    s3_keys_release(set);
    if (is_other || !used)
        return is_other;
    pthread_mutex_lock(&k->lock.mutex);
    may_load = lh_time_mono_ms() - k->lock.loaded_ms >= RENEW_MS;
    k->lock.loaded_ms = may_load ? lh_time_mono_ms() : k->lock.loaded_ms;
    pthread_mutex_unlock(&k->lock.mutex);
    if (!may_load || set_load(k, &set, NULL) != LH_OK)
        return false;
    is_other = !lh_str_eq(set->access_key_id, used->access_key_id) ||
               !lh_str_eq(set->secret_access_key, used->secret_access_key) ||
               !lh_str_eq(set->session_token, used->session_token);
    if (is_other)
        set_keep(k, set);
    s3_keys_release(set);
    return is_other;
}
