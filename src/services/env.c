#include "base/thread.h"
#include "services/host_parts.h"

/* DuckDB costs tens of milliseconds and megabytes to open, so a process that never asks never pays.
 * The lock is held while one thread opens it: whoever else asks has nothing better to do than wait
 * for the same engine. */
static lh_status
engine_open_once(const struct lh_env *env, enum lh_engine_kind kind, struct lh_engine **out,
                 struct lh_error *err)
{
    struct host_engines *e = &env->host->engines;

    LH_AUTO_LOCK(&e->lock);
    if (!e->engine[kind])
        LH_TRY(lh_engine_open(kind, env->config, env->store, &e->engine[kind], err));
    *out = e->engine[kind];
    return LH_OK;
}

lh_status
lh_env_work_engine(const struct lh_env *env, struct lh_engine **out, struct lh_error *err)
{
    return engine_open_once(env, LH_ENGINE_WORK, out, err);
}

lh_status
lh_env_query_engine(const struct lh_env *env, struct lh_engine **out, struct lh_error *err)
{
    return engine_open_once(env, LH_ENGINE_QUERY, out, err);
}

/* A status page must not wait for an engine that is being opened. */
struct lh_engine *
host_engine_find(struct lh_host *h, enum lh_engine_kind kind)
{
    struct lh_engine *found = NULL;

    if (pthread_mutex_trylock(&h->engines.lock) == 0) {
        found = h->engines.engine[kind];
        pthread_mutex_unlock(&h->engines.lock);
    }
    return found;
}

void
host_engines_fini(struct host_engines *e)
{
    for (size_t i = 0; i < sizeof(e->engine) / sizeof(e->engine[0]); i++)
        lh_engine_free(e->engine[i]);
    pthread_mutex_destroy(&e->lock);
}
