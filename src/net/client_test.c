#include "net/client.h"

#include <stdatomic.h>
#include "base/thread.h"
#include "net/testing.h"

#define MIB ((int64_t)1 << 20)

static struct {
    atomic_int waiting, canceled, connections;
} shop;

/* Says back what came: method, target, header fields, body. */
static lh_status
mirror(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    LH_AUTO_BUF(out, 64 << 20);

    (void)service;
    (void)call;
    lh_buf_printf(&out, "%s %.*s\n", lh_method_name(req->method), LH_FMT(req->target));
    for (size_t i = 0; i < req->header_count; i++)
        lh_buf_printf(&out, "%.*s: %.*s\n", LH_FMT(req->headers[i].name),
                      LH_FMT(req->headers[i].value));
    lh_buf_add_char(&out, '\n');
    lh_buf_add(&out, req->body_bytes.ptr, req->body_bytes.len);
    lh_response_header(res, "X-Two", LH_STR("2"));
    return lh_response_bytes(res, 200, "text/plain", lh_buf_bytes(&out), err);
}

static lh_status
produce(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    static const uint8_t step[65536] = {1, 2, 3};
    int64_t mib = 1;

    (void)service;
    (void)call;
    LH_TRY(lh_request_query_i64(req, "mib", 0, 100000, &mib, err));
    LH_TRY(lh_response_begin(res, 200, "application/octet-stream",
                             lh_request_has_query(req, "sized") ? mib * MIB : -1, err));
    for (int64_t i = 0; i < mib * 16; i++)
        LH_TRY(lh_response_write(res, lh_bytes_of(step, sizeof(step)), err));
    if (lh_request_has_query(req, "break"))
        return lh_fail(err, LH_CANCELED, "test.break", "broken off");
    return LH_OK;
}

static lh_status
consume(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    static _Thread_local uint8_t step[65536];
    LH_AUTO_BUF(out, 64);
    uint64_t total = 0;
    size_t got;

    (void)service;
    (void)call;
    do {
        LH_TRY(lh_request_read(req, step, sizeof(step), &got, err));
        total += got;
    } while (got > 0);
    lh_buf_printf(&out, "%llu %lld", (unsigned long long)total, (long long)req->body.length);
    return lh_response_bytes(res, 200, "text/plain", lh_buf_bytes(&out), err);
}

static lh_status
wait_here(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    (void)service;
    (void)req;
    (void)res;
    atomic_fetch_add(&shop.waiting, 1);
    for (;;) {
        lh_status status = lh_call_check(call, err);

        if (status == LH_CANCELED)
            atomic_fetch_add(&shop.canceled, 1);
        LH_TRY(status);
        sched_yield();
    }
}

static lh_status
teapot(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    lh_response_header(res, "Location", LH_STR("/mirror"));
    return lh_response_bytes(res, 302, "text/plain", lh_str_bytes(LH_STR("elsewhere")), err);
}

static const struct lh_route routes[] = {
    {LH_GET, "/mirror", mirror, 0, 0},
    {LH_POST, "/mirror", mirror, 0, 64 << 20},
    {LH_PUT, "/mirror", mirror, 0, 0},
    {LH_PATCH, "/mirror", mirror, 0, 0},
    {LH_DELETE, "/mirror", mirror, 0, 0},
    {LH_GET, "/mirror/{rest...}", mirror, 0, 0},
    {LH_GET, "/produce", produce, LH_ROUTE_LONG, 0},
    {LH_PUT, "/consume", consume, LH_ROUTE_STREAMS_BODY | LH_ROUTE_LONG, 0},
    {LH_GET, "/wait", wait_here, LH_ROUTE_LONG, 0},
    {LH_GET, "/redirect", teapot, 0, 0},
    {0},
};

struct bench {
    struct lab lab;
    struct lh_client *client;
    struct lh_call call;
    struct lh_client_answer answer;
    struct lh_error err;
    char url[256];
};

