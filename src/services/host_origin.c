#include "services/host_origin.h"

#include <stdlib.h>
#include "base/alloc.h"

struct lh_host_origin {
    const struct lh_config *config;
    lh_str own_name;
};

static const char preflight_methods[] = "GET, HEAD, POST, PUT, PATCH, DELETE";
static const char preflight_headers[] =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Range, traceparent";
static const char exposed_headers[] =
    "ETag, Content-Range, Location, Retry-After, X-Trace-Id, X-Lakehouse-Rescue-Used, "
    "Idempotent-Replayed";

struct lh_host_origin *
lh_host_origin_new(const struct lh_config *config, lh_str own_name)
{
    struct lh_host_origin *o = LH_NEW(struct lh_host_origin);

    o->config = config;
    o->own_name = own_name;
    return o;
}

void
lh_host_origin_free(struct lh_host_origin *o)
{
    free(o);
}

static bool
list_has(const struct lh_host_origin *o, const char *key, lh_str value)
{
    for (size_t i = 0; i < lh_config_list_count(o->config, key); i++) {
        if (lh_str_eq_nocase(lh_str_of(lh_config_list_at(o->config, key, i)), value))
            return true;
    }
    return false;
}

/* The name in HOST or HOST:PORT, brackets of IPv6 kept. */
static lh_str
host_name(lh_str host)
{
    size_t from = 0, at;

    if (lh_str_starts(host, LH_STR("[")) && lh_str_find_char(host, ']', &at))
        from = at;
    if (lh_str_find_char(lh_str_slice(host, from, host.len), ':', &at))
        return lh_str_slice(host, 0, from + at);
    return host;
}

/* Digits and dots only, so that "127.evil.example" is not taken for an address. */
static bool
is_loopback_address(lh_str name)
{
    if (!lh_str_starts(name, LH_STR("127.")))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '.' && (name.ptr[i] < '0' || name.ptr[i] > '9'))
            return false;
    }
    return true;
}

static bool
host_is_ours(const struct lh_host_origin *o, lh_str host)
{
    lh_str name = host_name(host);

    return is_loopback_address(name) || lh_str_eq_nocase(name, LH_STR("localhost")) ||
           lh_str_eq(name, LH_STR("[::1]")) ||
           (o->own_name.len > 0 && lh_str_eq_nocase(name, o->own_name)) ||
           list_has(o, "gateway.host_names", name);
}

static bool
origin_is_ours(const struct lh_host_origin *o, const struct lh_request *req, lh_str origin)
{
    lh_str host = lh_request_header(req, "Host"), rest;
    size_t at;

    if (list_has(o, "gateway.cors_origins", origin))
        return true;
    if (!lh_str_find(origin, LH_STR("://"), &at))
        return false; /* "null", of sandboxed frames and files */
    rest = lh_str_slice(origin, at + 3, origin.len);
    return host.len > 0 && lh_str_eq_nocase(rest, host);
}

/* Not only mutations: a page that may not read the answer could still make the machine work for it.
 */
static bool
method_is_simple_read(enum lh_method m)
{
    return m == LH_GET || m == LH_HEAD || m == LH_OPTIONS;
}

lh_status
lh_host_origin_check_host(const struct lh_host_origin *o, const struct lh_request *req,
                          struct lh_error *err)
{
    lh_str host = lh_request_header(req, "Host");

    /* No Host at all is HTTP/1.0, which no browser speaks. */
    if (host.len == 0 || host_is_ours(o, host))
        return LH_OK;
    return lh_fail(err, LH_DENIED, "request.host",
                   "the host name \"%.*s\" is not this machine: use localhost, or name it in "
                   "gateway.host_names",
                   LH_FMT(lh_str_fit(host, 100)));
}

lh_status
lh_host_origin_check(const struct lh_host_origin *o, const struct lh_request *req,
                     struct lh_error *err)
{
    lh_str origin = lh_request_header(req, "Origin");

    LH_TRY(lh_host_origin_check_host(o, req, err));
    if (!origin.ptr || method_is_simple_read(req->method) || origin_is_ours(o, req, origin))
        return LH_OK;
    return lh_fail(err, LH_DENIED, "request.origin", "pages of \"%.*s\" may not do this here",
                   LH_FMT(lh_str_fit(origin, 100)));
}

bool
lh_host_origin_has_cors(const struct lh_host_origin *o)
{
    return lh_config_list_count(o->config, "gateway.cors_origins") > 0;
}

void
lh_host_origin_cors(const struct lh_host_origin *o, const struct lh_request *req,
                    struct lh_response *res)
{
    lh_str origin;

    if (!lh_host_origin_has_cors(o))
        return;
    lh_response_header(res, "Vary", LH_STR("Origin"));
    origin = lh_request_header(req, "Origin");
    if (origin.len == 0 || !list_has(o, "gateway.cors_origins", origin))
        return;
    lh_response_header(res, "Access-Control-Allow-Origin", origin);
    lh_response_header(res, "Access-Control-Expose-Headers", lh_str_of(exposed_headers));
}

lh_status
lh_host_origin_preflight(void *origin, struct lh_call *call, struct lh_request *req,
                         struct lh_response *res, struct lh_error *err)
{
    const struct lh_host_origin *o = origin;

    (void)call;
    if (list_has(o, "gateway.cors_origins", lh_request_header(req, "Origin"))) {
        lh_response_header(res, "Access-Control-Allow-Methods", lh_str_of(preflight_methods));
        lh_response_header(res, "Access-Control-Allow-Headers", lh_str_of(preflight_headers));
        lh_response_header(res, "Access-Control-Max-Age", LH_STR("600"));
    }
    return lh_response_empty(res, 204, err);
}
