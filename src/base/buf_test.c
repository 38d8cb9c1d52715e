#include "base/testing.h"

#include <stdlib.h>

static void
a_buffer_grows_and_keeps_its_bytes(void **state)
{
    LH_AUTO_BUF(b, LH_BUF_UNLIMITED);

    (void)state;
    for (int i = 0; i < 10000; i++)
        lh_buf_add_char(&b, (char)('a' + i % 26));
    assert_int_equal(b.len, 10000);
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_int_equal(lh_buf_check(&b, "it", NULL), LH_OK);
}

static void
every_kind_of_append_adds_its_text(void **state)
{
    LH_AUTO_BUF(b, 1000);

    (void)state;
    lh_buf_add_str(&b, LH_STR("s "));
    lh_buf_add_cstr(&b, "c ");
    lh_buf_add_u64(&b, UINT64_MAX);
    lh_buf_add_char(&b, ' ');
    lh_buf_add_u64(&b, 0);
    lh_buf_add_char(&b, ' ');
    lh_buf_add_i64(&b, INT64_MIN);
    lh_buf_printf(&b, " %s-%d", "p", 5);
    lh_buf_add(&b, NULL, 0);
    assert_str(lh_buf_str(&b), "s c 18446744073709551615 0 -9223372036854775808 p-5");
}

static void
the_limit_is_exact(void **state)
{
    LH_AUTO_BUF(b, 4);

    (void)state;
    lh_buf_add_cstr(&b, "1234");
    assert_false(b.is_failed);
    assert_string_equal(lh_buf_cstr(&b), "1234");
    lh_buf_add_char(&b, '5');
    assert_true(b.is_failed);
    assert_int_equal(b.len, 4);
}

static void
a_failed_buffer_refuses_everything_and_says_so_once_asked(void **state)
{
    LH_AUTO_BUF(b, 4);
    LH_AUTO_ERROR(err);

    (void)state;
    lh_buf_add_cstr(&b, "12");
    lh_buf_add_cstr(&b, "345");
    lh_buf_add_cstr(&b, "6");
    lh_buf_printf(&b, "%d", 7);
    assert_str(lh_buf_str(&b), "12");
    assert_string_equal(lh_buf_cstr(&b), "");
    assert_null(lh_buf_reserve(&b, 1));
    assert_int_equal(lh_buf_check(&b, "the request body", &err), LH_TOO_BIG);
    assert_string_equal(err.text, "the request body is larger than the limit of 4 bytes");
    lh_buf_clear(&b);
    lh_buf_add_cstr(&b, "ok");
    assert_string_equal(lh_buf_cstr(&b), "ok");
}

static void
huge_reservations_fail_instead_of_wrapping_around(void **state)
{
    LH_AUTO_BUF(b, LH_BUF_UNLIMITED);

    (void)state;
    lh_buf_add_char(&b, 'x');
    assert_null(lh_buf_reserve(&b, SIZE_MAX));
    assert_true(b.is_failed);
}

static void
formatted_text_past_the_limit_is_not_half_written(void **state)
{
    LH_AUTO_BUF(b, 8);

    (void)state;
    lh_buf_printf(&b, "%s", "12345678");
    assert_false(b.is_failed);
    lh_buf_printf(&b, "%s", "9");
    assert_true(b.is_failed);
    assert_str(lh_buf_str(&b), "12345678");
}

static void
reserved_room_counts_once_it_is_advanced(void **state)
{
    LH_AUTO_BUF(b, 100);
    uint8_t *room = lh_buf_reserve(&b, 10);

    (void)state;
    memcpy(room, "abc", 3);
    assert_int_equal(b.len, 0);
    lh_buf_advance(&b, 3);
    assert_string_equal(lh_buf_cstr(&b), "abc");
}

static void
dropping_the_front_moves_the_rest(void **state)
{
    LH_AUTO_BUF(b, 100);

    (void)state;
    lh_buf_drop_front(&b, 5);
    lh_buf_add_cstr(&b, "abcdef");
    lh_buf_drop_front(&b, 4);
    assert_string_equal(lh_buf_cstr(&b), "ef");
    lh_buf_drop_front(&b, 99);
    assert_int_equal(b.len, 0);
}

static void
taken_text_belongs_to_the_taker(void **state)
{
    LH_AUTO_BUF(b, 100);

    (void)state;
    LH_AUTO_CHARS empty = lh_buf_take_cstr(&b);
    assert_string_equal(empty, "");
    lh_buf_add_cstr(&b, "text");
    LH_AUTO_CHARS text = lh_buf_take_cstr(&b);
    assert_string_equal(text, "text");
    assert_int_equal(b.len, 0);
    assert_null(b.data);
    lh_buf_add_cstr(&b, "again");
    assert_string_equal(lh_buf_cstr(&b), "again");
}

static void
a_released_buffer_keeps_its_limit(void **state)
{
    struct lh_buf b;

    (void)state;
    lh_buf_init(&b, 3);
    lh_buf_add_cstr(&b, "abc");
    lh_buf_fini(&b);
    lh_buf_add_cstr(&b, "abcd");
    assert_true(b.is_failed);
    lh_buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_and_keeps_its_bytes),
        cmocka_unit_test(every_kind_of_append_adds_its_text),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(a_failed_buffer_refuses_everything_and_says_so_once_asked),
        cmocka_unit_test(huge_reservations_fail_instead_of_wrapping_around),
        cmocka_unit_test(formatted_text_past_the_limit_is_not_half_written),
        cmocka_unit_test(reserved_room_counts_once_it_is_advanced),
        cmocka_unit_test(dropping_the_front_moves_the_rest),
        cmocka_unit_test(taken_text_belongs_to_the_taker),
        cmocka_unit_test(a_released_buffer_keeps_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
