#include "net/http.h"

#include "base/testing.h"

static const struct lh_header query[] = {
    {LH_STR("limit"), LH_STR("10")},    {LH_STR("limit"), LH_STR("99")},
    {LH_STR("bad"), LH_STR("ten")},     {LH_STR("flag"), LH_STR("")},
    {LH_STR("yes"), LH_STR("true")},    {LH_STR("no"), LH_STR("0")},
    {LH_STR("maybe"), LH_STR("maybe")},
};
static const struct lh_header headers[] = {{LH_STR("Accept"), LH_STR("text/csv")}};
static const struct lh_request request = {
    .headers = headers,
    .header_count = 1,
    .query = query,
    .query_count = sizeof(query) / sizeof(query[0]),
};

static void
methods_have_names_and_back(void **state)
{
    enum lh_method m;

    (void)state;
    for (int i = 0; i < LH_METHOD_COUNT; i++) {
        assert_true(lh_method_parse(lh_str_of(lh_method_name((enum lh_method)i)), &m));
        assert_int_equal(m, i);
    }
    assert_false(lh_method_parse(LH_STR("get"), &m));
    assert_false(lh_method_parse(LH_STR("BREW"), &m));
    assert_string_equal(lh_method_name(LH_METHOD_COUNT), "OTHER");
}

static void
values_are_found_by_name(void **state)
{
    (void)state;
    assert_str(lh_request_header(&request, "accept"), "text/csv");
    assert_str(lh_request_query(&request, "limit"), "10");
    assert_null(lh_request_query(&request, "Limit").ptr);
    assert_true(lh_request_has_query(&request, "flag"));
    assert_false(lh_request_has_query(&request, "nope"));
}

static void
numbers_are_checked_against_their_bounds(void **state)
{
    LH_AUTO_ERROR(err);
    int64_t n = 7;

    (void)state;
    assert_ok(lh_request_query_i64(&request, "absent", 1, 5, &n, &err), err);
    assert_int_equal(n, 7);
    assert_ok(lh_request_query_i64(&request, "limit", 1, 10, &n, &err), err);
    assert_int_equal(n, 10);
    assert_fails(lh_request_query_i64(&request, "limit", 1, 9, &n, &err), LH_INVALID,
                 "request.query", err);
    assert_fails(lh_request_query_i64(&request, "bad", 1, 9, &n, &err), LH_INVALID, "request.query",
                 err);
    lh_request_query_i64(&request, "bad", 1, 9, &n, &err);
    assert_non_null(strstr(err.text, "bad"));
    assert_int_equal(n, 10);
}

static void
truth_has_a_few_spellings(void **state)
{
    LH_AUTO_ERROR(err);
    bool b = false;

    (void)state;
    assert_ok(lh_request_query_bool(&request, "flag", &b, &err), err);
    assert_true(b);
    assert_ok(lh_request_query_bool(&request, "no", &b, &err), err);
    assert_false(b);
    assert_ok(lh_request_query_bool(&request, "yes", &b, &err), err);
    assert_true(b);
    assert_ok(lh_request_query_bool(&request, "absent", &b, &err), err);
    assert_true(b);
    assert_fails(lh_request_query_bool(&request, "maybe", &b, &err), LH_INVALID, "request.query",
                 err);
}

static void
unknown_parameters_are_named(void **state)
{
    static const char *const all[] = {"limit", "bad", "flag", "yes", "no", "maybe", NULL};
    static const char *const few[] = {"limit", "flag", NULL};
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_request_query_only(&request, all, &err), err);
    assert_int_equal(lh_request_query_only(&request, few, &err), LH_INVALID);
    assert_non_null(strstr(err.text, "\"bad\""));
}

static struct lh_request
request_with(const char *body)
{
    return (struct lh_request){.body_bytes = lh_bytes_of(body, strlen(body))};
}

static void
a_body_is_an_object_or_refused(void **state)
{
    LH_AUTO_ERROR(err);
    struct lh_request r = request_with("{\"a\":1}");
    json_t *value = NULL;

    (void)state;
    assert_ok(lh_request_json(&r, false, &value, &err), err);
    assert_int_equal(json_integer_value(json_object_get(value, "a")), 1);
    json_decref(value);
    r = request_with(" \n");
    assert_fails(lh_request_json(&r, false, &value, &err), LH_INVALID, "request.body_missing", err);
    assert_ok(lh_request_json(&r, true, &value, &err), err);
    assert_int_equal(json_object_size(value), 0);
    json_decref(value);
    r = request_with("[1]");
    assert_fails(lh_request_json(&r, true, &value, &err), LH_INVALID, "request.body_type", err);
    r = request_with("{\"a\":");
    assert_int_equal(lh_request_json(&r, true, &value, &err), LH_INVALID);
}

static void
a_request_without_a_source_has_read_it_all(void **state)
{
    LH_AUTO_ERROR(err);
    struct lh_request r = {0};
    size_t got = 9;
    char to[4];

    (void)state;
    assert_ok(lh_request_read(&r, to, sizeof(to), &got, &err), err);
    assert_int_equal(got, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_have_names_and_back),
        cmocka_unit_test(values_are_found_by_name),
        cmocka_unit_test(numbers_are_checked_against_their_bounds),
        cmocka_unit_test(truth_has_a_few_spellings),
        cmocka_unit_test(unknown_parameters_are_named),
        cmocka_unit_test(a_body_is_an_object_or_refused),
        cmocka_unit_test(a_request_without_a_source_has_read_it_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
