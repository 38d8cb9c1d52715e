#include "net/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include "base/metrics.h"
#include "base/thread.h"
#include "net/testing.h"

/* What the handlers of these tests share with the test. */
static struct shop {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_open; /* /wait answers */
    atomic_int waiting, canceled, done;
    atomic_int_fast64_t deadline_left_ms;
    char seen_trace[33];
    int done_status;
} shop = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static lh_status
hello(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
      struct lh_error *err)
{
    (void)service;
    (void)req;
    atomic_store(&shop.deadline_left_ms, lh_call_remaining_ms(call));
    return lh_response_bytes(res, 200, "text/plain", lh_str_bytes(LH_STR("hello")), err);
}

static lh_status
echo(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
     struct lh_error *err)
{
    (void)service;
    (void)call;
    return lh_response_bytes(res, 200, "application/octet-stream", req->body_bytes, err);
}

static lh_status
item(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
     struct lh_error *err)
{
    LH_AUTO_BUF(text, 4096);

    (void)service;
    (void)call;
    lh_buf_printf(&text, "id=%.*s q=%.*s peer=%.*s route=%s", LH_FMT(lh_request_param(req, "id")),
                  LH_FMT(lh_request_query(req, "q")), LH_FMT(req->peer), req->route);
    lh_response_header(res, "X-Note", lh_request_header(req, "x-note"));
    return lh_response_bytes(res, 200, "text/plain", lh_buf_bytes(&text), err);
}

static lh_status
refuse(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    int64_t status = LH_INVALID;

    (void)service;
    (void)call;
    (void)res;
    LH_TRY(lh_request_query_i64(req, "status", 1, LH_STATUS_COUNT - 1, &status, err));
    return lh_fail(err, (lh_status)status, "test.failure", "as asked");
}

static lh_status
silent(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    (void)res;
    (void)err;
    return LH_OK;
}

static lh_status
nothing(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    return lh_response_empty(res, 204, err);
}

static lh_status
half(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
     struct lh_error *err)
{
    bool is_chunked = lh_request_has_query(req, "chunked");

    (void)service;
    (void)call;
    LH_TRY(lh_response_begin(res, 200, "text/plain", is_chunked ? -1 : 1000000, err));
    LH_TRY(lh_response_write(res, lh_str_bytes(LH_STR("the first half")), err));
    return lh_fail(err, LH_IO, "test.broke", "in the middle");
}

/* Waits until the shop opens or the call ends. */
static lh_status
wait_here(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    lh_status status = LH_OK;

    (void)service;
    (void)req;
    atomic_fetch_add(&shop.waiting, 1);
    pthread_mutex_lock(&shop.lock);
    while (!shop.is_open && status == LH_OK) {
        lh_cond_wait_until(&shop.changed, &shop.lock, lh_time_mono_ms() + 1);
        status = lh_call_check(call, err);
    }
    pthread_mutex_unlock(&shop.lock);
    if (status == LH_CANCELED)
        atomic_fetch_add(&shop.canceled, 1);
    LH_TRY(status);
    return lh_response_bytes(res, 200, "text/plain", lh_str_bytes(LH_STR("waited")), err);
}

static const struct lh_route routes[] = {
    {LH_GET, "/hello", hello, 0, 0},
    {LH_GET, "/inline", hello, LH_ROUTE_INLINE, 0},
    {LH_GET, "/long", hello, LH_ROUTE_LONG, 0},
    {LH_POST, "/echo", echo, 0, 0},
    {LH_POST, "/small", echo, 0, 100},
    {LH_GET, "/items/{id}", item, 0, 0},
    {LH_GET, "/fail", refuse, 0, 0},
    {LH_GET, "/fail-inline", refuse, LH_ROUTE_INLINE, 0},
    {LH_GET, "/silent", silent, 0, 0},
    {LH_GET, "/nothing", nothing, 0, 0},
    {LH_GET, "/half", half, 0, 0},
    {LH_GET, "/half-inline", half, LH_ROUTE_INLINE, 0},
    {LH_GET, "/wait", wait_here, 0, 0},
    {0},
};

