#include "net/mesh.h"

#include <stdlib.h>
#include "base/abort.h"
#include "base/alloc.h"
#include "net/identity.h"
#include "net/mesh_parts.h"

#define CONNECTIONS_PER_SERVICE 64

#define ADDRESS_KEY(service, what)                                                                 \
    {                                                                                              \
        .name = "mesh." service, .kind = LH_CONFIG_STR, .def = "",                                 \
        .doc = "Address of " service " (HOST:PORT or URL) when it runs in a process of its own; "  \
               "it " what "."                                                                      \
    }

const struct lh_config_key lh_mesh_config[] = {
    ADDRESS_KEY("storaged", "keeps the buckets"),
    ADDRESS_KEY("catalogd", "keeps the catalog"),
    ADDRESS_KEY("ingestd", "takes files in"),
    ADDRESS_KEY("queryd", "answers SQL"),
    ADDRESS_KEY("vectord", "keeps vector indexes"),
    ADDRESS_KEY("journald", "keeps the journal"),
    ADDRESS_KEY("observer", "collects failures and status"),
    {.name = "mesh.token",
     .kind = LH_CONFIG_STR,
     .def = "",
     .doc = "Secret that services show each other; without one, only callers on this machine are "
            "believed.",
     .is_secret = true},
    {.name = "mesh.retries",
     .kind = LH_CONFIG_I64,
     .def = "2",
     .min = 0,
     .max = 10,
     .doc = "How often a call to another service is repeated when it may be."},
    {.name = "mesh.connect_timeout",
     .kind = LH_CONFIG_DURATION,
     .def = "2s",
     .min = 1,
     .max = 60000,
     .doc = "Time to connect to another service."},
    {0},
};

static const char *const service_names[] = {
    "storaged", "catalogd", "ingestd", "queryd", "vectord", "journald", "observer",
};
#define SERVICE_NAMES (sizeof(service_names) / sizeof(service_names[0]))

static char *
url_from(const char *address)
{
    size_t len = strlen(address);

    if (len == 0)
        return NULL;
    while (len > 0 && address[len - 1] == '/')
        len--;
    return lh_asprintf("%s%.*s", strstr(address, "://") ? "" : "http://", (int)len, address);
}

static struct net_service *
service_find(const struct lh_mesh *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->services[i].name, name) == 0)
            return &m->services[i];
    }
    return NULL;
}

static struct net_service *
service_add(struct lh_mesh *m, const char *name)
{
    m->services = lh_realloc_array(m->services, m->count + 1, sizeof(*m->services));
    m->services[m->count] = (struct net_service){.name = lh_strdup(name)};
    return &m->services[m->count++];
}

struct lh_mesh *
lh_mesh_new(const struct lh_config *config)
{
    struct lh_mesh *m = LH_NEW(struct lh_mesh);

    for (size_t i = 0; i < SERVICE_NAMES; i++) {
        char key[64];

        snprintf(key, sizeof(key), "mesh.%s", service_names[i]);
        service_add(m, service_names[i])->url = url_from(lh_config_str(config, key));
    }
    m->client = lh_client_new(CONNECTIONS_PER_SERVICE);
    m->token = lh_strdup(lh_config_str(config, "mesh.token"));
    m->retries = lh_config_i64(config, "mesh.retries");
    m->connect_timeout_ms = lh_config_ms(config, "mesh.connect_timeout");
    return m;
}

void
lh_mesh_free(struct lh_mesh *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++) {
        free((char *)m->services[i].name);
        free(m->services[i].url);
    }
    free(m->services);
    lh_client_free(m->client);
    free(m->token);
    free(m);
}

void
lh_mesh_host(struct lh_mesh *m, const char *service, const struct lh_router *router)
{
    struct net_service *s = service_find(m, service);

    if (!s)
        s = service_add(m, service);
    if (s->router)
        lh_abort("service %s is hosted twice", service);
    s->router = router;
}

