#include "base/testing.h"

#include <math.h>

#include "base/json.h"

/* ---- reading ---- */

static json_t *
parsed(const char *text)
{
    LH_AUTO_ERROR(err);
    json_t *v = NULL;

    assert_ok(lh_json_parse(lh_str_of(text), &v, &err), err);
    return v;
}

static void
every_json_value_parses(void **state)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       "null",
                                       "true",
                                       " 1 ",
                                       "\"x\"",
                                       "-0.5e-3",
                                       "{\"a\":[1,{\"b\":null}]}",
                                       "\"\\ud83d\\ude00\"",
                                       "[9223372036854775807,-9223372036854775808]"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        LH_AUTO_JSON v = parsed(good[i]);
        assert_non_null(v);
    }
}

static void
what_is_not_strict_json_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "[01]",
                                      "[+1]",
                                      "[.5]",
                                      "[NaN]",
                                      "[1e999]",
                                      "[9223372036854775808]",
                                      "\"\\u0000\"",
                                      "\"\\ud800\"",
                                      "\"\xC3\x28\"",
                                      "\"tab\there\"",
                                      "{} x",
                                      "[1] [2]",
                                      "// c\n1",
                                      "{\"a\":1,\"a\":2}"};
    LH_AUTO_ERROR(err);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *v = NULL;
        if (lh_json_parse(lh_str_of(bad[i]), &v, &err) == LH_OK)
            fail_msg("%s was accepted", bad[i]);
        assert_null(v);
        assert_string_equal(err.reason, "request.json");
    }
    json_t *v = NULL;
    assert_fails(lh_json_parse(LH_STR("1\0"), &v, &err), LH_INVALID, "request.json", err);
    assert_fails(lh_json_parse(LH_STR("[\0]"), &v, &err), LH_INVALID, "request.json", err);
    assert_fails(lh_json_parse(LH_STR_NONE, &v, &err), LH_INVALID, "request.json", err);
}

static void
a_syntax_error_says_where(void **state)
{
    LH_AUTO_ERROR(err);
    json_t *v = NULL;

    (void)state;
    assert_int_equal(lh_json_parse(LH_STR("{\n  \"a\": x}"), &v, &err), LH_INVALID);
    assert_true(lh_str_starts(lh_str_of(err.text), LH_STR("JSON at line 2, column 8: ")));
}

static void
nesting_is_limited_to_64_levels(void **state)
{
    LH_AUTO_BUF(text, 1000);
    LH_AUTO_ERROR(err);

    (void)state;
    for (int i = 0; i < 64; i++)
        lh_buf_add_char(&text, '[');
    lh_buf_add_cstr(&text, "\"[[[[ \\\" ]\"");
    for (int i = 0; i < 64; i++)
        lh_buf_add_char(&text, ']');
    LH_AUTO_JSON fits = parsed(lh_buf_cstr(&text));
    assert_non_null(fits);
    json_t *v = NULL;
    lh_buf_clear(&text);
    for (int i = 0; i < 65; i++)
        lh_buf_add_cstr(&text, "{\"a\":");
    assert_fails(lh_json_parse(lh_buf_str(&text), &v, &err), LH_INVALID, "request.json", err);
}

static void
getters_borrow_what_is_there(void **state)
{
    LH_AUTO_JSON v = parsed("{\"s\":\"text\",\"i\":-5,\"f\":1.5,\"b\":true,\"o\":{},\"a\":[1]}");
    LH_AUTO_ERROR(err);
    lh_str s = LH_STR_NONE;
    int64_t i = 0;
    double f = 0, whole = 0;
    bool b = false;
    json_t *o = NULL, *a = NULL;

    (void)state;
    assert_ok(lh_json_str(v, "s", &s, &err), err);
    assert_ok(lh_json_i64(v, "i", &i, &err), err);
    assert_ok(lh_json_f64_opt(v, "f", &f, &err), err);
    assert_ok(lh_json_f64_opt(v, "i", &whole, &err), err);
    assert_ok(lh_json_bool_opt(v, "b", &b, &err), err);
    assert_ok(lh_json_object_opt(v, "o", &o, &err), err);
    assert_ok(lh_json_array_opt(v, "a", &a, &err), err);
    assert_str(s, "text");
    assert_int_equal(i, -5);
    assert_true(f == 1.5 && whole == -5 && b);
    assert_true(json_is_object(o) && json_array_size(a) == 1);
}

