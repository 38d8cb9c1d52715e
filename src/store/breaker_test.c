#include "base/testing.h"

#include "store/breaker.h"

static int
setup(void **state)
{
    static struct store_breaker b;

    store_breaker_init(&b, 3, 1000);
    *state = &b;
    return 0;
}

static int
teardown(void **state)
{
    store_breaker_fini(*state);
    return 0;
}

static void
it_opens_after_failures_in_a_row_only(void **state)
{
    struct store_breaker *b = *state;

    assert_false(store_breaker_bad(b, 0));
    assert_false(store_breaker_bad(b, 0));
    store_breaker_good(b);
    assert_false(store_breaker_bad(b, 0));
    assert_false(store_breaker_bad(b, 0));
    assert_true(store_breaker_enter(b, 0));
    assert_true(store_breaker_bad(b, 0));
    assert_false(store_breaker_enter(b, 999));
    assert_true(store_breaker_is_open(b));
}

static void
one_probe_at_a_time_decides(void **state)
{
    struct store_breaker *b = *state;

    for (int i = 0; i < 3; i++)
        (void)store_breaker_bad(b, 0);
    assert_true(store_breaker_enter(b, 1000));
    assert_false(store_breaker_enter(b, 1000));
    assert_false(store_breaker_bad(b, 1500));
    assert_false(store_breaker_enter(b, 2499));
    assert_true(store_breaker_enter(b, 2500));
    store_breaker_good(b);
    assert_true(store_breaker_enter(b, 2500));
    assert_true(store_breaker_enter(b, 2500));
}

static void
a_probe_that_told_nothing_is_made_again(void **state)
{
    struct store_breaker *b = *state;

    for (int i = 0; i < 3; i++)
        (void)store_breaker_bad(b, 0);
    assert_true(store_breaker_enter(b, 1000));
    store_breaker_leave(b);
    assert_true(store_breaker_enter(b, 1000));
}

static void
with_no_limit_it_never_opens(void **state)
{
    struct store_breaker b;

    (void)state;
    store_breaker_init(&b, 0, 1000);
    for (int i = 0; i < 100; i++)
        assert_false(store_breaker_bad(&b, 0));
    assert_true(store_breaker_enter(&b, 0));
    store_breaker_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_opens_after_failures_in_a_row_only, setup, teardown),
        cmocka_unit_test_setup_teardown(one_probe_at_a_time_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(a_probe_that_told_nothing_is_made_again, setup, teardown),
        cmocka_unit_test(with_no_limit_it_never_opens),
    };

    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
