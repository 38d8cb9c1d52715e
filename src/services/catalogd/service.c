#include "services/catalogd/catalog.h"

static lh_status
catalogd_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct catalog *c = NULL;

    LH_TRY(catalog_open(env, &c, err));
    *self = c;
    return LH_OK;
}

static void
catalogd_drain(void *self)
{
    catalog_drain(self);
}

static void
catalogd_stop(void *self)
{
    catalog_free(self);
}

static size_t
catalogd_ready(void *self, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    LH_AUTO_ERROR(err);

    (void)call;
    if (max == 0)
        return 0;
    checks[0] = (struct lh_ready_check){.name = "catalog",
                                        .is_ok = catalog_ready_check(self, &err) == LH_OK};
    lh_str_copy(checks[0].detail, sizeof(checks[0].detail), lh_str_of(err.text));
    return 1;
}

static void
catalogd_status(void *self, struct lh_json_writer *w)
{
    struct catalog *c = self;
    struct catalog_index_stats index = catalog_index_stats_get(c->index);
    struct lh_cache_stats cache = lh_cache_stats_get(c->snapshots);

    lh_json_set_u64(w, "datasets", index.datasets);
    lh_json_set_u64(w, "versions", index.versions);
    lh_json_set_u64(w, "broken", index.broken);
    lh_json_set_u64(w, "cached_bytes", cache.bytes);
    lh_json_set_u64(w, "cache_hits", cache.hits);
    lh_json_set_u64(w, "cache_misses", cache.misses);
}

const struct lh_service lh_catalogd = {
    .name = "catalogd",
    .what = "which datasets and versions there are",
    .config = catalog_config,
    .routes = catalog_routes,
    .start = catalogd_start,
    .drain = catalogd_drain,
    .stop = catalogd_stop,
    .ready = catalogd_ready,
    .status = catalogd_status,
};
