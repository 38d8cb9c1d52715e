#include "net/listener.h"

#include <unistd.h>
#include "base/testing.h"

static void
open_and_tell(const char *address, const char *prefix)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_BUF(text, 128);
    LH_AUTO_FD fd = -1;

    assert_ok(net_listener_open(address, &fd, &err), err);
    assert_in_range(net_listener_port(fd), 1, 65535);
    net_listener_address(fd, &text);
    assert_true(lh_str_starts(lh_buf_str(&text), lh_str_of(prefix)));
}

static void
port_zero_becomes_a_real_one(void **state)
{
    (void)state;
    open_and_tell("127.0.0.1:0", "127.0.0.1:");
    open_and_tell("localhost:0", "");
}

static void
ipv6_addresses_stand_in_brackets(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_FD fd = -1;

    (void)state;
    /* Machines without IPv6 exist. */
    if (net_listener_open("[::1]:0", &fd, &err) == LH_UNAVAILABLE)
        skip();
    open_and_tell("[::1]:0", "[::1]:");
}

static void
what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      "127.0.0.1:70000",
                                      "127.0.0.1:-1",
                                      "no such host:1"};
    LH_AUTO_ERROR(err);
    int fd = -1;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(net_listener_open(bad[i], &fd, &err), LH_INVALID, "server.listen", err);
    assert_fails(net_listener_open(NULL, &fd, &err), LH_INVALID, "server.listen", err);
    assert_int_equal(fd, -1);
}

static void
a_taken_port_is_not_available(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_FD first = -1;
    char address[32];
    int second = -1;

    (void)state;
    assert_ok(net_listener_open("127.0.0.1:0", &first, &err), err);
    snprintf(address, sizeof(address), "127.0.0.1:%d", net_listener_port(first));
    assert_fails(net_listener_open(address, &second, &err), LH_UNAVAILABLE, "server.bind", err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_zero_becomes_a_real_one),
        cmocka_unit_test(ipv6_addresses_stand_in_brackets),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_taken_port_is_not_available),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
