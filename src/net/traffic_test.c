#include "net/traffic.h"

#include "base/testing.h"

static int64_t
requests(const char *route, const char *method, const char *status)
{
    return lh_metric_value(lh_counter("lakehouse_http_requests_total", "",
                                      "server,route,method,status", "t", route, method, status,
                                      NULL));
}

static void
requests_are_counted_by_route_method_and_status(void **state)
{
    struct net_traffic *t = net_traffic_new("t", 2);
    struct net_traffic_request r = {
        .index = 0,
        .route = "/a/{id}",
        .method = LH_GET,
        .status = 200,
        .elapsed_ns = 1000,
        .in_bytes = 3,
        .out_bytes = 5,
    };

    (void)state;
    net_traffic_request(t, &r);
    net_traffic_request(t, &r);
    r.status = 404;
    net_traffic_request(t, &r);
    r.method = LH_HEAD;
    net_traffic_request(t, &r);
    r = (struct net_traffic_request){.index = 2, .route = "", .method = LH_GET, .status = 404};
    net_traffic_request(t, &r);
    assert_int_equal(requests("/a/{id}", "GET", "200"), 2);
    assert_int_equal(requests("/a/{id}", "GET", "404"), 1);
    assert_int_equal(requests("/a/{id}", "HEAD", "404"), 1);
    assert_int_equal(requests("", "GET", "404"), 1);
    assert_int_equal(lh_metric_value(lh_histogram("lakehouse_http_request_seconds", "",
                                                  "server,route", "t", "/a/{id}", NULL)),
                     4);
    assert_int_equal(
        lh_metric_value(lh_counter("lakehouse_http_request_bytes_total", "", "server", "t", NULL)),
        12);
    assert_int_equal(
        lh_metric_value(lh_counter("lakehouse_http_response_bytes_total", "", "server", "t", NULL)),
        20);
    net_traffic_free(t);
}

static void
refusals_are_counted_by_limit(void **state)
{
    struct net_traffic *t = net_traffic_new("t", 0);

    (void)state;
    net_traffic_refused(t, NET_REFUSED_QUEUE);
    assert_int_equal(lh_metric_value(lh_counter("lakehouse_http_refused_total", "", "server,limit",
                                                "t", "queue", NULL)),
                     1);
    net_traffic_free(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_counted_by_route_method_and_status),
        cmocka_unit_test(refusals_are_counted_by_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
