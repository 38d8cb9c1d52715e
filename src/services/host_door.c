/*
 * The door of a process: which address, which routes, who guards them. A process with a gateway
 * shows the gateway's router; a daemon shows its own service's routes and its health to the rest of
 * the installation, behind the mesh guard.
 */
#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "services/host_parts.h"

/* Not 127.0.0.0/8 (RFC 1122), ::1 or the name that means them. What is no address at all is the
 * server's to refuse. */
bool
lh_host_is_exposed(lh_str listen)
{
    lh_str host;
    size_t at;

    if (!lh_str_find_char(listen, ':', &at))
        return false;
    if (lh_str_starts(listen, LH_STR("[")))
        return !lh_str_starts(listen, LH_STR("[::1]:"));
    host = lh_str_slice(listen, 0, at);
    return !lh_str_starts(host, LH_STR("127.")) && !lh_str_eq_nocase(host, LH_STR("localhost"));
}

/* The gateway judges its own address, since it knows the tokens of people; the others are protected
 * by the mesh token. */
static lh_status
address_check(const struct lh_host *h, struct lh_error *err)
{
    if (host_door_slot(h)->service->door || !lh_host_is_exposed(lh_str_of(h->listen)) ||
        lh_config_str(h->env.config, "mesh.token")[0])
        return LH_OK;
    return lh_fail(
        err, LH_DENIED, "host.insecure",
        "%s would be open to other machines at %s: set mesh.token, or listen on 127.0.0.1",
        host_door_slot(h)->service->name, h->listen);
}

static void
request_done(void *self, const struct lh_call *call, const struct lh_request *req,
             const struct lh_response *res, int64_t elapsed_ns)
{
    const struct lh_host *h = self;

    lh_log(LH_LOG_DEBUG, host_door_slot(h)->service->name, "request",
           LH_LOG_S("method", lh_method_name(req->method)), LH_LOG_V("path", req->path),
           LH_LOG_I("status", res->status), LH_LOG_I("elapsed_us", elapsed_ns / 1000),
           LH_LOG_S("trace_id", call->trace.trace_id));
}

/* Without a mesh token every caller of this machine is believed, and a browser is one of them. The
 * field that names the principal is one that no page can send to another site (Fetch standard,
 * "CORS-safelisted request-header"), and the gateway, which sends it, has looked at the origin of
 * what it hands on. */
static lh_status
page_check(const struct lh_host *h, const struct lh_request *req, struct lh_error *err)
{
    if (lh_config_str(h->env.config, "mesh.token")[0])
        return LH_OK;
    if (lh_request_header(req, "X-Lakehouse-Principal").ptr)
        return lh_host_origin_check_host(h->origin, req, err);
    return lh_host_origin_check(h->origin, req, err);
}

static lh_status
daemon_guard(void *self, struct lh_call *call, struct lh_request *req, const struct lh_match *match,
             struct lh_response *res, struct lh_error *err)
{
    const struct lh_host *h = self;

    LH_TRY(page_check(h, req, err));
    return lh_mesh_guard(h->env.mesh, call, req, match, res, err);
}

static const struct lh_router *
daemon_door(struct lh_host *h, const struct host_slot *slot, struct lh_door *door)
{
    lh_str rest = lh_str_of(h->listen), name;

    lh_str_cut(&rest, ':', &name);
    h->origin = lh_host_origin_new(h->env.config, name);
    h->door_router = lh_router_new();
    host_slot_routes_add(slot, h->door_router);
    host_health_routes_add(h, h->door_router);
    host_status_route_add(h, h->door_router);
    *door = (struct lh_door){.guard = daemon_guard, .done = request_done, .self = h};
    return h->door_router;
}

lh_status
host_door_open(struct lh_host *h, struct lh_error *err)
{
    const struct host_slot *slot = host_door_slot(h);
    struct lh_door door = slot->door;
    const struct lh_router *router = slot->router;
    LH_AUTO_BUF(address, 256);

    LH_TRY(address_check(h, err));
    if (!slot->service->door)
        router = daemon_door(h, slot, &door);

    struct lh_server_options options = {
        .name = slot->service->name,
        .listen = h->listen,
        .router = router,
        .config = h->env.config,
        .guard = door.guard,
        .done = door.done,
        .self = door.self,
    };
    LH_TRY(lh_server_start(&options, &h->server, err));
    lh_server_address(h->server, &address);
    free(h->url);
    h->url = lh_asprintf("http://%s", lh_buf_cstr(&address));
    return LH_OK;
}