static int
setup(void **state)
{
    static struct bench b;

    atomic_store(&shop.waiting, 0);
    atomic_store(&shop.canceled, 0);
    lab_start(&b.lab, routes, NULL, "[http]\nhalf_close_grace = \"10ms\"\n");
    b.client = lh_client_new(4);
    lh_call_init(&b.call);
    *state = &b;
    return 0;
}

static int
teardown(void **state)
{
    struct bench *b = *state;

    lh_client_answer_fini(&b->answer);
    lh_error_clear(&b->err);
    lh_call_fini(&b->call);
    lh_client_free(b->client);
    lab_stop(&b->lab);
    return 0;
}

static lh_status
send_to(struct bench *b, const char *path, struct lh_client_request r)
{
    snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d%s", b->lab.port, path);
    r.url = b->url;
    lh_client_answer_fini(&b->answer);
    lh_error_clear(&b->err);
    return lh_client_send(b->client, &b->call, &r, &b->answer, &b->err);
}

static const char *
text(struct bench *b)
{
    return lh_buf_cstr(&b->answer.body);
}

static void
every_method_and_its_body_arrive(void **state)
{
    static const enum lh_method methods[] = {LH_GET, LH_POST, LH_PUT, LH_PATCH, LH_DELETE};
    struct bench *b = *state;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        for (int with_body = 0; with_body < 2; with_body++) {
            struct lh_client_request r = {.method = methods[i]};
            char line[64];

            if (with_body)
                r.body = lh_str_bytes(LH_STR("the body"));
            assert_ok(send_to(b, "/mirror?a=%20b", r), b->err);
            assert_int_equal(b->answer.status, 200);
            assert_true(b->answer.was_sent);
            snprintf(line, sizeof(line), "%s /mirror?a=%%20b\n", lh_method_name(methods[i]));
            assert_holds(text(b), line);
            assert_string_equal(strstr(text(b), "\n\n") + 2, with_body ? "the body" : "");
        }
    }
}

static void
head_has_a_length_and_no_body(void **state)
{
    struct bench *b = *state;

    assert_ok(send_to(b, "/mirror", (struct lh_client_request){.method = LH_HEAD}), b->err);
    assert_int_equal(b->answer.status, 200);
    assert_int_equal(b->answer.body.len, 0);
    assert_non_null(lh_client_answer_header(&b->answer, "content-length").ptr);
}

static void
header_fields_go_out_as_given_and_no_others(void **state)
{
    const struct lh_header headers[] = {
        {LH_STR("X-One"), LH_STR("1\r\nX-Evil: yes")},
        {LH_STR("X-Empty"), LH_STR("")},
        {LH_STR("Content-Type"), LH_STR("text/csv")},
    };
    struct bench *b = *state;
    struct lh_client_request r = {
        .method = LH_POST,
        .headers = headers,
        .header_count = 3,
        .body = lh_str_bytes(LH_STR("a,b")),
    };

    assert_ok(send_to(b, "/mirror", r), b->err);
    assert_holds(text(b), "X-One: 1  X-Evil: yes\n");
    assert_holds(text(b), "X-Empty: \n");
    assert_holds(text(b), "Content-Type: text/csv\n");
    assert_lacks(text(b), "\nX-Evil");
    assert_lacks(text(b), "Expect");
    assert_lacks(text(b), "Accept");
    assert_lacks(text(b), "User-Agent");
    r.headers = NULL;
    r.header_count = 0;
    assert_ok(send_to(b, "/mirror", r), b->err);
    assert_lacks(text(b), "Content-Type");
}

static void
a_name_that_is_none_is_a_bug(void **state)
{
    const struct lh_header bad = {LH_STR("X: 1\r\nY"), LH_STR("z")};
    struct bench *b = *state;
    struct lh_client_request r = {.headers = &bad, .header_count = 1};

    assert_fails(send_to(b, "/mirror", r), LH_BUG, "net.header", b->err);
}

static void
answer_fields_can_be_asked_for(void **state)
{
    struct bench *b = *state;

    assert_ok(send_to(b, "/mirror", (struct lh_client_request){0}), b->err);
    assert_str(lh_client_answer_header(&b->answer, "x-two"), "2");
    assert_str(lh_client_answer_header(&b->answer, "CONTENT-TYPE"), "text/plain");
    assert_null(lh_client_answer_header(&b->answer, "X-Three").ptr);
    assert_null(lh_client_answer_header(&b->answer, "Transfer-Encoding").ptr);
}

