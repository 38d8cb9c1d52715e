/*
 * The order of a start: folder, store, mesh, slots (so that every service can be found), services,
 * door. Whatever fails, what was started is stopped in reverse and the caller gets the failure.
 */
#include "services/host.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "services/host_parts.h"

static size_t
service_count(const struct lh_service *const *services)
{
    size_t n = 0;

    while (services[n])
        n++;
    return n;
}

static void
slots_build(struct lh_host *h, const struct lh_service *const *services)
{
    h->slot_count = service_count(services);
    h->slots = lh_alloc_array(h->slot_count, sizeof(*h->slots));
    for (size_t i = 0; i < h->slot_count; i++) {
        host_slot_init(&h->slots[i], h, services[i]);
        lh_mesh_host(h->env.mesh, services[i]->name, h->slots[i].router);
    }
}

static lh_status
services_start(struct lh_host *h, struct lh_error *err)
{
    for (size_t i = 0; i < h->slot_count; i++)
        LH_TRY(host_slot_start(&h->slots[i], &h->env, err));
    return LH_OK;
}

static lh_status
doors_open(struct lh_host *h, struct lh_error *err)
{
    for (size_t i = 0; i < h->slot_count; i++)
        LH_TRY(host_side_open(&h->slots[i], err));
    return host_door_open(h, err);
}

static char *
listen_choose(const struct lh_host *h, const struct lh_host_options *options)
{
    if (options->is_embedded)
        return lh_strdup("");
    if (options->listen)
        return lh_strdup(options->listen);
    return host_listen_configured(options->config, host_door_slot(h)->service);
}

static struct lh_host *
host_new(const struct lh_host_options *options)
{
    struct lh_host *h = LH_NEW(struct lh_host);

    h->data_dir = lh_strdup(options->data_dir);
    h->started_ms = lh_time_mono_ms();
    h->env = (struct lh_env){.config = options->config, .data_dir = h->data_dir, .host = h};
    pthread_mutex_init(&h->engines.lock, NULL);
    pthread_mutex_init(&h->reported.lock, NULL);
    return h;
}

static lh_status
host_build(struct lh_host *h, const struct lh_host_options *options, struct lh_error *err)
{
    h->env.secrets = lh_secrets_open(options->config);
    LH_TRY(lh_store_open(options->config, h->data_dir, h->env.secrets, &h->env.store, err));
    h->env.mesh = lh_mesh_new(options->config);
    lh_store_on_rescue(h->env.store, host_rescue_tell, h);
    slots_build(h, options->services);
    h->listen = listen_choose(h, options);
    h->url = lh_strdup("");
    LH_TRY(services_start(h, err));
    return options->is_embedded ? LH_OK : doors_open(h, err);
}

lh_status
lh_host_start(const struct lh_host_options *options, struct lh_host **out, struct lh_error *err)
{
    struct lh_host *h;
    lh_status status;

    LH_TRY(lh_host_config_check(options->config, err));
    h = host_new(options);
    status = host_build(h, options, err);

    if (status != LH_OK) {
        lh_host_stop(h);
        return status;
    }
    lh_log(LH_LOG_INFO, host_door_slot(h)->service->name, "ready", LH_LOG_S("url", h->url),
           LH_LOG_S("data_dir", h->data_dir),
           LH_LOG_I("elapsed_ms", lh_time_mono_ms() - h->started_ms));
    *out = h;
    return LH_OK;
}

const struct host_slot *
host_door_slot(const struct lh_host *h)
{
    for (size_t i = 0; i < h->slot_count; i++) {
        if (h->slots[i].service->door)
            return &h->slots[i];
    }
    return &h->slots[h->slot_count - 1];
}

const char *
lh_host_url(const struct lh_host *h)
{
    return h->url;
}

const char *
lh_host_listen(const struct lh_host *h)
{
    return h->listen;
}

struct lh_mesh *
lh_host_mesh(struct lh_host *h)
{
    return h->env.mesh;
}

/* Requests end first, then background work everywhere, and only then does any service go away that
 * another might still ask. */
static void
services_stop(struct lh_host *h)
{
    for (size_t i = h->slot_count; i-- > 0;)
        host_slot_drain(&h->slots[i]);
    for (size_t i = h->slot_count; i-- > 0;)
        host_slot_stop(&h->slots[i]);
}

void
lh_host_stop(struct lh_host *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->slot_count; i++)
        host_side_drain(&h->slots[i]);
    if (h->server)
        lh_server_drain(h->server, lh_config_ms(h->env.config, "http.drain_timeout"));
    for (size_t i = 0; i < h->slot_count; i++)
        host_side_close(&h->slots[i]);
    lh_server_free(h->server);
    services_stop(h);
    lh_mesh_free(h->env.mesh);
    for (size_t i = 0; i < h->slot_count; i++)
        host_slot_fini(&h->slots[i]);
    lh_router_free(h->door_router);
    lh_host_origin_free(h->origin);
    host_engines_fini(&h->engines);
    lh_store_free(h->env.store);
    lh_secrets_free(h->env.secrets);
    pthread_mutex_destroy(&h->reported.lock);
    free(h->slots);
    free(h->data_dir);
    free(h->listen);
    free(h->url);
    free(h->health_body);
    free(h);
}
