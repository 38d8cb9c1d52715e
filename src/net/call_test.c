#include "net/call.h"

#include <stdlib.h>
#include "base/testing.h"
#include "base/thread.h"
#include "base/time.h"

static void
count_up(void *arg)
{
    (*(int *)arg)++;
}

static void
a_new_call_is_the_systems_and_has_no_end(void **state)
{
    struct lh_call c;
    LH_AUTO_ERROR(err);

    (void)state;
    lh_call_init(&c);
    assert_int_equal(c.principal.kind, LH_PRINCIPAL_SYSTEM);
    assert_true(c.principal.may_write);
    assert_string_equal(c.principal.name, "system");
    assert_int_equal(strlen(c.trace.trace_id), 32);
    assert_int_equal(lh_call_remaining_ms(&c), INT64_MAX);
    assert_ok(lh_call_check(&c, &err), err);
    lh_call_fini(&c);
}

static void
a_cancelled_call_fails_its_check_and_runs_its_hook_once(void **state)
{
    struct lh_call c;
    LH_AUTO_ERROR(err);
    int runs = 0;

    (void)state;
    lh_call_init(&c);
    lh_call_on_cancel(&c, count_up, &runs);
    lh_call_cancel(&c);
    lh_call_cancel(&c);
    assert_int_equal(runs, 1);
    assert_fails(lh_call_check(&c, &err), LH_CANCELED, "call.canceled", err);
    lh_call_fini(&c);
}

static void
a_hook_set_after_the_cancel_runs_at_once(void **state)
{
    struct lh_call c;
    int runs = 0;

    (void)state;
    lh_call_init(&c);
    lh_call_cancel(&c);
    lh_call_on_cancel(&c, count_up, &runs);
    assert_int_equal(runs, 1);
    lh_call_on_cancel(&c, NULL, NULL);
    assert_int_equal(runs, 1);
    lh_call_fini(&c);
}

static void
a_removed_hook_does_not_run(void **state)
{
    struct lh_call c;
    int runs = 0;

    (void)state;
    lh_call_init(&c);
    lh_call_on_cancel(&c, count_up, &runs);
    lh_call_on_cancel(&c, NULL, NULL);
    lh_call_cancel(&c);
    assert_int_equal(runs, 0);
    lh_call_fini(&c);
}

static void
a_passed_deadline_is_a_timeout(void **state)
{
    struct lh_call c;
    LH_AUTO_ERROR(err);

    (void)state;
    lh_call_init(&c);
    c.deadline_ms = lh_time_mono_ms() + 60000;
    assert_ok(lh_call_check(&c, &err), err);
    assert_in_range(lh_call_remaining_ms(&c), 1, 60000);
    c.deadline_ms = lh_time_mono_ms() - 1;
    assert_int_equal(lh_call_remaining_ms(&c), 0);
    assert_fails(lh_call_check(&c, &err), LH_TIMEOUT, "call.deadline", err);
    lh_call_fini(&c);
}

static void
a_part_ends_with_the_whole_but_not_the_other_way_round(void **state)
{
    struct lh_call whole, part;
    LH_AUTO_ERROR(err);

    (void)state;
    lh_call_init(&whole);
    whole.deadline_ms = lh_time_mono_ms() + 60000;
    lh_call_init_part(&part, &whole, INT64_MAX);
    assert_int_equal(part.deadline_ms, whole.deadline_ms);
    lh_call_cancel(&part);
    assert_fails(lh_call_check(&part, &err), LH_CANCELED, "call.canceled", err);
    assert_ok(lh_call_check(&whole, &err), err);
    lh_call_fini(&part);
    lh_call_init_part(&part, &whole, lh_time_mono_ms() - 1);
    assert_fails(lh_call_check(&part, &err), LH_TIMEOUT, "call.deadline", err);
    lh_call_cancel(&whole);
    assert_fails(lh_call_check(&part, &err), LH_CANCELED, "call.canceled", err);
    lh_call_fini(&part);
    lh_call_fini(&whole);
}

/* Memory that a hook must not touch once it was removed; the sanitizers watch. */
static void *
cancel_run(void *arg)
{
    lh_call_cancel(arg);
    return NULL;
}

static void
removing_a_hook_waits_for_it(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct lh_call c;
        int *runs = calloc(1, sizeof(*runs));
        pthread_t canceler;

        lh_call_init(&c);
        lh_call_on_cancel(&c, count_up, runs);
        assert_ok(lh_thread_start(&canceler, "cancel", cancel_run, &c, &err), err);
        lh_call_on_cancel(&c, NULL, NULL);
        assert_in_range(*runs, 0, 1);
        free(runs);
        lh_thread_join(canceler);
        lh_call_fini(&c);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_call_is_the_systems_and_has_no_end),
        cmocka_unit_test(a_cancelled_call_fails_its_check_and_runs_its_hook_once),
        cmocka_unit_test(a_hook_set_after_the_cancel_runs_at_once),
        cmocka_unit_test(a_removed_hook_does_not_run),
        cmocka_unit_test(a_passed_deadline_is_a_timeout),
        cmocka_unit_test(a_part_ends_with_the_whole_but_not_the_other_way_round),
        cmocka_unit_test(removing_a_hook_waits_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
