#include "net/exchange.h"

#include <microhttpd.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "net/header.h"
#include "net/target.h"

#define SPARES_MAX 256

/* ---- life ---- */

static struct net_exchange *
spare_take(struct lh_server *server)
{
    LH_AUTO_LOCK(&server->spares.lock);
    struct net_exchange *x = server->spares.first;

    if (x) {
        server->spares.first = x->next_spare;
        server->spares.count--;
    }
    return x;
}

static void
exchange_free(struct net_exchange *x)
{
    net_flow_fini(&x->flow);
    lh_buf_fini(&x->body);
    lh_call_fini(&x->call);
    free(x);
}

static void
exchange_recycle(struct net_exchange *x)
{
    struct lh_server *server = x->server;
    bool is_kept;

    /* Before it is kept and not when it is taken: a file must be closed and a body given back now.
     */
    net_flow_reset(&x->flow);
    lh_buf_fini(&x->body);
    lh_arena_reset(&x->call.arena);
    pthread_mutex_lock(&server->spares.lock);
    is_kept = server->spares.count < SPARES_MAX;
    if (is_kept) {
        x->next_spare = server->spares.first;
        server->spares.first = x;
        server->spares.count++;
    }
    pthread_mutex_unlock(&server->spares.lock);
    if (!is_kept)
        exchange_free(x);
}

void
net_exchange_spares_free(struct lh_server *server)
{
    struct net_exchange *x;

    while ((x = spare_take(server)))
        exchange_free(x);
}

static void
call_prepare(struct lh_call *c)
{
    c->principal = (struct lh_principal){
        .kind = LH_PRINCIPAL_ANONYMOUS,
        .name = "",
        .profile = "",
    };
    c->deadline_ms = INT64_MAX;
    atomic_store_explicit(&c->is_canceled, false, memory_order_relaxed);
    c->source = "http";
    c->parent = NULL;
    c->reads_straight = false;
    atomic_store_explicit(&c->rescued_by, NULL, memory_order_relaxed);
    c->on_cancel.run = NULL;
    c->on_cancel.arg = NULL;
}

struct net_exchange *
net_exchange_new(struct lh_server *server, struct net_connection *connection,
                 struct MHD_Connection *mhd, lh_str target)
{
    struct net_exchange *x = spare_take(server);

    if (!x) {
        x = LH_NEW(struct net_exchange);
        lh_call_init(&x->call);
        net_flow_init(&x->flow);
    }
    call_prepare(&x->call);
    x->server = server;
    x->connection = connection;
    x->flow.mhd = mhd;
    x->flow.call = &x->call;
    x->flow.limits = server->limits;
    x->stage = NET_STAGE_OPEN;
    x->is_watched = x->is_dropping = x->is_lingering = x->expects_continue = false;
    x->body_length = 0;
    x->match = (struct lh_match){.index = lh_router_count(server->router)};
    memset(&x->req, 0, sizeof(x->req));
    x->req.target = lh_arena_str(&x->call.arena, target);
    lh_str_copy(x->peer, sizeof(x->peer), lh_str_of(net_connection_peer(connection)));
    x->req.peer = lh_str_of(x->peer);
    x->req.route = "";
    x->res.sink = net_flow_sink(&x->flow);
    x->res.arena = &x->call.arena;
    x->res.header_count = 0;
    x->res.status = 0;
    x->res.sent_bytes = 0;
    x->res.is_head = x->res.is_broken = false;
    atomic_store_explicit(&x->refs, 1, memory_order_relaxed);
    x->started_ns = lh_time_mono_ns();
    return x;
}

void
net_exchange_ref(struct net_exchange *x)
{
    atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
}

void
net_exchange_unref(struct net_exchange *x)
{
    if (atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) == 1)
        exchange_recycle(x);
}

void
net_exchange_cancel(struct net_exchange *x)
{
    lh_call_cancel(&x->call);
    net_flow_wake(&x->flow);
}

/* ---- the head ---- */

/* libmicrohttpd keeps the head only until the connection ends, which may be while a worker still
 * reads it: so it is copied. */
struct head_copy {
    struct lh_header *list;
    size_t count;
    char *text;
    size_t bytes;
};

