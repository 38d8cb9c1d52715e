#include "base/testing.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

static void
memory_comes_zeroed_even_when_none_is_asked_for(void **state)
{
    char *none = lh_alloc(0);
    int *numbers = lh_alloc_array(100, sizeof(*numbers));

    (void)state;
    assert_non_null(none);
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    numbers = lh_realloc_array(numbers, 200, sizeof(*numbers));
    assert_int_equal(numbers[99], 0);
    free(none);
    free(numbers);
}

static void
strings_are_copied_and_formatted(void **state)
{
    char *copy = lh_strdup("abc");
    char *text = lh_asprintf("%s-%d", "x", 7);

    (void)state;
    assert_string_equal(copy, "abc");
    assert_string_equal(text, "x-7");
    assert_null(lh_strdup(NULL));
    free(copy);
    free(text);
}

static void
a_product_that_overflows_ends_the_process_with_a_line(void **state)
{
    int ends[2], status;
    char line[200] = "";

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        lh_alloc_array(SIZE_MAX / 2, 3);
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
    close(ends[0]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(lh_str_starts(lh_str_of(line), LH_STR("lakehouse: fatal: allocation of ")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_comes_zeroed_even_when_none_is_asked_for),
        cmocka_unit_test(strings_are_copied_and_formatted),
        cmocka_unit_test(a_product_that_overflows_ends_the_process_with_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