bool
lh_mesh_is_local(const struct lh_mesh *m, const char *service)
{
    const struct net_service *s = service_find(m, service);

    return s && s->router;
}

const char *
lh_mesh_where(const struct lh_mesh *m, const char *service)
{
    const struct net_service *s = service_find(m, service);

    if (!s || (!s->router && !s->url))
        return "nowhere";
    return s->router ? "in process" : s->url;
}

lh_status
net_mesh_find(const struct lh_mesh *m, const char *name, const struct net_service **out,
              struct lh_error *err)
{
    const struct net_service *s = service_find(m, name);

    if (!s || (!s->router && !s->url))
        return lh_fail(err, LH_UNAVAILABLE, "mesh.unreachable",
                       "%s neither runs in this process nor has an address (mesh.%s)", name, name);
    *out = s;
    return LH_OK;
}

lh_status
lh_mesh_call(struct lh_mesh *m, struct lh_call *call, const struct lh_mesh_request *request,
             int *http_status, struct lh_buf *body, struct lh_error *err)
{
    const struct net_service *s = NULL;
    int ignored;

    if (!http_status)
        http_status = &ignored;
    *http_status = 0;
    LH_TRY(lh_call_check(call, err));
    LH_TRY(net_mesh_find(m, request->service, &s, err));
    if (s->router)
        return net_mesh_local_call(s, call, request, http_status, body, err);
    return net_mesh_remote_call(m, s, call, request, http_status, body, err);
}

lh_status
lh_mesh_call_json(struct lh_mesh *m, struct lh_call *call, const struct lh_mesh_request *request,
                  json_t **out, struct lh_error *err)
{
    LH_AUTO_BUF(body, request->answer_max ? request->answer_max : NET_MESH_ANSWER_MAX);

    LH_TRY(lh_mesh_call(m, call, request, NULL, &body, err));
    if (body.len == 0) {
        *out = NULL;
        return LH_OK;
    }
    if (lh_json_parse(lh_buf_str(&body), out, err) != LH_OK)
        return lh_error_wrap(err, "the answer of %s", request->service);
    return LH_OK;
}

lh_status
lh_mesh_forward(struct lh_mesh *m, struct lh_call *call, const char *service,
                struct lh_request *req, struct lh_response *res, struct lh_error *err)
{
    const struct net_service *s = NULL;

    LH_TRY(net_mesh_find(m, service, &s, err));
    if (s->router)
        return net_mesh_local_forward(s, call, req, res, err);
    return net_mesh_remote_forward(m, s, call, req, res, err);
}

lh_status
net_mesh_route_check(const struct lh_route *route, const struct lh_call *call,
                     const struct lh_request *req, struct lh_error *err)
{
    if (route->flags & LH_ROUTE_INTERNAL)
        return lh_fail(err, LH_NOT_FOUND, "request.route", "there is nothing at %.*s",
                       LH_FMT(lh_str_fit(req->path, 200)));
    if ((route->flags & LH_ROUTE_WRITES) && !call->principal.may_write)
        return lh_fail(err, LH_DENIED, "auth.read_only", "\"%s\" may only read",
                       call->principal.name);
    return LH_OK;
}

lh_status
lh_mesh_guard(void *mesh, struct lh_call *call, struct lh_request *req,
              const struct lh_match *match, struct lh_response *res, struct lh_error *err)
{
    const struct lh_mesh *m = mesh;

    (void)res;
    if (!net_identity_is_trusted(req, m->token)) {
        if (match->route->flags & LH_ROUTE_OPEN)
            return LH_OK;
        return lh_fail(err, LH_DENIED, "mesh.token",
                       m->token[0] ? "the mesh token is missing or wrong"
                                   : "without mesh.token only callers on this machine are served");
    }
    call->source = "mesh";
    LH_TRY(net_identity_read(req, call, err));
    if (net_identity_is_forwarded(req))
        return net_mesh_route_check(match->route, call, req, err);
    return LH_OK;
}
