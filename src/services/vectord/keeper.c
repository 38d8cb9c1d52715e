#include "services/vectord/keeper.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "services/rounds.h"
#include "services/vectord/cache_file.h"
#include "services/vectord/merge.h"

/* A cache is written again when a fifth of the items, and at least so many, have changed. */
enum { SAVE_CHANGES_MIN = 1000, SAVE_SHARE = 5, CALIBRATION_QUERIES = 64 };

struct vector_keeper {
    struct vectord *v;
    struct lh_rounds *rounds;
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

/* Before anybody asks, so that what was deleted does not wait for that to be gone. */
static void
deletions_follow(struct vectord *v, struct lh_call *call, struct vector_generation *g)
{
    LH_AUTO_ERROR(err);

    if (vector_registry_follow(v, call, g, &err) != LH_OK && lh_call_check(call, NULL) == LH_OK)
        lh_log_error(LH_LOG_WARN, "vectord", "an index could not follow deletions", &err);
}

static void
merge(struct lh_call *call, struct vector_generation *g)
{
    LH_AUTO_ERROR(err);

    if (vector_merge(g, call, &err) != LH_OK && lh_call_check(call, NULL) == LH_OK)
        lh_log_error(LH_LOG_WARN, "vectord", "batches could not be merged", &err);
}

struct pass {
    struct vectord *v;
    struct lh_call *call;
    struct vector_generation *g; /* the one that is looked at */
    bool is_current;
};

static void
batches_keep(void *arg)
{
    struct pass *p = arg;

    follow(p->v, p->call, p->g);
    save_when_due(p->g, SAVE_CHANGES_MIN);
    if (p->is_current)
        merge(p->call, p->g);
}

/* Graphs and Parquet give way to searches. Deletions do not: searches wait for them, and they are
 * looked for with statements, whose engine must not be opened by a thread that gives way. */
static void
generation_keep(void *ctx, struct vector_generation *g, bool is_current)
{
    struct pass *p = ctx;

    if (lh_call_check(p->call, NULL) != LH_OK)
        return;
    if (is_current)
        deletions_follow(p->v, p->call, g);
    p->g = g;
    p->is_current = is_current;
    lh_thread_run_aside("vector-keep", batches_keep, p);
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

/* ---- rounds ---- */

static void
round_run(void *self, struct lh_call *call)
{
    struct vector_keeper *k = self;
    struct pass p = {.v = k->v, .call = call};

    vector_registry_refresh(k->v, call);
    vector_registry_each(k->v, generation_keep, &p);
}

lh_status
vector_keeper_start(struct vectord *v, struct vector_keeper **out, struct lh_error *err)
{
    struct vector_keeper *k = LH_NEW(struct vector_keeper);
    const struct lh_rounds_options options = {
        .name = "vector-keeper",
        .interval_ms = lh_config_ms(v->env->config, "vectors.refresh"),
        .run = round_run,
        .self = k,
    };
    lh_status status;

    k->v = v;
    status = lh_rounds_start(&options, &k->rounds, err);
    if (status != LH_OK) {
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
    lh_rounds_stop(k->rounds);
    vector_registry_each(k->v, generation_leave, NULL);
    free(k);
}
