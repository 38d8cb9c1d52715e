/*
 * Any bytes as a request: its target, its fields, its identity between services. What is accepted
 * holds to what the handlers rely on: a path starts with '/' and has no NUL, it splits into the
 * segments that were sent, parameters read back from their encoding, and a header value stays on
 * its line.
 *
 * The first line is the method and target, the following ones are fields, the rest is the body.
 */
#include <stdlib.h>

#include "base/encoding.h"
#include "net/header.h"
#include "net/identity.h"
#include "net/router.h"
#include "net/target.h"

#define FIELDS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lh_status
handle(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    (void)res;
    (void)err;
    return LH_OK;
}

static const struct lh_route routes[] = {
    {LH_GET, "/", handle, 0, 0},
    {LH_GET, "/v1/things", handle, 0, 0},
    {LH_POST, "/v1/things/{id}", handle, 0, 0},
    {LH_GET, "/v1/things/{id}", handle, 0, 0},
    {LH_GET, "/v1/things/{id}/parts/{part}", handle, 0, 0},
    {LH_GET, "/v1/things/special/whole", handle, 0, 0},
    {LH_PUT, "/b/{bucket}/o/{key...}", handle, 0, 0},
    {LH_OPTIONS, "/{all...}", handle, 0, 0},
    {0},
};

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static size_t
count_of(lh_str text, char c)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == c;
    return count;
}

static void
target_check(const struct lh_request *req)
{
    lh_str rest = req->target, path;

    lh_str_cut(&rest, '?', &path);
    must(req->path.len > 0 && req->path.ptr[0] == '/');
    must(!memchr(req->path.ptr, 0, req->path.len));
    must(count_of(req->path, '/') == count_of(path, '/'));
    must(req->query_count <= NET_TARGET_QUERY_MAX);
    for (size_t i = 0; i < req->query_count; i++)
        must(req->query[i].value.ptr != NULL &&
             !memchr(req->query[i].value.ptr, 0, req->query[i].value.len));
}

/* Encoding what was decoded and decoding it again gives the same. */
static void
param_check(struct lh_arena *arena, lh_str value)
{
    LH_AUTO_BUF(text, 1 << 20);
    lh_str again;

    lh_percent_encode(&text, value, false);
    must(net_target_decode(arena, lh_buf_str(&text), NET_TARGET_ALL, &again, NULL) == LH_OK);
    must(lh_str_eq(again, value));
}

static void
route(const struct lh_router *router, struct lh_arena *arena, struct lh_request *req)
{
    LH_AUTO_ERROR(err);
    struct lh_match match;
    lh_str allow = LH_STR_NONE;
    lh_status status = lh_router_find(router, arena, req, &match, &allow, &err);

    if (status == LH_OK) {
        for (size_t i = 0; i < req->param_count; i++)
            param_check(arena, req->params[i].value);
        must(match.index < lh_router_count(router));
    } else if (lh_error_is(&err, "request.method")) {
        must(allow.len > 0);
    }
}

static size_t
fields_read(lh_str *rest, struct lh_header fields[FIELDS_MAX])
{
    size_t count = 0;
    lh_str line;

    while (count < FIELDS_MAX && lh_str_next(rest, '\n', &line) && line.len > 0) {
        lh_str name;

        if (lh_str_cut(&line, ':', &name))
            fields[count++] = (struct lh_header){name, line};
    }
    return count;
}

static void
field_check(struct lh_arena *arena, const struct lh_header *field)
{
    lh_str value = net_header_value_safe(arena, field->value);

    must(value.ptr[value.len] == 0 && strlen(value.ptr) == value.len);
    must(!memchr(value.ptr, '\r', value.len) && !memchr(value.ptr, '\n', value.len));
    if (net_header_is_token(field->name))
        must(!memchr(field->name.ptr, ' ', field->name.len));
    net_header_is_hop_by_hop(field->name, field->value);
    net_header_list_has(field->value, LH_STR("100-continue"));
}

static void
identity_read(const struct lh_request *req)
{
    struct lh_call call;

    lh_call_init(&call);
    if (net_identity_read(req, &call, NULL) == LH_OK) {
        struct lh_header fields[NET_IDENTITY_FIELDS];
        struct lh_request again = {.headers = fields};
        struct lh_call copy;

        again.header_count = net_identity_write(&call, "token", true, fields);
        lh_call_init(&copy);
        must(net_identity_read(&again, &copy, NULL) == LH_OK);
        must(copy.principal.kind == call.principal.kind);
        must(strcmp(copy.principal.name, call.principal.name) == 0);
        must(strcmp(copy.principal.profile, call.principal.profile) == 0);
        lh_call_fini(&copy);
    }
    (void)lh_trace_parse(lh_request_header(req, "traceparent"), &call.trace);
    lh_call_fini(&call);
}

static void
body_read(const struct lh_request *req)
{
    LH_AUTO_ERROR(err);
    json_t *value = NULL;

    if (lh_request_json(req, true, &value, &err) == LH_OK)
        json_decref(value);
    must(lh_problem_decode(400, req->body_bytes, &err) != LH_OK);
}

static struct lh_router *
router_get(void)
{
    static struct lh_router *router;

    if (!router) {
        router = lh_router_new();
        lh_router_add(router, routes, NULL);
    }
    return router;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    LH_AUTO_ARENA(arena);
    struct lh_header fields[FIELDS_MAX];
    struct lh_request req = {.headers = fields};
    lh_str rest = {(const char *)data, size}, line, method;
    int64_t number;

    if (size == 0 || !lh_str_next(&rest, '\n', &line))
        return 0;
    lh_str_cut(&line, ' ', &method);
    if (!lh_method_parse(method, &req.method))
        req.method = LH_METHOD_COUNT;
    req.header_count = fields_read(&rest, fields);
    for (size_t i = 0; i < req.header_count; i++)
        field_check(&arena, &fields[i]);
    req.body_bytes = lh_str_bytes(rest);
    if (net_target_parse(&arena, line, &req, NULL) == LH_OK) {
        target_check(&req);
        route(router_get(), &arena, &req);
        (void)lh_request_query_i64(&req, "limit", 0, 100, &number, NULL);
    }
    identity_read(&req);
    body_read(&req);
    return 0;
}
