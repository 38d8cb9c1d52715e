#include "services/gateway/sweep.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"

struct gateway_sweeper {
    struct gateway_sweep sweep;
    int64_t every_ms;
    pthread_t thread;
    struct lh_call call; /* cancelled by stop */
    struct sweeper_state {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool is_stopping;
    } state;
};

/* ---- one sweep ---- */

struct pass {
    const struct gateway_sweep *sweep;
    struct lh_call *call;
    int64_t before_us;
    size_t removed;
};

static lh_status
entry_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct pass *p = self;
    LH_AUTO_ERROR(lost);

    LH_TRY(lh_call_check(p->call, err));
    if (entry->info.modified_us >= p->before_us)
        return LH_OK;
    if (lh_object_delete(p->sweep->bucket, p->call, lh_str_of(entry->key), entry->info.etag,
                         &lost) == LH_OK)
        p->removed++;
    return LH_OK;
}

lh_status
gateway_sweep_run(const struct gateway_sweep *sweep, struct lh_call *call, size_t *removed,
                  struct lh_error *err)
{
    struct pass p = {
        .sweep = sweep,
        .call = call,
        .before_us = lh_time_now_us() - sweep->older_than_ms * 1000,
    };

    LH_TRY(lh_object_walk(sweep->bucket, call, lh_str_of(sweep->prefix), entry_visit, &p, err));
    *removed = p.removed;
    return LH_OK;
}

/* ---- now and then ---- */

/* False when it is time to stop. */
static bool
wait_for_turn(struct gateway_sweeper *s)
{
    int64_t next_ms = lh_time_mono_ms() + s->every_ms;

    LH_AUTO_LOCK(&s->state.lock);
    while (!s->state.is_stopping) {
        if (!lh_cond_wait_until(&s->state.changed, &s->state.lock, next_ms))
            return !s->state.is_stopping;
    }
    return false;
}

static void *
sweeper_main(void *arg)
{
    struct gateway_sweeper *s = arg;

    while (wait_for_turn(s)) {
        LH_AUTO_ERROR(err);
        size_t removed;

        if (gateway_sweep_run(&s->sweep, &s->call, &removed, &err) != LH_OK &&
            err.status != LH_CANCELED)
            lh_log_error(LH_LOG_WARN, "gateway", "outdated objects stay", &err);
        lh_arena_reset(&s->call.arena);
    }
    return NULL;
}

static void
sweeper_free(struct gateway_sweeper *s)
{
    lh_call_fini(&s->call);
    pthread_cond_destroy(&s->state.changed);
    pthread_mutex_destroy(&s->state.lock);
    free(s);
}

lh_status
gateway_sweeper_start(const struct gateway_sweep *sweep, int64_t every_ms,
                      struct gateway_sweeper **out, struct lh_error *err)
{
    struct gateway_sweeper *s = LH_NEW(struct gateway_sweeper);
    lh_status status;

    s->sweep = *sweep;
    s->every_ms = every_ms;
    lh_call_init(&s->call);
    pthread_mutex_init(&s->state.lock, NULL);
    lh_cond_init(&s->state.changed);
    status = lh_thread_start(&s->thread, "gw-sweep", sweeper_main, s, err);
    if (status != LH_OK) {
        sweeper_free(s);
        return status;
    }
    *out = s;
    return LH_OK;
}

static void
stopping_set(struct gateway_sweeper *s)
{
    LH_AUTO_LOCK(&s->state.lock);
    s->state.is_stopping = true;
    pthread_cond_broadcast(&s->state.changed);
}

void
gateway_sweeper_stop(struct gateway_sweeper *s)
{
    if (!s)
        return;
    stopping_set(s);
    lh_call_cancel(&s->call);
    lh_thread_join(s->thread);
    sweeper_free(s);
}