static void
paths_are_not_tidied_up(void **state)
{
    struct bench *b = *state;

    assert_ok(send_to(b, "/mirror/a/../b//c/./%2e%2E", (struct lh_client_request){0}), b->err);
    assert_holds(text(b), "GET /mirror/a/../b//c/./%2e%2E\n");
}

static void
a_redirect_is_an_answer_like_any_other(void **state)
{
    struct bench *b = *state;

    assert_ok(send_to(b, "/redirect", (struct lh_client_request){0}), b->err);
    assert_int_equal(b->answer.status, 302);
    assert_string_equal(text(b), "elsewhere");
}

static void
an_error_status_is_not_a_failure(void **state)
{
    struct bench *b = *state;

    assert_ok(send_to(b, "/nowhere", (struct lh_client_request){0}), b->err);
    assert_int_equal(b->answer.status, 404);
    assert_holds(text(b), "request.route");
}

static void
connections_are_kept(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 50; i++)
        assert_ok(send_to(b, "/mirror", (struct lh_client_request){0}), b->err);
    assert_int_equal(lh_server_stats_get(b->lab.server).connections, 1);
}

static void
an_answer_past_its_limit_is_too_big(void **state)
{
    struct bench *b = *state;
    struct lh_client_request r = {.answer_max = 100000};

    assert_int_equal(send_to(b, "/produce?mib=1", r), LH_TOO_BIG);
    r.answer_max = (size_t)MIB;
    assert_ok(send_to(b, "/produce?mib=1", r), b->err);
    assert_int_equal(b->answer.body.len, MIB);
}

static void
an_answer_that_breaks_off_is_a_failure(void **state)
{
    struct bench *b = *state;

    assert_int_equal(send_to(b, "/produce?break", (struct lh_client_request){0}), LH_UNAVAILABLE);
    assert_string_equal(b->err.reason, "net.reset");
    assert_true(b->answer.was_sent);
}

/* ---- streams ---- */

struct counting_sink {
    uint64_t bytes;
    int begins, ends, status;
    int64_t length;
    bool is_complete;
    uint64_t fail_after;
};

static lh_status
count_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
            struct lh_error *err)
{
    struct counting_sink *s = self;

    (void)err;
    s->begins++;
    s->status = status;
    s->length = length;
    assert_true(count > 0 && headers != NULL);
    return LH_OK;
}

static lh_status
count_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct counting_sink *s = self;

    s->bytes += bytes.len;
    if (s->fail_after && s->bytes > s->fail_after)
        return lh_fail(err, LH_NO_SPACE, "test.full", "enough");
    return LH_OK;
}

static void
count_end(void *self, bool complete)
{
    struct counting_sink *s = self;

    s->ends++;
    s->is_complete = complete;
}

static struct lh_sink
sink_of(struct counting_sink *s)
{
    return (struct lh_sink){count_begin, count_write, NULL, count_end, s};
}

static void
an_answer_streams_into_a_sink(void **state)
{
    struct bench *b = *state;
    struct counting_sink s = {0};
    struct lh_sink sink = sink_of(&s);
    struct lh_client_request r = {.answer_sink = &sink};

    assert_ok(send_to(b, "/produce?mib=80", r), b->err);
    assert_int_equal(s.bytes, 80 * MIB);
    assert_int_equal(s.length, -1);
    assert_int_equal(s.status, 200);
    assert_true(s.begins == 1 && s.ends == 1 && s.is_complete);
    assert_int_equal(b->answer.body.len, 0);
    s = (struct counting_sink){0};
    assert_ok(send_to(b, "/produce?mib=2&sized", r), b->err);
    assert_int_equal(s.length, 2 * MIB);
    s = (struct counting_sink){0};
    assert_ok(send_to(b, "/nowhere", r), b->err);
    assert_int_equal(s.status, 404);
}

