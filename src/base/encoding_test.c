#include "base/testing.h"

#include "base/encoding.h"

static void
hex_goes_both_ways(void **state)
{
    LH_AUTO_BUF(text, 100);
    LH_AUTO_BUF(bytes, 100);

    (void)state;
    lh_hex_encode(&text, lh_bytes_of("\x00\x7f\xff\x1a", 4));
    assert_str(lh_buf_str(&text), "007fff1a");
    assert_true(lh_hex_decode(&bytes, LH_STR("007FFf1a")));
    assert_int_equal(bytes.len, 4);
    assert_memory_equal(bytes.data, "\x00\x7f\xff\x1a", 4);
    assert_true(lh_hex_decode(&bytes, LH_STR("")));
}

/* RFC 4648, section 10. */
static void
base64_gives_the_published_texts(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        LH_AUTO_BUF(text, 100);
        LH_AUTO_BUF(bytes, 100);
        lh_base64_encode(&text, lh_str_bytes(lh_str_of(vectors[i][0])));
        assert_str(lh_buf_str(&text), vectors[i][1]);
        assert_true(lh_base64_decode(&bytes, lh_str_of(vectors[i][1])));
        assert_str(lh_buf_str(&bytes), vectors[i][0]);
    }
}

static void
every_byte_survives_base64(void **state)
{
    LH_AUTO_BUF(text, 1000);
    LH_AUTO_BUF(bytes, 1000);
    uint8_t all[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    lh_base64_encode(&text, lh_bytes_of(all, sizeof(all)));
    assert_true(lh_base64_decode(&bytes, lh_buf_str(&text)));
    assert_int_equal(bytes.len, 256);
    assert_memory_equal(bytes.data, all, 256);
}

static void
strict_decoders_keep_what_the_buffer_had(void **state)
{
    static const char *const bad_hex[] = {"0", "0g", "g0", "00 11", "0x00"};
    static const char *const bad_base64[] = {
        "Zg",   "Zg=",  "Zg===", "Z===",     "====",
        "Zh==", "Zm9=", "Zm 9v", "Zm9v\n",   "Zg==Zg==",
        "Zm-v", "Z=9v", "Zm=v",  "Zm9vZg=a", "\xC3\xA9\xC3\xA9"};
    LH_AUTO_BUF(out, 100);

    (void)state;
    lh_buf_add_cstr(&out, "had");
    for (size_t i = 0; i < sizeof(bad_hex) / sizeof(bad_hex[0]); i++)
        assert_false(lh_hex_decode(&out, lh_str_of(bad_hex[i])));
    for (size_t i = 0; i < sizeof(bad_base64) / sizeof(bad_base64[0]); i++)
        if (lh_base64_decode(&out, lh_str_of(bad_base64[i])))
            fail_msg("\"%s\" was accepted", bad_base64[i]);
    assert_false(lh_percent_decode(&out, LH_STR("a%"), false));
    assert_false(lh_percent_decode(&out, LH_STR("a%4"), false));
    assert_false(lh_percent_decode(&out, LH_STR("a%4g"), false));
    assert_str(lh_buf_str(&out), "had");
}

static void
percent_encoding_keeps_unreserved_characters_only(void **state)
{
    LH_AUTO_BUF(out, 200);

    (void)state;
    lh_percent_encode(&out, LH_STR("aZ09-._~ /?&=+%\xC3\xA9"), false);
    assert_str(lh_buf_str(&out), "aZ09-._~%20%2F%3F%26%3D%2B%25%C3%A9");
    lh_buf_clear(&out);
    lh_percent_encode(&out, LH_STR("a/b c"), true);
    assert_str(lh_buf_str(&out), "a/b%20c");
}

static void
a_plus_is_a_blank_in_query_strings_only(void **state)
{
    LH_AUTO_BUF(out, 200);

    (void)state;
    assert_true(lh_percent_decode(&out, LH_STR("a+b%2bc%2F%e9"), true));
    assert_str(lh_buf_str(&out), "a b+c/\xE9");
    lh_buf_clear(&out);
    assert_true(lh_percent_decode(&out, LH_STR("a+b"), false));
    assert_str(lh_buf_str(&out), "a+b");
}

static void
a_full_buffer_fails_the_decoder(void **state)
{
    LH_AUTO_BUF(out, 2);

    (void)state;
    assert_false(lh_base64_decode(&out, LH_STR("Zm9v")));
    lh_buf_clear(&out);
    assert_false(lh_hex_decode(&out, LH_STR("001122")));
    lh_buf_clear(&out);
    assert_false(lh_percent_decode(&out, LH_STR("abc"), false));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(base64_gives_the_published_texts),
        cmocka_unit_test(every_byte_survives_base64),
        cmocka_unit_test(strict_decoders_keep_what_the_buffer_had),
        cmocka_unit_test(percent_encoding_keeps_unreserved_characters_only),
        cmocka_unit_test(a_plus_is_a_blank_in_query_strings_only),
        cmocka_unit_test(a_full_buffer_fails_the_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