static enum MHD_Result
head_measure(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
             const char *value, size_t value_len)
{
    struct head_copy *copy = cls;

    (void)kind;
    (void)name;
    (void)value;
    copy->count++;
    copy->bytes += name_len + value_len + 2;
    return MHD_YES;
}

static lh_str
text_put(struct head_copy *copy, const char *from, size_t len)
{
    lh_str at = {copy->text, len};

    if (len > 0)
        memcpy(copy->text, from, len);
    copy->text += len + 1;
    return at;
}

static enum MHD_Result
head_store(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
           size_t value_len)
{
    struct head_copy *copy = cls;

    (void)kind;
    copy->list[copy->count].name = text_put(copy, name, name_len);
    copy->list[copy->count].value = text_put(copy, value, value ? value_len : 0);
    copy->count++;
    return MHD_YES;
}

/* Returns the bytes of the head as received, nearly. */
static size_t
head_read(struct net_exchange *x)
{
    struct head_copy copy = {0};
    size_t bytes;

    MHD_get_connection_values_n(x->flow.mhd, MHD_HEADER_KIND, head_measure, &copy);
    bytes = x->req.target.len + copy.bytes;
    copy.list = lh_arena_array(&x->call.arena, copy.count, sizeof(*copy.list));
    copy.text = lh_arena_alloc(&x->call.arena, copy.bytes);
    copy.count = 0;
    MHD_get_connection_values_n(x->flow.mhd, MHD_HEADER_KIND, head_store, &copy);
    x->req.headers = copy.list;
    x->req.header_count = copy.count;
    return bytes;
}

static void
trace_read(struct net_exchange *x)
{
    lh_str parent = lh_request_header(&x->req, "traceparent");

    if (!parent.ptr || !lh_trace_parse(lh_str_trim(parent), &x->call.trace))
        lh_trace_new(&x->call.trace);
}

static size_t
header_count(const struct lh_request *r, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < r->header_count; i++)
        count += lh_str_eq_nocase(r->headers[i].name, lh_str_of(name));
    return count;
}

/* RFC 9112 3.2. libmicrohttpd would check it too, but 0.9.75 sends the head of such a refusal
 * twice. */
static lh_status
host_check(struct net_exchange *x, struct lh_error *err)
{
    size_t hosts = header_count(&x->req, "Host");

    if (hosts == 1 || (hosts == 0 && x->is_http_1_0))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "request.host", "the request must name one Host, not %zu",
                   hosts);
}

/* A message with two opinions about its length is how requests are smuggled (RFC 9112 6.1, 6.3). */
static lh_status
framing_read(struct net_exchange *x, struct lh_error *err)
{
    size_t lengths = header_count(&x->req, "Content-Length");
    size_t codings = header_count(&x->req, "Transfer-Encoding");
    lh_str length = lh_request_header(&x->req, "Content-Length");
    uint64_t bytes = 0;

    x->expects_continue =
        net_header_list_has(lh_request_header(&x->req, "Expect"), LH_STR("100-continue"));
    x->body_length = codings ? -1 : 0;
    if (lengths + codings > 1)
        return lh_fail(err, LH_INVALID, "request.framing",
                       "the request says more than once how long its body is");
    if (codings && !lh_str_eq_nocase(lh_str_trim(lh_request_header(&x->req, "Transfer-Encoding")),
                                     LH_STR("chunked")))
        return lh_fail(err, LH_UNSUPPORTED, "request.framing",
                       "the only transfer coding served is chunked");
    if (lengths && (!lh_str_u64(lh_str_trim(length), &bytes) || bytes > INT64_MAX))
        return lh_fail(err, LH_INVALID, "request.framing", "Content-Length must be a number");
    if (lengths)
        x->body_length = (int64_t)bytes;
    return LH_OK;
}

static lh_status
route_find(struct net_exchange *x, struct lh_error *err)
{
    lh_str allow = LH_STR_NONE;
    lh_status status =
        lh_router_find(x->server->router, &x->call.arena, &x->req, &x->match, &allow, err);

    if (status != LH_OK && allow.len > 0)
        lh_response_header(&x->res, "Allow", allow);
    return status;
}

