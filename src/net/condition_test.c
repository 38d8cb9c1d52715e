#include "net/condition.h"

#include "base/testing.h"

struct range_case {
    const char *field;
    uint64_t size;
    bool counts;
    bool is_satisfiable;
    uint64_t from, length;
};

static void
ranges_are_read_as_the_standard_says(void **state)
{
    static const struct range_case cases[] = {
        {"bytes=0-499", 10000, true, true, 0, 500},
        {"bytes=500-999", 10000, true, true, 500, 500},
        {"bytes=-500", 10000, true, true, 9500, 500},
        {"bytes=9500-", 10000, true, true, 9500, 500},
        {"bytes=0-0", 10000, true, true, 0, 1},
        {"bytes=-1", 10000, true, true, 9999, 1},
        {"Bytes=1-2", 10, true, true, 1, 2},
        {" bytes = 1-2 ", 10, true, true, 1, 2},
        /* past the end: cut, or not to be had */
        {"bytes=5-99", 10, true, true, 5, 5},
        {"bytes=-99", 10, true, true, 0, 10},
        {"bytes=9-", 10, true, true, 9, 1},
        {"bytes=10-", 10, true, false, 0, 0},
        {"bytes=10-12", 10, true, false, 0, 0},
        {"bytes=-0", 10, true, false, 0, 0},
        {"bytes=0-", 0, true, false, 0, 0},
        {"bytes=-5", 0, true, false, 0, 0},
        {"bytes=0-18446744073709551615", 10, true, true, 0, 10},
        {"bytes=18446744073709551615-", 10, true, false, 0, 0},
        /* ignored */
        {"bytes=2-1", 10, false, false, 0, 0},
        {"bytes=", 10, false, false, 0, 0},
        {"bytes=-", 10, false, false, 0, 0},
        {"bytes=a-b", 10, false, false, 0, 0},
        {"bytes=1-b", 10, false, false, 0, 0},
        {"bytes=+1-2", 10, false, false, 0, 0},
        {"bytes=1 - 2", 10, false, false, 0, 0},
        {"bytes=1-2-3", 10, false, false, 0, 0},
        {"bytes=--1", 10, false, false, 0, 0},
        {"bytes=18446744073709551616-", 10, false, false, 0, 0},
        {"bytes=0-1,3-4", 10, false, false, 0, 0},
        {"bytes=0-1,", 10, false, false, 0, 0},
        {"items=0-1", 10, false, false, 0, 0},
        {"bytes 0-1", 10, false, false, 0, 0},
        {"", 10, false, false, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct range_case *c = &cases[i];
        uint64_t from = 77, length = 77;
        bool is_satisfiable = false;

        if (lh_range_parse(lh_str_of(c->field), c->size, &from, &length, &is_satisfiable) !=
            c->counts)
            fail_msg("%s", c->field);
        if (!c->counts)
            continue;
        if (is_satisfiable != c->is_satisfiable || from != c->from || length != c->length)
            fail_msg("%s: %d %llu %llu", c->field, is_satisfiable, (unsigned long long)from,
                     (unsigned long long)length);
    }
}

static void
an_absent_range_is_ignored(void **state)
{
    uint64_t from, length;
    bool is_satisfiable;

    (void)state;
    assert_false(lh_range_parse(LH_STR_NONE, 10, &from, &length, &is_satisfiable));
}

static void
tags_are_compared_weakly_and_strongly(void **state)
{
    static const struct {
        const char *list, *tag;
        bool weak, strong;
    } cases[] = {
        /* the table of RFC 9110 8.8.3.2 */
        {"W/\"1\"", "W/\"1\"", true, false},
        {"W/\"1\"", "W/\"2\"", false, false},
        {"W/\"1\"", "\"1\"", true, false},
        {"\"1\"", "\"1\"", true, true},
        /* lists */
        {"\"a\", \"b\" ,\"c\"", "\"b\"", true, true},
        {"\"a\",\"b\",\"c\"", "\"d\"", false, false},
        {"\"a,b\", \"c\"", "\"a,b\"", true, true},
        {"\"a,b\", \"c\"", "\"c\"", true, true},
        {"\"a,b\"", "\"b\"", false, false},
        {", ,\"a\",,", "\"a\"", true, true},
        {"*", "\"a\"", true, true},
        {" * ", "\"a\"", true, true},
        {"*", "", false, false},
        {"\"*\"", "\"a\"", false, false},
        /* never half a tag */
        {"\"ab", "\"ab\"", false, false},
        {"\"abc\"", "\"ab\"", false, false},
        {"", "\"a\"", false, false},
        {"\"\"", "\"\"", true, true},
        /* an unquoted tag, as some clients send it, is another tag */
        {"a", "\"a\"", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lh_str list = lh_str_of(cases[i].list), tag = lh_str_of(cases[i].tag);

        if (lh_etag_match(list, tag, true) != cases[i].weak)
            fail_msg("weakly: %s and %s", cases[i].list, cases[i].tag);
        if (lh_etag_match(list, tag, false) != cases[i].strong)
            fail_msg("strongly: %s and %s", cases[i].list, cases[i].tag);
    }
}

static void
preconditions_are_evaluated_in_order(void **state)
{
    lh_str tag = LH_STR("\"1\""), none = LH_STR_NONE, absent = LH_STR("");

    (void)state;
    assert_int_equal(lh_condition_check(none, none, tag, true), LH_CONDITION_NONE);
    assert_int_equal(lh_condition_check(tag, none, tag, false), LH_CONDITION_NONE);
    assert_int_equal(lh_condition_check(LH_STR("\"2\""), none, tag, false), LH_CONDITION_FAILED);
    assert_int_equal(lh_condition_check(LH_STR("*"), none, absent, false), LH_CONDITION_FAILED);
    assert_int_equal(lh_condition_check(none, LH_STR("*"), absent, false), LH_CONDITION_NONE);
    assert_int_equal(lh_condition_check(none, LH_STR("*"), tag, false), LH_CONDITION_FAILED);
    assert_int_equal(lh_condition_check(none, tag, tag, true), LH_CONDITION_NOT_MODIFIED);
    assert_int_equal(lh_condition_check(none, tag, tag, false), LH_CONDITION_FAILED);
    assert_int_equal(lh_condition_check(none, LH_STR("W/\"1\""), tag, true),
                     LH_CONDITION_NOT_MODIFIED);
    assert_int_equal(lh_condition_check(LH_STR("\"2\""), tag, tag, true), LH_CONDITION_FAILED);
}

static void
a_range_counts_only_for_the_same_strong_tag(void **state)
{
    (void)state;
    assert_true(lh_if_range_holds(LH_STR_NONE, LH_STR("\"1\"")));
    assert_true(lh_if_range_holds(LH_STR("\"1\""), LH_STR("\"1\"")));
    assert_false(lh_if_range_holds(LH_STR("\"2\""), LH_STR("\"1\"")));
    assert_false(lh_if_range_holds(LH_STR("W/\"1\""), LH_STR("W/\"1\"")));
    assert_false(lh_if_range_holds(LH_STR("*"), LH_STR("\"1\"")));
    assert_false(lh_if_range_holds(LH_STR("\"0\", \"1\""), LH_STR("\"1\"")));
    assert_false(lh_if_range_holds(LH_STR(""), LH_STR("")));
    assert_false(lh_if_range_holds(LH_STR("Sun, 06 Nov 1994 08:49:37 GMT"), LH_STR("\"1\"")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_read_as_the_standard_says),
        cmocka_unit_test(an_absent_range_is_ignored),
        cmocka_unit_test(tags_are_compared_weakly_and_strongly),
        cmocka_unit_test(preconditions_are_evaluated_in_order),
        cmocka_unit_test(a_range_counts_only_for_the_same_strong_tag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
