#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/time.h"
#include "engine/canonical.h"

#define I CANONICAL_I64
#define F CANONICAL_F64
#define D CANONICAL_DATE
#define T CANONICAL_TIMESTAMP
#define Z CANONICAL_TIMESTAMPTZ

static const struct {
    const char *text;
    unsigned mask;
} table[] = {
    /* integers */
    {"0", I | F},
    {"7", I | F},
    {"-7", I | F},
    {"999999999999999", I | F},
    {"1000000000000000", I},
    {"9223372036854775807", I},
    {"-9223372036854775808", I},
    {"9223372036854775808", 0},
    {"-9223372036854775809", 0},
    {"18446744073709551616", 0},
    {"99999999999999999999", 0},
    {"-0", 0},
    {"+1", 0},
    {"007", 0},
    {"00", 0},
    {"-07", 0},
    {"1 ", 0},
    {" 1", 0},
    {"1,000", 0},
    {"1_000", 0},
    {"0x10", 0},
    {"--1", 0},
    {"-", 0},
    {"", 0},
    /* fractions */
    {"1.5", F},
    {"-1.5", F},
    {"0.5", F},
    {"1.0", F},
    {"1.50", F},
    {"0.0", F},
    {"0.000123", F},
    {"123456789012.345", F},
    {"1234567890123.456", 0},
    {"0.123456789012345", F},
    {"0.1234567890123456", 0},
    {"0.10000000000000000000", F},
    {"0.00000000000000000000000000012", F},
    {"-0.0", 0},
    {"-0.5", F},
    {".5", 0},
    {"5.", 0},
    {"1.2.3", 0},
    {"00.5", 0},
    {"01.5", 0},
    {"1e5", 0},
    {"1E5", 0},
    {"1.5e3", 0},
    {"1,5", 0},
    {"+1.5", 0},
    {"NaN", 0},
    {"nan", 0},
    {"inf", 0},
    {"Infinity", 0},
    /* booleans */
    {"true", CANONICAL_BOOL_LOWER},
    {"false", CANONICAL_BOOL_LOWER},
    {"True", CANONICAL_BOOL_TITLE},
    {"False", CANONICAL_BOOL_TITLE},
    {"TRUE", CANONICAL_BOOL_UPPER},
    {"FALSE", CANONICAL_BOOL_UPPER},
    {"tRUE", 0},
    {"Y", 0},
    {"yes", 0},
    {"t", 0},
    {"true ", 0},
    /* dates */
    {"2021-02-28", D},
    {"2024-02-29", D},
    {"2000-02-29", D},
    {"1900-02-29", 0},
    {"2021-02-29", 0},
    {"2021-02-30", 0},
    {"2021-04-31", 0},
    {"2021-12-31", D},
    {"2021-13-01", 0},
    {"2021-00-10", 0},
    {"2021-01-00", 0},
    {"0001-01-01", D},
    {"9999-12-31", D},
    {"0000-01-01", 0},
    {"2021-1-1", 0},
    {"20210101", I | F},
    {"2021/01/01", 0},
    {"01-02-2021", 0},
    {"-2021-01-01", 0},
    {"12021-01-01", 0},
    /* timestamps */
    {"2021-02-28 10:20:30", T},
    {"2021-02-28T10:20:30", T},
    {"2021-02-28T10:20:30.5", T},
    {"2021-02-28T10:20:30.123456", T},
    {"2021-02-28T10:20:30.1234567", 0},
    {"2021-02-28T10:20:30.", 0},
    {"2021-02-28T10:20", 0},
    {"2021-02-28T24:00:00", 0},
    {"2021-02-28T23:59:60", 0},
    {"2021-02-28T10:60:00", 0},
    {"2021-02-30T10:20:30", 0},
    {"2021-02-28  10:20:30", 0},
    {"2021-02-28t10:20:30", 0},
    {"2021-02-28T1:20:30", 0},
    {"10:20:30", 0},
    /* with zone */
    {"2021-02-28T10:20:30Z", Z},
    {"2021-02-28 10:20:30Z", Z},
    {"2021-02-28T10:20:30.25Z", Z},
    {"2021-02-28T10:20:30+01:00", Z},
    {"2021-02-28T10:20:30-05:30", Z},
    {"2021-02-28T10:20:30+00:00", Z},
    {"2021-02-28T10:20:30+01", Z},
    {"2021-02-28T10:20:30-00:00", 0},
    {"2021-02-28T10:20:30+0100", 0},
    {"2021-02-28T10:20:30+16:00", 0},
    {"2021-02-28T10:20:30+01:60", 0},
    {"2021-02-28T10:20:30 Z", 0},
    {"2021-02-28T10:20:30z", 0},
    {"2021-02-28T10:20:30 UTC", 0},
    {"2021-02-28Z", 0},
};

static void
each_text_has_exactly_the_types_it_is_canonical_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int32_t zone;
        unsigned got = canonical_classify(lh_str_of(table[i].text), &zone);
        if (got != table[i].mask)
            fail_msg("\"%s\": expected %u, got %u", table[i].text, table[i].mask, got);
    }
}

