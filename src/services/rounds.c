#include "services/rounds.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

struct lh_rounds {
    struct lh_rounds_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        struct lh_call *call; /* of the running round */
        bool is_stopping;
    } locked;
};

static void
round_run(struct lh_rounds *r)
{
    struct lh_call call;
    bool is_stopping;

    lh_call_init(&call);
    {
        LH_AUTO_LOCK(&r->lock);
        r->locked.call = &call;
        is_stopping = r->locked.is_stopping;
    }
    if (!is_stopping)
        r->options.run(r->options.self, &call);
    {
        LH_AUTO_LOCK(&r->lock);
        r->locked.call = NULL;
    }
    lh_call_fini(&call);
}

/* False when it is time to stop. */
static bool
rest(struct lh_rounds *r)
{
    int64_t until_ms = r->options.next_ms ? r->options.next_ms(r->options.self)
                                          : lh_time_mono_ms() + r->options.interval_ms;
    LH_AUTO_LOCK(&r->lock);

    while (!r->locked.is_stopping && lh_cond_wait_until(&r->changed, &r->lock, until_ms))
        ;
    return !r->locked.is_stopping;
}

static void *
rounds_main(void *arg)
{
    struct lh_rounds *r = arg;

    if (r->options.is_at_once)
        round_run(r);
    while (rest(r))
        round_run(r);
    return NULL;
}

static void
rounds_free(struct lh_rounds *r)
{
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

lh_status
lh_rounds_start(const struct lh_rounds_options *options, struct lh_rounds **out,
                struct lh_error *err)
{
    struct lh_rounds *r = LH_NEW(struct lh_rounds);
    lh_status status;

    r->options = *options;
    pthread_mutex_init(&r->lock, NULL);
    lh_cond_init(&r->changed);
    status = lh_thread_start(&r->thread, options->name, rounds_main, r, err);
    if (status != LH_OK) {
        rounds_free(r);
        return status;
    }
    *out = r;
    return LH_OK;
}

void
lh_rounds_stop(struct lh_rounds *r)
{
    if (!r)
        return;
    {
        LH_AUTO_LOCK(&r->lock);
        r->locked.is_stopping = true;
        if (r->locked.call)
            lh_call_cancel(r->locked.call);
        pthread_cond_signal(&r->changed);
    }
    lh_thread_join(r->thread);
    rounds_free(r);
}
