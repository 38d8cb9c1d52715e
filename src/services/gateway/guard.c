/* Before a request: who, from where, how often. After it: one line in the log. */
#include "base/log.h"
#include "base/time.h"
#include "services/gateway/gateway.h"

static lh_status
principal_check(struct gateway *g, struct lh_call *call, const struct lh_request *req,
                unsigned flags, struct lh_error *err)
{
    size_t number = 0;

    if (gateway_auth_count(g->auth) == 0)
        LH_TRY(lh_host_origin_check(g->origin, req, err));
    LH_TRY(gateway_auth_check(g->auth, req, &call->principal, &number, err));
    LH_TRY(gateway_auth_permit(&call->principal, flags, err));
    return lh_rate_take(g->rate, number, lh_time_mono_ns(), err);
}

lh_status
gateway_guard(void *gateway, struct lh_call *call, struct lh_request *req,
              const struct lh_match *match, struct lh_response *res, struct lh_error *err)
{
    struct gateway *g = gateway;

    lh_response_header(res, "X-Content-Type-Options", LH_STR("nosniff"));
    lh_host_origin_cors(g->origin, req, res);
    call->source = "http";
    call->principal = (struct lh_principal){LH_PRINCIPAL_ANONYMOUS, "anonymous", "", false};
    if (match->route->flags & LH_ROUTE_OPEN)
        return LH_OK;
    return principal_check(g, call, req, match->route->flags, err);
}

/* Whoever watches the house asks every second or two. */
static bool
is_worth_a_line(const struct gateway *g, const struct lh_request *req)
{
    return g->has_access_log && lh_log_is_on(LH_LOG_INFO) &&
           !lh_str_eq(req->path, LH_STR("/healthz"));
}

void
gateway_done(void *gateway, const struct lh_call *call, const struct lh_request *req,
             const struct lh_response *res, int64_t elapsed_ns)
{
    const struct gateway *g = gateway;

    if (!is_worth_a_line(g, req))
        return;
    /* The path without the query: that may hold what people search for. */
    lh_log(LH_LOG_INFO, "gateway", "request", LH_LOG_S("method", lh_method_name(req->method)),
           LH_LOG_V("path", req->path), LH_LOG_I("status", res->status),
           LH_LOG_I("sent_bytes", res->sent_bytes),
           LH_LOG_F("elapsed_ms", (double)(elapsed_ns / 1000) / 1000.0),
           LH_LOG_S("principal", call->principal.name ? call->principal.name : ""),
           LH_LOG_V("peer", req->peer), LH_LOG_S("trace_id", call->trace.trace_id));
}
