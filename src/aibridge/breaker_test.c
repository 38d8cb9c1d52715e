#include "aibridge/breaker.h"

#include "base/testing.h"

static void
it_opens_after_failures_in_a_row_and_lets_one_trial_through(void **state)
{
    (void)state;
    struct bridge_breaker b = {.failures_max = 3, .cooldown_ms = 100};

    for (int i = 0; i < 2; i++) {
        assert_true(bridge_breaker_pass(&b, 0));
        bridge_breaker_report(&b, false, 0);
    }
    bridge_breaker_report(&b, true, 0); /* forgets */
    for (int i = 0; i < 3; i++) {
        assert_true(bridge_breaker_pass(&b, 10));
        bridge_breaker_report(&b, false, 10);
    }
    assert_true(bridge_breaker_is_open(&b));
    assert_false(bridge_breaker_pass(&b, 109));
    assert_true(bridge_breaker_pass(&b, 110)); /* the trial */
    assert_false(bridge_breaker_pass(&b, 111));
    bridge_breaker_report(&b, false, 120);
    assert_false(bridge_breaker_pass(&b, 219));
    assert_true(bridge_breaker_pass(&b, 220));
    bridge_breaker_report(&b, true, 230);
    assert_false(bridge_breaker_is_open(&b));
    assert_true(bridge_breaker_pass(&b, 230));
}

static void
a_trial_that_never_reports_is_forgotten(void **state)
{
    (void)state;
    struct bridge_breaker b = {.failures_max = 1, .cooldown_ms = 100};

    bridge_breaker_report(&b, false, 0);
    assert_true(bridge_breaker_pass(&b, 100));
    assert_false(bridge_breaker_pass(&b, 150));
    assert_true(bridge_breaker_pass(&b, 200));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_after_failures_in_a_row_and_lets_one_trial_through),
        cmocka_unit_test(a_trial_that_never_reports_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