static void
values_are_what_the_text_says(void **state)
{
    int64_t i64, us;
    int32_t days, zone;
    double f64;
    bool flag;

    (void)state;
    assert_true(canonical_i64(LH_STR("-9223372036854775808"), &i64));
    assert_true(i64 == INT64_MIN);
    assert_true(canonical_f64(LH_STR("-0.1"), &f64));
    assert_true(f64 == -0.1);
    assert_true(canonical_f64(LH_STR("123456789012345"), &f64));
    assert_true(f64 == 123456789012345.0);
    assert_true(canonical_date(LH_STR("1970-01-01"), &days));
    assert_int_equal(days, 0);
    assert_true(canonical_date(LH_STR("2024-02-29"), &days));
    assert_int_equal(days, 19782);
    assert_true(canonical_date(LH_STR("0001-01-01"), &days));
    assert_int_equal(days, -719162);
    assert_int_equal(canonical_bool(LH_STR("FALSE"), &flag), CANONICAL_BOOL_UPPER);
    assert_false(flag);
    assert_true(canonical_timestamptz(LH_STR("1970-01-01T01:00:00.000001+01:00"), &us, &zone));
    assert_true(us == 1);
}

static void
zones_are_told_apart_by_how_they_are_written(void **state)
{
    int32_t z, zero, east, hour;
    int64_t us;

    (void)state;
    assert_true(canonical_timestamptz(LH_STR("2021-02-28T10:20:30Z"), &us, &z));
    assert_true(canonical_timestamptz(LH_STR("2021-02-28T10:20:30+00:00"), &us, &zero));
    assert_true(canonical_timestamptz(LH_STR("2021-02-28T10:20:30+01:00"), &us, &east));
    assert_true(canonical_timestamptz(LH_STR("2021-02-28T10:20:30+01"), &us, &hour));
    assert_int_not_equal(z, zero);
    assert_int_not_equal(zero, east);
    assert_int_not_equal(east, hour);
}

static void
exponents_are_numbers_in_json_only(void **state)
{
    double v;

    (void)state;
    assert_true(canonical_json_f64(LH_STR("1e5"), &v));
    assert_true(v == 1e5);
    assert_true(canonical_json_f64(LH_STR("-2.5E-3"), &v));
    assert_true(v == -2.5e-3);
    assert_true(canonical_json_f64(LH_STR("12"), &v));
    assert_false(canonical_json_f64(LH_STR("1.2345678901234567e5"), &v));
    assert_false(canonical_json_f64(LH_STR("1e400"), &v));
    assert_false(canonical_json_f64(LH_STR("1e-320"), &v));
    assert_false(canonical_json_f64(LH_STR("-0"), &v));
    assert_false(canonical_json_f64(LH_STR("0e5"), &v));
}

/* ---- back to text ---- */

static uint64_t random_state = 88172645463325252u;

static uint64_t
random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void
every_canonical_integer_reads_back(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t v = (int64_t)(random_next() >> (random_next() % 64)), back;
        char text[32];
        if (i & 1)
            v = -v;
        (void)snprintf(text, sizeof(text), "%" PRId64, v);
        assert_true(canonical_i64(lh_str_of(text), &back));
        assert_true(v == back);
    }
}

static void
trailing_zeros_cut(char *text)
{
    size_t n = strlen(text);

    while (n > 0 && text[n - 1] == '0')
        text[--n] = '\0';
    if (n > 0 && text[n - 1] == '.')
        text[n - 1] = '\0';
}

/* A fraction of up to 15 digits comes back from its double, trailing zeros aside. */
static void
every_canonical_fraction_reads_back(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        int digits = 1 + (int)(random_next() % 15), point = (int)(random_next() % 15);
        char number[64], text[64], back[64];
        double v;
        (void)snprintf(number, sizeof(number), "%015" PRIu64, random_next() % 1000000000000000u);
        if (point >= digits)
            (void)snprintf(text, sizeof(text), "0.%.*s%.*s", point - digits, "000000000000000",
                           digits, number);
        else
            (void)snprintf(text, sizeof(text), "%s%.*s.%.*s", "1", point, number, digits - point,
                           number + point);
        if (!canonical_f64(lh_str_of(text), &v))
            continue;
        (void)snprintf(back, sizeof(back), "%.*f", (int)(strlen(strchr(text, '.')) - 1), v);
        trailing_zeros_cut(text);
        trailing_zeros_cut(back);
        assert_string_equal(text, back);
        (void)snprintf(back, sizeof(back), "%.15g", v);
        assert_true(strtod(back, NULL) == v);
    }
}

static void
every_day_of_five_centuries_reads_back(void **state)
{
    char text[LH_TIME_TEXT_MAX];

    (void)state;
    for (int32_t day = -100000; day < 100000; day++) {
        int32_t back;
        lh_time_format((int64_t)day * INT64_C(86400000000), text);
        assert_true(canonical_date((lh_str){text, 10}, &back));
        assert_int_equal(day, back);
    }
}

static void
every_timestamp_reads_back(void **state)
{
    char text[LH_TIME_TEXT_MAX];

    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t us =
            (int64_t)(random_next() % UINT64_C(8000000000000000)) - INT64_C(4000000000000000);
        int64_t back, zoned;
        int32_t zone;
        lh_time_format(us, text);
        assert_true(canonical_timestamptz(lh_str_of(text), &zoned, &zone));
        text[strlen(text) - 1] = '\0';
        assert_true(canonical_timestamp(lh_str_of(text), &back));
        assert_true(back == us);
        assert_true(zoned == us);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_has_exactly_the_types_it_is_canonical_for),
        cmocka_unit_test(values_are_what_the_text_says),
        cmocka_unit_test(zones_are_told_apart_by_how_they_are_written),
        cmocka_unit_test(exponents_are_numbers_in_json_only),
        cmocka_unit_test(every_canonical_integer_reads_back),
        cmocka_unit_test(every_canonical_fraction_reads_back),
        cmocka_unit_test(every_day_of_five_centuries_reads_back),
        cmocka_unit_test(every_timestamp_reads_back),
    };

    return cmocka_run_group_tests_name("canonical", tests, NULL, NULL);
}
