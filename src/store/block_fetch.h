/*
 * block_fetch: the ranges of one read, from the bucket, as blocks.
 *
 * The caller fetches one after the other; the crew helps as far as its threads and the object's
 * limit allow. When one fails, nothing more is begun and what the helpers do is canceled. Each
 * helper has a call of its own, like the caller's but for the arena, which is of one thread.
 */
#ifndef LH_STORE_BLOCK_FETCH_H
#define LH_STORE_BLOCK_FETCH_H

#include "store/block_parts.h"

/* Fills range->blocks of those that came; on failure that may be some. */
lh_status block_fetch(struct block_reader *r, struct lh_call *call, struct block_range *ranges,
                      size_t count, struct lh_error *err);
void block_range_fini(struct block_range *range);

/* A call for another thread on behalf of the same caller. */
void block_call_derive(struct lh_call *own, const struct lh_call *of);

#endif
