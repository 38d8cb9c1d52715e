#include <stdlib.h>

#include "base/alloc.h"
#include "services/vectord/vectord.h"

const struct lh_config_key vectord_config[] = {
    {"vectors.indexes_max", LH_CONFIG_I64, "1000", 1, 100000,
     "Vector indexes that there may be; one more is refused.", NULL, false},
    {0},
};

static lh_status
vectord_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct vectord *v = LH_NEW(struct vectord);

    (void)err;
    v->env = env;
    v->bucket = lh_store_primary(env->store);
    *self = v;
    return LH_OK;
}

static void
vectord_stop(void *self)
{
    free(self);
}

static size_t
vectord_ready(void *self, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    const struct vectord *v = self;
    LH_AUTO_ERROR(err);
    bool has_more;
    size_t count;
    lh_str *names;

    if (max == 0)
        return 0;
    checks[0] = (struct lh_ready_check){
        .name = "vectors",
        .is_ok = vector_definition_names(v->bucket, call, LH_STR_NONE, 1, &names, &count, &has_more,
                                         &err) == LH_OK};
    lh_str_copy(checks[0].detail, sizeof(checks[0].detail), lh_str_of(err.text));
    return 1;
}

const struct lh_service lh_vectord = {
    .name = "vectord",
    .what = "vector indexes and search by meaning",
    .config = vectord_config,
    .routes = vectord_routes,
    .start = vectord_start,
    .stop = vectord_stop,
    .ready = vectord_ready,
};
