#include "base/testing.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

static void
views_compare_by_bytes_then_length(void **state)
{
    (void)state;
    assert_true(lh_str_eq(LH_STR("abc"), lh_str_of("abc")));
    assert_false(lh_str_eq(LH_STR("abc"), LH_STR("abd")));
    assert_true(lh_str_eq(LH_STR_NONE, LH_STR("")));
    assert_true(lh_str_eq_nocase(LH_STR("Content-Type"), LH_STR("content-TYPE")));
    assert_false(lh_str_eq_nocase(LH_STR("a["), LH_STR("a{")));
    assert_true(lh_str_cmp(LH_STR("ab"), LH_STR("abc")) < 0);
    assert_true(lh_str_cmp(LH_STR("\xFF"), LH_STR("a")) > 0);
    assert_int_equal(lh_str_cmp(LH_STR_NONE, LH_STR("")), 0);
}

static void
prefixes_and_suffixes_are_found(void **state)
{
    (void)state;
    assert_true(lh_str_starts(LH_STR("_catalog/x"), LH_STR("_catalog/")));
    assert_false(lh_str_starts(LH_STR("_cat"), LH_STR("_catalog/")));
    assert_true(lh_str_ends(LH_STR("x.parquet"), LH_STR(".parquet")));
    assert_false(lh_str_ends(LH_STR("quet"), LH_STR(".parquet")));
    assert_true(lh_str_starts(LH_STR_NONE, LH_STR("")));
}

static void
slices_are_clamped(void **state)
{
    (void)state;
    assert_str(lh_str_slice(LH_STR("abcdef"), 2, 4), "cd");
    assert_str(lh_str_slice(LH_STR("abc"), 2, 99), "c");
    assert_str(lh_str_slice(LH_STR("abc"), 5, 2), "");
    assert_str(lh_str_slice(LH_STR_NONE, 1, 2), "");
    assert_str(lh_str_trim(LH_STR(" \t a b\r\n")), "a b");
    assert_str(lh_str_trim(LH_STR("  ")), "");
}

static void
searching_says_where(void **state)
{
    size_t at = 99;

    (void)state;
    assert_true(lh_str_find(LH_STR("hello"), LH_STR("ll"), &at));
    assert_int_equal(at, 2);
    assert_false(lh_str_find(LH_STR("hello"), LH_STR("lo!"), &at));
    assert_int_equal(at, 2);
    assert_true(lh_str_find(LH_STR_NONE, LH_STR(""), &at));
    assert_int_equal(at, 0);
    assert_true(lh_str_find_char(LH_STR("a=b"), '=', &at));
    assert_int_equal(at, 1);
    assert_false(lh_str_find_char(LH_STR_NONE, '=', &at));
}

static void
cutting_takes_the_head_off(void **state)
{
    lh_str rest = LH_STR("key=a=b"), head;

    (void)state;
    assert_true(lh_str_cut(&rest, '=', &head));
    assert_str(head, "key");
    assert_str(rest, "a=b");
    rest = LH_STR("key");
    assert_false(lh_str_cut(&rest, '=', &head));
    assert_str(head, "key");
    assert_str(rest, "");
}

static void
empty_parts_count(void **state)
{
    static const char *const expected[] = {"", "a", "", "b", ""};
    lh_str rest = LH_STR(",a,,b,"), part;
    size_t n = 0;

    (void)state;
    while (lh_str_next(&rest, ',', &part))
        assert_str(part, expected[n++]);
    assert_int_equal(n, 5);
    rest = LH_STR_NONE;
    assert_false(lh_str_next(&rest, ',', &part));
}