static void
shop_reset(void)
{
    shop.is_open = false;
    atomic_store(&shop.waiting, 0);
    atomic_store(&shop.canceled, 0);
    atomic_store(&shop.done, 0);
}

static void
shop_open(void)
{
    pthread_mutex_lock(&shop.lock);
    shop.is_open = true;
    pthread_cond_broadcast(&shop.changed);
    pthread_mutex_unlock(&shop.lock);
}

static int
setup(void **state)
{
    static struct lab lab;

    shop_reset();
    lab_start(&lab, routes, NULL, NULL);
    *state = &lab;
    return 0;
}

static int
teardown(void **state)
{
    shop_open();
    lab_stop(*state);
    return 0;
}

#define GET(lab, target) ask_simply((lab)->port, "GET", (target))

static void
a_handler_answers_on_either_plane(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_CHARS worker = GET(lab, "/hello");
    LH_AUTO_CHARS inlined = GET(lab, "/inline");

    assert_answer(worker, 200);
    assert_string_equal(body_of(worker), "hello");
    assert_holds(worker, "Content-Type: text/plain\r\n");
    assert_holds(worker, "Content-Length: 5\r\n");
    assert_answer(inlined, 200);
    assert_string_equal(body_of(inlined), "hello");
}

static void
a_request_arrives_whole(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_CHARS answer =
        ask(lab->port, "GET /items/a%2Fb?q=x+y HTTP/1.1\r\nHost: h\r\nX-Note: \t kept \r\n"
                       "Connection: close\r\n\r\n");

    assert_answer(answer, 200);
    assert_string_equal(body_of(answer), "id=a/b q=x y peer=127.0.0.1 route=/items/{id}");
    assert_holds(answer, "X-Note: kept\r\n");
}

static void
a_body_arrives_whole_however_it_is_framed(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_CHARS sized = ask(lab->port, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                                         "Connection: close\r\n\r\nabcde");
    LH_AUTO_CHARS chunked =
        ask(lab->port, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                       "Connection: close\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n");
    LH_AUTO_CHARS empty = ask(lab->port, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"
                                         "Connection: close\r\n\r\n");

    assert_string_equal(body_of(sized), "abcde");
    assert_string_equal(body_of(chunked), "abcde");
    assert_answer(empty, 200);
    assert_string_equal(body_of(empty), "");
}

static void
head_is_get_without_the_bytes(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_CHARS worker = ask_simply(lab->port, "HEAD", "/hello");
    LH_AUTO_CHARS inlined = ask_simply(lab->port, "HEAD", "/inline");

    assert_answer(worker, 200);
    assert_holds(worker, "Content-Length: 5\r\n");
    assert_string_equal(body_of(worker), "");
    assert_answer(inlined, 200);
    assert_holds(inlined, "Content-Length: 5\r\n");
    assert_string_equal(body_of(inlined), "");
}

static void
an_unknown_path_is_404_and_an_unknown_method_405(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_CHARS path = GET(lab, "/nowhere");
    LH_AUTO_CHARS method = ask_simply(lab->port, "DELETE", "/hello");
    LH_AUTO_CHARS strange = ask_simply(lab->port, "BREW", "/hello");

    assert_answer(path, 404);
    assert_holds(path, "Content-Type: application/problem+json\r\n");
    assert_holds(path, "\"code\":\"request.route\"");
    assert_answer(method, 405);
    assert_holds(method, "Allow: GET, HEAD\r\n");
    assert_holds(method, "\"code\":\"request.method\"");
    assert_answer(strange, 405);
}

static void
a_bad_escape_is_400(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_CHARS path = GET(lab, "/items/%zz");
    LH_AUTO_CHARS query = GET(lab, "/items/1?q=%");

    assert_answer(path, 400);
    assert_holds(path, "request.target");
    assert_answer(query, 400);
}

