#include <stdlib.h>
#include "base/alloc.h"
#include "services/gateway/gateway.h"

static const struct lh_config_key gateway_config[] = {
    {.name = "token",
     .kind = LH_CONFIG_TABLES,
     .doc = "Bearer tokens; with any of them, or with LAKEHOUSE_TOKEN, every request needs one.",
     .fields = gateway_token_fields},
    {.name = "gateway.listen",
     .kind = LH_CONFIG_STR,
     .def = "127.0.0.1:3100",
     .doc = "HOST:PORT of the gateway, and so of `lakehouse serve`; --listen overrides it."},
    {.name = "gateway.host_names",
     .kind = LH_CONFIG_LIST,
     .doc = "Host names, besides localhost, under which a lake without tokens may be addressed."},
    {.name = "gateway.cors_origins",
     .kind = LH_CONFIG_LIST,
     .doc = "Origins (https://app.example) whose pages may call this API from a browser."},
    {.name = "gateway.requests_per_second",
     .kind = LH_CONFIG_I64,
     .def = "0",
     .min = 0,
     .max = 1000000,
     .doc = "Requests a second that one token may make before it gets 429; 0 for no limit."},
    {.name = "gateway.burst",
     .kind = LH_CONFIG_I64,
     .def = "0",
     .min = 0,
     .max = 1000000,
     .doc = "Requests that may come at once within that rate; 0 for twice the rate."},
    {.name = "gateway.access_log",
     .kind = LH_CONFIG_BOOL,
     .def = "true",
     .doc = "Write one line for each request, except for /healthz."},
    {.name = "gateway.ready_timeout",
     .kind = LH_CONFIG_DURATION,
     .def = "1s",
     .min = 10,
     .max = 60000,
     .doc = "How long /readyz waits for a service in another process."},
    {.name = "gateway.idempotency_ttl",
     .kind = LH_CONFIG_DURATION,
     .def = "24h",
     .min = 1000,
     .max = INT64_C(30) * 24 * 3600 * 1000,
     .doc = "How long the answer to an Idempotency-Key is kept."},
    {.name = "gateway.idempotency_lease",
     .kind = LH_CONFIG_DURATION,
     .def = "15m",
     .min = 1000,
     .max = INT64_C(24) * 3600 * 1000,
     .doc = "How long a gateway on another machine is believed to be still at work on a key; "
            "longer than the longest "
            "upload."},
    {.name = "gateway.idempotency_answer_max",
     .kind = LH_CONFIG_SIZE,
     .def = "1MiB",
     .min = 1024,
     .max = 16 << 20,
     .doc = "Longest answer that is kept for an Idempotency-Key."},
    {.name = "gateway.idempotency_sweep",
     .kind = LH_CONFIG_DURATION,
     .def = "1h",
     .min = 0,
     .max = INT64_C(24) * 3600 * 1000,
     .doc = "How often outdated idempotency records are removed; 0 for never."},
    {0},
};

static void gateway_stop(void *self);

/* An address that other machines reach, and nothing that asks who they are. */
static lh_status
listen_check(const struct gateway *g, struct lh_error *err)
{
    lh_str listen = lh_str_of(lh_host_listen(g->env.host));

    if (gateway_auth_count(g->auth) > 0 || !lh_host_is_exposed(listen))
        return LH_OK;
    return lh_fail(
        err, LH_DENIED, "host.insecure",
        "%.*s would be open to other machines: set a token (LAKEHOUSE_TOKEN, or [[token]] in the "
        "configuration), or listen on 127.0.0.1",
        LH_FMT(listen));
}

static lh_status
idempotency_open(struct gateway *g, struct lh_error *err)
{
    const struct lh_config *config = g->env.config;
    struct gateway_idempotency_options options = {
        .bucket = lh_store_primary(g->env.store),
        .ttl_ms = lh_config_ms(config, "gateway.idempotency_ttl"),
        .lease_ms = lh_config_ms(config, "gateway.idempotency_lease"),
        .answer_max = (size_t)lh_config_size(config, "gateway.idempotency_answer_max"),
        .sweep_every_ms = lh_config_ms(config, "gateway.idempotency_sweep"),
    };

    return gateway_idempotency_open(&options, &g->idempotency, err);
}

static lh_status
gateway_build(struct gateway *g, struct lh_error *err)
{
    const struct lh_config *config = g->env.config;

    LH_TRY(gateway_auth_new(config, getenv("LAKEHOUSE_TOKEN"), &g->auth, err));
    LH_TRY(listen_check(g, err));
    g->origin = lh_host_origin_new(config, LH_STR_NONE);
    g->rate = lh_rate_new(lh_config_i64(config, "gateway.requests_per_second"),
                          lh_config_i64(config, "gateway.burst"), gateway_auth_count(g->auth) + 1);
    g->has_access_log = lh_config_bool(config, "gateway.access_log");
    g->catalog = lh_catalog_client_new(g->env.mesh);
    LH_TRY(idempotency_open(g, err));
    g->forward = gateway_forward_new(&g->env, g->idempotency, lh_host_all_services());
    return LH_OK;
}

static lh_status
gateway_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct gateway *g = LH_NEW(struct gateway);
    lh_status status;

    g->env = *env;
    status = gateway_build(g, err);
    if (status != LH_OK) {
        gateway_stop(g);
        return status;
    }
    *self = g;
    return LH_OK;
}

static void
gateway_stop(void *self)
{
    struct gateway *g = self;

    gateway_forward_free(g->forward);
    gateway_idempotency_close(g->idempotency);
    lh_catalog_client_free(g->catalog);
    lh_rate_free(g->rate);
    lh_host_origin_free(g->origin);
    gateway_auth_free(g->auth);
    free(g);
}

static void
gateway_status(void *self, struct lh_json_writer *w)
{
    const struct gateway *g = self;

    lh_json_set_u64(w, "tokens", gateway_auth_count(g->auth));
    lh_json_set_u64(w, "routes", gateway_forward_count(g->forward));
}

static void
gateway_door(void *self, struct lh_router *router, struct lh_door *out)
{
    struct gateway *g = self;
    bool has_cors = lh_host_origin_has_cors(g->origin);

    lh_router_add(router, gateway_routes, g);
    lh_router_add(router, gateway_unbuilt_routes, g);
    gateway_forward_routes_add(g->forward, router, has_cors ? lh_host_origin_preflight : NULL,
                               g->origin);
    *out = (struct lh_door){.guard = gateway_guard, .done = gateway_done, .self = g};
}

const struct lh_service lh_gateway = {
    .name = "gateway",
    .what = "the door: tokens, limits, idempotency keys, and every route of every service",
    .config = gateway_config,
    .routes = gateway_routes,
    .start = gateway_start,
    .stop = gateway_stop,
    .ready = gateway_remote_ready,
    .status = gateway_status,
    .door = gateway_door,
};