static void
well_formed_utf8_is_accepted(void **state)
{
    static const char *const good[] = {
        "",
        "plain text that is longer than eight bytes",
        "caf\xC3\xA9",
        "\xC2\x80",
        "\xDF\xBF",
        "\xE0\xA0\x80",
        "\xED\x9F\xBF",
        "\xEE\x80\x80",
        "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80",
        "\xF4\x8F\xBF\xBF",
        ("12345678\xE2\x82\xAC"
         "12345678"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(lh_str_is_utf8(lh_str_of(good[i])));
    assert_true(lh_str_is_utf8(LH_STR("a\0b")));
}

static void
malformed_utf8_is_refused(void **state)
{
    static const char *const bad[] = {
        "\x80",                 /* continuation alone */
        "\xC3",                 /* cut short */
        "\xE2\x82",             /* cut short */
        "\xF0\x9F\x98",         /* cut short */
        "\xC0\x80",             /* two bytes for U+0000 */
        "\xC1\xBF",             /* overlong */
        "\xE0\x9F\xBF",         /* overlong */
        "\xF0\x8F\xBF\xBF",     /* overlong */
        "\xED\xA0\x80",         /* surrogate */
        "\xF4\x90\x80\x80",     /* past U+10FFFF */
        "\xF5\x80\x80\x80",     /* no such lead byte */
        "\xFF",                 /* no such lead byte */
        "\xE2\x28\xA1",         /* second byte is not a continuation */
        "\xE2\x82\x28",         /* third byte is not a continuation */
        "12345678901234567\x80" /* behind the fast path */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(lh_str_is_utf8(lh_str_of(bad[i])));
}

static void
fitting_does_not_split_a_character(void **state)
{
    lh_str euro = LH_STR("ab\xE2\x82\xAC");

    (void)state;
    assert_int_equal(lh_str_fit(euro, 9).len, 5);
    assert_int_equal(lh_str_fit(euro, 5).len, 5);
    assert_int_equal(lh_str_fit(euro, 4).len, 2);
    assert_int_equal(lh_str_fit(euro, 3).len, 2);
    assert_int_equal(lh_str_fit(euro, 2).len, 2);
    assert_int_equal(lh_str_fit(LH_STR("\xF0\x9F\x98\x80"), 3).len, 0);
    assert_int_equal(lh_str_fit(LH_STR("\x80\x80\x80\x80\x80\x80"), 5).len, 5);
    assert_int_equal(lh_str_fit(euro, 0).len, 0);
}

static void
copies_end_with_nul(void **state)
{
    char small[4];
    LH_AUTO_CHARS copy = lh_str_dup(LH_STR("abc"));
    LH_AUTO_CHARS none = lh_str_dup(LH_STR_NONE);

    (void)state;
    assert_string_equal(copy, "abc");
    assert_string_equal(none, "");
    assert_true(lh_str_copy(small, sizeof(small), LH_STR("abc")));
    assert_string_equal(small, "abc");
    assert_false(lh_str_copy(small, sizeof(small), LH_STR("wxyz")));
    assert_string_equal(small, "wxy");
    assert_false(lh_str_copy(small, 0, LH_STR("")));
}

static void
whole_numbers_are_read_to_their_limits(void **state)
{
    uint64_t u = 7;
    int64_t i = 7;

    (void)state;
    assert_true(lh_str_u64(LH_STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_true(lh_str_i64(LH_STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(lh_str_i64(LH_STR("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_true(lh_str_i64(LH_STR("-0"), &i));
    assert_int_equal(i, 0);
}

static void
what_is_not_a_whole_number_leaves_the_output_alone(void **state)
{
    static const char *const bad[] = {"",    "-",   "+1",  " 1",  "1 ",
                                      "1.0", "0x1", "--1", "1e3", "18446744073709551616"};
    uint64_t u = 7;
    int64_t i = 7;

    (void)state;
    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        assert_false(lh_str_u64(lh_str_of(bad[n]), &u));
        assert_false(lh_str_i64(lh_str_of(bad[n]), &i));
    }
    assert_false(lh_str_u64(LH_STR("-1"), &u));
    assert_false(lh_str_i64(LH_STR("9223372036854775808"), &i));
    assert_false(lh_str_i64(LH_STR("-9223372036854775809"), &i));
    assert_int_equal(u, 7);
    assert_int_equal(i, 7);
}

static void
doubles_are_read_in_any_locale(void **state)
{
    double v = 0;

    (void)state;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* absent on most machines, and then "C": both must do */
    assert_true(lh_str_f64(LH_STR("-1.5e3"), &v));
    assert_true(fabs(v + 1500) < 1e-9);
    assert_true(lh_str_f64(LH_STR("0.1"), &v));
    assert_true(v == 0.1);
    setlocale(LC_ALL, "C");
}

static void
what_is_not_a_finite_double_is_refused(void **state)
{
    static const char *const bad[] = {"",     "inf", "-inf", "nan",   "1e999", "1,5",
                                      "1.5x", " 1",  "+1",   "0x1p3", "-",     "e5"};
    double v = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(lh_str_f64(lh_str_of(bad[i]), &v));
    assert_true(v == 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_bytes_then_length),
        cmocka_unit_test(prefixes_and_suffixes_are_found),
        cmocka_unit_test(slices_are_clamped),
        cmocka_unit_test(searching_says_where),
        cmocka_unit_test(cutting_takes_the_head_off),
        cmocka_unit_test(empty_parts_count),
        cmocka_unit_test(well_formed_utf8_is_accepted),
        cmocka_unit_test(malformed_utf8_is_refused),
        cmocka_unit_test(fitting_does_not_split_a_character),
        cmocka_unit_test(copies_end_with_nul),
        cmocka_unit_test(whole_numbers_are_read_to_their_limits),
        cmocka_unit_test(what_is_not_a_whole_number_leaves_the_output_alone),
        cmocka_unit_test(doubles_are_read_in_any_locale),
        cmocka_unit_test(what_is_not_a_finite_double_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
