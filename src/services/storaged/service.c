#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "services/storaged/storage.h"

static lh_status
storaged_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct storage *s = LH_NEW(struct storage);

    (void)err;
    s->env = env;
    pthread_mutex_init(&s->health.mutex, NULL);
    lh_cond_init(&s->health.done);
    *self = s;
    return LH_OK;
}

static void
storaged_stop(void *self)
{
    struct storage *s = self;

    pthread_cond_destroy(&s->health.done);
    pthread_mutex_destroy(&s->health.mutex);
    free(s->health.answer);
    free(s);
}

/* One look-up in primary: quick, and it fails when the disk has gone away. Writing is proven by GET
 * /v1/storage/health. */
static size_t
storaged_ready(void *self, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    struct storage *s = self;
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_ERROR(err);

    if (max == 0)
        return 0;
    checks[0] = (struct lh_ready_check){.name = "primary bucket"};
    checks[0].is_ok = lh_object_list(lh_store_primary(s->env->store), call, LH_STR("_storage/"),
                                     LH_STR(""), 1, &page, &err) == LH_OK;
    if (!checks[0].is_ok)
        (void)lh_str_copy(checks[0].detail, sizeof(checks[0].detail), lh_str_of(err.text));
    return 1;
}

const struct lh_service lh_storaged = {
    .name = "storaged",
    .what = "buckets and the objects in them",
    .routes = storage_routes,
    .start = storaged_start,
    .stop = storaged_stop,
    .ready = storaged_ready,
};
