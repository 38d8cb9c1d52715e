/*
 * The hook runs under its lock, although callbacks usually do not: removing it must mean that it is
 * neither running nor going to, and the owner of a DuckDB connection closes it right after. Hooks
 * only raise flags, so the lock is held for an instant.
 */
#include "net/call.h"

#include "base/time.h"

void
lh_call_init(struct lh_call *c)
{
    lh_arena_init(&c->arena);
    c->principal = (struct lh_principal){
        .kind = LH_PRINCIPAL_SYSTEM,
        .name = "system",
        .profile = "",
        .may_write = true,
    };
    lh_trace_new(&c->trace);
    c->deadline_ms = INT64_MAX;
    atomic_init(&c->is_canceled, false);
    c->source = "internal";
    c->parent = NULL;
    c->reads_straight = false;
    atomic_init(&c->rescued_by, NULL);
    pthread_mutex_init(&c->on_cancel.lock, NULL);
    c->on_cancel.run = NULL;
    c->on_cancel.arg = NULL;
}

void
lh_call_init_part(struct lh_call *c, struct lh_call *parent, int64_t deadline_ms)
{
    lh_arena_init(&c->arena);
    c->principal = parent->principal;
    c->trace = parent->trace;
    c->deadline_ms = deadline_ms < parent->deadline_ms ? deadline_ms : parent->deadline_ms;
    atomic_init(&c->is_canceled, false);
    c->source = parent->source;
    c->parent = parent;
    c->reads_straight = parent->reads_straight;
    atomic_init(&c->rescued_by, NULL);
    pthread_mutex_init(&c->on_cancel.lock, NULL);
    c->on_cancel.run = NULL;
    c->on_cancel.arg = NULL;
}

void
lh_call_fini(struct lh_call *c)
{
    pthread_mutex_destroy(&c->on_cancel.lock);
    lh_arena_fini(&c->arena);
}

void
lh_call_cancel(struct lh_call *c)
{
    pthread_mutex_lock(&c->on_cancel.lock);
    atomic_store(&c->is_canceled, true);
    if (c->on_cancel.run) {
        void (*run)(void *) = c->on_cancel.run;

        c->on_cancel.run = NULL;
        run(c->on_cancel.arg);
    }
    pthread_mutex_unlock(&c->on_cancel.lock);
}

void
lh_call_on_cancel(struct lh_call *c, void (*run)(void *), void *arg)
{
    pthread_mutex_lock(&c->on_cancel.lock);
    if (run && atomic_load(&c->is_canceled)) {
        c->on_cancel.run = NULL;
        run(arg);
    } else {
        c->on_cancel.run = run;
        c->on_cancel.arg = arg;
    }
    pthread_mutex_unlock(&c->on_cancel.lock);
}

bool
lh_call_is_canceled(const struct lh_call *c)
{
    while (c && !atomic_load_explicit(&c->is_canceled, memory_order_relaxed))
        c = c->parent;
    return c != NULL;
}

void
lh_call_rescued_by(struct lh_call *c, const char *bucket)
{
    for (; c; c = c->parent)
        atomic_store(&c->rescued_by, bucket);
}

lh_status
lh_call_check(const struct lh_call *c, struct lh_error *err)
{
    if (lh_call_is_canceled(c))
        return lh_fail(err, LH_CANCELED, "call.canceled", "the caller has gone or asked to stop");
    if (c->deadline_ms != INT64_MAX && lh_time_mono_ms() >= c->deadline_ms)
        return lh_fail(err, LH_TIMEOUT, "call.deadline", "the time given to this call is over");
    return LH_OK;
}

int64_t
lh_call_remaining_ms(const struct lh_call *c)
{
    int64_t now;

    if (c->deadline_ms == INT64_MAX)
        return INT64_MAX;
    now = lh_time_mono_ms();
    return c->deadline_ms > now ? c->deadline_ms - now : 0;
}
