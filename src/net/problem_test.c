#include "net/http.h"

#include "base/testing.h"

static const struct lh_trace trace = {.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"};

static int
status_with(lh_status status, const char *reason)
{
    LH_AUTO_ERROR(err);

    lh_fail(&err, status, reason, "text");
    return lh_problem_status(&err);
}

static void
every_status_has_its_http_status(void **state)
{
    static const struct {
        lh_status status;
        int http;
    } rows[] = {
        {LH_INVALID, 400}, {LH_NOT_FOUND, 404},   {LH_EXISTS, 409},      {LH_CONFLICT, 409},
        {LH_DENIED, 403},  {LH_BUSY, 503},        {LH_TOO_BIG, 413},     {LH_NO_SPACE, 507},
        {LH_TIMEOUT, 408}, {LH_CANCELED, 499},    {LH_UNAVAILABLE, 503}, {LH_CORRUPT, 500},
        {LH_IO, 500},      {LH_UNSUPPORTED, 501}, {LH_BUG, 500},
    };

    (void)state;
    assert_int_equal(sizeof(rows) / sizeof(rows[0]), LH_STATUS_COUNT - 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(status_with(rows[i].status, "some.reason"), rows[i].http);
}

static void
a_reason_speaks_before_the_status(void **state)
{
    (void)state;
    assert_int_equal(status_with(LH_DENIED, "auth.required"), 401);
    assert_int_equal(status_with(LH_CONFLICT, "store.precondition"), 412);
    assert_int_equal(status_with(LH_CONFLICT, "catalog.precondition"), 412);
    assert_int_equal(status_with(LH_INVALID, "request.method"), 405);
    assert_int_equal(status_with(LH_INVALID, "ingest.unknown_format"), 415);
    assert_int_equal(status_with(LH_INVALID, "ingest.unreadable"), 422);
    assert_int_equal(status_with(LH_CONFLICT, "idempotency.mismatch"), 422);
}

static json_t *
print(const struct lh_error *err)
{
    LH_AUTO_BUF(text, 1 << 20);
    json_t *value = NULL;

    lh_problem_print(err, &trace, &text);
    assert_int_equal(lh_json_parse(lh_buf_str(&text), &value, NULL), LH_OK);
    return value;
}

#define assert_member(object, key, text)                                                           \
    assert_string_equal(json_string_value(json_object_get((object), (key))), (text))

static void
a_problem_says_what_when_and_whether_to_repeat(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_JSON value = NULL;

    (void)state;
    lh_fail(&err, LH_BUSY, "net.busy", "every \"worker\" is busy");
    value = print(&err);
    assert_member(value, "type", "urn:lakehouse:problem:busy");
    assert_member(value, "detail", "every \"worker\" is busy");
    assert_member(value, "code", "net.busy");
    assert_member(value, "trace_id", trace.trace_id);
    assert_int_equal(json_integer_value(json_object_get(value, "status")), 503);
    assert_true(json_is_true(json_object_get(value, "retryable")));
    assert_true(json_is_string(json_object_get(value, "title")));
}

static void
extra_members_stand_beside_and_not_instead(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_JSON value = NULL;

    (void)state;
    lh_fail(&err, LH_CONFLICT, "catalog.schema_drift", "drift");
    lh_error_extra_set(&err, "{\"added\":[\"a\"],\"status\":200}");
    value = print(&err);
    assert_int_equal(json_array_size(json_object_get(value, "added")), 1);
    assert_int_equal(json_integer_value(json_object_get(value, "status")), 409);
}

static void
damaged_extra_members_are_left_out(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_JSON value = NULL;

    (void)state;
    lh_fail(&err, LH_BUG, "a.b", "text");
    lh_error_extra_set(&err, "{\"half\":");
    value = print(&err);
    assert_member(value, "code", "a.b");
}

static void
every_failure_comes_back_as_it_was(void **state)
{
    (void)state;
    for (int s = LH_OK + 1; s < LH_STATUS_COUNT; s++) {
        LH_AUTO_ERROR(sent);
        LH_AUTO_ERROR(got);
        LH_AUTO_BUF(text, 1 << 20);

        lh_fail(&sent, (lh_status)s, "room.what_happened", "what was asked: %d \xc3\xa4 \"", s);
        lh_error_extra_set(&sent, "{\"near\":[\"a\",\"b\"],\"n\":7}");
        lh_problem_print(&sent, &trace, &text);
        assert_int_equal(lh_problem_decode(lh_problem_status(&sent), lh_buf_bytes(&text), &got), s);
        assert_int_equal(got.status, s);
        assert_string_equal(got.reason, sent.reason);
        assert_string_equal(got.text, sent.text);
        assert_string_equal(got.extra, sent.extra);
    }
}

static void
an_answer_that_is_no_problem_still_fails(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    assert_int_equal(lh_problem_decode(502, lh_str_bytes(LH_STR("<html>bad gateway")), &err),
                     LH_UNAVAILABLE);
    assert_string_equal(err.reason, "http.502");
    assert_non_null(strstr(err.text, "bad gateway"));
    assert_int_equal(lh_problem_decode(404, lh_str_bytes(LH_STR("")), &err), LH_NOT_FOUND);
    assert_int_equal(lh_problem_decode(418, lh_str_bytes(LH_STR("[]")), &err), LH_INVALID);
    assert_int_equal(lh_problem_decode(599, lh_str_bytes(LH_STR("{\"a\":1}")), &err), LH_BUG);
    assert_string_equal(err.extra, "{\"a\":1}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_http_status),
        cmocka_unit_test(a_reason_speaks_before_the_status),
        cmocka_unit_test(a_problem_says_what_when_and_whether_to_repeat),
        cmocka_unit_test(extra_members_stand_beside_and_not_instead),
        cmocka_unit_test(damaged_extra_members_are_left_out),
        cmocka_unit_test(every_failure_comes_back_as_it_was),
        cmocka_unit_test(an_answer_that_is_no_problem_still_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
