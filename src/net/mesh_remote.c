/*
 * A call to a service elsewhere. What may be repeated is repeated with full jitter (a random time
 * up to a bound that doubles), so that the callers of a service that comes back do not all knock at
 * once.
 */
#include "net/mesh_parts.h"

#include "base/thread.h"
#include "base/time.h"
#include "net/header.h"
#include "net/identity.h"

#define BACKOFF_FIRST_MS 10
#define BACKOFF_LAST_MS 500
#define WAIT_STEP_MS 10

/* ---- repeating ---- */

static bool
method_is_idempotent(enum lh_method m)
{
    return m == LH_GET || m == LH_HEAD || m == LH_PUT || m == LH_DELETE || m == LH_OPTIONS;
}

/* Waits a random time, or until the call ends. */
static lh_status
backoff(struct lh_call *call, int64_t attempt, struct lh_error *err)
{
    int64_t bound = (int64_t)BACKOFF_FIRST_MS << (attempt < 8 ? attempt : 8);
    int64_t until;
    struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};

    if (bound > BACKOFF_LAST_MS)
        bound = BACKOFF_LAST_MS;
    until = lh_time_mono_ms() + (int64_t)(lh_random_u64() % (uint64_t)bound) + 1;
    while (lh_time_mono_ms() < until) {
        LH_TRY(lh_call_check(call, err));
        nanosleep(&step, NULL);
    }
    return LH_OK;
}

static lh_status
unreachable(const struct net_service *s, struct lh_error *err)
{
    LH_AUTO_ERROR(cause);

    lh_error_copy(&cause, err);
    return lh_fail(err, LH_UNAVAILABLE, "mesh.unreachable", "%s at %s does not answer: %s", s->name,
                   s->url, cause.text);
}

/* ---- calling ---- */

static lh_status
attempt(const struct lh_mesh *m, const struct net_service *s, struct lh_call *call,
        const struct lh_mesh_request *request, struct lh_client_answer *answer,
        struct lh_error *err)
{
    struct lh_header fields[NET_IDENTITY_FIELDS + 1];
    size_t count = net_identity_write(call, m->token, false, fields);
    struct lh_client_request send = {
        .method = request->method,
        .url = lh_arena_printf(&call->arena, "%s%s", s->url, request->path),
        .headers = fields,
        .body = request->body,
        .answer_max = request->answer_max,
        .connect_timeout_ms = m->connect_timeout_ms,
    };

    if (request->body.len > 0)
        fields[count++] = (struct lh_header){
            LH_STR("Content-Type"),
            lh_str_of(request->content_type ? request->content_type : "application/json"),
        };
    send.header_count = count;
    return lh_client_send(m->client, call, &send, answer, err);
}

static lh_status
answer_take(struct lh_client_answer *answer, struct lh_buf *body, struct lh_error *err)
{
    if (answer->status >= 400)
        return lh_problem_decode(answer->status, lh_buf_bytes(&answer->body), err);
    lh_buf_add(body, answer->body.data, answer->body.len);
    return lh_buf_check(body, "the answer", err);
}

lh_status
net_mesh_remote_call(const struct lh_mesh *m, const struct net_service *s, struct lh_call *call,
                     const struct lh_mesh_request *request, int *http_status, struct lh_buf *body,
                     struct lh_error *err)
{
    bool is_repeatable = request->is_idempotent || method_is_idempotent(request->method);
    LH_AUTO_ERROR(own);

    if (!err)
        err = &own;
    for (int64_t n = 0;; n++) {
        __attribute__((cleanup(lh_client_answer_fini))) struct lh_client_answer answer = {0};
        lh_status status = attempt(m, s, call, request, &answer, err);
        bool is_refused = false;

        *http_status = answer.status;
        if (status == LH_OK) {
            status = answer_take(&answer, body, err);
            /* Refused at the door: nothing was done, whatever the method. */
            is_refused = status == LH_BUSY && lh_error_is(err, "net.busy");
            if (!is_refused || n >= m->retries)
                return status;
        } else if (status != LH_UNAVAILABLE) {
            *http_status = lh_problem_status(err);
            return status;
        } else if (n >= m->retries || (answer.was_sent && !is_repeatable)) {
            *http_status = lh_problem_status(err);
            return unreachable(s, err);
        }
        LH_TRY(backoff(call, n, err));
    }
}

/* ---- forwarding ---- */

