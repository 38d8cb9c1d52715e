#include "base/testing.h"

#include "base/id.h"
#include "base/thread.h"

static const lh_uuid dns_space = {{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00,
                                   0xc0, 0x4f, 0xd4, 0x30, 0xc8}};

static void
assert_version(lh_uuid id, int version)
{
    assert_int_equal(id.bytes[6] >> 4, version);
    assert_int_equal(id.bytes[8] >> 6, 2);
}

/* RFC 9562, appendix A.4. */
static void
version_5_gives_the_published_value(void **state)
{
    char text[LH_UUID_TEXT];

    (void)state;
    lh_uuid id = lh_uuid_v5(dns_space, LH_STR("www.example.com"));
    assert_version(id, 5);
    assert_string_equal(lh_uuid_format(id, text), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

static void
text_goes_both_ways(void **state)
{
    char text[LH_UUID_TEXT];
    lh_uuid id;

    (void)state;
    assert_true(lh_uuid_parse(LH_STR("6BA7B810-9dad-11d1-80b4-00c04fd430c8"), &id));
    assert_memory_equal(id.bytes, dns_space.bytes, 16);
    assert_string_equal(lh_uuid_format(id, text), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
}

static void
what_is_not_a_uuid_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "6ba7b8109dad11d180b400c04fd430c8",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c88",
        "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
        "6ba7b8109-dad-11d1-80b4-00c04fd430c8",
        "{ba7b810-9dad-11d1-80b4-00c04fd430c}",
    };
    lh_uuid id = dns_space;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(lh_uuid_parse(lh_str_of(bad[i]), &id));
    assert_memory_equal(id.bytes, dns_space.bytes, 16);
}

static void
random_identifiers_differ(void **state)
{
    lh_uuid a = lh_uuid_v4(), b = lh_uuid_v4();

    (void)state;
    assert_version(a, 4);
    assert_version(b, 4);
    assert_memory_not_equal(a.bytes, b.bytes, 16);
    assert_true(lh_random_u64() != lh_random_u64());
}

enum { V7_COUNT = 20000 };

static void *
make_v7(void *arg)
{
    lh_uuid *ids = arg;

    for (int i = 0; i < V7_COUNT; i++)
        ids[i] = lh_uuid_v7();
    return NULL;
}

static void
version_7_is_ordered_by_time_in_every_thread(void **state)
{
    static lh_uuid ids[2][V7_COUNT];
    pthread_t threads[2];

    (void)state;
    for (int t = 0; t < 2; t++)
        assert_int_equal(lh_thread_start(&threads[t], "v7", make_v7, ids[t], NULL), LH_OK);
    for (int t = 0; t < 2; t++)
        lh_thread_join(threads[t]);
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < V7_COUNT; i++) {
            assert_version(ids[t][i], 7);
            if (i > 0)
                assert_true(memcmp(ids[t][i - 1].bytes, ids[t][i].bytes, 16) < 0);
        }
}

static void
a_new_trace_has_ids_of_its_own(void **state)
{
    struct lh_trace a, b;
    char text[LH_TRACEPARENT_TEXT];

    (void)state;
    lh_trace_new(&a);
    lh_trace_new(&b);
    assert_string_not_equal(a.trace_id, b.trace_id);
    assert_int_equal(strlen(a.trace_id), 32);
    assert_int_equal(strlen(a.span_id), 16);
    assert_int_equal(strlen(lh_trace_format(&a, text)), 55);
    assert_true(lh_trace_parse(lh_str_of(text), &b));
    assert_string_equal(a.trace_id, b.trace_id);
}

static void
a_traceparent_keeps_its_trace_and_gets_a_new_span(void **state)
{
    struct lh_trace t = {0};

    (void)state;
    assert_true(
        lh_trace_parse(LH_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), &t));
    assert_string_equal(t.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_not_equal(t.span_id, "00f067aa0ba902b7");
    assert_true(t.is_sampled);
    assert_true(lh_trace_parse(
        LH_STR("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-later"), &t));
    assert_false(t.is_sampled);
}

static void
a_wrong_traceparent_leaves_the_trace_untouched(void **state)
{
    static const char *const bad[] = {
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
    };
    struct lh_trace t = {.trace_id = "kept"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(lh_trace_parse(lh_str_of(bad[i]), &t));
    assert_string_equal(t.trace_id, "kept");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_5_gives_the_published_value),
        cmocka_unit_test(text_goes_both_ways),
        cmocka_unit_test(what_is_not_a_uuid_is_refused),
        cmocka_unit_test(random_identifiers_differ),
        cmocka_unit_test(version_7_is_ordered_by_time_in_every_thread),
        cmocka_unit_test(a_new_trace_has_ids_of_its_own),
        cmocka_unit_test(a_traceparent_keeps_its_trace_and_gets_a_new_span),
        cmocka_unit_test(a_wrong_traceparent_leaves_the_trace_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
