#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "services/host.h"
#include "services/storaged/s3.h"

/* A pass over so much, from the page cache, delays the first byte by a fraction of a second. */
#define PROVE_FIRST_MAX ((uint64_t)1 << 30)

static lh_status
storaged_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct storage *s = LH_NEW(struct storage);

    (void)err;
    s->env = env;
    s->prove_first_max = PROVE_FIRST_MAX;
    pthread_mutex_init(&s->health.mutex, NULL);
    lh_cond_init(&s->health.done);
    *self = s;
    return LH_OK;
}

static lh_status
storaged_side_door(void *self, struct lh_side_door *out, struct lh_error *err)
{
    struct storage *s = self;

    LH_TRY(s3_door_open(s, &s->s3, err));
    if (s->s3)
        s3_door_describe(s->s3, out);
    return LH_OK;
}

static void
storaged_drain(void *self)
{
    struct storage *s = self;

    if (s->s3)
        s3_door_drain(s->s3);
}

static void
storaged_stop(void *self)
{
    struct storage *s = self;

    s3_door_free(s->s3);
    pthread_cond_destroy(&s->health.done);
    pthread_mutex_destroy(&s->health.mutex);
    free(s->health.answer);
    free(s);
}

/* Primary as the last probe found it (at most a second old): what GET /v1/storage/health says. */
static lh_status
primary_look(struct storage *s, struct lh_call *call, bool *can_write, struct lh_error *err)
{
    json_t *primary, *capabilities;
    const char *detail;

    LH_AUTO_BUF(text, (size_t)1 << 20);
    LH_AUTO_JSON health = NULL;
    LH_AUTO(lh_object_list) *page = NULL;

    LH_TRY(lh_object_list(lh_store_primary(s->env->store), call, LH_STR("_storage/"), LH_STR(""), 1,
                          &page, err));
    LH_TRY(storage_health_print(s, call, false, &text, err));
    LH_TRY(lh_json_parse(lh_buf_str(&text), &health, err));
    primary = json_array_get(json_object_get(health, "buckets"), 0);
    capabilities = json_object_get(primary, "capabilities");
    detail = json_string_value(json_object_get(primary, "detail"));
    *can_write = json_is_true(json_object_get(capabilities, "write"));
    if (!*can_write)
        return lh_fail(err, LH_DENIED, "store.read_only",
                       "the primary bucket cannot be written: %s", detail);
    if (json_is_true(json_object_get(capabilities, "conditional_put")) &&
        json_is_true(json_object_get(capabilities, "compare_and_swap")))
        return LH_OK;
    return lh_fail(
        err, LH_UNSUPPORTED, "store.conditions_ignored",
        "the primary bucket does not hold to conditions, so nothing may commit there: %s", detail);
}

static size_t
storaged_ready(void *self, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    bool can_write = false;
    LH_AUTO_ERROR(err);

    if (max == 0)
        return 0;
    checks[0] = (struct lh_ready_check){.name = "primary bucket"};
    checks[0].is_ok = primary_look(self, call, &can_write, &err) == LH_OK;
    if (!checks[0].is_ok)
        (void)lh_str_copy(checks[0].detail, sizeof(checks[0].detail), lh_str_of(err.text));
    return 1;
}

void
storage_failure_report(struct storage *s, struct lh_call *call, const struct lh_request *req,
                       struct lh_error *err)
{
    if (s->env->host)
        lh_host_report(s->env->host, call, lh_storaged.name, req, err);
}

const struct lh_service lh_storaged = {
    .name = "storaged",
    .what = "buckets and the objects in them",
    .config = storage_s3_config,
    .routes = storage_routes,
    .start = storaged_start,
    .drain = storaged_drain,
    .stop = storaged_stop,
    .ready = storaged_ready,
    .side_door = storaged_side_door,
};
