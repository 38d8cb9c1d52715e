#include "services/vectord/keeper.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/vectord/cache_file.h"
#include "services/vectord/merge.h"

/* A cache is written again when a fifth of the items, and at least so many, have changed. */
enum { SAVE_CHANGES_MIN = 1000, SAVE_SHARE = 5, CALIBRATION_QUERIES = 64 };

struct vector_keeper {
    struct vectord *v;
    int64_t interval_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        struct lh_call *call; /* of the running pass */
        bool is_stopping;
    } locked;
};

/* ---- one generation ---- */

static void
save(struct vector_generation *g)
{
    LH_AUTO_ERROR(err);

    if (vector_cache_save(g, &err) != LH_OK)
        lh_log_error(LH_LOG_WARN, "vectord", "the cache of an index could not be written", &err);
}

static void
save_when_due(struct vector_generation *g, uint64_t least)
{
    bool is_due;

    pthread_mutex_lock(&g->write_lock);
    is_due = g->changes >= least && g->changes * SAVE_SHARE >= atomic_load(&g->live_count);
    pthread_mutex_unlock(&g->write_lock);
    if (!is_due)
        return;
    (void)lh_ann_calibrate(g->ann, CALIBRATION_QUERIES, NULL);
    LH_AUTO_LOCK(&g->write_lock);
    save(g);
}

static void
follow(struct vectord *v, struct lh_call *call, struct vector_generation *g)
{
    LH_AUTO_ERROR(err);
    lh_status status;

    pthread_mutex_lock(&g->write_lock);
    vector_generation_reclaim(g);
    status = vector_generation_catch_up(g, call, &err);
    pthread_mutex_unlock(&g->write_lock);
    if (status == LH_OK || lh_call_check(call, NULL) != LH_OK)
        return;
    if (lh_error_is(&err, "vectors.reload"))
        vector_registry_close(v, g);
    else
        lh_log_error(LH_LOG_WARN, "vectord", "an index could not follow its log", &err);
}

struct pass {
    struct vectord *v;
    struct lh_call *call;
};

static void
generation_keep(void *ctx, struct vector_generation *g, bool is_current)
{
    struct pass *p = ctx;
    LH_AUTO_ERROR(err);

    if (lh_call_check(p->call, NULL) != LH_OK)
        return;
    follow(p->v, p->call, g);
    save_when_due(g, SAVE_CHANGES_MIN);
    if (is_current && vector_merge(g, p->call, &err) != LH_OK &&
        lh_call_check(p->call, NULL) == LH_OK)
        lh_log_error(LH_LOG_WARN, "vectord", "batches could not be merged", &err);
}

static void
generation_leave(void *ctx, struct vector_generation *g, bool is_current)
{
    (void)ctx;
    (void)is_current;
    LH_AUTO_LOCK(&g->write_lock);

    if (g->changes > 0)
        save(g);
}

/* ---- the thread ---- */

static void
pass_run(struct vector_keeper *k)
{
    struct lh_call call;
    struct pass p = {k->v, &call};

    lh_call_init(&call);
    {
        LH_AUTO_LOCK(&k->lock);
        k->locked.call = &call;
        if (k->locked.is_stopping)
            lh_call_cancel(&call);
    }
    vector_registry_refresh(k->v, &call);
    vector_registry_each(k->v, generation_keep, &p);
    {
        LH_AUTO_LOCK(&k->lock);
        k->locked.call = NULL;
    }
    lh_call_fini(&call);
}

static bool
wait(struct vector_keeper *k)
{
    int64_t until_ms = lh_time_mono_ms() + k->interval_ms;
    LH_AUTO_LOCK(&k->lock);

    while (!k->locked.is_stopping && lh_cond_wait_until(&k->changed, &k->lock, until_ms))
        ;
    return !k->locked.is_stopping;
}

static void *
keeper_run(void *arg)
{
    struct vector_keeper *k = arg;

    while (wait(k))
        pass_run(k);
    return NULL;
}

lh_status
vector_keeper_start(struct vectord *v, struct vector_keeper **out, struct lh_error *err)
{
    struct vector_keeper *k = LH_NEW(struct vector_keeper);
    lh_status status;

    k->v = v;
    k->interval_ms = lh_config_ms(v->env->config, "vectors.refresh");
    pthread_mutex_init(&k->lock, NULL);
    lh_cond_init(&k->changed);
    status = lh_thread_start(&k->thread, "vector-keeper", keeper_run, k, err);
    if (status != LH_OK) {
        pthread_cond_destroy(&k->changed);
        pthread_mutex_destroy(&k->lock);
        free(k);
        return status;
    }
    *out = k;
    return LH_OK;
}

void
vector_keeper_stop(struct vector_keeper *k)
{
    if (k == NULL)
        return;
    {
        LH_AUTO_LOCK(&k->lock);
        k->locked.is_stopping = true;
        if (k->locked.call != NULL)
            lh_call_cancel(k->locked.call);
        pthread_cond_signal(&k->changed);
    }
    lh_thread_join(k->thread);
    vector_registry_each(k->v, generation_leave, NULL);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
