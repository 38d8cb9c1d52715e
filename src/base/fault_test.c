#include "base/testing.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* A library built without fault points has none to test: then this program brings its own. */
#ifndef LH_FAULTS
#define LH_FAULTS 1
#include "base/fault.c"
#endif

#include "base/fault.h"
#include "base/time.h"

static lh_status
step(struct lh_error *err)
{
    LH_FAULT("test.step", err);
    return LH_OK;
}

static void
without_rules_nothing_happens(void **state)
{
    (void)state;
    lh_fault_rules_set(NULL);
    assert_int_equal(step(NULL), LH_OK);
    lh_fault_rules_set("other.step=error; ;");
    assert_int_equal(step(NULL), LH_OK);
}

static void
an_error_leaves_the_enclosing_function(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    lh_fault_rules_set("test.step=error");
    assert_fails(step(&err), LH_IO, "fault.injected", err);
    assert_fails(step(&err), LH_IO, "fault.injected", err);
    lh_fault_rules_set("test.step=nospace");
    assert_fails(step(&err), LH_NO_SPACE, "fault.injected", err);
}

static void
a_numbered_rule_acts_once(void **state)
{
    static const lh_status expected[] = {LH_OK, LH_OK, LH_IO, LH_OK, LH_NO_SPACE, LH_OK};

    (void)state;
    lh_fault_rules_set(" test.step=error@3 ; test.step=nospace@5 ");
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(step(NULL), expected[i]);
}

static void
a_delay_takes_its_time(void **state)
{
    (void)state;
    lh_fault_rules_set("test.step=delay:20");
    int64_t before = lh_time_mono_ms();
    assert_int_equal(step(NULL), LH_OK);
    assert_true(lh_time_mono_ms() - before >= 19);
}

/* How a child ends that takes one step under `rules`. */
static int
signal_of_child(const char *rules)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        lh_fault_rules_set(rules);
        step(NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
a_kill_ends_the_process_at_once(void **state)
{
    (void)state;
    assert_int_equal(signal_of_child("test.step=kill"), SIGKILL);
    assert_int_equal(signal_of_child("test.step=kill@2"), 0);
}

static void
a_misspelt_rule_is_not_ignored(void **state)
{
    static const char *const bad[] = {
        "test.step",         "test.step=explode", "=error",
        "test.step=error@0", "test.step=error@x", "test.step=delay:x"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(signal_of_child(bad[i]), SIGABRT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_nothing_happens),
        cmocka_unit_test(an_error_leaves_the_enclosing_function),
        cmocka_unit_test(a_numbered_rule_acts_once),
        cmocka_unit_test(a_delay_takes_its_time),
        cmocka_unit_test(a_kill_ends_the_process_at_once),
        cmocka_unit_test(a_misspelt_rule_is_not_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
