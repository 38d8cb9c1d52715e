#include "services/gateway/sweep.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "services/rounds.h"

struct gateway_sweeper {
    struct gateway_sweep sweep;
    struct lh_rounds *rounds;
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

static void
round_run(void *self, struct lh_call *call)
{
    struct gateway_sweeper *s = self;
    LH_AUTO_ERROR(err);
    size_t removed;

    if (gateway_sweep_run(&s->sweep, call, &removed, &err) != LH_OK && err.status != LH_CANCELED)
        lh_log_error(LH_LOG_WARN, "gateway", "outdated objects stay", &err);
}

lh_status
gateway_sweeper_start(const struct gateway_sweep *sweep, int64_t every_ms,
                      struct gateway_sweeper **out, struct lh_error *err)
{
    struct gateway_sweeper *s = LH_NEW(struct gateway_sweeper);
    const struct lh_rounds_options options = {
        .name = "gw-sweep", .interval_ms = every_ms, .run = round_run, .self = s};
    lh_status status;

    s->sweep = *sweep;
    status = lh_rounds_start(&options, &s->rounds, err);
    if (status != LH_OK) {
        free(s);
        return status;
    }
    *out = s;
    return LH_OK;
}

void
gateway_sweeper_stop(struct gateway_sweeper *s)
{
    if (!s)
        return;
    lh_rounds_stop(s->rounds);
    free(s);
}