static void
absent_and_null_fields_leave_the_default(void **state)
{
    LH_AUTO_JSON v = parsed("{\"s\":null}");
    LH_AUTO_ERROR(err);
    lh_str s = LH_STR("default");
    int64_t i = 7;
    bool b = true;

    (void)state;
    assert_ok(lh_json_str_opt(v, "s", &s, &err), err);
    assert_ok(lh_json_i64_opt(v, "i", &i, &err), err);
    assert_ok(lh_json_bool_opt(v, "b", &b, &err), err);
    assert_str(s, "default");
    assert_int_equal(i, 7);
    assert_true(b);
    assert_fails(lh_json_str(v, "s", &s, &err), LH_INVALID, "request.field_missing", err);
    assert_fails(lh_json_i64(v, "i", &i, &err), LH_INVALID, "request.field_missing", err);
}

static void
a_field_of_another_type_is_named(void **state)
{
    LH_AUTO_JSON v = parsed("{\"x\":1.5,\"y\":\"5\",\"z\":[]}");
    LH_AUTO_ERROR(err);
    lh_str s;
    int64_t i;
    double f;
    bool b;
    json_t *inner;

    (void)state;
    assert_int_equal(lh_json_i64(v, "x", &i, &err), LH_INVALID);
    assert_string_equal(err.text, "field \"x\" must be an integer, not a number with a fraction");
    assert_fails(lh_json_i64(v, "y", &i, &err), LH_INVALID, "request.field_type", err);
    assert_fails(lh_json_str(v, "z", &s, &err), LH_INVALID, "request.field_type", err);
    assert_fails(lh_json_f64_opt(v, "y", &f, &err), LH_INVALID, "request.field_type", err);
    assert_fails(lh_json_bool_opt(v, "x", &b, &err), LH_INVALID, "request.field_type", err);
    assert_fails(lh_json_object_opt(v, "z", &inner, &err), LH_INVALID, "request.field_type", err);
    assert_fails(lh_json_array_opt(v, "x", &inner, &err), LH_INVALID, "request.field_type", err);
}

static void
an_unknown_field_is_an_error(void **state)
{
    static const char *const fields[] = {"sql", "limit", NULL};
    LH_AUTO_JSON good = parsed("{\"limit\":1}");
    LH_AUTO_JSON bad = parsed("{\"limt\":1}");
    LH_AUTO_JSON list = parsed("[]");
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_json_only(good, fields, &err), err);
    assert_int_equal(lh_json_only(bad, fields, &err), LH_INVALID);
    assert_string_equal(err.reason, "request.field_unknown");
    assert_string_equal(err.text, "field \"limt\" is not known here; known are \"sql\", \"limit\"");
    assert_fails(lh_json_only(list, fields, &err), LH_INVALID, "request.field_type", err);
}

static void
integers_past_2_to_53_may_be_strings(void **state)
{
    LH_AUTO_JSON v = parsed("[\"9007199254740993\",\"-9223372036854775808\",9223372036854775807,"
                            "\"9007199254740992\",\"1\",1.0,\"x\",null]");
    static const bool accepted[] = {true, true, true, false, false, false, false, false};
    int64_t got[8] = {0};

    (void)state;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(lh_json_int_value(json_array_get(v, i), &got[i]), accepted[i]);
    assert_true(got[0] == INT64_C(9007199254740993) && got[1] == INT64_MIN && got[2] == INT64_MAX);
}

/* ---- writing ---- */

static void
commas_and_colons_stand_where_they_belong(void **state)
{
    LH_AUTO_BUF(out, 1000);
    struct lh_json_writer w = lh_json_writer_over(&out);

    (void)state;
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "a", "x");
    lh_json_set_cstr(&w, "none", NULL);
    lh_json_key(&w, "list");
    lh_json_array_begin(&w);
    lh_json_put_i64(&w, -1);
    lh_json_object_begin(&w);
    lh_json_object_end(&w);
    lh_json_array_begin(&w);
    lh_json_array_end(&w);
    lh_json_put_bool(&w, true);
    lh_json_array_end(&w);
    lh_json_set_raw(&w, "raw", LH_STR("{\"r\":1}"));
    lh_json_set_bool(&w, "no", false);
    lh_json_set_null(&w, "nil");
    lh_json_set_u64(&w, "u", 5);
    lh_json_set_str(&w, "s", LH_STR("t"));
    lh_json_set_time(&w, "at", 0);
    lh_json_object_end(&w);
    assert_str(lh_buf_str(&out),
               "{\"a\":\"x\",\"none\":null,\"list\":[-1,{},[],true],\"raw\":{\"r\":1},"
               "\"no\":false,\"nil\":null,\"u\":5,\"s\":\"t\","
               "\"at\":\"1970-01-01T00:00:00.000000Z\"}");
}

