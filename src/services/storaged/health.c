#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/storaged/storage.h"

#define FRESH_MS 1000

struct health_printer {
    struct lh_json_writer w;
    struct lh_call *call;
};

static void
capabilities_print(struct lh_json_writer *w, const struct lh_bucket_health *h)
{
    lh_json_key(w, "capabilities");
    lh_json_object_begin(w);
    lh_json_set_bool(w, "write", h->can_write);
    lh_json_set_bool(w, "conditional_put", h->has_create_if_absent);
    lh_json_set_bool(w, "compare_and_swap", h->has_compare_and_swap);
    lh_json_set_bool(w, "range", h->has_range);
    lh_json_set_bool(w, "list", h->has_list);
    lh_json_set_bool(w, "checksums", h->has_checksums);
    lh_json_object_end(w);
}

static void
bucket_probe_print(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct health_printer *p = self;
    struct lh_bucket_health h = {.detail = "the bucket cannot be opened"};

    if (b)
        lh_bucket_probe(b, p->call, &h);
    lh_json_object_begin(&p->w);
    lh_json_set_cstr(&p->w, "name", spec->name);
    lh_json_set_cstr(&p->w, "backend", spec->backend);
    lh_json_set_bool(&p->w, "reachable", h.is_reachable);
    capabilities_print(&p->w, &h);
    lh_json_set_f64(&p->w, "latency_ms", (double)h.latency_us / 1000);
    lh_json_set_cstr(&p->w, "detail", h.detail);
    lh_json_object_end(&p->w);
}

static lh_status
probe_all(struct storage *s, struct lh_call *call, struct lh_buf *out, struct lh_error *err)
{
    struct health_printer p = {.w = lh_json_writer_over(out), .call = call};

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
turn_take(struct storage *s, struct lh_call *call, struct lh_buf *out, bool *is_ours,
          struct lh_error *err)
{
    LH_AUTO_LOCK(&s->health.mutex);

    while (s->health.is_probing) {
        int64_t until = lh_time_mono_ms() + 100;
        LH_TRY(lh_call_check(call, err));
        (void)lh_cond_wait_until(&s->health.done, &s->health.mutex, until);
    }
    *is_ours = !s->health.answer || lh_time_mono_ms() - s->health.probed_ms >= FRESH_MS;
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
storage_health_print(struct storage *s, struct lh_call *call, struct lh_buf *out,
                     struct lh_error *err)
{
    bool is_ours = false;
    lh_status status;

    LH_TRY(turn_take(s, call, out, &is_ours, err));
    if (!is_ours)
        return LH_OK;
    status = probe_all(s, call, out, err);
    turn_give_back(s, status, out);
    return status;
}