static lh_status
body_limit_check(struct net_exchange *x, struct lh_error *err)
{
    const struct lh_route *route = x->match.route;
    uint64_t max = route->body_max;

    if (max == 0 && !(route->flags & LH_ROUTE_STREAMS_BODY))
        max = x->server->body_max;
    x->flow.body_max = max;
    if (max == 0 || x->body_length < 0 || (uint64_t)x->body_length <= max)
        return LH_OK;
    net_traffic_refused(x->server->traffic, NET_REFUSED_BODY);
    return lh_fail(err, LH_TOO_BIG, "request.too_big", "the body has %lld bytes; the limit is %llu",
                   (long long)x->body_length, (unsigned long long)max);
}

lh_status
net_exchange_open(struct net_exchange *x, lh_str method, lh_str version, struct lh_error *err)
{
    size_t head_bytes = head_read(x);

    x->is_http_1_0 = lh_str_eq(version, LH_STR("HTTP/1.0"));
    trace_read(x);
    if (!lh_method_parse(method, &x->req.method))
        x->req.method = LH_METHOD_COUNT;
    x->res.is_head = x->req.method == LH_HEAD;
    LH_TRY(framing_read(x, err));
    LH_TRY(host_check(x, err));
    if (head_bytes > x->server->head_max) {
        net_traffic_refused(x->server->traffic, NET_REFUSED_HEADERS);
        return lh_fail(err, LH_INVALID, "request.headers_too_big",
                       "the head has about %zu bytes; the limit is %llu", head_bytes,
                       (unsigned long long)x->server->head_max);
    }
    LH_TRY(net_target_parse(&x->call.arena, x->req.target, &x->req, err));
    LH_TRY(route_find(x, err));
    return body_limit_check(x, err);
}

/* ---- running ---- */

static lh_status
handler_run(struct net_exchange *x, struct lh_error *err)
{
    struct lh_server *s = x->server;

    /* It may have waited in the queue for longer than anybody waits for it. */
    LH_TRY(lh_call_check(&x->call, err));
    if (s->guard)
        LH_TRY(s->guard(s->self, &x->call, &x->req, &x->match, &x->res, err));
    if (x->res.status)
        return LH_OK;
    LH_TRY(x->match.route->handle(x->match.service, &x->call, &x->req, &x->res, err));
    if (!x->res.status)
        return lh_fail(err, LH_BUG, "response.missing", "the handler of %s gave no answer",
                       x->req.route);
    return LH_OK;
}

static bool
failure_is_ours(lh_status status)
{
    return status == LH_BUG || status == LH_IO || status == LH_CORRUPT;
}

/* Counts before the last byte may leave: who has read an answer finds it counted. */
static void
answer_finish(struct net_exchange *x)
{
    struct lh_server *s = x->server;
    int64_t elapsed_ns = lh_time_mono_ns() - x->started_ns;

    net_traffic_request(s->traffic, &(struct net_traffic_request){
                                        .index = x->match.index,
                                        .route = x->req.route,
                                        .method = x->req.method,
                                        .status = x->res.status,
                                        .elapsed_ns = elapsed_ns,
                                        .in_bytes = x->body.len + net_flow_body_bytes(&x->flow),
                                        .out_bytes = x->res.sent_bytes,
                                    });
    if (s->done)
        s->done(s->self, &x->call, &x->req, &x->res, elapsed_ns);
    lh_response_end(&x->res);
}

static void
failure_answer(struct net_exchange *x, const struct lh_error *err)
{
    struct lh_server *s = x->server;

    /* Once begun there is only one way to say it: the answer breaks off. */
    if (s->refuse && !x->res.status)
        s->refuse(s->self, &x->call, &x->req, err, &x->res);
    else
        lh_response_problem(&x->res, err, &x->call.trace);
}

void
net_exchange_refuse(struct net_exchange *x, const struct lh_error *err)
{
    failure_answer(x, err);
    answer_finish(x);
}

void
net_exchange_run(struct net_exchange *x)
{
    LH_AUTO_ERROR(err);
    lh_status status = handler_run(x, &err);

    if (status != LH_OK) {
        if (failure_is_ours(status))
            lh_log_error(LH_LOG_ERROR, x->server->name, "request failed", &err);
        failure_answer(x, &err);
    } else if (!lh_response_is_complete(&x->res)) {
        lh_log(LH_LOG_ERROR, x->server->name, "answer cut short", LH_LOG_S("route", x->req.route),
               LH_LOG_I("bytes", x->res.sent_bytes), LH_LOG_I("promised", x->res.length));
    }
    answer_finish(x);
}
