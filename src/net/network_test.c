/* Requests as nobody should send them, and answers all the same. */
#include "net/network.h"

#include "net/testing.h"

static lh_status
hello(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
      struct lh_error *err)
{
    (void)service;
    (void)call;
    return lh_response_bytes(res, 200, "text/plain",
                             req->body_bytes.len ? req->body_bytes : lh_str_bytes(LH_STR("hello")),
                             err);
}

static lh_status
headers_back(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(out, 1 << 20);

    (void)service;
    (void)call;
    for (size_t i = 0; i < req->header_count; i++)
        lh_buf_printf(&out, "%.*s=%.*s|", LH_FMT(req->headers[i].name),
                      LH_FMT(req->headers[i].value));
    lh_response_header(res, "X-Injected", LH_STR("a\r\nX-Evil: 1"));
    return lh_response_bytes(res, 200, "text/plain", lh_buf_bytes(&out), err);
}

static const struct lh_route routes[] = {
    {LH_GET, "/hello", hello, 0, 0},          {LH_GET, "/inline", hello, LH_ROUTE_INLINE, 0},
    {LH_GET, "/headers", headers_back, 0, 0}, {LH_POST, "/echo", hello, 0, 0},
    {LH_POST, "/little", hello, 0, 1000},     {0},
};

static int
setup(void **state)
{
    static struct lab lab;

    lab_start(&lab, routes, NULL, NULL);
    *state = &lab;
    return 0;
}

static int
teardown(void **state)
{
    lab_stop(*state);
    return 0;
}

static void
assert_still_well(struct lab *lab)
{
    LH_AUTO_CHARS answer = ask_simply(lab->port, "GET", "/hello");

    assert_answer(answer, 200);
}

