/* cache: bounded, least recently used first out, values survive their removal while somebody holds
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "services/cache.h"

struct value {
    int refs;
    int number;
};

static void
value_ref(void *v)
{
    ((struct value *)v)->refs++;
}

static void
value_unref(void *v)
{
    struct value *value = v;

    if (--value->refs == 0)
        free(value);
}

static const struct lh_cache_kind kind = {.ref = value_ref, .unref = value_unref};

static struct value *
value_new(int number)
{
    struct value *v = LH_NEW(struct value);

    v->refs = 1;
    v->number = number;
    return v;
}

static void
put(struct lh_cache *c, const char *key, int number, size_t size_bytes)
{
    struct value *v = value_new(number);

    lh_cache_put(c, lh_str_of(key), v, size_bytes);
    value_unref(v);
}

static int
find(struct lh_cache *c, const char *key)
{
    struct value *v = lh_cache_find(c, lh_str_of(key));
    int number = v ? v->number : -1;

    if (v != NULL)
        value_unref(v);
    return number;
}

static void
what_was_put_is_found_and_a_second_put_replaces_it(void **state)
{
    LH_AUTO(lh_cache) *c = lh_cache_new(&kind, 100);

    (void)state;
    put(c, "a", 1, 10);
    assert_int_equal(find(c, "a"), 1);
    assert_int_equal(find(c, "b"), -1);
    put(c, "a", 2, 20);
    assert_int_equal(find(c, "a"), 2);
    assert_int_equal(lh_cache_stats_get(c).entries, 1);
    assert_int_equal(lh_cache_stats_get(c).bytes, 20);
    lh_cache_drop(c, LH_STR("a"));
    assert_int_equal(find(c, "a"), -1);
    assert_int_equal(lh_cache_stats_get(c).bytes, 0);
}

static void
the_least_recently_used_goes_first(void **state)
{
    LH_AUTO(lh_cache) *c = lh_cache_new(&kind, 30);

    (void)state;
    put(c, "a", 1, 10);
    put(c, "b", 2, 10);
    put(c, "c", 3, 10);
    assert_int_equal(find(c, "a"), 1);
    put(c, "d", 4, 10);
    assert_int_equal(find(c, "b"), -1);
    assert_int_equal(find(c, "a"), 1);
    assert_int_equal(find(c, "c"), 3);
    assert_int_equal(find(c, "d"), 4);
}

static void
a_value_larger_than_the_cache_is_not_kept(void **state)
{
    LH_AUTO(lh_cache) *c = lh_cache_new(&kind, 30);

    (void)state;
    put(c, "a", 1, 10);
    put(c, "big", 2, 31);
    assert_int_equal(find(c, "big"), -1);
    assert_int_equal(find(c, "a"), 1);
}

static void
a_held_value_outlives_its_place(void **state)
{
    LH_AUTO(lh_cache) *c = lh_cache_new(&kind, 10);
    struct value *held;

    (void)state;
    put(c, "a", 7, 10);
    held = lh_cache_find(c, LH_STR("a"));
    put(c, "b", 8, 10);
    assert_int_equal(find(c, "a"), -1);
    assert_int_equal(held->number, 7);
    assert_int_equal(held->refs, 1);
    value_unref(held);
}

static void
thousands_of_keys_are_all_found_again(void **state)
{
    LH_AUTO(lh_cache) *c = lh_cache_new(&kind, 1 << 20);
    char key[32];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        put(c, key, i, 1);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        assert_int_equal(find(c, key), i);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_and_a_second_put_replaces_it),
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(a_value_larger_than_the_cache_is_not_kept),
        cmocka_unit_test(a_held_value_outlives_its_place),
        cmocka_unit_test(thousands_of_keys_are_all_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
