#include "aibridge/bridge.h"

#include <stdlib.h>
#include "aibridge/parts.h"
#include "base/alloc.h"
#include "text/hash_model.h"

/* ---- from the configuration ---- */

static lh_status
config_fail(struct lh_error *err, const char *what, const char *name, const char *wrong)
{
    return lh_fail(err, LH_INVALID, "config.bridge", "%s \"%s\": %s", what, name, wrong);
}

static bool
is_origin(const char *url)
{
    lh_str s = lh_str_of(url);

    return (lh_str_starts(s, LH_STR("http://")) && s.len > 7) ||
           (lh_str_starts(s, LH_STR("https://")) && s.len > 8);
}

/* Without slashes at its end, since paths begin with one. */
static const char *
url_copy(const char *url)
{
    lh_str s = lh_str_of(url);

    while (s.len > 0 && s.ptr[s.len - 1] == '/')
        s.len--;
    return lh_str_dup(s);
}

static void
provider_metrics(struct bridge_provider *p)
{
    static const char *const help = "Requests to a provider of models.";

    p->metrics.ok = lh_counter("lakehouse_bridge_requests_total", help, "provider,outcome", p->name,
                               "ok", NULL);
    p->metrics.failed = lh_counter("lakehouse_bridge_requests_total", help, "provider,outcome",
                                   p->name, "failed", NULL);
    p->metrics.retries = lh_counter("lakehouse_bridge_retries_total",
                                    "Requests that were sent again.", "provider", p->name, NULL);
    p->metrics.seconds =
        lh_histogram("lakehouse_bridge_request_seconds", "Time of a request to a provider.",
                     "provider", p->name, NULL);
    p->metrics.is_open = lh_gauge("lakehouse_bridge_breaker_open",
                                  "1 while a provider is left alone.", "provider", p->name, NULL);
}

static lh_status
provider_read(struct lh_bridge *b, const struct lh_config *config, const struct lh_config *table,
              struct lh_error *err)
{
    struct bridge_provider *p = &b->providers[b->provider_count];

    p->name = lh_config_str(table, "name");
    p->credentials = lh_config_str(table, "credentials");
    p->protocol = bridge_protocol_find(lh_str_of(lh_config_str(table, "kind")));
    p->timeout_ms = lh_config_ms(table, "timeout");
    p->concurrency = (size_t)lh_config_i64(table, "concurrency");
    p->gate.breaker.failures_max = (size_t)lh_config_i64(config, "bridge.breaker_failures");
    p->gate.breaker.cooldown_ms = lh_config_ms(config, "bridge.breaker_cooldown");
    if (p->protocol == NULL)
        return config_fail(err, "provider", p->name, "kind is sidecar, ollama or openai");
    if (!is_origin(lh_config_str(table, "url")))
        return config_fail(err, "provider", p->name, "url begins with http:// or https://");
    if (strcmp(p->name, BRIDGE_BUILT_IN) == 0 || p->name[0] == '\0')
        return config_fail(err, "provider", p->name, "the name is taken or empty");
    for (size_t i = 0; i < b->provider_count; i++) {
        if (strcmp(b->providers[i].name, p->name) == 0)
            return config_fail(err, "provider", p->name, "there are two of that name");
    }
    pthread_mutex_init(&p->gate.lock, NULL);
    lh_cond_init(&p->gate.freed);
    p->url = url_copy(lh_config_str(table, "url"));
    provider_metrics(p);
    b->provider_count++;
    return LH_OK;
}

static lh_status
providers_read(struct lh_bridge *b, const struct lh_config *config, struct lh_error *err)
{
    size_t count = lh_config_tables_count(config, "provider");

    b->providers = lh_alloc_array(count + 1, sizeof(*b->providers));
    for (size_t i = 0; i < count; i++)
        LH_TRY(provider_read(b, config, lh_config_tables_at(config, "provider", i), err));
    return LH_OK;
}

static struct bridge_provider *
provider_find(struct lh_bridge *b, const char *name)
{
    for (size_t i = 0; i < b->provider_count; i++) {
        if (strcmp(b->providers[i].name, name) == 0)
            return &b->providers[i];
    }
    return NULL;
}

static lh_status
model_read(struct lh_bridge *b, const struct lh_config *table, struct lh_error *err)
{
    struct bridge_model *m = &b->models[b->model_count];
    const char *kind = lh_config_str(table, "kind"), *remote = lh_config_str(table, "remote_name");

    m->name = lh_config_str(table, "name");
    m->remote_name = remote[0] ? remote : m->name;
    m->provider = provider_find(b, lh_config_str(table, "provider"));
    m->kind = strcmp(kind, "generate") == 0 ? LH_BRIDGE_GENERATE : LH_BRIDGE_EMBED;
    m->dim = (size_t)lh_config_i64(table, "dim");
    m->batch = (size_t)lh_config_i64(table, "batch");
    if (m->provider == NULL)
        return config_fail(err, "model", m->name, "there is no such provider");
    if (strcmp(kind, "embed") != 0 && strcmp(kind, "generate") != 0)
        return config_fail(err, "model", m->name, "kind is embed or generate");
    if (m->name[0] == '\0' || strlen(m->name) >= LH_BRIDGE_NAME_MAX)
        return config_fail(err, "model", m->name, "the name is empty or too long");
    if (bridge_model_of(b, lh_str_of(m->name)))
        return config_fail(err, "model", m->name, "there are two of that name");
    b->model_count++;
    return LH_OK;
}

