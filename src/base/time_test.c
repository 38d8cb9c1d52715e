#include "base/testing.h"

#include "base/time.h"

static int64_t
parsed(const char *text)
{
    int64_t us = INT64_MIN;

    if (!lh_time_parse(lh_str_of(text), &us))
        fail_msg("\"%s\" was refused", text);
    return us;
}

static void
clocks_do_not_go_backwards(void **state)
{
    int64_t ns = lh_time_mono_ns();

    (void)state;
    assert_true(lh_time_mono_ns() >= ns);
    assert_true(lh_time_mono_ms() >= ns / 1000000);
    assert_true(lh_time_now_us() > parsed("2024-01-01"));
}

static void
known_instants_have_their_text(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } known[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {1769860800123456, "2026-01-31T12:00:00.123456Z"},
        {951782400000000, "2000-02-29T00:00:00.000000Z"},
        {INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
    };
    char text[LH_TIME_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_string_equal(lh_time_format(known[i].us, text), known[i].text);
        assert_int_equal(parsed(known[i].text), known[i].us);
    }
    assert_string_equal(lh_time_format(INT64_MAX, text), "9999-12-31T23:59:59.999999Z");
    assert_string_equal(lh_time_format(INT64_MIN, text), "0001-01-01T00:00:00.000000Z");
}

static void
every_day_of_four_centuries_reads_back(void **state)
{
    const int64_t day = INT64_C(86400000000);
    char text[LH_TIME_TEXT_MAX];

    (void)state;
    for (int64_t us = parsed("1900-01-01"); us < parsed("2301-01-01"); us += day)
        assert_true(parsed(lh_time_format(us, text)) == us);
}

static void
the_forms_of_iso_8601_agree(void **state)
{
    int64_t noon = parsed("2026-01-31T12:00:00Z");

    (void)state;
    assert_int_equal(parsed("2026-01-31 12:00:00"), noon);
    assert_int_equal(parsed("2026-01-31t12:00:00z"), noon);
    assert_int_equal(parsed("2026-01-31T14:30:00+02:30"), noon);
    assert_int_equal(parsed("2026-01-31T14:30:00+0230"), noon);
    assert_int_equal(parsed("2026-01-31T07:00:00-05"), noon);
    assert_int_equal(parsed("2026-01-31T12:00:00.5"), noon + 500000);
    assert_int_equal(parsed("2026-01-31T12:00:00.123456789Z"), noon + 123456);
    assert_int_equal(parsed("2026-01-31"), noon - INT64_C(43200000000));
}

static void
what_is_not_a_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-1-1",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-32",
        "2021-02-29",
        "1900-02-29",
        "0000-01-01",
        "2026-01-31T",
        "2026-01-31T12:00",
        "2026-01-31T24:00:00",
        "2026-01-31T12:60:00",
        "2026-01-31T12:00:60",
        "2026-01-31T12:00:00.",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00+",
        "2026-01-31T12:00:00+2",
        "2026-01-31T12:00:00+02:",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00ZZ",
        "2026-01-31X12:00:00",
        " 2026-01-31",
        "2026-01-31 ",
        "2026/01/31",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    };
    int64_t us = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (lh_time_parse(lh_str_of(bad[i]), &us))
            fail_msg("\"%s\" was accepted", bad[i]);
    assert_false(lh_time_parse(LH_STR("2026-01-31\0"), &us));
    assert_int_equal(us, 7);
}

static void
http_dates_go_both_ways(void **state)
{
    static const char example[] = "Sun, 06 Nov 1994 08:49:37 GMT"; /* RFC 9110, 5.6.7 */
    char text[LH_TIME_HTTP_MAX];
    int64_t us = 0;

    (void)state;
    assert_true(lh_time_parse_http(lh_str_of(example), &us));
    assert_int_equal(us, parsed("1994-11-06T08:49:37Z"));
    assert_string_equal(lh_time_format_http(us + 999999, text), example);
}

static void
other_http_dates_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 31 Feb 1994 08:49:37 GMT",
        "Sat, 01 Jan 0000 00:00:00 GMT",
    };
    int64_t us = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(lh_time_parse_http(lh_str_of(bad[i]), &us));
    assert_int_equal(us, 7);
}

static void
durations_have_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},       {"250", 250},    {"250ms", 250},    {"30s", 30000},
        {"5m", 300000}, {"2h", 7200000}, {"7d", 604800000}, {"9223372036854775807ms", INT64_MAX}};
    static const char *const bad[] = {"",   "s",  "-1s", "1.5s",          "1 s",
                                      "1w", "1S", "1ss", "106751991168d", "9223372036854775808"};
    int64_t ms = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(lh_duration_parse_ms(lh_str_of(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    ms = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (lh_duration_parse_ms(lh_str_of(bad[i]), &ms))
            fail_msg("\"%s\" was accepted", bad[i]);
    assert_int_equal(ms, 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_do_not_go_backwards),
        cmocka_unit_test(known_instants_have_their_text),
        cmocka_unit_test(every_day_of_four_centuries_reads_back),
        cmocka_unit_test(the_forms_of_iso_8601_agree),
        cmocka_unit_test(what_is_not_a_time_is_refused),
        cmocka_unit_test(http_dates_go_both_ways),
        cmocka_unit_test(other_http_dates_are_refused),
        cmocka_unit_test(durations_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
