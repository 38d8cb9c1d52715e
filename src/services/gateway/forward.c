#include "services/gateway/forward.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "services/host.h"

/* The router wants tables that end with a zero row, so each route is one. */
struct forward_route {
    struct gateway_forward *forward;
    const char *service;
    struct lh_route table[2];
    struct lh_route preflight[2]; /* pattern NULL when another route has the same one */
};

struct gateway_forward {
    struct lh_env env;
    struct gateway_idempotency *idempotency;
    struct forward_route *routes;
    size_t count;
};

static lh_status
hand_on(void *arg, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    const struct forward_route *r = arg;

    return lh_mesh_forward(r->forward->env.mesh, call, r->service, req, res, err);
}

/* A service in this process has already told the journal about its failure; what is new here is a
 * service that cannot be reached, or a bucket that does not take the record of a key. */
static lh_status
forward_handle(void *route, struct lh_call *call, struct lh_request *req, struct lh_response *res,
               struct lh_error *err)
{
    struct forward_route *r = route;
    const struct gateway_forward *f = r->forward;
    unsigned flags = r->table[0].flags;
    lh_status status;

    /* The body is in body_bytes; a source that has been read to fill it must not be read again. */
    if (!(flags & LH_ROUTE_STREAMS_BODY))
        req->body = (struct lh_source){0};
    if (flags & LH_ROUTE_WRITES)
        status = gateway_idempotency_run(f->idempotency, call, req, res,
                                         (flags & LH_ROUTE_STREAMS_BODY) != 0, hand_on, r, err);
    else
        status = hand_on(r, call, req, res, err);
    if (status != LH_OK)
        lh_host_report(f->env.host, call, "gateway", req, err);
    return status;
}

unsigned
gateway_forward_flags(unsigned flags, bool is_local)
{
    /* A network thread may not wait for another process, nor for the record of a key. */
    if (!is_local || (flags & LH_ROUTE_WRITES))
        flags &= ~(unsigned)LH_ROUTE_INLINE;
    /* Nothing but the gateway's own health is answered to everybody. */
    return flags & ~(unsigned)LH_ROUTE_OPEN;
}

bool
gateway_forward_is_public(const struct lh_route *route)
{
    return !(route->flags & LH_ROUTE_INTERNAL) &&
           !lh_str_starts(lh_str_of(route->pattern), LH_STR("/internal/"));
}

static bool
pattern_is_known(const struct gateway_forward *f, const char *pattern)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->routes[i].table[0].pattern, pattern) == 0)
            return true;
    }
    return false;
}

static void
route_add(struct gateway_forward *f, const struct lh_service *service, const struct lh_route *route)
{
    bool is_local = lh_mesh_is_local(f->env.mesh, service->name);
    struct forward_route *r = &f->routes[f->count];

    *r = (struct forward_route){.forward = f, .service = service->name, .table = {*route}};
    r->table[0].handle = forward_handle;
    r->table[0].flags = gateway_forward_flags(route->flags, is_local);
    if (!pattern_is_known(f, route->pattern))
        r->preflight[0].pattern = route->pattern;
    f->count++;
}

static size_t
public_count(const struct lh_service *const *backends)
{
    size_t n = 0;

    for (; *backends; backends++) {
        for (const struct lh_route *r = (*backends)->routes; r && r->pattern; r++)
            n += gateway_forward_is_public(r);
    }
    return n;
}

struct gateway_forward *
gateway_forward_new(const struct lh_env *env, struct gateway_idempotency *idempotency,
                    const struct lh_service *const *backends)
{
    struct gateway_forward *f = LH_NEW(struct gateway_forward);

    f->env = *env;
    f->idempotency = idempotency;
    f->routes = lh_alloc_array(public_count(backends) + 1, sizeof(*f->routes));
    for (; *backends; backends++) {
        if ((*backends)->door)
            continue;
        for (const struct lh_route *r = (*backends)->routes; r && r->pattern; r++) {
            if (gateway_forward_is_public(r))
                route_add(f, *backends, r);
        }
    }
    return f;
}

void
gateway_forward_free(struct gateway_forward *f)
{
    if (!f)
        return;
    free(f->routes);
    free(f);
}

void
gateway_forward_routes_add(struct gateway_forward *f, struct lh_router *router,
                           lh_handler preflight, void *preflight_service)
{
    for (size_t i = 0; i < f->count; i++) {
        struct forward_route *r = &f->routes[i];

        lh_router_add(router, r->table, r);
        if (!preflight || !r->preflight[0].pattern)
            continue;
        r->preflight[0].method = LH_OPTIONS;
        r->preflight[0].handle = preflight;
        r->preflight[0].flags = LH_ROUTE_OPEN | LH_ROUTE_INLINE;
        lh_router_add(router, r->preflight, preflight_service);
    }
}

size_t
gateway_forward_count(const struct gateway_forward *f)
{
    return f->count;
}
