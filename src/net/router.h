/*
 * router: from method and path to a handler.
 *
 * A service is a table of routes. Patterns are literal segments, `{name}` for one segment, and
 * `{name...}` as last part for the rest of the path (object keys). Literal beats parameter. 404
 * when no pattern fits, 405 with `Allow` when only the method does not; HEAD is answered by a GET
 * route.
 */
#ifndef LH_NET_ROUTER_H
#define LH_NET_ROUTER_H

#include "net/http.h"

typedef lh_status (*lh_handler)(void *service, struct lh_call *call, struct lh_request *req,
                                struct lh_response *res, struct lh_error *err);

enum lh_route_flags {
    /* The handler reads req->body itself; otherwise the body is whole in body_bytes. */
    LH_ROUTE_STREAMS_BODY = 1,
    /* May run on a network thread: touches memory only, never blocks, does not stream. */
    LH_ROUTE_INLINE = 2,
    /* For other services of this installation; the gateway never forwards to it. */
    LH_ROUTE_INTERNAL = 4,
    LH_ROUTE_WRITES = 8, /* a mutation: needs principal.may_write, honours Idempotency-Key */
    LH_ROUTE_OPEN = 16,  /* answered without a token: health only */
    LH_ROUTE_LONG = 32,  /* no default deadline: jobs, large uploads */
};

struct lh_route {
    enum lh_method method;
    const char *pattern;
    lh_handler handle;
    unsigned flags;
    uint64_t body_max; /* 0: the server's default; no limit when the handler streams */
};

struct lh_router;

struct lh_router *lh_router_new(void);
void lh_router_free(struct lh_router *r);
LH_AUTO_DEFINE(lh_router)
/* `routes` ends with a zero row (pattern NULL) and must outlive the router; `service` is passed to
 * the handlers. A pattern added twice for one method is a bug and aborts. Not after sharing. */
void lh_router_add(struct lh_router *r, const struct lh_route *routes, void *service);

struct lh_match {
    const struct lh_route *route;
    void *service;
    size_t index; /* of the route in this router, below lh_router_count: for tables beside it */
};

size_t lh_router_count(const struct lh_router *r);

/* Fills req->params and req->route. NOT_FOUND "request.route", or INVALID "request.method" with the
 * allowed methods in *allow (in the arena) for the Allow header. */
lh_status lh_router_find(const struct lh_router *r, struct lh_arena *arena, struct lh_request *req,
                         struct lh_match *out, lh_str *allow, struct lh_error *err);

#endif
