/*
 * Combining checksums: a CRC without its initial and final XOR is the remainder of the message, as
 * a polynomial over GF(2), divided by the generator. Appending `n` bytes multiplies the polynomial
 * by x^(8n), so crc(A B) = crc(A)·x^(8n) + crc(B), and the XORs cancel out. The power is found by
 * squaring.
 *
 * Source   the identity is that of zlib's crc32_combine (zlib manual, "Checksum Functions");
 * generator of RFC 3720 B.4.
 */
#include "store/digest.h"

#define GENERATOR 0x82f63b78U /* Castagnoli, reflected: bit 31 is the coefficient of x^0 */
#define X_TO_0 0x80000000U
#define X_TO_8 0x00800000U

/* Small enough that SHA-256 finds the bytes in the nearest cache after the CRC has read them. */
#define PASS_BYTES ((size_t)16 << 10)

static uint32_t
poly_multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (uint32_t bit = X_TO_0; bit != 0; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = (b & 1) ? (b >> 1) ^ GENERATOR : b >> 1;
    }
    return product;
}

/* x^(8 * bytes) */
static uint32_t
poly_shift(uint64_t bytes)
{
    uint32_t power = X_TO_0;

    for (uint32_t square = X_TO_8; bytes != 0; bytes >>= 1) {
        if (bytes & 1)
            power = poly_multiply(power, square);
        square = poly_multiply(square, square);
    }
    return power;
}

uint32_t
store_crc_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b)
{
    return poly_multiply(poly_shift(length_b), crc_a) ^ crc_b;
}

uint64_t
store_block_count(uint64_t size_bytes, unsigned block_log2)
{
    uint64_t whole = size_bytes >> block_log2;

    return (whole << block_log2) == size_bytes ? whole : whole + 1;
}

void
store_digest_init(struct store_digest *d)
{
    memset(d, 0, sizeof(*d));
    lh_sha256_init(&d->sha);
    d->block_log2 = STORE_BLOCK_LOG2_MIN;
}

void
store_digest_fini(struct store_digest *d)
{
    lh_sha256_fini(&d->sha);
}

bool
store_digest_coarsen(struct store_digest *d)
{
    uint64_t block = (uint64_t)1 << d->block_log2;
    uint32_t shift = poly_shift(block);
    size_t merged = 0;

    if (d->block_count < 2)
        return false;
    for (size_t i = 0; i < d->block_count; i += 2, merged++) {
        bool has_pair = i + 1 < d->block_count;
        bool is_whole = (uint64_t)(i + 2) << d->block_log2 <= d->size_bytes;
        if (!has_pair)
            d->crcs[merged] = d->crcs[i];
        else if (is_whole)
            d->crcs[merged] = poly_multiply(shift, d->crcs[i]) ^ d->crcs[i + 1];
        else
            d->crcs[merged] = store_crc_combine(
                d->crcs[i], d->crcs[i + 1], d->size_bytes - ((uint64_t)(i + 1) << d->block_log2));
    }
    d->block_count = merged;
    d->block_log2++;
    return true;
}

static void
block_close(struct store_digest *d)
{
    d->crcs[d->block_count++] = d->open_crc;
    d->open_crc = 0;
    d->open_bytes = 0;
}

void
store_digest_add(struct store_digest *d, const void *ptr, size_t n)
{
    const uint8_t *from = ptr;

    while (n > 0) {
        /* Only when a byte comes that needs one more: exactly the maximum of full blocks is fine.
         */
        if (d->block_count == STORE_BLOCKS_MAX && d->open_bytes == 0)
            (void)store_digest_coarsen(d);
        uint64_t room = ((uint64_t)1 << d->block_log2) - d->open_bytes;
        size_t piece = n < PASS_BYTES ? n : PASS_BYTES;
        if (piece > room)
            piece = (size_t)room;
        d->open_crc = lh_crc32c(d->open_crc, from, piece);
        lh_sha256_add(&d->sha, from, piece);
        d->open_bytes += piece;
        d->size_bytes += piece;
        if (piece == room)
            block_close(d);
        from += piece;
        n -= piece;
    }
}

void
store_digest_final(struct store_digest *d, uint8_t sha256[LH_SHA256_BYTES])
{
    if (d->open_bytes > 0)
        block_close(d);
    lh_sha256_final(&d->sha, sha256);
}
