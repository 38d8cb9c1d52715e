#include "base/testing.h"

#include "base/time.h"
#include "store/s3_retry.h"

static void
waits_double_up_to_their_bound_and_are_drawn_below_it(void **state)
{
    (void)state;
    assert_int_equal(s3_backoff_ms(2, 50, 5000, 0, 50), 50);
    assert_int_equal(s3_backoff_ms(2, 50, 5000, 0, 51), 0);
    assert_int_equal(s3_backoff_ms(3, 50, 5000, 0, 100), 100);
    assert_int_equal(s3_backoff_ms(4, 50, 5000, 0, 200), 200);
    assert_int_equal(s3_backoff_ms(60, 50, 5000, 0, 5000), 5000);
    assert_int_equal(s3_backoff_ms(60, 50, 5000, 0, 5001), 0);
    for (uint64_t r = 0; r < 1000; r++)
        assert_in_range(s3_backoff_ms(5, 50, 5000, 0, r * 7919), 0, 400);
}

static void
a_wait_is_at_least_what_the_store_asks_for(void **state)
{
    (void)state;
    assert_int_equal(s3_backoff_ms(2, 50, 5000, 7000, 10), 7000);
    assert_int_equal(s3_retry_after_ms(LH_STR(" 3 "), 0), 3000);
    assert_int_equal(s3_retry_after_ms(LH_STR("99999999999"), 0), 3600000);
    assert_int_equal(s3_retry_after_ms(LH_STR("soon"), 0), 0);
    assert_int_equal(s3_retry_after_ms(LH_STR_NONE, 0), 0);
    assert_int_equal(s3_retry_after_ms(LH_STR("Thu, 01 Jan 1970 00:00:30 GMT"), 10000000), 20000);
    assert_int_equal(s3_retry_after_ms(LH_STR("Thu, 01 Jan 1970 00:00:30 GMT"), 40000000), 0);
}

static void
a_budget_is_used_up_and_earned_back(void **state)
{
    struct s3_budget b;

    (void)state;
    s3_budget_init(&b, 2);
    assert_true(s3_budget_take(&b));
    assert_true(s3_budget_take(&b));
    assert_false(s3_budget_take(&b));
    for (int i = 0; i < 4; i++)
        s3_budget_refill(&b);
    assert_false(s3_budget_take(&b));
    s3_budget_refill(&b);
    assert_true(s3_budget_take(&b));
    for (int i = 0; i < 1000; i++)
        s3_budget_refill(&b);
    assert_true(s3_budget_take(&b) && s3_budget_take(&b));
    assert_false(s3_budget_take(&b));
}

static void
a_wait_ends_with_the_call(void **state)
{
    struct lh_call call;

    (void)state;
    lh_call_init(&call);
    assert_true(s3_wait(&call, 1));
    call.deadline_ms = lh_time_mono_ms() + 1000;
    assert_false(s3_wait(&call, 5000));
    lh_call_cancel(&call);
    assert_false(s3_wait(&call, 10));
    lh_call_fini(&call);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_their_bound_and_are_drawn_below_it),
        cmocka_unit_test(a_wait_is_at_least_what_the_store_asks_for),
        cmocka_unit_test(a_budget_is_used_up_and_earned_back),
        cmocka_unit_test(a_wait_ends_with_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
