#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/storaged/storage.h"

#define FRESH_MS 1000

struct health_printer {
    struct lh_json_writer w;
    struct storage *s;
    struct lh_call *call;
    bool anew;
};

/* What holds is what was seen now and under the race. */
static void
proof_join(struct lh_bucket_health *h, const struct lh_bucket_health *proven)
{
    h->has_create_if_absent &= proven->has_create_if_absent;
    h->has_compare_and_swap &= proven->has_compare_and_swap;
    h->has_range &= proven->has_range;
    h->has_list &= proven->has_list;
    if (!h->detail[0])
        memcpy(h->detail, proven->detail, sizeof(h->detail));
}

static void
proof_print(struct lh_json_writer *w, const struct lh_bucket_proof *proof)
{
    lh_json_key(w, "proven");
    lh_json_object_begin(w);
    lh_json_set_time(w, "at", proof->proven_us);
    lh_json_key(w, "capabilities");
    lh_bucket_health_print(&proof->health, w);
    if (proof->health.ignores_conditions)
        lh_json_set_bool(w, "ignores_conditions", true);
    lh_json_set_cstr(w, "detail", proof->health.detail);
    lh_json_object_end(w);
}

static void
health_print(struct health_printer *p, struct lh_bucket *b, const struct lh_bucket_spec *spec,
             const struct lh_bucket_health *h, const struct lh_bucket_proof *proof)
{
    lh_json_object_begin(&p->w);
    lh_json_set_cstr(&p->w, "name", spec->name);
    lh_json_set_cstr(&p->w, "backend", spec->backend);
    if (spec->role && *spec->role)
        lh_json_set_cstr(&p->w, "role", spec->role);
    lh_json_set_bool(&p->w, "reachable", h->is_reachable);
    lh_json_key(&p->w, "capabilities");
    lh_bucket_health_print(h, &p->w);
    if (proof)
        proof_print(&p->w, proof);
    if (b && lh_bucket_is_spared(b))
        lh_json_set_bool(&p->w, "spared", true);
    lh_json_set_f64(&p->w, "latency_ms", (double)h->latency_us / 1000);
    lh_json_set_cstr(&p->w, "detail", h->detail);
    lh_json_object_end(&p->w);
}

static void
bucket_probe_print(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct health_printer *p = self;
    struct lh_bucket_health h = {.detail = "the bucket cannot be opened"};
    struct lh_bucket_proof proof;
    bool is_proven = false;

    if (b)
        lh_bucket_probe(b, p->call, &h);
    if (h.can_write)
        is_proven = lh_store_prove(p->s->env->store, p->call, lh_str_of(spec->name), p->anew,
                                   &proof, NULL) == LH_OK;
    if (is_proven)
        proof_join(&h, &proof.health);
    health_print(p, b, spec, &h, is_proven ? &proof : NULL);
}

static lh_status
probe_all(struct storage *s, struct lh_call *call, bool anew, struct lh_buf *out,
          struct lh_error *err)
{
    struct health_printer p = {.w = lh_json_writer_over(out), .s = s, .call = call, .anew = anew};

    lh_json_object_begin(&p.w);
    lh_json_set_time(&p.w, "probed_at", lh_time_now_us());
    lh_json_key(&p.w, "buckets");
    lh_json_array_begin(&p.w);
    LH_TRY(lh_store_buckets(s->env->store, call, bucket_probe_print, &p, err));
    lh_json_array_end(&p.w);
    lh_json_object_end(&p.w);
    /* A probe that was broken off tells of its caller, not of the buckets: nobody else may get it.
     */
    LH_TRY(lh_call_check(call, err));
    return lh_buf_check(out, "the health of the buckets", err);
}

/* True when the caller should probe; false with the answer of another in `out`. Waits for a probe
 * that is under way. */
static lh_status
turn_take(struct storage *s, struct lh_call *call, bool anew, struct lh_buf *out, bool *is_ours,
          struct lh_error *err)
{
    LH_AUTO_LOCK(&s->health.mutex);

    while (s->health.is_probing) {
        int64_t until = lh_time_mono_ms() + 100;
        LH_TRY(lh_call_check(call, err));
        (void)lh_cond_wait_until(&s->health.done, &s->health.mutex, until);
    }
    *is_ours = anew || !s->health.answer || lh_time_mono_ms() - s->health.probed_ms >= FRESH_MS;
    s->health.is_probing = *is_ours;
    if (!*is_ours)
        lh_buf_add_cstr(out, s->health.answer);
    return LH_OK;
}

static void
turn_give_back(struct storage *s, lh_status status, struct lh_buf *answer)
{
    LH_AUTO_LOCK(&s->health.mutex);

    s->health.is_probing = false;
    if (status == LH_OK) {
        free(s->health.answer);
        s->health.answer = lh_strdup(lh_buf_cstr(answer));
        s->health.probed_ms = lh_time_mono_ms();
    }
    pthread_cond_broadcast(&s->health.done);
}

lh_status
storage_health_print(struct storage *s, struct lh_call *call, bool anew, struct lh_buf *out,
                     struct lh_error *err)
{
    bool is_ours = false;
    lh_status status;

    if (anew && !call->principal.may_write)
        return lh_fail(err, LH_DENIED, "auth.read_only",
                       "proving buckets writes to them, and the token may only read");
    LH_TRY(turn_take(s, call, anew, out, &is_ours, err));
    if (!is_ours)
        return LH_OK;
    status = probe_all(s, call, anew, out, err);
    turn_give_back(s, status, out);
    return status;
}
