/*
 * mesh_parts: the two ways a call to a service can go, behind one shape.
 *
 * Both take what net/mesh.h was given and answer alike: a failure of the service comes back as its
 * failure, with its HTTP status beside it.
 */
#ifndef LH_NET_MESH_PARTS_H
#define LH_NET_MESH_PARTS_H

#include "net/client.h"
#include "net/mesh.h"

struct net_service {
    const char *name;
    const struct lh_router *router; /* NULL: elsewhere */
    char *url;                      /* "http://127.0.0.1:3201", or NULL when not configured */
};

struct lh_mesh {
    struct net_service *services;
    size_t count;
    struct lh_client *client;
    char *token;
    int64_t retries;
    int64_t connect_timeout_ms;
};

#define NET_MESH_ANSWER_MAX ((size_t)64 << 20)

/* UNAVAILABLE "mesh.unreachable" for a name that nothing answers to. */
lh_status net_mesh_find(const struct lh_mesh *m, const char *name, const struct net_service **out,
                        struct lh_error *err);

lh_status net_mesh_local_call(const struct net_service *s, struct lh_call *call,
                              const struct lh_mesh_request *request, int *http_status,
                              struct lh_buf *body, struct lh_error *err);
lh_status
net_mesh_local_forward(const struct net_service *s, struct lh_call *call,
                       const struct lh_request *req, struct lh_response *res, struct lh_error *err);

lh_status net_mesh_remote_call(const struct lh_mesh *m, const struct net_service *s,
                               struct lh_call *call, const struct lh_mesh_request *request,
                               int *http_status, struct lh_buf *body, struct lh_error *err);
lh_status
net_mesh_remote_forward(const struct lh_mesh *m, const struct net_service *s, struct lh_call *call,
                        struct lh_request *req, struct lh_response *res, struct lh_error *err);

/* What neither gateway nor guard lets through from outside: internal routes, and writes of those
 * who may only read. */
lh_status net_mesh_route_check(const struct lh_route *route, const struct lh_call *call,
                               const struct lh_request *req, struct lh_error *err);

#endif
