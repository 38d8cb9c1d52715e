#include "base/testing.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/id.h"

static const char *
sha256_text(lh_bytes in)
{
    static char text[LH_SHA256_HEX];
    uint8_t digest[LH_SHA256_BYTES];

    lh_sha256_of(in, digest);
    return lh_sha256_hex(digest, text);
}

/* FIPS 180-4 examples, by the CSRC "Secure Hashing" example values. */
static void
sha256_gives_the_published_digests(void **state)
{
    (void)state;
    assert_string_equal(sha256_text(lh_bytes_of("abc", 3)),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(sha256_text(lh_bytes_of(NULL, 0)),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(sha256_text(lh_str_bytes(
                            LH_STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
                        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void
sha256_of_parts_is_sha256_of_the_whole(void **state)
{
    struct lh_sha256 h;
    uint8_t digest[LH_SHA256_BYTES];
    char text[LH_SHA256_HEX];

    (void)state;
    lh_sha256_init(&h);
    for (int i = 0; i < 100000; i++)
        lh_sha256_add(&h, "aaaaaaaaaa", 10);
    lh_sha256_final(&h, digest);
    lh_sha256_fini(&h);
    assert_string_equal(lh_sha256_hex(digest, text),
                        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    lh_sha256_init(&h);
    lh_sha256_fini(&h);
}

struct hmac_vector {
    lh_bytes key;
    lh_bytes data;
    const char *digest;
};

/* RFC 4231, test cases 1, 2, 3 and 6. */
static void
hmac_gives_the_published_codes(void **state)
{
    uint8_t key_0b[20], key_aa[131], data_dd[50], code[LH_SHA256_BYTES];
    char text[LH_SHA256_HEX];

    (void)state;
    memset(key_0b, 0x0b, sizeof(key_0b));
    memset(key_aa, 0xaa, sizeof(key_aa));
    memset(data_dd, 0xdd, sizeof(data_dd));
    const struct hmac_vector vectors[] = {
        {lh_bytes_of(key_0b, 20), lh_str_bytes(LH_STR("Hi There")),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {lh_str_bytes(LH_STR("Jefe")), lh_str_bytes(LH_STR("what do ya want for nothing?")),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {lh_bytes_of(key_aa, 20), lh_bytes_of(data_dd, 50),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {lh_bytes_of(key_aa, 131),
         lh_str_bytes(LH_STR("Test Using Larger Than Block-Size Key - Hash Key First")),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        lh_hmac_sha256(vectors[i].key, vectors[i].data, code);
        assert_string_equal(lh_sha256_hex(code, text), vectors[i].digest);
    }
}

/* RFC 3720, B.4, and the check value of the CRC catalogue. */
static void
crc32c_gives_the_published_sums(void **state)
{
    static const uint8_t read_pdu[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                         0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                         0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

    (void)state;
    memset(ones, 0xFF, sizeof(ones));
    for (uint8_t i = 0; i < 32; i++) {
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(lh_crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(lh_crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(lh_crc32c(0, up, 32), 0x46dd794e);
    assert_int_equal(lh_crc32c(0, down, 32), 0x113fdb5c);
    assert_int_equal(lh_crc32c(0, read_pdu, 48), 0xd9963a56);
    assert_int_equal(lh_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(lh_crc32c(0, "", 0), 0);
    assert_int_equal(base_crc32c_by_table(0, "123456789", 9), 0xe3069283);
}

static void
crc32c_is_the_same_with_and_without_the_instruction(void **state)
{
    enum { SIZE = 200000 };
    uint8_t *data = malloc(SIZE);

    (void)state;
    lh_random_bytes(data, SIZE);
    for (size_t n = 0; n < 2000; n++)
        assert_int_equal(lh_crc32c((uint32_t)n, data + n % 17, n),
                         base_crc32c_by_table((uint32_t)n, data + n % 17, n));
    for (size_t n = 3 * 8192 - 50; n < SIZE - 16; n += 7919)
        assert_int_equal(lh_crc32c(0, data + n % 13, n), base_crc32c_by_table(0, data + n % 13, n));
    free(data);
}

static void
crc32c_of_parts_continues(void **state)
{
    (void)state;
    assert_int_equal(lh_crc32c(lh_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

/* The sanity buffer and values of the reference implementation's own self-test. */
static void
xxh64_gives_the_published_hashes(void **state)
{
    static const struct {
        size_t len;
        uint64_t seed, hash;
    } known[] = {
        {0, 0, UINT64_C(0xEF46DB3751D8E999)},
        {0, 2654435761U, UINT64_C(0xAC75FDA2929B17EF)},
        {1, 0, UINT64_C(0xE934A84ADB052768)},
        {1, 2654435761U, UINT64_C(0x5014607643A9B4C3)},
        {4, 0, UINT64_C(0x9136A0DCA57457EE)},
        {14, 0, UINT64_C(0x8282DCC4994E35C8)},
        {14, 2654435761U, UINT64_C(0xC3BD6BF63DEB6DF0)},
        {222, 0, UINT64_C(0xB641AE8CB691C174)},
        {222, 2654435761U, UINT64_C(0x20CB8AB7AE10C14A)},
    };
    uint8_t buffer[222];
    uint64_t generator = 2654435761U;

    (void)state;
    for (size_t i = 0; i < sizeof(buffer); i++) {
        buffer[i] = (uint8_t)(generator >> 56);
        generator *= UINT64_C(11400714785074694797);
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_true(lh_xxh64(buffer, known[i].len, known[i].seed) == known[i].hash);
    assert_true(lh_xxh64("abc", 3, 0) == UINT64_C(0x44BC2CF5AD770999));
}

static void
secrets_compare_by_content(void **state)
{
    (void)state;
    assert_true(lh_bytes_eq_secret(lh_bytes_of("abc", 3), lh_bytes_of("abc", 3)));
    assert_false(lh_bytes_eq_secret(lh_bytes_of("abc", 3), lh_bytes_of("abd", 3)));
    assert_false(lh_bytes_eq_secret(lh_bytes_of("abc", 3), lh_bytes_of("abc", 2)));
    assert_true(lh_bytes_eq_secret(lh_bytes_of(NULL, 0), lh_bytes_of("", 0)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(sha256_of_parts_is_sha256_of_the_whole),
        cmocka_unit_test(hmac_gives_the_published_codes),
        cmocka_unit_test(crc32c_gives_the_published_sums),
        cmocka_unit_test(crc32c_is_the_same_with_and_without_the_instruction),
        cmocka_unit_test(crc32c_of_parts_continues),
        cmocka_unit_test(xxh64_gives_the_published_hashes),
        cmocka_unit_test(secrets_compare_by_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
