/*
 * A door beside the main one: a second address with its own server, whose routes lead through the
 * same slot, so that what fails behind it is reported like any other failure.
 */
#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "services/host_parts.h"

static lh_status
server_start(struct host_slot *slot, struct lh_error *err)
{
    const struct lh_side_door *door = &slot->side.door;
    struct lh_server_options options = {
        .name = door->name,
        .listen = door->listen,
        .router = slot->side.router,
        .config = slot->host->env.config,
        .guard = door->guard,
        .done = door->done,
        .refuse = door->refuse,
        .self = door->self,
    };

    return lh_server_start(&options, &slot->side.server, err);
}

lh_status
host_side_open(struct host_slot *slot, struct lh_error *err)
{
    struct host_side *side = &slot->side;
    LH_AUTO_BUF(address, 256);

    if (!slot->service->side_door)
        return LH_OK;
    LH_TRY(slot->service->side_door(slot->self, &side->door, err));
    if (!side->door.listen)
        return LH_OK;
    side->routes = host_routes_new(slot, side->door.routes);
    side->router = lh_router_new();
    host_routes_add(side->routes, side->router);
    LH_TRY(server_start(slot, err));
    lh_server_address(side->server, &address);
    side->url = lh_asprintf("http://%s", lh_buf_cstr(&address));
    lh_log(LH_LOG_INFO, slot->service->name, "door open", LH_LOG_S("door", side->door.name),
           LH_LOG_S("url", side->url));
    return LH_OK;
}

void
host_side_drain(struct host_slot *slot)
{
    if (slot->side.server)
        lh_server_drain(slot->side.server,
                        lh_config_ms(slot->host->env.config, "http.drain_timeout"));
}

/* The server goes while the service is still there for what runs. */
void
host_side_close(struct host_slot *slot)
{
    lh_server_free(slot->side.server);
    slot->side.server = NULL;
}

void
host_side_fini(struct host_slot *slot)
{
    lh_router_free(slot->side.router);
    free(slot->side.routes);
    free(slot->side.url);
    slot->side = (struct host_side){0};
}

void
host_side_print(const struct host_slot *slot, struct lh_json_writer *w)
{
    if (!slot->side.url)
        return;
    lh_json_key(w, "doors");
    lh_json_array_begin(w);
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", slot->side.door.name);
    lh_json_set_cstr(w, "url", slot->side.url);
    lh_json_object_end(w);
    lh_json_array_end(w);
}
