#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "services/vectord/lift.h"

static void
assert_lifts(const char *body, int depth, const char *json, size_t vectors)
{
    VECTOR_AUTO_LIFTED(l);

    assert_int_equal(vector_lift(lh_str_of(body), depth, &l, NULL), LH_OK);
    assert_string_equal(lh_buf_cstr(&l.json), json);
    assert_int_equal(vector_lifted_count(&l), vectors);
}

static void
vectors_leave_their_index_behind(void **state)
{
    (void)state;
    assert_lifts("{\"vector\": [1, 2.5,-3e2] , \"k\":3}", 1, "{\"vector\":[0] , \"k\":3}", 1);
    assert_lifts("{\"items\":[{\"vector\":[1]},{\"id\":\"a\",\"vector\":[2]}]}", 3,
                 "{\"items\":[{\"vector\":[0]},{\"id\":\"a\",\"vector\":[1]}]}", 2);
    assert_lifts("{\"vector\":[]}", 1, "{\"vector\":[0]}", 1);
}

static void
what_is_not_meant_stays(void **state)
{
    (void)state;
    assert_lifts("{\"filter\":{\"vector\":[\"a\"]}}", 1, "{\"filter\":{\"vector\":[\"a\"]}}", 0);
    assert_lifts("{\"text\":\"\\\"vector\\\":[1]\"}", 1, "{\"text\":\"\\\"vector\\\":[1]\"}", 0);
    assert_lifts("[\"vector\",[1]]", 1, "[\"vector\",[1]]", 0);
    assert_lifts("{\"a\":\"vector\"}", 1, "{\"a\":\"vector\"}", 0);
    assert_lifts("{\"vector\":\"x\"}", 1, "{\"vector\":\"x\"}", 0);
    assert_lifts("{\"open \\", 1, "{\"open \\", 0);
}

static void
numbers_are_read_as_strtod_reads_them(void **state)
{
    static const char *const texts[] = {"0",
                                        "-0",
                                        "0.1",
                                        "3.4028235e38",
                                        "1e-45",
                                        "1e-400",
                                        "123456789012345678901234567890",
                                        "0.30000001192092896",
                                        "-9.007199254740993e15",
                                        "1E+2",
                                        "5e-324",
                                        "2.2250738585072014e-308"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        lh_str s = lh_str_of(texts[i]);
        double v;

        assert_true(vector_number_take(&s, &v));
        assert_int_equal(s.len, 0);
        if (v != strtod(texts[i], NULL))
            fail_msg("%s was read as %.17g", texts[i], v);
    }
}

static void
what_is_no_number_is_refused(void **state)
{
    static const char *const bodies[] = {
        "{\"vector\":[01]}",   "{\"vector\":[1.]}", "{\"vector\":[.5]}",   "{\"vector\":[1e]}",
        "{\"vector\":[NaN]}",  "{\"vector\":[1,]}", "{\"vector\":[1 2]}",  "{\"vector\":[1",
        "{\"vector\":[1e39]}", "{\"vector\":[-]}",  "{\"vector\":[null]}", "{\"vector\":[[1]]}"};

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        VECTOR_AUTO_LIFTED(l);
        LH_AUTO_ERROR(err);

        if (vector_lift(lh_str_of(bodies[i]), 1, &l, &err) != LH_INVALID ||
            !lh_error_is(&err, "vectors.vector"))
            fail_msg("%s was not refused", bodies[i]);
    }
}

static void
floats_print_as_the_shortest_text_that_reads_back(void **state)
{
    static const struct {
        float v;
        const char *text;
    } cases[] = {
        {0.1F, "0.1"}, {1, "1"}, {3e-7F, "3e-07"}, {16777216, "16777216"}, {-2.5F, "-2.5"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        LH_AUTO_BUF(out, 64);
        struct lh_json_writer w = lh_json_writer_over(&out);

        vector_float_put(&w, cases[i].v);
        assert_string_equal(lh_buf_cstr(&out), cases[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_leave_their_index_behind),
        cmocka_unit_test(what_is_not_meant_stays),
        cmocka_unit_test(numbers_are_read_as_strtod_reads_them),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(floats_print_as_the_shortest_text_that_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
