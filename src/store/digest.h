/*
 * digest: what is computed over an object's bytes while they pass once: SHA-256 of the whole,
 * CRC-32C of each block.
 *
 * The size is not known when bytes begin to come, and the number of blocks is bounded so that their
 * checksums fit beside the file. So blocks start small, and whenever there would be too many,
 * neighbours are merged and the block size doubles: the checksum of two blocks follows from theirs
 * without the bytes. The outcome depends on the bytes alone, not on how they were cut.
 *
 * Threads  one at a time.
 */
#ifndef LH_STORE_DIGEST_H
#define LH_STORE_DIGEST_H

#include "base/hash.h"

#define STORE_BLOCKS_MAX 512
#define STORE_BLOCK_LOG2_MIN 16 /* 64 KiB */
#define STORE_BLOCK_LOG2_MAX 54 /* 512 blocks of this size pass 2^63 */

struct store_digest {
    struct lh_sha256 sha;
    uint64_t size_bytes;
    unsigned block_log2;
    size_t block_count; /* of complete blocks until store_digest_final, then of all */
    uint32_t crcs[STORE_BLOCKS_MAX + 1];
    uint32_t open_crc; /* of the block being filled */
    uint64_t open_bytes;
};

void store_digest_init(struct store_digest *d);
void store_digest_fini(struct store_digest *d);
void store_digest_add(struct store_digest *d, const void *ptr, size_t n);
/* After it only store_digest_coarsen may follow. */
void store_digest_final(struct store_digest *d, uint8_t sha256[LH_SHA256_BYTES]);

/* Merges neighbours: half the blocks of twice the size. False when one block is left. */
bool store_digest_coarsen(struct store_digest *d);

/* CRC-32C of A followed by B, from theirs and the length of B. */
uint32_t store_crc_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b);

/* How many blocks of 2^block_log2 bytes cover the size. */
uint64_t store_block_count(uint64_t size_bytes, unsigned block_log2);

#endif
