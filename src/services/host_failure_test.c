#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "services/host_parts.h"

static bool
is_operational(lh_status status, const char *reason)
{
    LH_AUTO_ERROR(err);

    lh_fail(&err, status, reason, "text");
    return host_failure_is_operational(&err);
}

static void
what_an_operator_must_look_at_is_operational(void **state)
{
    static const lh_status ours[] = {LH_UNAVAILABLE, LH_CORRUPT, LH_IO, LH_NO_SPACE, LH_BUG};

    (void)state;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_true(is_operational(ours[i], "x.y"));
    assert_true(is_operational(LH_TIMEOUT, "call.deadline"));
}

static void
what_a_caller_did_is_not(void **state)
{
    static const lh_status theirs[] = {LH_INVALID,  LH_NOT_FOUND, LH_EXISTS,
                                       LH_CONFLICT, LH_DENIED,    LH_BUSY,
                                       LH_TOO_BIG,  LH_CANCELED,  LH_UNSUPPORTED};

    (void)state;
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        assert_false(is_operational(theirs[i], "x.y"));
    assert_false(is_operational(LH_TIMEOUT, "sql.timeout"));
    assert_false(is_operational(LH_TIMEOUT, "request.stalled"));
}

static void
one_failure_of_one_trace_is_reported_once(void **state)
{
    static struct host_reported r = {.lock = PTHREAD_MUTEX_INITIALIZER};

    (void)state;
    assert_true(host_reported_add(&r, "t1", "store.checksum"));
    assert_false(host_reported_add(&r, "t1", "store.checksum"));
    assert_true(host_reported_add(&r, "t1", "mesh.unreachable"));
    assert_true(host_reported_add(&r, "t2", "store.checksum"));
}

static void
the_ring_forgets_the_oldest(void **state)
{
    static struct host_reported r = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char trace[16];

    (void)state;
    for (int i = 0; i <= HOST_REPORTED_MAX; i++) {
        snprintf(trace, sizeof(trace), "t%d", i);
        assert_true(host_reported_add(&r, trace, "x.y"));
    }
    assert_false(host_reported_add(&r, "t1", "x.y"));
    assert_true(host_reported_add(&r, "t0", "x.y"));
}

static void
only_addresses_of_this_machine_need_no_token(void **state)
{
    static const char *const safe[] = {"127.0.0.1:0", "127.1.2.3:80", "localhost:3100",
                                       "[::1]:3100",  "LOCALHOST:1",  "",
                                       "no address"};
    static const char *const exposed[] = {"0.0.0.0:3100", "[::]:3100",     ":3100",
                                          "10.0.0.1:80",  "lake.lan:3100", "[::ffff:127.0.0.1]:1"};

    (void)state;
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
        assert_false(lh_host_is_exposed(lh_str_of(safe[i])));
    for (size_t i = 0; i < sizeof(exposed) / sizeof(exposed[0]); i++)
        assert_true(lh_host_is_exposed(lh_str_of(exposed[i])));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_operator_must_look_at_is_operational),
        cmocka_unit_test(what_a_caller_did_is_not),
        cmocka_unit_test(one_failure_of_one_trace_is_reported_once),
        cmocka_unit_test(the_ring_forgets_the_oldest),
        cmocka_unit_test(only_addresses_of_this_machine_need_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
