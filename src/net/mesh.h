/*
 * mesh: a call to another service, wherever it runs.
 *
 * A service that lives in this process is called through its router, on the caller's thread, with
 * the caller's `struct lh_call`: no socket, no copy of the body. A service elsewhere is called over
 * HTTP at its configured address with keep-alive, the remaining deadline (X-Lakehouse-Deadline-Ms),
 * the principal (X-Lakehouse-Principal, believed only together with the mesh token), the trace, and
 * retries with jittered back-off, within the deadline, of what may be repeated: a request that was
 * never sent or was refused at the door ("net.busy"), a GET, HEAD, PUT or DELETE, or a POST marked
 * is_idempotent.
 *
 * Fails    as the service failed: status, reason, text and extra members come back the same from
 *          either side of a socket (net/http.h, lh_problem_decode). UNAVAILABLE
 *          "mesh.unreachable" names service and address.
 * Threads  safe to share after the services are registered.
 */
#ifndef LH_NET_MESH_H
#define LH_NET_MESH_H

#include "base/config.h"
#include "net/router.h"

/* "mesh.…": address of each service, token, retries */
extern const struct lh_config_key lh_mesh_config[];

struct lh_mesh;

struct lh_mesh *lh_mesh_new(const struct lh_config *config);
void lh_mesh_free(struct lh_mesh *m);

/* The service lives here. Before sharing. `router` must hold its routes and outlive the mesh. */
void lh_mesh_host(struct lh_mesh *m, const char *service, const struct lh_router *router);
bool lh_mesh_is_local(const struct lh_mesh *m, const char *service);
/* "in process", or its address. Borrowed. */
const char *lh_mesh_where(const struct lh_mesh *m, const char *service);

struct lh_mesh_request {
    const char *service; /* "catalogd" */
    enum lh_method method;
    const char *path;         /* with query, already encoded: "/v1/catalog/datasets?limit=10" */
    lh_bytes body;            /* JSON, or whatever content_type says */
    const char *content_type; /* NULL: application/json */
    bool is_idempotent;       /* a POST that may be repeated */
    size_t answer_max;        /* 0: 64 MiB */
};

/* Buffered: the answer's body goes to *body (initialised by the caller). An HTTP error status comes
 * back as its failure. */
lh_status
lh_mesh_call(struct lh_mesh *m, struct lh_call *call, const struct lh_mesh_request *request,
             int *http_status, struct lh_buf *body, struct lh_error *err);
/* The same with the answer parsed as JSON. Caller json_decref; NULL for an empty body. */
lh_status
lh_mesh_call_json(struct lh_mesh *m, struct lh_call *call, const struct lh_mesh_request *request,
                  json_t **out, struct lh_error *err);

/* Hands a whole request on, streaming in both directions: what the gateway does. The response is
 * begun by the service. Routes marked LH_ROUTE_INTERNAL are not found this way, and those marked
 * LH_ROUTE_WRITES are DENIED "auth.read_only" to a principal that may not write. */
lh_status lh_mesh_forward(struct lh_mesh *m, struct lh_call *call, const char *service,
                          struct lh_request *req, struct lh_response *res, struct lh_error *err);

/* The server guard of a daemon: believes principal, deadline and trace of a caller that shows the
 * mesh token; without a configured token only loopback peers are believed. A believed caller that
 * names nobody is the system. Others get DENIED "mesh.token", save on LH_ROUTE_OPEN routes. */
lh_status
lh_mesh_guard(void *mesh, struct lh_call *call, struct lh_request *req,
              const struct lh_match *match, struct lh_response *res, struct lh_error *err);

#endif