static lh_status
models_read(struct lh_bridge *b, const struct lh_config *config, struct lh_error *err)
{
    size_t count = lh_config_tables_count(config, "model");

    b->models = lh_alloc_array(count + 1, sizeof(*b->models));
    b->models[b->model_count++] = (struct bridge_model){
        .name = LH_HASH_MODEL_NAME, .kind = LH_BRIDGE_EMBED, .dim = LH_HASH_MODEL_DIM};
    for (size_t i = 0; i < count; i++)
        LH_TRY(model_read(b, lh_config_tables_at(config, "model", i), err));
    return LH_OK;
}

/* A default that the configuration names must be there and of its kind. */
static lh_status
default_check(struct lh_bridge *b, const char *name, enum lh_bridge_kind kind, const char *key,
              struct lh_error *err)
{
    const struct bridge_model *m = bridge_model_of(b, lh_str_of(name));

    if (name[0] == '\0' || (m && m->kind == kind))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "config.bridge", "%s: there is no such model \"%s\"", key,
                   name);
}

static lh_status
config_read(struct lh_bridge *b, const struct lh_config *config, struct lh_error *err)
{
    b->texts_max = (size_t)lh_config_i64(config, "bridge.texts_max");
    b->waiting_max = (size_t)lh_config_i64(config, "bridge.queue_length");
    b->retries = lh_config_i64(config, "bridge.retries");
    b->embed_model = lh_config_str(config, "bridge.embed_model");
    b->generate_model = lh_config_str(config, "bridge.generate_model");
    LH_TRY(providers_read(b, config, err));
    LH_TRY(models_read(b, config, err));
    LH_TRY(default_check(b, b->embed_model, LH_BRIDGE_EMBED, "bridge.embed_model", err));
    return default_check(b, b->generate_model, LH_BRIDGE_GENERATE, "bridge.generate_model", err);
}

/* ---- birth and death ---- */

static size_t
connections_max(const struct lh_bridge *b)
{
    size_t most = 1;

    for (size_t i = 0; i < b->provider_count; i++)
        most = most > b->providers[i].concurrency ? most : b->providers[i].concurrency;
    return most;
}

lh_status
lh_bridge_new(const struct lh_config *config, struct lh_secrets *secrets, struct lh_bridge **out,
              struct lh_error *err)
{
    LH_AUTO(lh_bridge) *b = LH_NEW(struct lh_bridge);

    pthread_mutex_init(&b->fitted.lock, NULL);
    b->secrets = secrets;
    LH_TRY(config_read(b, config, err));
    b->cache = bridge_vector_cache_new((size_t)lh_config_size(config, "bridge.cache"));
    b->client = lh_client_new(connections_max(b));
    *out = lh_take(b);
    return LH_OK;
}

void
lh_bridge_free(struct lh_bridge *b)
{
    if (!b)
        return;
    bridge_fitted_clear(b);
    for (size_t i = 0; i < b->provider_count; i++) {
        struct bridge_provider *p = &b->providers[i];
        lh_secret_free(p->gate.key);
        pthread_cond_destroy(&p->gate.freed);
        pthread_mutex_destroy(&p->gate.lock);
        free((char *)(uintptr_t)p->url);
    }
    if (b->client)
        lh_client_free(b->client);
    bridge_vector_cache_free(b->cache);
    pthread_mutex_destroy(&b->fitted.lock);
    free(b->providers);
    free(b->models);
    free(b);
}

/* ---- models ---- */

struct bridge_model *
bridge_model_of(struct lh_bridge *b, lh_str name)
{
    for (size_t i = 0; i < b->model_count; i++) {
        if (lh_str_eq(lh_str_of(b->models[i].name), name))
            return &b->models[i];
    }
    return NULL;
}

lh_status
bridge_unknown_model(lh_str name, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "bridge.unknown_model", "there is no model '%.*s'",
                   LH_FMT(lh_str_fit(name, LH_BRIDGE_NAME_MAX)));
}

static const struct bridge_model *
first_of(const struct lh_bridge *b, enum lh_bridge_kind kind)
{
    for (size_t i = 0; i < b->model_count; i++) {
        if (b->models[i].kind == kind)
            return &b->models[i];
    }
    return NULL;
}

