#include "base/testing.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/id.h"
#include "store/digest.h"

#define MIB ((size_t)1 << 20)

static char *
random_bytes(size_t n)
{
    char *bytes = lh_alloc(n + 1);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    return bytes;
}

static void
digest_whole(struct store_digest *d, const char *bytes, size_t n, uint8_t sha[LH_SHA256_BYTES])
{
    store_digest_init(d);
    store_digest_add(d, bytes, n);
    store_digest_final(d, sha);
}

/* What a reader will compute over each block. */
static void
assert_blocks(const struct store_digest *d, const char *bytes, size_t n)
{
    size_t block = (size_t)1 << d->block_log2;

    assert_int_equal(d->block_count, store_block_count(n, d->block_log2));
    assert_true(d->block_count <= STORE_BLOCKS_MAX);
    for (size_t i = 0; i < d->block_count; i++) {
        size_t from = i * block, length = n - from < block ? n - from : block;
        assert_int_equal(d->crcs[i], lh_crc32c(0, bytes + from, length));
    }
}

static void
checksums_of_two_parts_give_that_of_the_whole(void **state)
{
    static const size_t lengths[] = {0, 1, 2, 3, 7, 8, 63, 64, 65, 1000, 4096, 65536, 100003};
    size_t most = 2 * 100003;
    LH_AUTO_CHARS bytes = random_bytes(most);

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
            size_t a = lengths[i], b = lengths[k];
            uint32_t whole = lh_crc32c(0, bytes, a + b);
            assert_int_equal(
                store_crc_combine(lh_crc32c(0, bytes, a), lh_crc32c(0, bytes + a, b), b), whole);
        }
}

static void
blocks_match_the_bytes_at_every_size(void **state)
{
    static const size_t sizes[] = {0,        1,        65535,           65536,
                                   65537,    MIB,      32 * MIB,        32 * MIB + 1,
                                   33 * MIB, 64 * MIB, 64 * MIB + 12345};
    LH_AUTO_CHARS bytes = random_bytes(65 * MIB);
    struct store_digest *d = LH_NEW(struct store_digest);
    uint8_t sha[LH_SHA256_BYTES], expected[LH_SHA256_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        digest_whole(d, bytes, sizes[i], sha);
        assert_int_equal(d->size_bytes, sizes[i]);
        assert_blocks(d, bytes, sizes[i]);
        lh_sha256_of(lh_bytes_of(bytes, sizes[i]), expected);
        assert_memory_equal(sha, expected, sizeof(sha));
    }
    free(d);
}

static void
the_outcome_does_not_depend_on_how_bytes_come(void **state)
{
    size_t n = 34 * MIB + 77;
    LH_AUTO_CHARS bytes = random_bytes(n);
    struct store_digest *whole = LH_NEW(struct store_digest), *parts = LH_NEW(struct store_digest);
    uint8_t sha[LH_SHA256_BYTES], other[LH_SHA256_BYTES];

    (void)state;
    digest_whole(whole, bytes, n, sha);
    store_digest_init(parts);
    for (size_t at = 0; at < n;) {
        size_t step = 1 + lh_random_u64() % 200000;
        step = step < n - at ? step : n - at;
        store_digest_add(parts, bytes + at, step);
        at += step;
    }
    store_digest_final(parts, other);
    assert_memory_equal(sha, other, sizeof(sha));
    assert_int_equal(whole->block_log2, parts->block_log2);
    assert_int_equal(whole->block_count, parts->block_count);
    assert_memory_equal(whole->crcs, parts->crcs, whole->block_count * sizeof(whole->crcs[0]));
    free(whole);
    free(parts);
}

static void
blocks_grow_only_when_there_would_be_too_many(void **state)
{
    LH_AUTO_CHARS bytes = random_bytes(32 * MIB + 1);
    struct store_digest *d = LH_NEW(struct store_digest);
    uint8_t sha[LH_SHA256_BYTES];

    (void)state;
    digest_whole(d, bytes, 32 * MIB, sha);
    assert_int_equal(d->block_log2, 16);
    assert_int_equal(d->block_count, 512);
    digest_whole(d, bytes, 32 * MIB + 1, sha);
    assert_int_equal(d->block_log2, 17);
    assert_int_equal(d->block_count, 257);
    free(d);
}

static void
coarsening_ends_with_one_block_of_everything(void **state)
{
    size_t n = 7 * 65536 + 99;
    LH_AUTO_CHARS bytes = random_bytes(n);
    struct store_digest *d = LH_NEW(struct store_digest);
    uint8_t sha[LH_SHA256_BYTES];

    (void)state;
    digest_whole(d, bytes, n, sha);
    while (store_digest_coarsen(d))
        assert_blocks(d, bytes, n);
    assert_int_equal(d->block_count, 1);
    assert_int_equal(d->crcs[0], lh_crc32c(0, bytes, n));
    free(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_of_two_parts_give_that_of_the_whole),
        cmocka_unit_test(blocks_match_the_bytes_at_every_size),
        cmocka_unit_test(the_outcome_does_not_depend_on_how_bytes_come),
        cmocka_unit_test(blocks_grow_only_when_there_would_be_too_many),
        cmocka_unit_test(coarsening_ends_with_one_block_of_everything),
    };

    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
