#include "aibridge/vector_cache.h"

#include <stdio.h>
#include "base/testing.h"

static struct bridge_vector_key
key_of(int i)
{
    char text[16];

    snprintf(text, sizeof(text), "text %d", i);
    return bridge_vector_key_of(LH_STR("model"), lh_str_of(text));
}

static void
what_was_asked_for_longest_ago_goes_first(void **state)
{
    (void)state;
    struct bridge_vector_cache *c = bridge_vector_cache_new(10000);
    struct bridge_vector_cache_stats stats;
    float v[4] = {0}, out[4];
    struct bridge_vector_key key = key_of(0);
    int last = 0;

    bridge_vector_cache_put(c, &key, v, 4);
    for (int i = 1; i < 500; i++) {
        struct bridge_vector_key k = key_of(i);
        v[0] = (float)i;
        bridge_vector_cache_put(c, &k, v, 4);
        assert_true(bridge_vector_cache_get(c, &key, out, 4)); /* 0 stays in use */
        last = i;
    }
    key = key_of(last);
    assert_true(bridge_vector_cache_get(c, &key, out, 4));
    assert_true(out[0] == (float)last);
    key = key_of(1);
    assert_false(bridge_vector_cache_get(c, &key, out, 4));
    bridge_vector_cache_stats_get(c, &stats);
    assert_true(stats.bytes <= 10000 && stats.entries > 10 && stats.entries < 500);
    assert_int_equal(stats.entries + stats.evictions, 500);
    assert_int_equal(stats.hits, 500);
    assert_int_equal(stats.misses, 1);
    bridge_vector_cache_free(c);
}

static void
models_and_dimensions_do_not_mix(void **state)
{
    (void)state;
    struct bridge_vector_cache *c = bridge_vector_cache_new(10000);
    struct bridge_vector_key a = bridge_vector_key_of(LH_STR("m"), LH_STR("xt"));
    struct bridge_vector_key b = bridge_vector_key_of(LH_STR("mx"), LH_STR("t"));
    float v[2] = {1, 2}, out[3];

    bridge_vector_cache_put(c, &a, v, 2);
    assert_false(bridge_vector_cache_get(c, &b, out, 2));
    assert_false(bridge_vector_cache_get(c, &a, out, 3));
    assert_true(bridge_vector_cache_get(c, &a, out, 2));
    bridge_vector_cache_free(c);
}

static void
a_cache_without_room_keeps_nothing(void **state)
{
    (void)state;
    struct bridge_vector_cache *c = bridge_vector_cache_new(0);
    struct bridge_vector_key a = key_of(1);
    float v[2] = {1, 2};

    bridge_vector_cache_put(c, &a, v, 2);
    assert_false(bridge_vector_cache_get(c, &a, v, 2));
    bridge_vector_cache_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_asked_for_longest_ago_goes_first),
        cmocka_unit_test(models_and_dimensions_do_not_mix),
        cmocka_unit_test(a_cache_without_room_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