static void
every_failure_becomes_a_problem(void **state)
{
    struct lab *lab = *state;

    for (int s = LH_OK + 1; s < LH_STATUS_COUNT; s++) {
        static const char *const planes[] = {"/fail", "/fail-inline"};

        for (int p = 0; p < 2; p++) {
            char target[64], code[] = "\"code\":\"test.failure\"";
            struct lh_error expected = {.status = (lh_status)s};

            snprintf(target, sizeof(target), "%s?status=%d", planes[p], s);
            LH_AUTO_CHARS answer = GET(lab, target);
            assert_answer(answer, lh_problem_status(&expected));
            assert_holds(answer, "Content-Type: application/problem+json\r\n");
            assert_holds(answer, code);
            if (status_of(answer) == 503)
                assert_holds(answer, "Retry-After: 1\r\n");
        }
    }
}

static void
a_handler_without_an_answer_is_a_bug(void **state)
{
    LH_AUTO_CHARS answer = GET((struct lab *)*state, "/silent");

    assert_answer(answer, 500);
    assert_holds(answer, "response.missing");
}

static void
no_content_has_none(void **state)
{
    LH_AUTO_CHARS answer = GET((struct lab *)*state, "/nothing");

    assert_answer(answer, 204);
    assert_string_equal(body_of(answer), "");
}

static void
a_failure_in_the_middle_cuts_the_connection(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_CHARS sized = GET(lab, "/half");
    LH_AUTO_CHARS chunked = GET(lab, "/half?chunked");
    LH_AUTO_CHARS inlined = GET(lab, "/half-inline");

    assert_true(strlen(body_of(sized)) < 1000000);
    assert_lacks(chunked, "\r\n0\r\n");
    assert_string_equal(inlined, "");
}

