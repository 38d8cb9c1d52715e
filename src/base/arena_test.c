#include "base/testing.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

static bool
is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static void
memory_is_zeroed_aligned_and_apart(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 2048, 2049, 5000, 100000, 1, 40};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    uint8_t *at[COUNT];
    LH_AUTO_ARENA(a);

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        at[i] = lh_arena_alloc(&a, sizes[i]);
        assert_int_equal((uintptr_t)at[i] % 16, 0);
        assert_true(is_zero(at[i], sizes[i]));
        memset(at[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal(at[i][n], i + 1);
}

static void
thousands_of_small_things_fit(void **state)
{
    LH_AUTO_ARENA(a);
    uint32_t *numbers[20000];

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        numbers[i] = LH_ARENA_NEW(&a, uint32_t);
        *numbers[i] = i;
    }
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(*numbers[i], i);
    assert_int_equal(a.used_bytes, 20000 * 16);
}

static void
memory_reused_after_a_reset_is_zeroed_again(void **state)
{
    LH_AUTO_ARENA(a);

    (void)state;
    for (int round = 0; round < 3; round++) {
        uint8_t *small = lh_arena_alloc(&a, 64);
        uint8_t *huge = lh_arena_alloc(&a, 1 << 20);
        assert_true(is_zero(small, 64) && is_zero(huge, 1 << 20));
        memset(small, 0xAA, 64);
        memset(huge, 0xAA, 1 << 20);
        lh_arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
    }
}

static void
resetting_an_arena_that_holds_one_huge_thing_lets_it_go(void **state)
{
    LH_AUTO_ARENA(a);

    (void)state;
    lh_arena_alloc(&a, 1 << 20);
    lh_arena_reset(&a);
    assert_null(a.head);
    lh_arena_reset(&a);
    assert_non_null(lh_arena_alloc(&a, 1));
}

static void
text_is_copied_and_formatted(void **state)
{
    LH_AUTO_ARENA(a);
    char source[] = "text";
    char *copy = lh_arena_cstr(&a, lh_str_of(source));
    lh_str view = lh_arena_str(&a, lh_str_of(source));

    (void)state;
    source[0] = 'n';
    assert_string_equal(copy, "text");
    assert_str(view, "text");
    assert_string_equal(lh_arena_cstr(&a, LH_STR_NONE), "");
    assert_string_equal(lh_arena_printf(&a, "%s/%05d", "key", 42), "key/00042");
}

static void
a_size_that_overflows_ends_the_process(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        LH_AUTO_ARENA(a);
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        lh_arena_array(&a, SIZE_MAX / 2, 3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(thousands_of_small_things_fit),
        cmocka_unit_test(memory_reused_after_a_reset_is_zeroed_again),
        cmocka_unit_test(resetting_an_arena_that_holds_one_huge_thing_lets_it_go),
        cmocka_unit_test(text_is_copied_and_formatted),
        cmocka_unit_test(a_size_that_overflows_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
