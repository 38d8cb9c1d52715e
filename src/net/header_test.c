#include "net/header.h"

#include "base/testing.h"

static void
a_field_is_found_by_name_whatever_its_case(void **state)
{
    const struct lh_header list[] = {
        {LH_STR("Content-Type"), LH_STR("text/csv")},
        {LH_STR("X-Empty"), LH_STR("")},
        {LH_STR("content-type"), LH_STR("second")},
    };

    (void)state;
    assert_str(net_header_find(list, 3, "CONTENT-TYPE"), "text/csv");
    assert_non_null(net_header_find(list, 3, "x-empty").ptr);
    assert_null(net_header_find(list, 3, "Content").ptr);
    assert_null(net_header_find(NULL, 0, "Content").ptr);
}

static void
only_tokens_are_names(void **state)
{
    (void)state;
    assert_true(net_header_is_token(LH_STR("X-Lakehouse_1.0~!#$%&'*+^`|")));
    assert_false(net_header_is_token(LH_STR("")));
    assert_false(net_header_is_token(LH_STR("a b")));
    assert_false(net_header_is_token(LH_STR("a:")));
    assert_false(net_header_is_token(LH_STR("a\r\n")));
    assert_false(net_header_is_token((lh_str){"a\0b", 3}));
    assert_false(net_header_is_token(LH_STR("n\xc3\xa4me")));
}

static void
a_value_cannot_end_its_line(void **state)
{
    LH_AUTO_ARENA(arena);
    lh_str value = net_header_value_safe(&arena, (lh_str){" a\r\nSet-Cookie: x\0y\x7f\tz ", 23});

    (void)state;
    assert_str(value, "a  Set-Cookie: x y \tz");
    assert_int_equal(value.ptr[value.len], 0);
}

static void
fields_of_one_connection_are_told_from_those_of_the_message(void **state)
{
    (void)state;
    assert_true(net_header_is_hop_by_hop(LH_STR("Transfer-Encoding"), LH_STR_NONE));
    assert_true(net_header_is_hop_by_hop(LH_STR("KEEP-ALIVE"), LH_STR_NONE));
    assert_false(net_header_is_hop_by_hop(LH_STR("ETag"), LH_STR_NONE));
    assert_true(net_header_is_hop_by_hop(LH_STR("X-Mine"), LH_STR("close, x-mine")));
    assert_false(net_header_is_hop_by_hop(LH_STR("X-Yours"), LH_STR("close, x-mine")));
}

static void
a_list_holds_whole_tokens_only(void **state)
{
    (void)state;
    assert_true(net_header_list_has(LH_STR("100-Continue"), LH_STR("100-continue")));
    assert_true(net_header_list_has(LH_STR("a ,\tb,c"), LH_STR("B")));
    assert_false(net_header_list_has(LH_STR("ab"), LH_STR("a")));
    assert_false(net_header_list_has(LH_STR_NONE, LH_STR("a")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_found_by_name_whatever_its_case),
        cmocka_unit_test(only_tokens_are_names),
        cmocka_unit_test(a_value_cannot_end_its_line),
        cmocka_unit_test(fields_of_one_connection_are_told_from_those_of_the_message),
        cmocka_unit_test(a_list_holds_whole_tokens_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
