#include "services/catalogd/keeper.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/catalogd/event.h"
#include "services/catalogd/meta.h"

/* A whole listing also finds what another process has collected. */
enum { PASSES_PER_WHOLE = 30 };

#define EVENT_GRACE_US INT64_C(5000000)

struct catalog_keeper {
    struct catalog *catalog;
    int64_t interval_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        struct lh_call *call; /* of the running pass */
        bool is_stopping;
    } locked;
};

static void
heads_read(struct catalog *c, struct lh_call *call)
{
    struct catalog_entry *entries;
    size_t count = catalog_index_entries(c->index, LH_STR(""), &call->arena, &entries);

    for (size_t i = 0; i < count && lh_call_check(call, NULL) == LH_OK; i++) {
        LH_AUTO(catalog_snapshot) *s = NULL;
        LH_AUTO_ERROR(err);

        /* What cannot be read has been reported by the load itself. */
        if (entries[i].head.state == CATALOG_UNREAD)
            catalog_version_load(c, call, lh_str_of(entries[i].name), entries[i].head.number, &s,
                                 &err);
    }
}

static lh_status
pass_run(struct catalog *c, struct lh_call *call, unsigned number, struct lh_error *err)
{
    /* The start has listed everything just now. */
    if (number > 0)
        LH_TRY(catalog_refresh(c, call, number % PASSES_PER_WHOLE == 0, err));
    LH_TRY(catalog_metas_refresh(c->metas, call, err));
    /* At the start no commit of this process is on its way. */
    LH_TRY(catalog_events_complete(c, call, number > 0 ? EVENT_GRACE_US : 0, err));
    heads_read(c, call);
    return LH_OK;
}

static void
pass(struct catalog_keeper *k, unsigned number, bool *was_failing)
{
    LH_AUTO_ERROR(err);
    struct lh_call call;
    bool is_stopping, has_failed;

    lh_call_init(&call);
    {
        LH_AUTO_LOCK(&k->lock);
        is_stopping = k->locked.is_stopping;
        k->locked.call = &call;
    }
    has_failed = !is_stopping && pass_run(k->catalog, &call, number, &err) != LH_OK;
    {
        LH_AUTO_LOCK(&k->lock);
        k->locked.call = NULL;
        is_stopping = k->locked.is_stopping;
    }
    /* Once when it begins, not at every pass while the bucket is away. */
    if (has_failed && !*was_failing && !is_stopping)
        lh_log_error(LH_LOG_WARN, "catalogd", "the catalog could not be refreshed", &err);
    *was_failing = has_failed;
    lh_call_fini(&call);
}

static bool
wait(struct catalog_keeper *k)
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
    struct catalog_keeper *k = arg;
    bool was_failing = false;

    for (unsigned number = 0;; number++) {
        pass(k, number, &was_failing);
        if (!wait(k))
            return NULL;
    }
}

lh_status
catalog_keeper_start(struct catalog *c, struct catalog_keeper **out, struct lh_error *err)
{
    struct catalog_keeper *k = LH_NEW(struct catalog_keeper);
    lh_status status;

    k->catalog = c;
    k->interval_ms = lh_config_ms(c->env->config, "catalog.refresh_interval");
    pthread_mutex_init(&k->lock, NULL);
    lh_cond_init(&k->changed);
    status = lh_thread_start(&k->thread, "catalog-keeper", keeper_run, k, err);
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
catalog_keeper_stop(struct catalog_keeper *k)
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
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
