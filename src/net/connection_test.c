#include "net/connection.h"

#include "base/metrics.h"
#include "net/testing.h"

static lh_status
hello(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
      struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    return lh_response_bytes(res, 200, "text/plain", lh_str_bytes(LH_STR("hello")), err);
}

static const struct lh_route routes[] = {
    {LH_GET, "/hello", hello, 0, 0},
    {LH_POST, "/body", hello, 0, 0},
    {0},
};

static int64_t
refused(const char *server, const char *limit)
{
    return lh_metric_value(
        lh_counter("lakehouse_http_refused_total", "", "server,limit", server, limit, NULL));
}

static void
one_address_has_only_so_many_connections(void **state)
{
    struct lh_server_options o = {.name = "per-address"};
    struct lab lab;
    int fds[3];
    char byte;

    (void)state;
    lab_start_with(&lab, routes, NULL, "[http]\nconnections_per_address = 2\n", o);
    fds[0] = dial(lab.port);
    fds[1] = dial(lab.port);
    wait_for(lh_server_stats_get(lab.server).connections == 2);
    fds[2] = dial(lab.port);
    assert_true(hear(fds[2], &byte, 1) <= 0);
    wait_for(refused("per-address", "address") == 1);
    close(fds[0]);
    wait_for(lh_server_stats_get(lab.server).connections == 1);
    LH_AUTO_CHARS answer = ask_simply(lab.port, "GET", "/hello");
    assert_answer(answer, 200);
    close(fds[1]);
    close(fds[2]);
    lab_stop(&lab);
}

static void
the_number_of_connections_is_a_metric(void **state)
{
    struct lh_server_options o = {.name = "gauge"};
    struct lh_metric *gauge = lh_gauge("lakehouse_http_connections", "", "server", "gauge", NULL);
    struct lab lab;
    int fd;

    (void)state;
    lab_start_with(&lab, routes, NULL, NULL, o);
    fd = dial(lab.port);
    wait_for(lh_metric_value(gauge) == 1);
    close(fd);
    wait_for(lh_metric_value(gauge) == 0);
    lab_stop(&lab);
}

static void
an_idle_connection_is_closed(void **state)
{
    struct lab lab;
    char byte;
    int fresh, used;

    (void)state;
    lab_start(&lab, routes, NULL, "[http]\nidle_timeout = \"1s\"\n");
    fresh = dial(lab.port);
    used = dial(lab.port);
    LH_AUTO_BUF(answer, 1 << 16);
    say(used, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_until(used, &answer, "\r\n\r\nhello");
    assert_true(hear(fresh, &byte, 1) <= 0);
    assert_true(hear(used, &byte, 1) <= 0);
    close(fresh);
    close(used);
    lab_stop(&lab);
}

/* Sends a byte now and then, as one who wants to keep a connection without giving anything. */
static void
drip_until_closed(int fd, const char *bytes)
{
    int64_t until = lh_time_mono_ms() + WAIT_MS;
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
    size_t at = 0;

    while (poll(&p, 1, 50) == 0) {
        say_bytes(fd, bytes + at, 1);
        if (bytes[at + 1])
            at++;
        if (lh_time_mono_ms() > until)
            fail_msg("the connection is still open");
    }
}

static void
a_head_that_takes_too_long_is_cut_off(void **state)
{
    struct lh_server_options o = {.name = "slow-head"};
    struct lab lab;
    int fd;

    (void)state;
    lab_start_with(&lab, routes, NULL, "[http]\nidle_timeout = \"1s\"\n", o);
    fd = dial(lab.port);
    drip_until_closed(fd,
                      "GET /hello HTTP/1.1\r\nHost: hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh");
    assert_int_equal(refused("slow-head", "idle"), 1);
    close(fd);
    lab_stop(&lab);
}

static void
a_body_that_hardly_moves_is_cut_off(void **state)
{
    struct lh_server_options o = {.name = "slow-body"};
    struct lab lab;
    int fd;

    (void)state;
    lab_start_with(&lab, routes, NULL, "[http]\nstall_timeout = \"500ms\"\n", o);
    fd = dial(lab.port);
    say(fd, "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    drip_until_closed(fd, "x");
    assert_int_equal(refused("slow-body", "stalled"), 1);
    close(fd);
    lab_stop(&lab);
}

static void
a_body_that_moves_enough_is_waited_for(void **state)
{
    static const char step[2048];
    struct lh_server_options o = {.name = "steady-body"};
    struct lab lab;
    int64_t until;
    int fd;

    (void)state;
    lab_start_with(&lab, routes, NULL, "[http]\nstall_timeout = \"500ms\"\n", o);
    fd = dial(lab.port);
    say(fd,
        "POST /body HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 204800\r\n\r\n");
    /* Longer than the stall time and two sweeps. */
    until = lh_time_mono_ms() + 2600;
    for (int i = 0; i < 100; i++) {
        assert_true(say_bytes(fd, step, sizeof(step)));
        while (lh_time_mono_ms() < until - (100 - i) * 26)
            poll(NULL, 0, 1);
    }
    LH_AUTO_BUF(answer, 1 << 16);
    hear_all(fd, &answer);
    assert_answer(lh_buf_cstr(&answer), 200);
    close(fd);
    lab_stop(&lab);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_has_only_so_many_connections),
        cmocka_unit_test(the_number_of_connections_is_a_metric),
        cmocka_unit_test(an_idle_connection_is_closed),
        cmocka_unit_test(a_head_that_takes_too_long_is_cut_off),
        cmocka_unit_test(a_body_that_hardly_moves_is_cut_off),
        cmocka_unit_test(a_body_that_moves_enough_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
