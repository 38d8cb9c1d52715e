/*
 * block_plan: which ranges to ask a remote bucket for.
 *
 * Missing pages that follow each other are one range. A hole of pages that are cached already is
 * asked for once more when that is cheaper than a second request: when its bytes take less time to
 * come than a request takes to answer, as measured on this bucket; but no more than an eighth of
 * what is missing is fetched twice. A long range is split at block borders into parts that can come
 * in parallel, none so short that its request costs more than its bytes.
 *
 * Threads  the functions are pure but for block_cost_note, which any thread may call.
 */
#ifndef LH_STORE_BLOCK_PLAN_H
#define LH_STORE_BLOCK_PLAN_H

#include <stdatomic.h>
#include "store/block.h"

/* What requests to a bucket cost: moving averages (weight 1/8) of the time of small ones, and of
 * the time a byte adds in large ones. */
struct block_cost {
    atomic_uint_fast64_t latency_ns, ps_per_byte;
};
void block_cost_init(struct block_cost *c); /* 10 ms and 100 MB/s until measured */
void block_cost_note(struct block_cost *c, uint64_t bytes, uint64_t ns);
/* Bytes that come in the time of one request; 4 KiB to 256 KiB. */
size_t block_cost_bridge(const struct block_cost *c);
/* Bytes of one part of a long range: four times what one request's time is worth; 1 to 8 MiB. */
size_t block_cost_part(const struct block_cost *c);

struct block_range {
    uint64_t first, count; /* pages of the object */
    struct block **blocks; /* once fetched: one for each block that it touches */
    size_t block_count;
};

/* How many ranges `blocks` blocks can need at most. */
size_t block_plan_max(size_t blocks);
/* missing[i] are pages of block first_block + i. Fills `out`, ordered; returns how many. */
size_t block_plan(const uint64_t *missing, size_t blocks, uint64_t first_block, size_t bridge_bytes,
                  size_t part_bytes, struct block_range *out);

#endif
