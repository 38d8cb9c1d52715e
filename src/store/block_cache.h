/*
 * block_cache: what was read of remote objects, in memory and on disk, and how the rest is fetched.
 *
 * Between bucket.h and a backend that is remote (`is_remote` of its ops). A read takes what memory
 * has, then what the disk has, then fetches the missing pages by as few ranges as is cheapest, in
 * parallel when they are long, and never twice at the same time for two readers. What is cached
 * belongs to one version of one object of one bucket: it is found by the SHA-256 over the bucket's
 * identity, key, ETag and size. So nothing is ever invalidated, it only ages.
 *
 * Losing the cache costs time, nothing else: the folder may be deleted at any moment, and blocks
 * that do not match their checksums are dropped and fetched again.
 *
 * Fails    as the backend; a range that was cached is answered even while the bucket fails.
 * Limits   `memory_max`, `disk_max`; `threads_max` helpers for all, `per_object` of them for one
 *          reader; one read holds at most 16 MiB of blocks at a time beside them.
 * Threads  all functions from any thread; a reader may be read by many at once.
 * Files    block.h a block · block_memory.h, block_disk.h the tiers · block_flight.h one request
 *          for many · block_plan.h which ranges · block_fetch.h getting them · block_crew.h helpers
 */
#ifndef LH_STORE_BLOCK_CACHE_H
#define LH_STORE_BLOCK_CACHE_H

#include "store/bucket.h"

struct block_cache;
struct block_source; /* a remote bucket */
struct block_reader; /* an open object of one */

struct block_cache_options {
    const char *folder; /* of the disk tier */
    uint64_t memory_max, disk_max;
    unsigned threads_max, per_object;
    uint64_t ahead_max; /* bytes read ahead of a reader who reads on; 0: none */
};
struct block_cache *block_cache_new(const struct block_cache_options *o);
void block_cache_free(struct block_cache *c); /* after its sources */
LH_AUTO_DEFINE(block_cache)
/* Waits until nothing is fetched ahead or written any more. */
void block_cache_settle(struct block_cache *c);

/* `identity` is all that says where the bucket is; another place is another identity. */
struct block_source *block_source_new(struct block_cache *c, const char *bucket, lh_str identity);
void block_source_free(struct block_source *s); /* NULL is fine */

/* NULL when the object has no ETag: it is read without the cache. `object` outlives it. */
struct block_reader *block_reader_new(struct block_source *s, struct lh_reader_at *object);
void block_reader_free(struct block_reader *r); /* NULL is fine */
/* The range is within the object. */
lh_status block_reader_read(struct block_reader *r, struct lh_call *call, uint64_t offset, void *to,
                            size_t n, struct lh_error *err);

#endif