static void
a_sink_that_fails_ends_the_transfer_with_its_failure(void **state)
{
    struct bench *b = *state;
    struct counting_sink s = {.fail_after = (uint64_t)MIB};
    struct lh_sink sink = sink_of(&s);
    struct lh_client_request r = {.answer_sink = &sink};

    assert_fails(send_to(b, "/produce?mib=1000", r), LH_NO_SPACE, "test.full", b->err);
    assert_true(s.ends == 1 && !s.is_complete);
}

static void
a_broken_answer_tells_its_sink(void **state)
{
    struct bench *b = *state;
    struct counting_sink s = {0};
    struct lh_sink sink = sink_of(&s);
    struct lh_client_request r = {.answer_sink = &sink};

    assert_int_equal(send_to(b, "/produce?break", r), LH_UNAVAILABLE);
    assert_true(s.ends == 1 && !s.is_complete);
}

struct counting_source {
    int64_t left;
    int64_t fail_at;
};

static lh_status
source_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct counting_source *s = self;

    if (s->fail_at && s->left < s->fail_at)
        return lh_fail(err, LH_CORRUPT, "test.source", "damaged");
    *got = s->left < (int64_t)size ? (size_t)s->left : size;
    memset(to, 'x', *got);
    s->left -= (int64_t)*got;
    return LH_OK;
}

static void
a_body_streams_from_a_source(void **state)
{
    struct bench *b = *state;

    for (int is_sized = 0; is_sized < 2; is_sized++) {
        struct counting_source s = {.left = 80 * MIB};
        struct lh_source source = {source_read, &s, is_sized ? 80 * MIB : -1};
        struct lh_client_request r = {.method = LH_PUT, .body_source = &source};

        assert_ok(send_to(b, "/consume", r), b->err);
        assert_string_equal(text(b), is_sized ? "83886080 83886080" : "83886080 -1");
    }
}

static void
a_source_that_fails_ends_the_transfer_with_its_failure(void **state)
{
    struct bench *b = *state;
    struct counting_source s = {.left = 2 * MIB, .fail_at = MIB};
    struct lh_source source = {source_read, &s, 2 * MIB};
    struct lh_client_request r = {.method = LH_PUT, .body_source = &source};

    assert_fails(send_to(b, "/consume", r), LH_CORRUPT, "test.source", b->err);
}

/* ---- ends ---- */

static void
nobody_there_was_not_sent_to(void **state)
{
    struct bench *b = *state;
    struct lh_client_request r = {.method = LH_POST, .body = lh_str_bytes(LH_STR("x"))};

    lh_server_drain(b->lab.server, 0);
    assert_fails(send_to(b, "/mirror", r), LH_UNAVAILABLE, "net.connect", b->err);
    assert_false(b->answer.was_sent);
}

static void
only_http_is_spoken(void **state)
{
    static const char *const bad[] = {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/",
                                      "no url", ""};
    struct bench *b = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lh_client_request r = {.url = bad[i]};

        lh_client_answer_fini(&b->answer);
        assert_true(lh_client_send(b->client, &b->call, &r, &b->answer, &b->err) != LH_OK);
        assert_false(b->answer.was_sent);
    }
}

static void
the_deadline_ends_a_transfer(void **state)
{
    struct bench *b = *state;

    b->call.deadline_ms = lh_time_mono_ms() + 50;
    assert_fails(send_to(b, "/wait", (struct lh_client_request){0}), LH_TIMEOUT, "call.deadline",
                 b->err);
    assert_true(b->answer.was_sent);
    assert_true(lh_time_mono_ms() - b->call.deadline_ms < 2000);
    wait_for(atomic_load(&shop.canceled) == 1);
}

static void *
cancel_run(void *arg)
{
    wait_for(atomic_load(&shop.waiting) == 1);
    lh_call_cancel(arg);
    return NULL;
}

