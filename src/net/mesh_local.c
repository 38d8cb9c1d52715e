/*
 * A call to a service of this process is a function call: the request is built in memory, the
 * answer caught in a buffer. What a socket would have changed on the way is changed here too, so
 * that nobody can tell the difference: the body limit of the route holds, and an error status that
 * a handler answers itself comes back as a failure.
 */
#include "net/mesh_parts.h"

#include "net/target.h"

/* A body held back for a handler that wants it whole; the same limit as the default of
 * http.body_max. */
#define BODY_MAX ((size_t)16 << 20)
#define READ_STEP_BYTES ((size_t)64 << 10)

/* ---- source and sink in memory ---- */

struct memory_source {
    lh_bytes left;
};

static lh_status
memory_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct memory_source *m = self;
    size_t n = size < m->left.len ? size : m->left.len;

    (void)err;
    if (n > 0)
        memcpy(to, m->left.ptr, n);
    m->left.ptr += n;
    m->left.len -= n;
    *got = n;
    return LH_OK;
}

struct memory_sink {
    struct lh_call *call;
    struct lh_buf *body;
    size_t start; /* of this answer in the buffer */
    size_t max;
    int status;
};

static lh_status
sink_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
           struct lh_error *err)
{
    struct memory_sink *m = self;

    (void)headers;
    (void)count;
    (void)length;
    (void)err;
    m->status = status;
    return LH_OK;
}

static lh_status
sink_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct memory_sink *m = self;

    LH_TRY(lh_call_check(m->call, err));
    if (bytes.len > m->max - (m->body->len - m->start))
        return lh_fail(err, LH_TOO_BIG, "net.answer_too_big", "the answer has more than %zu bytes",
                       m->max);
    lh_buf_add(m->body, bytes.ptr, bytes.len);
    return lh_buf_check(m->body, "the answer", err);
}

static void
sink_end(void *self, bool complete)
{
    (void)self;
    (void)complete;
}

/* ---- calls ---- */

static lh_status
route_find(const struct net_service *s, struct lh_call *call, struct lh_request *req,
           struct lh_match *match, struct lh_error *err)
{
    lh_str allow = LH_STR_NONE;

    return lh_router_find(s->router, &call->arena, req, match, &allow, err);
}

static lh_status
limit_check(const struct lh_route *route, size_t bytes, struct lh_error *err)
{
    uint64_t max = route->body_max;

    if (max == 0 && !(route->flags & LH_ROUTE_STREAMS_BODY))
        max = BODY_MAX;
    if (max == 0 || bytes <= max)
        return LH_OK;
    return lh_fail(err, LH_TOO_BIG, "request.too_big", "the body has %zu bytes; the limit is %llu",
                   bytes, (unsigned long long)max);
}

static lh_status
request_build(struct lh_call *call, const struct lh_mesh_request *from, struct lh_header *type,
              struct lh_request *out, struct lh_error *err)
{
    *type = (struct lh_header){
        LH_STR("Content-Type"),
        lh_str_of(from->content_type ? from->content_type : "application/json"),
    };
    *out = (struct lh_request){
        .method = from->method,
        .headers = type,
        .header_count = from->body.len > 0,
        .body_bytes = from->body,
        .route = "",
        .peer = LH_STR(""),
    };
    return net_target_parse(&call->arena, lh_arena_str(&call->arena, lh_str_of(from->path)), out,
                            err);
}

/* The failure that a handler answered by itself, such as /readyz with its checks. */
static lh_status
answer_check(struct memory_sink *m, struct lh_error *err)
{
    lh_str text = lh_buf_str(m->body);
    lh_status status;

    if (m->status < 400)
        return LH_OK;
    text = lh_str_slice(text, m->start, text.len);
    status = lh_problem_decode(m->status, lh_str_bytes(text), err);
    m->body->len = m->start;
    return status;
}

