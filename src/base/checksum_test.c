#include "base/testing.h"

#include "base/checksum.h"
#include "base/encoding.h"

static void
assert_checksum(enum lh_checksum_kind kind, lh_str in, size_t step, const char *expected)
{
    uint8_t value[LH_CHECKSUM_BYTES_MAX];
    struct lh_checksum c;
    LH_AUTO_BUF(hex, 100);

    lh_checksum_init(&c, kind);
    for (size_t at = 0; at < in.len; at += step)
        lh_checksum_add(&c, in.ptr + at, in.len - at < step ? in.len - at : step);
    lh_checksum_final(&c, value);
    lh_hex_encode(&hex, lh_bytes_of(value, lh_checksum_size(kind)));
    assert_string_equal(lh_buf_cstr(&hex), expected);
}

/* "check" values of the catalogue; the hashes from their standards' own examples. */
static void
known_values_come_out(void **state)
{
    static const struct {
        enum lh_checksum_kind kind;
        const char *in, *expected;
    } rows[] = {
        {LH_CHECKSUM_CRC32, "123456789", "cbf43926"},
        {LH_CHECKSUM_CRC32C, "123456789", "e3069283"},
        {LH_CHECKSUM_CRC64NVME, "123456789", "ae8b14860a799888"},
        {LH_CHECKSUM_CRC32, "", "00000000"},
        {LH_CHECKSUM_CRC64NVME, "", "0000000000000000"},
        {LH_CHECKSUM_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {LH_CHECKSUM_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {LH_CHECKSUM_SHA256, "abc",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_checksum(rows[i].kind, lh_str_of(rows[i].in), 1000, rows[i].expected);
        assert_checksum(rows[i].kind, lh_str_of(rows[i].in), 1, rows[i].expected);
    }
}

static void
how_the_bytes_are_cut_makes_no_difference(void **state)
{
    char text[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 3);
    for (int k = 0; k < LH_CHECKSUM_COUNT; k++) {
        uint8_t whole[LH_CHECKSUM_BYTES_MAX];
        struct lh_checksum c;
        LH_AUTO_BUF(hex, 100);

        lh_checksum_init(&c, (enum lh_checksum_kind)k);
        lh_checksum_add(&c, text, sizeof(text));
        lh_checksum_final(&c, whole);
        lh_hex_encode(&hex, lh_bytes_of(whole, lh_checksum_size((enum lh_checksum_kind)k)));
        for (size_t step = 1; step < 40; step += 3)
            assert_checksum((enum lh_checksum_kind)k, (lh_str){text, sizeof(text)}, step,
                            lh_buf_cstr(&hex));
    }
}

static void
names_are_found_in_any_case(void **state)
{
    enum lh_checksum_kind kind;

    (void)state;
    assert_true(lh_checksum_find(LH_STR("CRC64NVME"), &kind));
    assert_int_equal(kind, LH_CHECKSUM_CRC64NVME);
    assert_string_equal(lh_checksum_name(kind), "crc64nvme");
    assert_false(lh_checksum_find(LH_STR("crc16"), &kind));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values_come_out),
        cmocka_unit_test(how_the_bytes_are_cut_makes_no_difference),
        cmocka_unit_test(names_are_found_in_any_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