static void
cancelling_ends_a_transfer_and_the_peers_work(void **state)
{
    struct bench *b = *state;
    pthread_t canceler;

    assert_ok(lh_thread_start(&canceler, "cancel", cancel_run, &b->call, &b->err), b->err);
    assert_fails(send_to(b, "/wait", (struct lh_client_request){0}), LH_CANCELED, "call.canceled",
                 b->err);
    lh_thread_join(canceler);
    wait_for(atomic_load(&shop.canceled) == 1);
}

/* ---- a peer that misbehaves ---- */

struct rogue {
    int listener, port;
    const char *says[4]; /* to each request in turn; NULL closes without a word */
    int answers;         /* how many entries of says count */
    int per_connection;  /* requests answered before the connection is closed */
    atomic_int seen;
    pthread_t thread;
};

/* Answers one request. False closes the connection. */
static bool
rogue_answer(struct rogue *r, int fd, int served)
{
    char request[65536];
    int turn;

    if (recv(fd, request, sizeof(request), 0) <= 0)
        return false;
    turn = atomic_fetch_add(&r->seen, 1);
    if (turn >= r->answers || !r->says[turn])
        return false;
    say(fd, r->says[turn]);
    return served + 1 < r->per_connection;
}

static void *
rogue_run(void *arg)
{
    struct rogue *r = arg;
    struct pollfd fds[9] = {{.fd = r->listener, .events = POLLIN}};
    int served[9] = {0};
    nfds_t count = 1;

    while (poll(fds, count, -1) > 0 && !(fds[0].revents & (POLLHUP | POLLERR))) {
        if (fds[0].revents && count < 9) {
            fds[count] = (struct pollfd){
                .fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC),
                .events = POLLIN,
            };
            served[count++] = 0;
        }
        for (nfds_t i = 1; i < count; i++) {
            if (!fds[i].revents || rogue_answer(r, fds[i].fd, served[i]++))
                continue;
            close(fds[i].fd);
            fds[i].fd = -1;
        }
    }
    for (nfds_t i = 1; i < count; i++)
        close(fds[i].fd);
    return NULL;
}

static void
rogue_start(struct rogue *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    LH_AUTO_ERROR(err);

    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(r->listener, 10), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&at, &len), 0);
    r->port = ntohs(at.sin_port);
    assert_ok(lh_thread_start(&r->thread, "rogue", rogue_run, r, &err), err);
}

static void
rogue_stop(struct rogue *r)
{
    shutdown(r->listener, SHUT_RDWR);
    lh_thread_join(r->thread);
    close(r->listener);
}

#define FINE "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static lh_status
ask_rogue_once(struct bench *b, struct rogue *r, enum lh_method method, const char *body,
               bool is_sent_once)
{
    struct lh_client_request request = {
        .method = method,
        .url = b->url,
        .body = lh_str_bytes(lh_str_of(body)),
        .is_sent_once = is_sent_once,
    };

    snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d/", r->port);
    lh_client_answer_fini(&b->answer);
    lh_error_clear(&b->err);
    return lh_client_send(b->client, &b->call, &request, &b->answer, &b->err);
}

static lh_status
ask_rogue(struct bench *b, struct rogue *r, enum lh_method method, const char *body)
{
    return ask_rogue_once(b, r, method, body, false);
}

static void
a_peer_that_hangs_up_may_have_acted(void **state)
{
    struct bench *b = *state;
    struct rogue r = {.per_connection = 1};

    rogue_start(&r);
    assert_fails(ask_rogue(b, &r, LH_POST, "x"), LH_UNAVAILABLE, "net.reset", b->err);
    assert_true(b->answer.was_sent);
    assert_int_equal(atomic_load(&r.seen), 1);
    rogue_stop(&r);
}

static void
a_post_is_not_repeated_behind_the_callers_back(void **state)
{
    static const char *const bodies[] = {"x", ""};

    for (int i = 0; i < 2; i++) {
        struct bench *b = *state;
        /* The second request finds a kept connection that closes upon it. */
        struct rogue r = {.per_connection = 2, .answers = 1, .says = {FINE}};

        rogue_start(&r);
        assert_ok(ask_rogue(b, &r, LH_GET, ""), b->err);
        assert_fails(ask_rogue(b, &r, LH_POST, bodies[i]), LH_UNAVAILABLE, "net.reset", b->err);
        assert_true(b->answer.was_sent);
        assert_int_equal(atomic_load(&r.seen), 2);
        rogue_stop(&r);
    }
}