struct relay {
    struct lh_response *res;
    struct lh_request *req;
    bool is_body_touched; /* by curl: it cannot be sent again */
};

static bool
request_field_is_passed(const struct lh_request *req, lh_str name)
{
    static const char *const dropped[] = {"Host", "Content-Length", "Authorization", "Cookie",
                                          "Expect"};

    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (lh_str_eq_nocase(name, lh_str_of(dropped[i])))
            return false;
    }
    return !net_identity_owns(name) &&
           !net_header_is_hop_by_hop(name, lh_request_header(req, "Connection"));
}

static struct lh_header *
request_fields(const struct lh_mesh *m, struct lh_call *call, const struct lh_request *req,
               size_t *count)
{
    struct lh_header *out =
        lh_arena_array(&call->arena, req->header_count + NET_IDENTITY_FIELDS, sizeof(*out));
    size_t n = net_identity_write(call, m->token, true, out);

    for (size_t i = 0; i < req->header_count; i++) {
        if (request_field_is_passed(req, req->headers[i].name))
            out[n++] = req->headers[i];
    }
    *count = n;
    return out;
}

static bool
answer_field_is_passed(lh_str name)
{
    static const char *const dropped[] = {"Date", "Server", "Content-Length", "X-Trace-Id"};

    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (lh_str_eq_nocase(name, lh_str_of(dropped[i])))
            return false;
    }
    return true;
}

static lh_status
relay_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
            struct lh_error *err)
{
    struct relay *r = self;

    for (size_t i = 0; i < count; i++) {
        lh_str name = headers[i].name;

        if (!answer_field_is_passed(name) || !net_header_is_token(name))
            continue;
        if (r->res->header_count == LH_RESPONSE_HEADERS_MAX)
            return lh_fail(err, LH_TOO_BIG, "net.headers_too_big",
                           "the answer has more than %d header fields", LH_RESPONSE_HEADERS_MAX);
        lh_response_header(r->res, lh_arena_cstr(r->res->arena, name), headers[i].value);
    }
    return lh_response_begin(r->res, status, NULL, length, err);
}

static lh_status
relay_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct relay *r = self;

    return lh_response_write(r->res, bytes, err);
}

/* Whoever owns the response ends it; a broken answer comes back as a failure, which marks it
 * broken. */
static void
relay_end(void *self, bool complete)
{
    (void)self;
    (void)complete;
}

static lh_status
relay_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct relay *r = self;

    r->is_body_touched = true;
    return lh_request_read(r->req, to, size, got, err);
}

static lh_status
forward_attempt(const struct lh_mesh *m, const struct net_service *s, struct lh_call *call,
                struct relay *r, bool *was_sent, struct lh_error *err)
{
    struct lh_sink sink = {.begin = relay_begin, .write = relay_write, .end = relay_end, .self = r};
    struct lh_source source = {relay_read, r, r->req->body.length};
    __attribute__((cleanup(lh_client_answer_fini))) struct lh_client_answer answer = {0};
    struct lh_client_request send = {
        .method = r->req->method,
        .url = lh_arena_printf(&call->arena, "%s%.*s", s->url, LH_FMT(r->req->target)),
        .body = r->req->body_bytes,
        .answer_sink = &sink,
        .connect_timeout_ms = m->connect_timeout_ms,
    };
    lh_status status;

    send.headers = request_fields(m, call, r->req, &send.header_count);
    if (r->req->body.read && r->req->body.length != 0)
        send.body_source = &source;
    status = lh_client_send(m->client, call, &send, &answer, err);
    *was_sent = answer.was_sent;
    return status;
}

lh_status
net_mesh_remote_forward(const struct lh_mesh *m, const struct net_service *s, struct lh_call *call,
                        struct lh_request *req, struct lh_response *res, struct lh_error *err)
{
    struct relay r = {.res = res, .req = req};
    bool is_idempotent = method_is_idempotent(req->method), was_sent = false;
    LH_AUTO_ERROR(own);

    if (!err)
        err = &own;
    for (int64_t n = 0;; n++) {
        lh_status status = forward_attempt(m, s, call, &r, &was_sent, err);

        if (status != LH_UNAVAILABLE || res->status)
            return status;
        if (n >= m->retries || r.is_body_touched || (was_sent && !is_idempotent))
            return unreachable(s, err);
        LH_TRY(backoff(call, n, err));
    }
}