static lh_status
handler_run(const struct lh_match *match, struct lh_call *call, struct lh_request *req,
            struct lh_response *res, struct lh_error *err)
{
    LH_TRY(match->route->handle(match->service, call, req, res, err));
    if (!res->status)
        return lh_fail(err, LH_BUG, "response.missing", "the handler of %s gave no answer",
                       req->route);
    if (!lh_response_is_complete(res))
        return lh_fail(err, LH_BUG, "response.length", "the answer of %s is shorter than announced",
                       req->route);
    return LH_OK;
}

lh_status
net_mesh_local_call(const struct net_service *s, struct lh_call *call,
                    const struct lh_mesh_request *request, int *http_status, struct lh_buf *body,
                    struct lh_error *err)
{
    struct lh_match match;
    struct lh_header type;
    struct lh_request req;
    struct memory_source source = {request->body};
    struct memory_sink sink = {
        .call = call,
        .body = body,
        .start = body->len,
        .max = request->answer_max ? request->answer_max : NET_MESH_ANSWER_MAX,
    };
    struct lh_response res = {
        .sink = {.begin = sink_begin, .write = sink_write, .end = sink_end, .self = &sink},
        .arena = &call->arena,
        .is_head = request->method == LH_HEAD,
    };
    LH_AUTO_ERROR(own);
    lh_status status;

    if (!err)
        err = &own;
    status = request_build(call, request, &type, &req, err);
    req.body = (struct lh_source){memory_read, &source, (int64_t)request->body.len};
    if (status == LH_OK)
        status = route_find(s, call, &req, &match, err);
    if (status == LH_OK)
        status = limit_check(match.route, request->body.len, err);
    if (status == LH_OK)
        status = handler_run(&match, call, &req, &res, err);
    if (status == LH_OK)
        status = answer_check(&sink, err);
    else
        body->len = sink.start;
    *http_status = sink.status ? sink.status : lh_problem_status(err);
    return status;
}

/* ---- forwarding ---- */

/* A handler that wants its body whole gets it whole, though the gateway streams. */
static lh_status
body_gather(const struct lh_route *route, struct lh_request *req, struct lh_buf *body,
            struct lh_error *err)
{
    size_t got;

    do {
        uint8_t *to = lh_buf_reserve(body, READ_STEP_BYTES);

        if (!to)
            break;
        LH_TRY(lh_request_read(req, to, READ_STEP_BYTES, &got, err));
        lh_buf_advance(body, got);
        LH_TRY(limit_check(route, body->len, err));
    } while (got > 0);
    LH_TRY(lh_buf_check(body, "the request body", err));
    req->body_bytes = lh_buf_bytes(body);
    return LH_OK;
}

static size_t
gather_max(const struct lh_route *route)
{
    return (size_t)(route->body_max ? route->body_max : BODY_MAX) + 2 * READ_STEP_BYTES;
}

lh_status
net_mesh_local_forward(const struct net_service *s, struct lh_call *call,
                       const struct lh_request *req, struct lh_response *res, struct lh_error *err)
{
    struct lh_request own = *req;
    struct memory_source source = {req->body_bytes};
    struct lh_match match;

    own.param_count = 0;
    LH_TRY(route_find(s, call, &own, &match, err));
    LH_TRY(net_mesh_route_check(match.route, call, &own, err));
    if (own.body.length > 0)
        LH_TRY(limit_check(match.route, (size_t)own.body.length, err));
    if (!own.body.read) {
        own.body = (struct lh_source){memory_read, &source, (int64_t)req->body_bytes.len};
        LH_TRY(limit_check(match.route, req->body_bytes.len, err));
        return match.route->handle(match.service, call, &own, res, err);
    }
    LH_AUTO_BUF(body, gather_max(match.route));
    if (!(match.route->flags & LH_ROUTE_STREAMS_BODY))
        LH_TRY(body_gather(match.route, &own, &body, err));
    return match.route->handle(match.service, call, &own, res, err);
}