static void
what_is_to_be_sent_once_is_not_repeated_whatever_it_is(void **state)
{
    static const enum lh_method methods[] = {LH_PUT, LH_PUT, LH_DELETE, LH_GET};
    static const char *const bodies[] = {"x", "", "", ""};

    for (int i = 0; i < 4; i++) {
        struct bench *b = *state;
        struct rogue r = {.per_connection = 2, .answers = 1, .says = {FINE}};

        rogue_start(&r);
        assert_ok(ask_rogue(b, &r, LH_GET, ""), b->err);
        assert_fails(ask_rogue_once(b, &r, methods[i], bodies[i], true), LH_UNAVAILABLE,
                     "net.reset", b->err);
        assert_true(b->answer.was_sent);
        assert_int_equal(atomic_load(&r.seen), 2);
        rogue_stop(&r);
    }
}

static void
interim_answers_are_passed_over(void **state)
{
    struct bench *b = *state;
    struct rogue r = {
        .per_connection = 1,
        .answers = 1,
        .says = {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Hint: 1\r\n\r\n"
                 "HTTP/1.1 201 Created\r\nX-Real: 1\r\nConnection: X-Mine\r\nX-Mine: 2\r\n"
                 "Keep-Alive: x\r\nContent-Length: 2\r\n\r\nok"},
    };

    rogue_start(&r);
    assert_ok(ask_rogue(b, &r, LH_GET, ""), b->err);
    assert_int_equal(b->answer.status, 201);
    assert_null(lh_client_answer_header(&b->answer, "X-Hint").ptr);
    assert_null(lh_client_answer_header(&b->answer, "X-Mine").ptr);
    assert_null(lh_client_answer_header(&b->answer, "Keep-Alive").ptr);
    assert_str(lh_client_answer_header(&b->answer, "X-Real"), "1");
    assert_string_equal(text(b), "ok");
    rogue_stop(&r);
}

static void
nonsense_is_a_failure(void **state)
{
    static const char *const nonsense[] = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
    };

    for (int i = 0; i < 4; i++) {
        struct bench *b = *state;
        struct rogue r = {.per_connection = 1, .answers = 1, .says = {nonsense[i]}};

        rogue_start(&r);
        if (ask_rogue(b, &r, LH_POST, "x") != LH_UNAVAILABLE)
            fail_msg("\"%s\" was taken for an answer", nonsense[i]);
        rogue_stop(&r);
    }
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(every_method_and_its_body_arrive),
        BENCH(head_has_a_length_and_no_body),
        BENCH(header_fields_go_out_as_given_and_no_others),
        BENCH(a_name_that_is_none_is_a_bug),
        BENCH(answer_fields_can_be_asked_for),
        BENCH(paths_are_not_tidied_up),
        BENCH(a_redirect_is_an_answer_like_any_other),
        BENCH(an_error_status_is_not_a_failure),
        BENCH(connections_are_kept),
        BENCH(an_answer_past_its_limit_is_too_big),
        BENCH(an_answer_that_breaks_off_is_a_failure),
        BENCH(an_answer_streams_into_a_sink),
        BENCH(a_sink_that_fails_ends_the_transfer_with_its_failure),
        BENCH(a_broken_answer_tells_its_sink),
        BENCH(a_body_streams_from_a_source),
        BENCH(a_source_that_fails_ends_the_transfer_with_its_failure),
        BENCH(nobody_there_was_not_sent_to),
        BENCH(only_http_is_spoken),
        BENCH(the_deadline_ends_a_transfer),
        BENCH(cancelling_ends_a_transfer_and_the_peers_work),
        BENCH(a_peer_that_hangs_up_may_have_acted),
        BENCH(a_post_is_not_repeated_behind_the_callers_back),
        BENCH(what_is_to_be_sent_once_is_not_repeated_whatever_it_is),
        BENCH(interim_answers_are_passed_over),
        BENCH(nonsense_is_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
