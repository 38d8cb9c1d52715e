#include "store/proof.h"
#include "store/store_parts.h"

#include "base/thread.h"
#include "base/time.h"

#define PROOF_TIME_MS 20000 /* for a remote primary, at the start */

static lh_status
proof_load(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
           struct lh_bucket_proof *out, struct lh_error *err)
{
    char key[LH_KEY_MAX + 1];
    LH_AUTO_BUF(json, STORE_PROOF_BYTES_MAX);

    LH_TRY(lh_object_get(s->primary, call, lh_str_of(store_proof_key(spec->name, key)), &json, NULL,
                         err));
    return store_proof_decode(spec, lh_buf_str(&json), out, err);
}

/* Without a condition: the bucket may be one that has none. */
static lh_status
proof_save(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
           const struct lh_bucket_proof *proof, struct lh_error *err)
{
    const struct lh_put_options o = {.content_type = "application/json"};
    char key[LH_KEY_MAX + 1];
    LH_AUTO_BUF(json, STORE_PROOF_BYTES_MAX);

    store_proof_encode(spec, proof, &json);
    LH_TRY(lh_buf_check(&json, "the proof of the bucket", err));
    return lh_object_put(s->primary, call, lh_str_of(store_proof_key(spec->name, key)),
                         lh_buf_bytes(&json), &o, NULL, err);
}

static lh_status
proof_make(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
           const struct lh_bucket_spec *spec, struct lh_bucket_proof *out, struct lh_error *err)
{
    struct lh_bucket_proof proof = {.proven_us = lh_time_now_us()};

    lh_bucket_prove(b, call, &proof.health);
    LH_TRY(lh_call_check(call, err));
    if (!proof.health.is_reachable)
        return lh_fail(err, LH_UNAVAILABLE, "store.bucket_unreachable",
                       "bucket '%s' cannot be reached: %s", spec->name, proof.health.detail);
    if (proof.health.can_write || b != s->primary)
        LH_TRY(proof_save(s, call, spec, &proof, err));
    *out = proof;
    return LH_OK;
}

lh_status
store_proof_take(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
                 const struct lh_bucket_spec *spec, bool anew, struct lh_bucket_proof *out,
                 struct lh_error *err)
{
    if (anew || proof_load(s, call, spec, out, NULL) != LH_OK)
        LH_TRY(proof_make(s, call, b, spec, out, err));
    if (out->health.ignores_conditions)
        lh_bucket_distrust(b, out->health.detail);
    return LH_OK;
}

/* What others have found out about a remote bucket holds for this process too. */
void
store_distrust_load(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
                    const struct lh_bucket_spec *spec)
{
    struct lh_bucket_proof proof;

    if (b->ops->is_remote && b != s->primary && proof_load(s, call, spec, &proof, NULL) == LH_OK &&
        proof.health.ignores_conditions)
        lh_bucket_distrust(b, proof.health.detail);
}

/* A remote primary is proven before anything commits to it. One that cannot be reached now is
 * proven when its health is asked for, as a local one is. */
void
store_configured_prove(struct lh_store *s)
{
    struct lh_bucket_proof proof;
    struct lh_call call;

    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + PROOF_TIME_MS;
    for (struct store_entry *e = s->lock.first; e; e = e->next) {
        struct lh_bucket_spec spec = store_spec_view(&e->spec);
        if (e->bucket == s->primary && e->bucket->ops->is_remote)
            (void)store_proof_take(s, &call, e->bucket, &spec, false, &proof, NULL);
        else
            store_distrust_load(s, &call, e->bucket, &spec);
    }
    lh_call_fini(&call);
}

/* Entries live as long as the store. */
static struct store_entry *
entry_of_bucket(struct lh_store *s, const struct lh_bucket *b)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct store_entry *e = s->lock.first;

    while (e->bucket != b)
        e = e->next;
    return e;
}

lh_status
lh_store_prove(struct lh_store *s, struct lh_call *call, lh_str name, bool anew,
               struct lh_bucket_proof *out, struct lh_error *err)
{
    struct lh_bucket *b;
    struct lh_bucket_spec spec;

    LH_TRY(lh_store_bucket(s, call, name, &b, err));
    spec = store_spec_view(&entry_of_bucket(s, b)->spec);
    return store_proof_take(s, call, b, &spec, anew, out, err);
}