static void
every_answer_carries_a_trace(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_CHARS plain = GET(lab, "/hello");
    LH_AUTO_CHARS missing = GET(lab, "/nowhere");
    LH_AUTO_CHARS given = ask(
        lab->port, "GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                   "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n");

    assert_holds(plain, "X-Trace-Id: ");
    assert_holds(missing, "X-Trace-Id: ");
    assert_holds(given, "X-Trace-Id: 4bf92f3577b34da6a3ce929d0e0e4736\r\n");
    assert_holds(given, "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"");
}

static void
a_request_has_a_deadline_unless_it_may_take_long(void **state)
{
    struct lab *lab = *state;

    free(GET(lab, "/hello"));
    assert_in_range(atomic_load(&shop.deadline_left_ms), 1, 30000);
    free(GET(lab, "/long"));
    assert_int_equal(atomic_load(&shop.deadline_left_ms), INT64_MAX);
}

static void
a_passed_deadline_is_408(void **state)
{
    struct lab lab;

    (void)state;
    shop_reset();
    lab_start(&lab, routes, NULL, "[http]\nrequest_timeout = \"20ms\"\n");
    LH_AUTO_CHARS answer = GET(&lab, "/wait");
    assert_answer(answer, 408);
    assert_holds(answer, "call.deadline");
    lab_stop(&lab);
}

static void
a_connection_serves_many_requests(void **state)
{
    struct lab *lab = *state;
    int fd = dial(lab->port);

    for (int i = 0; i < 100; i++) {
        LH_AUTO_BUF(answer, 4096);

        say(fd, i % 2 ? "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
                      : "GET /inline HTTP/1.1\r\nHost: h\r\n\r\n");
        hear_until(fd, &answer, "\r\n\r\nhello");
    }
    close(fd);
}

static void
a_full_queue_is_503_at_once(void **state)
{
    struct lab lab;
    int first, second;

    (void)state;
    shop_reset();
    lab_start(&lab, routes, NULL, "[http]\nworkers = 1\nqueue_length = 1\n");
    first = dial(lab.port);
    say(first, "GET /wait HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    wait_for(atomic_load(&shop.waiting) == 1);
    second = dial(lab.port);
    say(second, "GET /wait HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    wait_for(lh_server_stats_get(lab.server).requests_queued == 1);
    LH_AUTO_CHARS third = GET(&lab, "/hello");
    assert_answer(third, 503);
    assert_holds(third, "Retry-After: 1\r\n");
    assert_holds(third, "net.busy");
    LH_AUTO_CHARS inlined = GET(&lab, "/inline");
    assert_answer(inlined, 200);
    shop_open();
    LH_AUTO_BUF(answer, 1 << 16);
    hear_all(first, &answer);
    hear_all(second, &answer);
    close(first);
    close(second);
    lab_stop(&lab);
}

static void
a_client_that_hangs_up_cancels_its_request(void **state)
{
    struct lab *lab = *state;
    int fd = dial(lab->port);

    say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(atomic_load(&shop.waiting) == 1);
    close(fd);
    wait_for(atomic_load(&shop.canceled) == 1);
    LH_AUTO_CHARS after = GET(lab, "/hello");
    assert_answer(after, 200);
}

static void
a_reset_cancels_too(void **state)
{
    struct lab *lab = *state;
    struct linger hard = {.l_onoff = 1};
    int fd = dial(lab->port);

    say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(atomic_load(&shop.waiting) == 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
    wait_for(atomic_load(&shop.canceled) == 1);
}

static void
a_queued_request_whose_client_left_does_not_run(void **state)
{
    struct lh_metric *gone =
        lh_counter("lakehouse_http_clients_gone_total", "", "server", "leaving", NULL);
    struct lh_server_options o = {.name = "leaving"};
    struct lab lab;
    LH_AUTO_BUF(answer, 1 << 16);
    int first, second;

    (void)state;
    shop_reset();
    lab_start_with(&lab, routes, NULL, "[http]\nworkers = 1\nhalf_close_grace = \"1ms\"\n", o);
    first = dial(lab.port);
    say(first, "GET /wait HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    wait_for(atomic_load(&shop.waiting) == 1);
    second = dial(lab.port);
    say(second, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(lh_server_stats_get(lab.server).requests_queued == 1);
    close(second);
    wait_for(lh_metric_value(gone) == 1);
    shop_open();
    hear_all(first, &answer);
    assert_answer(lh_buf_cstr(&answer), 200);
    close(first);
    lab_stop(&lab);
    assert_int_equal(atomic_load(&shop.waiting), 1);
}

/* ---- the owner's hooks ---- */

static lh_status
guard(void *self, struct lh_call *call, struct lh_request *req, const struct lh_match *match,
      struct lh_response *res, struct lh_error *err)
{
    (void)self;
    if (call->principal.kind != LH_PRINCIPAL_ANONYMOUS || call->principal.may_write)
        return lh_fail(err, LH_BUG, "test.principal", "somebody came in unseen");
    lh_response_header(res, "X-Guarded", lh_str_of(match->route->pattern));
    if (lh_request_has_query(req, "shortcut"))
        return lh_response_empty(res, 204, err);
    if (!lh_str_eq(lh_request_header(req, "Authorization"), LH_STR("Bearer right")))
        return lh_fail(err, LH_DENIED, "auth.required", "a token is needed");
    return LH_OK;
}

static void
done(void *self, const struct lh_call *call, const struct lh_request *req,
     const struct lh_response *res, int64_t elapsed_ns)
{
    (void)self;
    (void)req;
    if (elapsed_ns > 0 && call->trace.trace_id[0])
        shop.done_status = res->status;
    atomic_fetch_add(&shop.done, 1);
}

static void
the_guard_stands_before_every_handler(void **state)
{
    struct lh_server_options o = {.guard = guard, .done = done};
    static const char *const targets[] = {"/hello", "/inline"};
    struct lab lab;

    (void)state;
    shop_reset();
    lab_start_with(&lab, routes, NULL, NULL, o);
    for (int i = 0; i < 2; i++) {
        char request[256], shortcut[64];

        LH_AUTO_CHARS denied = GET(&lab, targets[i]);
        assert_answer(denied, 401);
        assert_holds(denied, "WWW-Authenticate: Bearer\r\n");
        assert_holds(denied, "X-Guarded: /");
        assert_int_equal(shop.done_status, 401);
        snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer right\r\n"
                 "Connection: close\r\n\r\n",
                 targets[i]);
        LH_AUTO_CHARS let = ask(lab.port, request);
        assert_answer(let, 200);
        assert_int_equal(shop.done_status, 200);
        snprintf(shortcut, sizeof(shortcut), "%s?shortcut", targets[i]);
        LH_AUTO_CHARS answered = GET(&lab, shortcut);
        assert_answer(answered, 204);
    }
    LH_AUTO_CHARS missing = GET(&lab, "/nowhere");
    assert_answer(missing, 404);
    assert_lacks(missing, "X-Guarded");
    assert_int_equal(atomic_load(&shop.done), 7);
    lab_stop(&lab);
}

static void
refuse_in_plain_words(void *self, const struct lh_call *call, const struct lh_request *req,
                      const struct lh_error *err, struct lh_response *res)
{
    LH_AUTO_BUF(text, 4096);

    (void)self;
    (void)call;
    lh_buf_printf(&text, "<%s %.*s>", err->reason, LH_FMT(req->path));
    (void)lh_response_bytes(res, 418, "text/plain", lh_buf_bytes(&text), NULL);
}

static void
a_server_may_say_failures_in_its_own_way(void **state)
{
    struct lab lab;

    (void)state;
    lab_start_with(&lab, routes, NULL, NULL,
                   (struct lh_server_options){.refuse = refuse_in_plain_words});
    LH_AUTO_CHARS failed = GET(&lab, "/fail?status=2");
    assert_answer(failed, 418);
    assert_string_equal(body_of(failed), "<test.failure /fail>");
    LH_AUTO_CHARS missing = GET(&lab, "/nowhere");
    assert_string_equal(body_of(missing), "<request.route /nowhere>");
    LH_AUTO_CHARS bad = GET(&lab, "/%zz");
    assert_string_equal(body_of(bad), "<request.target />");
    lab_stop(&lab);
}

static void
requests_are_counted_before_they_are_answered(void **state)
{
    struct lh_metric *m =
        lh_counter("lakehouse_http_requests_total", "Requests answered.",
                   "server,route,method,status", "test", "/hello", "GET", "200", NULL);
    int64_t before = lh_metric_value(m);

    for (int i = 1; i <= 20; i++) {
        free(GET((struct lab *)*state, "/hello"));
        assert_int_equal(lh_metric_value(m), before + i);
    }
}

static void
stats_tell_what_goes_on(void **state)
{
    struct lab *lab = *state;
    struct lh_server_stats stats;
    int fd = dial(lab->port);

    say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(atomic_load(&shop.waiting) == 1);
    stats = lh_server_stats_get(lab->server);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.requests_running, 1);
    assert_int_equal(stats.requests_total, 1);
    close(fd);
    wait_for(lh_server_stats_get(lab->server).connections == 0);
}

/* ---- starting and stopping ---- */

static void
a_server_answers_as_soon_as_it_has_started(void **state)
{
    LH_AUTO_BUF(address, 128);
    LH_AUTO_BUF(expected, 128);
    struct lab *lab = *state;

    assert_in_range(lh_server_port(lab->server), 1, 65535);
    lh_server_address(lab->server, &address);
    lh_buf_printf(&expected, "127.0.0.1:%d", lab->port);
    assert_str(lh_buf_str(&address), lh_buf_cstr(&expected));
}

static void
a_bad_address_does_not_start(void **state)
{
    struct lab *lab = *state;
    struct lh_server_options o = {.name = "test", .router = lab->router, .config = lab->config};
    struct lh_server *s = NULL;
    LH_AUTO_ERROR(err);
    char taken[64];

    o.listen = "nonsense";
    assert_fails(lh_server_start(&o, &s, &err), LH_INVALID, "server.listen", err);
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", lab->port);
    o.listen = taken;
    assert_fails(lh_server_start(&o, &s, &err), LH_UNAVAILABLE, "server.bind", err);
    assert_null(s);
}

static void *
drain_run(void *arg)
{
    lh_server_drain(arg, WAIT_MS);
    return NULL;
}

static void
draining_lets_running_requests_finish(void **state)
{
    struct lab lab;
    LH_AUTO_BUF(answer, 1 << 16);
    LH_AUTO_ERROR(err);
    pthread_t drainer;
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd, late;

    (void)state;
    shop_reset();
    lab_start(&lab, routes, NULL, NULL);
    fd = dial(lab.port);
    say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(atomic_load(&shop.waiting) == 1);
    assert_ok(lh_thread_start(&drainer, "drain", drain_run, lab.server, &err), err);
    to.sin_port = htons((uint16_t)lab.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* Until the listening socket is gone, a connection may still slip in; it is not served. */
    do {
        late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(late, (struct sockaddr *)&to, sizeof(to)) != 0)
            break;
        close(late);
    } while (true);
    close(late);
    shop_open();
    hear_all(fd, &answer);
    assert_answer(lh_buf_cstr(&answer), 200);
    assert_holds(lh_buf_cstr(&answer), "Connection: close\r\n");
    assert_holds(lh_buf_cstr(&answer), "waited");
    lh_thread_join(drainer);
    close(fd);
    lab_stop(&lab);
}

static void
draining_cancels_what_takes_too_long(void **state)
{
    struct lab lab;
    LH_AUTO_BUF(answer, 1 << 16);
    int fd, queued;

    (void)state;
    shop_reset();
    lab_start(&lab, routes, NULL, "[http]\nworkers = 1\n");
    fd = dial(lab.port);
    say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(atomic_load(&shop.waiting) == 1);
    queued = dial(lab.port);
    say(queued, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(lh_server_stats_get(lab.server).requests_queued == 1);
    lh_server_drain(lab.server, 1);
    assert_int_equal(atomic_load(&shop.canceled), 1);
    hear_all(fd, &answer);
    assert_answer(lh_buf_cstr(&answer), 499);
    lh_buf_clear(&answer);
    hear_all(queued, &answer);
    assert_answer(lh_buf_cstr(&answer), 499);
    close(fd);
    close(queued);
    lab_stop(&lab);
}

static void
draining_an_idle_server_takes_no_time(void **state)
{
    struct lab lab;
    int64_t before = lh_time_mono_ms();
    int idle;

    (void)state;
    lab_start(&lab, routes, NULL, NULL);
    idle = dial(lab.port);
    wait_for(lh_server_stats_get(lab.server).connections == 1);
    lh_server_drain(lab.server, WAIT_MS);
    lh_server_drain(lab.server, WAIT_MS);
    assert_true(lh_time_mono_ms() - before < WAIT_MS);
    close(idle);
    lab_stop(&lab);
}

#define WITH_LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LAB(a_handler_answers_on_either_plane),
        WITH_LAB(a_request_arrives_whole),
        WITH_LAB(a_body_arrives_whole_however_it_is_framed),
        WITH_LAB(head_is_get_without_the_bytes),
        WITH_LAB(an_unknown_path_is_404_and_an_unknown_method_405),
        WITH_LAB(a_bad_escape_is_400),
        WITH_LAB(every_failure_becomes_a_problem),
        WITH_LAB(a_handler_without_an_answer_is_a_bug),
        WITH_LAB(no_content_has_none),
        WITH_LAB(a_failure_in_the_middle_cuts_the_connection),
        WITH_LAB(every_answer_carries_a_trace),
        WITH_LAB(a_request_has_a_deadline_unless_it_may_take_long),
        cmocka_unit_test(a_passed_deadline_is_408),
        WITH_LAB(a_connection_serves_many_requests),
        cmocka_unit_test(a_full_queue_is_503_at_once),
        WITH_LAB(a_client_that_hangs_up_cancels_its_request),
        WITH_LAB(a_reset_cancels_too),
        cmocka_unit_test(a_queued_request_whose_client_left_does_not_run),
        cmocka_unit_test(the_guard_stands_before_every_handler),
        cmocka_unit_test(a_server_may_say_failures_in_its_own_way),
        WITH_LAB(requests_are_counted_before_they_are_answered),
        WITH_LAB(stats_tell_what_goes_on),
        WITH_LAB(a_server_answers_as_soon_as_it_has_started),
        WITH_LAB(a_bad_address_does_not_start),
        cmocka_unit_test(draining_lets_running_requests_finish),
        cmocka_unit_test(draining_cancels_what_takes_too_long),
        cmocka_unit_test(draining_an_idle_server_takes_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
