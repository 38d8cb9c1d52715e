#include "base/testing.h"

#include <string.h>
#include <time.h>
#include "store/proven.h"

static struct stat
file(unsigned long ino, int64_t changed_s)
{
    struct stat st;

    memset(&st, 0, sizeof(st));
    st.st_ino = ino;
    st.st_size = 100;
    st.st_ctim.tv_sec = changed_s;
    return st;
}

static void
a_proven_block_stays_proven_for_the_same_file(void **state)
{
    LH_AUTO(store_proven) *p = store_proven_new(10);
    struct stat st = file(1, 1000);
    struct store_proven_file *f = store_proven_ref(p, &st);

    (void)state;
    assert_false(store_proven_has(f, 511));
    store_proven_add(f, 511);
    store_proven_add(f, 64);
    store_proven_unref(p, f);
    f = store_proven_ref(p, &st);
    assert_true(store_proven_has(f, 511));
    assert_true(store_proven_has(f, 64));
    assert_false(store_proven_has(f, 63));
    store_proven_unref(p, f);
}

static void
a_changed_file_is_another_file(void **state)
{
    LH_AUTO(store_proven) *p = store_proven_new(10);
    struct stat st = file(1, 1000);
    struct store_proven_file *f = store_proven_ref(p, &st), *g;

    (void)state;
    store_proven_add(f, 0);
    st.st_ctim.tv_nsec = 1;
    g = store_proven_ref(p, &st);
    assert_false(store_proven_has(g, 0));
    store_proven_unref(p, f);
    store_proven_unref(p, g);
}

static void
a_file_changed_this_moment_is_not_remembered(void **state)
{
    LH_AUTO(store_proven) *p = store_proven_new(10);
    struct timespec now;
    struct stat st = file(1, 0);
    struct store_proven_file *f;

    (void)state;
    clock_gettime(CLOCK_REALTIME, &now);
    st.st_ctim = now;
    st.st_ctim.tv_sec += 3600; /* a clock that was set back is no reason to trust either */
    f = store_proven_ref(p, &st);
    store_proven_add(f, 0);
    assert_false(store_proven_has(f, 0));
    store_proven_unref(p, f);
}

static void
the_least_recently_used_file_goes_first(void **state)
{
    LH_AUTO(store_proven) *p = store_proven_new(3);
    struct store_proven_file *f;
    struct stat st;

    (void)state;
    for (unsigned long ino = 1; ino <= 3; ino++) {
        st = file(ino, 1);
        f = store_proven_ref(p, &st);
        store_proven_add(f, 0);
        store_proven_unref(p, f);
    }
    st = file(1, 1);
    store_proven_unref(p, store_proven_ref(p, &st)); /* 2 is the oldest now */
    st = file(4, 1);
    store_proven_unref(p, store_proven_ref(p, &st));
    assert_int_equal(store_proven_count(p), 3);
    st = file(1, 1);
    f = store_proven_ref(p, &st);
    assert_true(store_proven_has(f, 0));
    store_proven_unref(p, f);
    st = file(2, 1);
    f = store_proven_ref(p, &st);
    assert_false(store_proven_has(f, 0));
    store_proven_unref(p, f);
}

static void
files_in_use_are_kept_past_the_limit(void **state)
{
    LH_AUTO(store_proven) *p = store_proven_new(2);
    struct store_proven_file *files[5];

    (void)state;
    for (unsigned long i = 0; i < 5; i++) {
        struct stat st = file(i, 1);
        files[i] = store_proven_ref(p, &st);
        store_proven_add(files[i], (size_t)i);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_true(store_proven_has(files[i], i));
        store_proven_unref(p, files[i]);
    }
    {
        struct stat st = file(9, 1);
        store_proven_unref(p, store_proven_ref(p, &st));
    }
    assert_int_equal(store_proven_count(p), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proven_block_stays_proven_for_the_same_file),
        cmocka_unit_test(a_changed_file_is_another_file),
        cmocka_unit_test(a_file_changed_this_moment_is_not_remembered),
        cmocka_unit_test(the_least_recently_used_file_goes_first),
        cmocka_unit_test(files_in_use_are_kept_past_the_limit),
    };

    return cmocka_run_group_tests_name("proven", tests, NULL, NULL);
}
