#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/queryd/near.h"

static const lh_str names[] = {LH_STR("workers"),   LH_STR("job_orders"),  LH_STR("clients"),
                               LH_STR("call_logs"), LH_STR("workers_old"), LH_STR("w")};

static void
assert_near(const char *wanted, size_t count, const char *first)
{
    lh_str near[QUERY_NEAR_MAX];

    assert_int_equal(query_near_find(lh_str_of(wanted), names, 6, near), count);
    if (count > 0)
        assert_true(lh_str_eq(near[0], lh_str_of(first)));
}

static void
slips_of_the_finger_find_the_name(void **state)
{
    (void)state;
    assert_near("wrokers", 1, "workers");
    assert_near("worker", 2, "workers");
    assert_near("WORKERS", 2, "workers");
    assert_near("joborders", 1, "job_orders");
    assert_near("cleint", 1, "clients");
    assert_near("calls", 0, NULL);
}

static void
what_is_far_is_not_near(void **state)
{
    static const char long_name[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    (void)state;
    assert_near("invoices", 0, NULL);
    assert_near("x", 0, NULL);
    assert_near("", 0, NULL);
    assert_near(long_name, 0, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_of_the_finger_find_the_name),
        cmocka_unit_test(what_is_far_is_not_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
