/*
 * block: a piece of a remote object, as the cache keeps it: up to 64 pages of 4 KiB, each with its
 * CRC-32C.
 *
 * A block covers 256 KiB of one version of one object and holds only the pages that somebody read,
 * packed in order. Whoever needs more pages makes a new block of both: a block never changes after
 * it is made, so it is shared without a lock and counted. The last page of an object is filled up
 * with zeros.
 *
 * Why pages: a column chunk begins and ends anywhere. Ranges widened to pages cost a few KiB,
 * widened to blocks they would cost as much again as a small chunk (docs/decisions/block-cache.md).
 *
 * Threads  all functions from any thread; a block belongs to its maker until it is shared.
 * Format   docs/formats/block-file.md
 */
#ifndef LH_STORE_BLOCK_H
#define LH_STORE_BLOCK_H

#include <stdatomic.h>
#include "base/hash.h"

#define BLOCK_PAGE_LOG2 12
#define BLOCK_PAGE_BYTES ((size_t)1 << BLOCK_PAGE_LOG2)
#define BLOCK_PAGES 64
#define BLOCK_LOG2 18
#define BLOCK_BYTES ((size_t)1 << BLOCK_LOG2)

/* `object` stands for bucket, key, ETag and size (block_cache.c). */
struct block_id {
    uint8_t object[LH_SHA256_BYTES];
    uint64_t number;
};

struct block {
    struct block_id id;
    atomic_uint refs;
    uint64_t pages; /* bit i: page i is here */
    uint32_t crcs[BLOCK_PAGES];
    uint8_t bytes[];
};

/* The bits of the pages that [from, from + n) touches; n > 0, within the block. */
uint64_t block_pages_of(size_t from, size_t n);
size_t block_pages_bytes(uint64_t pages);
/* Of the whole: what a limit counts. */
size_t block_size(const struct block *b);

bool block_id_eq(const struct block_id *a, const struct block_id *b);

/* Room for the pages, with one reference; bytes and checksums are the caller's to fill. */
struct block *block_new(const struct block_id *id, uint64_t pages);
/* `n` bytes that begin with page `first`. */
struct block *block_make(const struct block_id *id, size_t first, const uint8_t *bytes, size_t n);
/* The pages of both, with their checksums as they are. */
struct block *block_merge(const struct block *a, const struct block *b);
struct block *block_ref(struct block *b);
void block_unref(struct block *b); /* NULL is fine */

/* Compares those pages, all of them here, with their checksums. */
bool block_check(const struct block *b, uint64_t pages);
/* Bytes [from, from + n) of the block, whose pages are all here. */
void block_copy(const struct block *b, size_t from, size_t n, uint8_t *to);

/* ---- on disk: the head, then the pages ---- */

#define BLOCK_HEAD_BYTES ((size_t)512)

void block_head_encode(const struct block *b, uint8_t head[BLOCK_HEAD_BYTES]);
/* A block with room for the pages and their checksums filled in; NULL when these are not the first
 * bytes of the file of that block. */
struct block *block_head_decode(const struct block_id *id, const uint8_t head[BLOCK_HEAD_BYTES]);

#endif
