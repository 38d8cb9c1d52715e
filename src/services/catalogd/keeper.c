#include "services/catalogd/keeper.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "services/catalogd/event.h"
#include "services/catalogd/meta.h"
#include "services/rounds.h"

/* A whole listing also finds what another process has collected. */
enum { PASSES_PER_WHOLE = 30 };

#define EVENT_GRACE_US INT64_C(5000000)

struct catalog_keeper {
    struct catalog *catalog;
    unsigned pass_number;
    bool was_failing;
    struct lh_rounds *rounds;
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
pass(struct catalog *c, struct lh_call *call, unsigned number, struct lh_error *err)
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
round_run(void *self, struct lh_call *call)
{
    struct catalog_keeper *k = self;
    LH_AUTO_ERROR(err);
    bool has_failed = pass(k->catalog, call, k->pass_number++, &err) != LH_OK;

    /* Once when it begins, not at every pass while the bucket is away. */
    if (has_failed && !k->was_failing && !lh_call_is_canceled(call))
        lh_log_error(LH_LOG_WARN, "catalogd", "the catalog could not be refreshed", &err);
    k->was_failing = has_failed;
}

lh_status
catalog_keeper_start(struct catalog *c, struct catalog_keeper **out, struct lh_error *err)
{
    struct catalog_keeper *k = LH_NEW(struct catalog_keeper);
    const struct lh_rounds_options options = {
        .name = "catalog-keeper",
        .interval_ms = lh_config_ms(c->env->config, "catalog.refresh_interval"),
        .is_at_once = true,
        .run = round_run,
        .self = k,
    };
    lh_status status;

    k->catalog = c;
    status = lh_rounds_start(&options, &k->rounds, err);
    if (status != LH_OK) {
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
    lh_rounds_stop(k->rounds);
    free(k);
}