static lh_status
default_find(const struct lh_bridge *b, enum lh_bridge_kind kind, lh_str *name,
             struct lh_error *err)
{
    const char *configured = kind == LH_BRIDGE_EMBED ? b->embed_model : b->generate_model;
    const struct bridge_model *first = first_of(b, kind);

    if (configured[0] == '\0' && first == NULL)
        return lh_fail(err, LH_UNSUPPORTED, "bridge.no_model",
                       "no model that generates is configured: add a [[provider]] and a [[model]]");
    *name = lh_str_of(configured[0] ? configured : first->name);
    return LH_OK;
}

lh_status
lh_bridge_model_find(struct lh_bridge *b, enum lh_bridge_kind kind, lh_str name,
                     char found[LH_BRIDGE_NAME_MAX], struct lh_error *err)
{
    struct bridge_fitted *fitted;
    const struct bridge_model *m;

    if (name.len == 0)
        LH_TRY(default_find(b, kind, &name, err));
    m = bridge_model_of(b, name);
    fitted = m ? NULL : bridge_fitted_find(b, name);
    if (!m && !fitted)
        return bridge_unknown_model(name, err);
    bridge_fitted_unref(b, fitted);
    if ((m ? m->kind : LH_BRIDGE_EMBED) != kind)
        return lh_fail(err, LH_UNSUPPORTED, "bridge.wrong_kind", "model '%.*s' does not %s",
                       LH_FMT(name), kind == LH_BRIDGE_EMBED ? "embed" : "generate");
    (void)lh_str_copy(found, LH_BRIDGE_NAME_MAX, name);
    return LH_OK;
}

lh_status
lh_bridge_dim(struct lh_bridge *b, struct lh_call *call, lh_str model, size_t *dim,
              struct lh_error *err)
{
    char name[LH_BRIDGE_NAME_MAX];
    struct lh_lsa_info info;

    LH_TRY(lh_bridge_model_find(b, LH_BRIDGE_EMBED, model, name, err));
    struct bridge_model *m = bridge_model_of(b, lh_str_of(name));
    if (m) {
        if (m->dim == 0)
            LH_TRY(bridge_dim_learn(b, call, m, err));
        *dim = m->dim;
        return LH_OK;
    }
    struct bridge_fitted *fitted = bridge_fitted_find(b, lh_str_of(name));
    if (!fitted)
        return bridge_unknown_model(model, err);
    lh_lsa_info_get(fitted->lsa, &info);
    *dim = info.dim;
    bridge_fitted_unref(b, fitted);
    return LH_OK;
}

void
lh_bridge_models(struct lh_bridge *b, void (*see)(void *ctx, const struct lh_bridge_model *model),
                 void *ctx)
{
    for (size_t i = 0; i < b->model_count; i++) {
        const struct bridge_model *m = &b->models[i];
        struct lh_bridge_model seen = {m->name, m->provider ? m->provider->name : BRIDGE_BUILT_IN,
                                       m->kind, m->dim};
        see(ctx, &seen);
    }
    bridge_fitted_see(b, see, ctx);
}

bool
lh_bridge_can_generate(struct lh_bridge *b)
{
    return first_of(b, LH_BRIDGE_GENERATE) != NULL;
}

/* ---- watching ---- */

static void
cache_print(struct lh_bridge *b, struct lh_json_writer *w)
{
    struct bridge_vector_cache_stats stats;

    bridge_vector_cache_stats_get(b->cache, &stats);
    lh_json_key(w, "cache");
    lh_json_object_begin(w);
    lh_json_set_u64(w, "entries", stats.entries);
    lh_json_set_u64(w, "bytes", stats.bytes);
    lh_json_set_u64(w, "bytes_max", stats.bytes_max);
    lh_json_set_u64(w, "hits", stats.hits);
    lh_json_set_u64(w, "misses", stats.misses);
    lh_json_set_u64(w, "evictions", stats.evictions);
    lh_json_object_end(w);
}

static void
provider_print(struct bridge_provider *p, struct lh_json_writer *w)
{
    LH_AUTO_LOCK(&p->gate.lock);
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", p->name);
    lh_json_set_cstr(w, "kind", p->protocol->kind);
    lh_json_set_cstr(w, "url", p->url);
    lh_json_set_bool(w, "is_left_alone", bridge_breaker_is_open(&p->gate.breaker));
    lh_json_set_u64(w, "running", p->gate.running);
    lh_json_set_u64(w, "waiting", p->gate.waiting);
    lh_json_set_i64(w, "requests_ok", lh_metric_value(p->metrics.ok));
    lh_json_set_i64(w, "requests_failed", lh_metric_value(p->metrics.failed));
    lh_json_object_end(w);
}

void
lh_bridge_status(struct lh_bridge *b, struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    cache_print(b, w);
    lh_json_key(w, "providers");
    lh_json_array_begin(w);
    for (size_t i = 0; i < b->provider_count; i++)
        provider_print(&b->providers[i], w);
    lh_json_array_end(w);
    lh_json_object_end(w);
}