static void
integers_past_2_to_53_are_written_as_strings(void **state)
{
    LH_AUTO_BUF(out, 1000);
    struct lh_json_writer w = lh_json_writer_over(&out);

    (void)state;
    lh_json_array_begin(&w);
    lh_json_put_i64(&w, INT64_C(9007199254740992));
    lh_json_put_i64(&w, INT64_C(9007199254740993));
    lh_json_put_i64(&w, INT64_MIN);
    lh_json_put_u64(&w, UINT64_C(9007199254740992));
    lh_json_put_u64(&w, UINT64_MAX);
    lh_json_array_end(&w);
    assert_str(lh_buf_str(&out), "[9007199254740992,\"9007199254740993\","
                                 "\"-9223372036854775808\",9007199254740992,"
                                 "\"18446744073709551615\"]");
}

static void
floats_are_the_shortest_text_that_reads_back(void **state)
{
    static const struct {
        double v;
        const char *text;
    } known[] = {{1, "1"},           {0.1, "0.1"},
                 {-2.5, "-2.5"},     {1e22, "1e+22"},
                 {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
                 {-0.0, "-0"}};

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        LH_AUTO_BUF(out, 100);
        lh_json_f64_text(&out, known[i].v);
        assert_str(lh_buf_str(&out), known[i].text);
        LH_AUTO_JSON back = parsed(lh_buf_cstr(&out));
        assert_true(json_number_value(back) == known[i].v);
    }
}

static void
what_json_cannot_say_is_null(void **state)
{
    LH_AUTO_BUF(out, 100);
    struct lh_json_writer w = lh_json_writer_over(&out);

    (void)state;
    lh_json_array_begin(&w);
    lh_json_put_f64(&w, (double)NAN);
    lh_json_put_f64(&w, (double)INFINITY);
    lh_json_put_f64(&w, -(double)INFINITY);
    lh_json_array_end(&w);
    assert_str(lh_buf_str(&out), "[null,null,null]");
}

static void
strings_are_escaped(void **state)
{
    LH_AUTO_BUF(out, 1000);

    (void)state;
    lh_json_escape(&out, LH_STR("\"\\/\b\f\n\r\t\x01\x1f\x7f caf\xC3\xA9 \0"));
    assert_str(lh_buf_str(&out),
               "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f caf\xC3\xA9 \\u0000\"");
}

static void
bytes_that_are_not_utf8_become_the_replacement_character(void **state)
{
    LH_AUTO_BUF(out, 1000);

    (void)state;
    lh_json_escape(&out, LH_STR("a\xFF\"b\xE2\x82\xC3\xA9\xC3"));
    assert_str(lh_buf_str(&out),
               "\"a\xEF\xBF\xBD\\\"b\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\"");
    LH_AUTO_JSON back = parsed(lh_buf_cstr(&out));
    assert_non_null(back);
}

static void
a_parsed_value_is_written_back(void **state)
{
    static const char text[] = "{\"a\":[1,2.5,\"x\\n\",true,false,null,{}],\"b\":{\"c\":[]}}";
    LH_AUTO_JSON v = parsed(text);
    LH_AUTO_BUF(out, 1000);
    struct lh_json_writer w = lh_json_writer_over(&out);

    (void)state;
    lh_json_put_value(&w, v);
    assert_str(lh_buf_str(&out), text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_json_value_parses),
        cmocka_unit_test(what_is_not_strict_json_is_refused),
        cmocka_unit_test(a_syntax_error_says_where),
        cmocka_unit_test(nesting_is_limited_to_64_levels),
        cmocka_unit_test(getters_borrow_what_is_there),
        cmocka_unit_test(absent_and_null_fields_leave_the_default),
        cmocka_unit_test(a_field_of_another_type_is_named),
        cmocka_unit_test(an_unknown_field_is_an_error),
        cmocka_unit_test(integers_past_2_to_53_may_be_strings),
        cmocka_unit_test(commas_and_colons_stand_where_they_belong),
        cmocka_unit_test(integers_past_2_to_53_are_written_as_strings),
        cmocka_unit_test(floats_are_the_shortest_text_that_reads_back),
        cmocka_unit_test(what_json_cannot_say_is_null),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(bytes_that_are_not_utf8_become_the_replacement_character),
        cmocka_unit_test(a_parsed_value_is_written_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
