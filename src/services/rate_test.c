#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/http.h"
#include "services/rate.h"

#define SECOND INT64_C(1000000000)

static int
taken(struct lh_rate *r, size_t principal, int64_t now_ns, int wanted)
{
    int n = 0;

    for (int i = 0; i < wanted; i++)
        n += lh_rate_take(r, principal, now_ns, NULL) == LH_OK;
    return n;
}

static void
a_burst_passes_and_then_the_rate_holds(void **state)
{
    LH_AUTO(lh_rate) *r = lh_rate_new(10, 20, 2);

    (void)state;
    assert_int_equal(taken(r, 0, 5 * SECOND, 100), 20);
    assert_int_equal(taken(r, 0, 5 * SECOND + SECOND / 10, 100), 1);
    assert_int_equal(taken(r, 0, 6 * SECOND, 100), 9);
    assert_int_equal(taken(r, 0, 60 * SECOND, 100), 20);
}

static void
principals_do_not_share_their_rate(void **state)
{
    LH_AUTO(lh_rate) *r = lh_rate_new(1, 1, 3);

    (void)state;
    for (size_t principal = 0; principal < 3; principal++)
        assert_int_equal(taken(r, principal, SECOND, 5), 1);
}

static void
a_refusal_is_429(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_rate) *r = lh_rate_new(1, 1, 1);

    (void)state;
    assert_int_equal(taken(r, 0, SECOND, 1), 1);
    assert_int_equal(lh_rate_take(r, 0, SECOND, &err), LH_BUSY);
    assert_int_equal(lh_problem_status(&err), 429);
}

static void
no_rate_means_no_limit(void **state)
{
    LH_AUTO(lh_rate) *r = lh_rate_new(0, 0, 1);

    (void)state;
    assert_int_equal(taken(r, 0, SECOND, 1000), 1000);
}

static void
the_burst_is_twice_the_rate_unless_given(void **state)
{
    LH_AUTO(lh_rate) *r = lh_rate_new(7, 0, 1);

    (void)state;
    assert_int_equal(taken(r, 0, SECOND, 100), 14);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_passes_and_then_the_rate_holds),
        cmocka_unit_test(principals_do_not_share_their_rate),
        cmocka_unit_test(a_refusal_is_429),
        cmocka_unit_test(no_rate_means_no_limit),
        cmocka_unit_test(the_burst_is_twice_the_rate_unless_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
