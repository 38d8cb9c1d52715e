#include "base/utf8.h"

#include "base/testing.h"

static const struct {
    uint32_t code;
    const char *bytes;
} edges[] = {
    {0x01, "\x01"},
    {0x7F, "\x7F"},
    {0x80, "\xC2\x80"},
    {0x7FF, "\xDF\xBF"},
    {0x800, "\xE0\xA0\x80"},
    {0xFFFF, "\xEF\xBF\xBF"},
    {0x10000, "\xF0\x90\x80\x80"},
    {0x10FFFF, "\xF4\x8F\xBF\xBF"},
};

static void
a_code_point_takes_as_many_bytes_as_it_needs(void **state)
{
    char bytes[LH_UTF8_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        size_t n = lh_utf8_encode(edges[i].code, bytes);

        assert_str(((lh_str){bytes, n}), edges[i].bytes);
    }
}

static void
code_points_are_added_behind_what_is_there(void **state)
{
    LH_AUTO_BUF(text, 64);

    (void)state;
    lh_buf_add_cstr(&text, "5 ");
    lh_buf_add_utf8(&text, 0x20AC);
    lh_buf_add_utf8(&text, 0);
    assert_true(lh_str_eq(lh_buf_str(&text), LH_STR("5 \xE2\x82\xAC\0")));
}

static void
a_buffer_without_room_fails_and_takes_no_part(void **state)
{
    LH_AUTO_BUF(text, 2);

    (void)state;
    lh_buf_add_utf8(&text, 0x20AC);
    assert_true(text.is_failed);
    assert_int_equal(text.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_point_takes_as_many_bytes_as_it_needs),
        cmocka_unit_test(code_points_are_added_behind_what_is_there),
        cmocka_unit_test(a_buffer_without_room_fails_and_takes_no_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