static void
garbage_is_refused_and_harms_nobody(void **state)
{
    static const char *const bad[] = {
        "GARBAGE\r\n\r\n",
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /hello\r\n\r\n",
        "GET /hello HTTP/9.9\r\nHost: h\r\n\r\n",
        "GET /hello HTTP/0.9\r\nHost: h\r\n\r\n",
        "GET /hello XTTP/1.1\r\nHost: h\r\n\r\n",
        "GET hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: five\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n",
        ("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
         "fffffffffffffffff\r\n\r\n"),
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = dial(((struct lab *)*state)->port);
        LH_AUTO_BUF(out, 1 << 20);

        say(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        hear_all(fd, &out);
        close(fd);
        if (out.len > 0 &&
            (status_of(lh_buf_cstr(&out)) < 400 || status_of(lh_buf_cstr(&out)) > 505))
            fail_msg("\"%s\" was answered \"%s\"", bad[i], lh_buf_cstr(&out));
        assert_still_well(*state);
    }
}

static void
a_body_with_two_lengths_is_refused(void **state)
{
    static const char *const bad[] = {
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        ("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n"),
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nabcde",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nabcde",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        LH_AUTO_CHARS answer = ask(((struct lab *)*state)->port, bad[i]);

        if (status_of(answer) < 400 || status_of(answer) > 501)
            fail_msg("\"%s\" was answered \"%s\"", bad[i], answer);
        /* Nothing that hides behind the body is served. */
        assert_lacks(answer, "200 OK");
    }
}

static void
a_head_past_its_limit_is_431(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_BUF(request, 1 << 20);

    lh_buf_add_cstr(&request, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Long: ");
    for (int i = 0; i < 17000; i++)
        lh_buf_add_char(&request, 'x');
    lh_buf_add_cstr(&request, "\r\n\r\n");
    LH_AUTO_CHARS just_over = ask(lab->port, lh_buf_cstr(&request));
    assert_answer(just_over, 431);
    assert_holds(just_over, "request.headers_too_big");
    request.len -= 4;
    for (int i = 0; i < 100000; i++)
        lh_buf_add_char(&request, 'x');
    lh_buf_add_cstr(&request, "\r\n\r\n");
    int fd = dial(lab->port);
    LH_AUTO_BUF(far_over, 1 << 20);
    say_bytes(fd, request.data, request.len);
    hear_all(fd, &far_over);
    close(fd);
    if (far_over.len > 0)
        assert_int_equal(status_of(lh_buf_cstr(&far_over)) / 100, 4);
    assert_still_well(lab);
}

static void
a_head_within_its_limit_is_served(void **state)
{
    struct lab *lab = *state;
    LH_AUTO_BUF(request, 1 << 20);

    lh_buf_add_cstr(&request, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Long: ");
    for (int i = 0; i < 15000; i++)
        lh_buf_add_char(&request, 'x');
    lh_buf_add_cstr(&request, "\r\n\r\n");
    LH_AUTO_CHARS answer = ask(lab->port, lh_buf_cstr(&request));
    assert_answer(answer, 200);
}

static void
header_fields_keep_their_names_values_and_order(void **state)
{
    LH_AUTO_CHARS answer =
        ask(((struct lab *)*state)->port,
            "GET /headers HTTP/1.1\r\nHost: h\r\nX-A:1\r\nx-b:  two words \r\nX-A: again\r\n"
            "X-Empty:\r\nConnection: close\r\n\r\n");

    assert_answer(answer, 200);
    assert_string_equal(body_of(answer),
                        "Host=h|X-A=1|x-b=two words |X-A=again|X-Empty=|Connection=close|");
}

static void
an_answer_cannot_be_split(void **state)
{
    LH_AUTO_CHARS answer = ask_simply(((struct lab *)*state)->port, "GET", "/headers");

    assert_holds(answer, "X-Injected: a  X-Evil: 1\r\n");
    assert_lacks(answer, "\nX-Evil");
}

static void
a_request_may_come_byte_by_byte(void **state)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                                  "Connection: close\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n";
    int fd = dial(((struct lab *)*state)->port), on = 1;
    LH_AUTO_BUF(answer, 1 << 16);

    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    for (size_t i = 0; i < sizeof(request) - 1; i++)
        say_bytes(fd, request + i, 1);
    hear_all(fd, &answer);
    close(fd);
    assert_answer(lh_buf_cstr(&answer), 200);
    assert_string_equal(body_of(lh_buf_cstr(&answer)), "abcdefg");
}

static size_t
count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
    LH_AUTO_BUF(request, 1 << 20);

    for (int i = 0; i < 50; i++) {
        lh_buf_printf(&request, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n#%03d",
                      i);
        lh_buf_add_cstr(&request, i % 2 ? "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
                                        : "GET /inline HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    lh_buf_add_cstr(&request, "GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    LH_AUTO_CHARS answer = ask(((struct lab *)*state)->port, lh_buf_cstr(&request));
    const char *at = answer;
    for (int i = 0; i < 50; i++) {
        char mark[8];

        snprintf(mark, sizeof(mark), "#%03d", i);
        at = strstr(at, mark);
        assert_non_null(at);
        at = strstr(at, "hello");
        assert_non_null(at);
    }
    assert_int_equal(count_of(answer, "HTTP/1.1 200 OK"), 100);
    assert_int_equal(count_of(answer, "HTTP/1.1 404 "), 1);
}

static void
a_client_that_only_finished_sending_gets_its_answer(void **state)
{
    static const char *const targets[] = {"/hello", "/inline"};

    for (int i = 0; i < 20; i++) {
        int fd = dial(((struct lab *)*state)->port);
        LH_AUTO_BUF(answer, 1 << 16);
        char request[128];

        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", targets[i % 2]);
        say(fd, request);
        shutdown(fd, SHUT_WR);
        hear_all(fd, &answer);
        close(fd);
        assert_answer(lh_buf_cstr(&answer), 200);
    }
}

static void
http_1_0_is_served_and_closed(void **state)
{
    LH_AUTO_CHARS answer = ask(((struct lab *)*state)->port, "GET /hello HTTP/1.0\r\n\r\n");

    assert_holds(answer, "200 OK");
    assert_string_equal(body_of(answer), "hello");
}

/* ---- bodies past their limit ---- */

static void
say_zeros(int fd, size_t bytes, bool is_chunked)
{
    static const char zeros[65536];

    while (bytes > 0) {
        size_t n = bytes < sizeof(zeros) ? bytes : sizeof(zeros);
        char head[32];

        snprintf(head, sizeof(head), "%zx\r\n", n);
        if (is_chunked)
            say(fd, head);
        assert_true(say_bytes(fd, zeros, n));
        if (is_chunked)
            say(fd, "\r\n");
        bytes -= n;
    }
    if (is_chunked)
        say(fd, "0\r\n\r\n");
}

static void
a_body_past_its_limit_is_413_for_a_sender_that_never_looks_up(void **state)
{
    struct lab *lab = *state;

    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        int fd = dial(lab->port);
        LH_AUTO_BUF(answer, 1 << 20);

        say(fd, is_chunked
                    ? "POST /little HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                    : "POST /little HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\n");
        say_zeros(fd, 20000000, is_chunked);
        hear_all(fd, &answer);
        close(fd);
        assert_answer(lh_buf_cstr(&answer), 413);
        assert_holds(lh_buf_cstr(&answer), "request.too_big");
    }
    assert_still_well(lab);
}

static void
the_limit_of_a_body_is_exact(void **state)
{
    struct lab *lab = *state;

    for (int over = 0; over < 2; over++) {
        for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
            int fd = dial(lab->port);
            LH_AUTO_BUF(answer, 1 << 20);
            char request[256];

            snprintf(request, sizeof(request),
                     "POST /little HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s: %s\r\n\r\n",
                     is_chunked ? "Transfer-Encoding" : "Content-Length",
                     is_chunked ? "chunked" : (over ? "1001" : "1000"));
            say(fd, request);
            say_zeros(fd, over ? 1001 : 1000, is_chunked);
            hear_all(fd, &answer);
            close(fd);
            assert_answer(lh_buf_cstr(&answer), over ? 413 : 200);
        }
    }
}

static void
an_expected_body_past_its_limit_is_refused_unsent(void **state)
{
    LH_AUTO_CHARS answer =
        ask(((struct lab *)*state)->port, "POST /little HTTP/1.1\r\nHost: h\r\nExpect: "
                                          "100-continue\r\nContent-Length: 2000\r\n\r\n");

    assert_answer(answer, 413);
    assert_lacks(answer, "100 Continue");
}

static void
an_expected_body_within_its_limit_is_invited(void **state)
{
    int fd = dial(((struct lab *)*state)->port);
    LH_AUTO_BUF(heard, 1 << 16);

    say(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
            "Connection: close\r\n\r\n");
    hear_until(fd, &heard, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "abcde");
    hear_all(fd, &heard);
    assert_holds(lh_buf_cstr(&heard), "\r\n\r\nabcde");
    close(fd);
}

#define WITH_LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LAB(garbage_is_refused_and_harms_nobody),
        WITH_LAB(a_body_with_two_lengths_is_refused),
        WITH_LAB(a_head_past_its_limit_is_431),
        WITH_LAB(a_head_within_its_limit_is_served),
        WITH_LAB(header_fields_keep_their_names_values_and_order),
        WITH_LAB(an_answer_cannot_be_split),
        WITH_LAB(a_request_may_come_byte_by_byte),
        WITH_LAB(pipelined_requests_are_answered_in_order),
        WITH_LAB(a_client_that_only_finished_sending_gets_its_answer),
        WITH_LAB(http_1_0_is_served_and_closed),
        WITH_LAB(a_body_past_its_limit_is_413_for_a_sender_that_never_looks_up),
        WITH_LAB(the_limit_of_a_body_is_exact),
        WITH_LAB(an_expected_body_past_its_limit_is_refused_unsent),
        WITH_LAB(an_expected_body_within_its_limit_is_invited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
