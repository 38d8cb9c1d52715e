/*
 * A slot stands between the router and a service's handlers. It answers UNAVAILABLE while the
 * service is not there, and hands operational failures to the journal on their way out.
 */
#include "services/host_parts.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"

/* The router wants a table that ends with a zero row; each route is a table of its own so that it
 * can carry its slot. */
struct host_route {
    struct host_slot *slot;
    const struct lh_route *target;
    struct lh_route table[2];
};

/* The journal's own doorstep: a failure to take a report must not become a report. */
static bool
is_journal_intake(const struct host_route *route)
{
    return route->slot->service == &lh_journald && (route->target->flags & LH_ROUTE_INTERNAL);
}

static lh_status
slot_handle(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    struct host_route *route = service;
    struct host_slot *slot = route->slot;
    lh_status status;

    if (!host_slot_is_running(slot))
        return lh_fail(err, LH_UNAVAILABLE, "service.not_running", "%s is not running yet",
                       slot->service->name);
    status = route->target->handle(slot->self, call, req, res, err);
    if (status != LH_OK && !is_journal_intake(route))
        lh_host_report(slot->host, call, slot->service->name, req, err);
    return status;
}

static size_t
route_count(const struct lh_route *routes)
{
    size_t n = 0;

    while (routes && routes[n].pattern)
        n++;
    return n;
}

struct host_route *
host_routes_new(struct host_slot *slot, const struct lh_route *routes)
{
    size_t n = route_count(routes);
    struct host_route *list = lh_alloc_array(n + 1, sizeof(*list));

    for (size_t i = 0; i < n; i++) {
        list[i] = (struct host_route){.slot = slot, .target = &routes[i], .table = {routes[i]}};
        list[i].table[0].handle = slot_handle;
    }
    return list;
}

void
host_routes_add(struct host_route *routes, struct lh_router *r)
{
    for (struct host_route *route = routes; route->target; route++)
        lh_router_add(r, route->table, route);
}

void
host_slot_routes_add(const struct host_slot *slot, struct lh_router *r)
{
    host_routes_add(slot->routes, r);
}

void
host_slot_init(struct host_slot *slot, struct lh_host *host, const struct lh_service *service)
{
    slot->host = host;
    slot->service = service;
    slot->router = lh_router_new();
    /* A door fills its router itself, once it has started. */
    slot->routes = host_routes_new(slot, service->door ? NULL : service->routes);
    host_slot_routes_add(slot, slot->router);
}

void
host_slot_fini(struct host_slot *slot)
{
    host_side_fini(slot);
    lh_router_free(slot->router);
    free(slot->routes);
}

bool
host_slot_is_running(const struct host_slot *slot)
{
    return atomic_load_explicit(&slot->is_running, memory_order_acquire);
}

lh_status
host_slot_start(struct host_slot *slot, const struct lh_env *env, struct lh_error *err)
{
    if (slot->service->start(env, &slot->self, err) != LH_OK)
        return lh_error_wrap(err, "%s does not start", slot->service->name);
    if (slot->service->door) {
        slot->service->door(slot->self, slot->router, &slot->door);
        host_health_routes_add(slot->host, slot->router);
    }
    atomic_store_explicit(&slot->is_running, true, memory_order_release);
    lh_log(LH_LOG_DEBUG, slot->service->name, "started");
    return LH_OK;
}

void
host_slot_drain(struct host_slot *slot)
{
    if (host_slot_is_running(slot) && slot->service->drain)
        slot->service->drain(slot->self);
}

void
host_slot_stop(struct host_slot *slot)
{
    if (!atomic_exchange(&slot->is_running, false))
        return;
    if (slot->service->stop)
        slot->service->stop(slot->self);
    lh_log(LH_LOG_DEBUG, slot->service->name, "stopped");
}
