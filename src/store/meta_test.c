#include "base/testing.h"

#include <string.h>
#include "store/meta.h"

static void
meta_of(const char *bytes, const char *type, struct store_meta *m)
{
    struct store_digest d;
    uint8_t sha[LH_SHA256_BYTES];

    store_digest_init(&d);
    store_digest_add(&d, bytes, strlen(bytes));
    store_digest_final(&d, sha);
    store_meta_make(m, &d, sha, type);
}

static void
what_is_encoded_is_decoded(void **state)
{
    static const char *const types[] = {"application/octet-stream", "text/csv", "x/y; charset=z",
                                        ""};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        uint8_t bytes[STORE_META_BYTES_MAX];
        struct store_meta m, back;
        struct lh_object_info info = {0}, info_back = {0};
        meta_of("hello", types[i], &m);
        assert_int_equal(
            store_meta_decode(lh_bytes_of(bytes, store_meta_encode(&m, bytes)), &back, NULL),
            LH_OK);
        store_meta_info(&m, &info);
        store_meta_info(&back, &info_back);
        assert_string_equal(info.etag, info_back.etag);
        assert_string_equal(info.sha256, info_back.sha256);
        assert_string_equal(info_back.content_type, types[i]);
        assert_int_equal(info_back.size_bytes, 5);
        assert_int_equal(back.block_count, 1);
        assert_int_equal(back.crcs[0], lh_crc32c(0, "hello", 5));
    }
}

/* What the first version of the format wrote, byte for byte: objects of then must stay readable. */
static void
an_attribute_of_the_first_version_is_read(void **state)
{
    uint8_t bytes[STORE_META_BYTES_MAX];
    struct store_meta m, back;
    size_t n;

    (void)state;
    meta_of("hello", "x/y", &m);
    n = store_meta_encode(&m, bytes);
    assert_int_equal(n, 52 + 3 + 4 + 4);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(store_meta_decode(lh_bytes_of(bytes, n), &back, NULL), LH_OK);
    assert_false(back.has_md5);
    assert_int_equal(back.metadata_len, 0);
}

static void
md5_and_metadata_come_back(void **state)
{
    static const char metadata[] = "a:1\nb:\xc3\xbc\n";
    static const struct {
        unsigned parts;
        const char *etag;
    } rows[] = {{0, "000102030405060708090a0b0c0d0e0f"},
                {1, "000102030405060708090a0b0c0d0e0f-1"},
                {10000, "000102030405060708090a0b0c0d0e0f-10000"}};
    uint8_t bytes[STORE_META_BYTES_MAX];
    struct store_meta m, back;
    struct lh_object_info info = {0};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        meta_of("hello", "application/json", &m);
        m.has_md5 = true;
        for (uint8_t b = 0; b < 16; b++)
            m.md5[b] = b;
        m.md5_parts = rows[i].parts;
        memcpy(m.metadata, metadata, m.metadata_len = sizeof(metadata) - 1);
        assert_int_equal(
            store_meta_decode(lh_bytes_of(bytes, store_meta_encode(&m, bytes)), &back, NULL),
            LH_OK);
        assert_int_equal(bytes[0], 2);
        store_meta_info(&back, &info);
        assert_string_equal(info.md5_etag, rows[i].etag);
        assert_int_equal(back.metadata_len, sizeof(metadata) - 1);
        assert_memory_equal(back.metadata, metadata, back.metadata_len);
        assert_string_equal(info.content_type, "application/json");
    }
}

static void
a_long_content_type_comes_back(void **state)
{
    static const char type[] =
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    uint8_t bytes[STORE_META_BYTES_MAX];
    struct store_meta m, back;

    (void)state;
    meta_of("", type, &m);
    assert_int_equal(
        store_meta_decode(lh_bytes_of(bytes, store_meta_encode(&m, bytes)), &back, NULL), LH_OK);
    assert_string_equal(back.content_type, type);
}

static void
the_attribute_of_a_small_object_fits_an_inode(void **state)
{
    uint8_t bytes[STORE_META_BYTES_MAX];
    struct store_meta m;

    (void)state;
    meta_of("x", "application/x-ndjson", &m);
    assert_int_equal(store_meta_encode(&m, bytes), 60);
}

static void
two_puts_of_the_same_bytes_have_two_tags(void **state)
{
    struct store_meta a, b;
    struct lh_object_info info_a = {0}, info_b = {0};

    (void)state;
    meta_of("same", "text/plain", &a);
    meta_of("same", "text/plain", &b);
    store_meta_info(&a, &info_a);
    store_meta_info(&b, &info_b);
    assert_string_equal(info_a.sha256, info_b.sha256);
    assert_string_not_equal(info_a.etag, info_b.etag);
    assert_true(strlen(info_a.etag) < LH_ETAG_MAX);
}

static void
every_flipped_bit_and_every_missing_byte_is_noticed(void **state)
{
    uint8_t bytes[STORE_META_BYTES_MAX];
    struct store_meta m, back;
    size_t n;

    (void)state;
    meta_of("hello", "a/b", &m);
    n = store_meta_encode(&m, bytes);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        LH_AUTO_ERROR(err);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(store_meta_decode(lh_bytes_of(bytes, n), &back, &err), LH_CORRUPT);
        assert_string_equal(err.reason, "store.metadata");
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(store_meta_decode(lh_bytes_of(bytes, cut), &back, NULL), LH_CORRUPT);
}

/* Seals whatever was changed, as a liar would. */
static lh_status
decode_resealed(uint8_t *bytes, size_t n)
{
    uint32_t crc = lh_crc32c(0, bytes, n - 4);
    struct store_meta back;

    for (size_t i = 0; i < 4; i++)
        bytes[n - 4 + i] = (uint8_t)(crc >> (8 * i));
    return store_meta_decode(lh_bytes_of(bytes, n), &back, NULL);
}

static void
fields_that_do_not_fit_each_other_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {
        {0, 2},     /* version */
        {1, 15},    /* blocks too small */
        {1, 60},    /* blocks too large */
        {2, 200},   /* an unknown type */
        {2, 1},     /* a known type with a text */
        {3, 64},    /* a text longer than there is room */
        {3, 200},   /* a text longer than the attribute */
        {4 + 7, 1}, /* a size that needs more blocks */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        uint8_t bytes[STORE_META_BYTES_MAX];
        struct store_meta m;
        size_t n;
        meta_of("hello", "a/b", &m);
        n = store_meta_encode(&m, bytes);
        assert_int_equal(decode_resealed(bytes, n), LH_OK);
        bytes[lies[i].at] = lies[i].value;
        assert_int_equal(decode_resealed(bytes, n), LH_CORRUPT);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(an_attribute_of_the_first_version_is_read),
        cmocka_unit_test(md5_and_metadata_come_back),
        cmocka_unit_test(a_long_content_type_comes_back),
        cmocka_unit_test(the_attribute_of_a_small_object_fits_an_inode),
        cmocka_unit_test(two_puts_of_the_same_bytes_have_two_tags),
        cmocka_unit_test(every_flipped_bit_and_every_missing_byte_is_noticed),
        cmocka_unit_test(fields_that_do_not_fit_each_other_are_refused),
    };

    return cmocka_run_group_tests_name("meta", tests, NULL, NULL);
}
