/*
 * block_memory: blocks in memory, within a limit, kept by use and not by a single pass.
 *
 * Order    two lists. A block comes in among the *new* and moves to the *kept* when a later reader
 *          asks for it. Room is made from the oldest of the new while these have more than a fifth
 *          of the limit, else from the oldest of the kept: one pass over a large object pushes out
 *          what passed before it and leaves what is used again (2Q, Johnson and Shasha, VLDB 1994,
 *          without its list of ghosts: what leaves here is still on disk).
 * Limits   bytes, heads and bookkeeping included; a block in use by a reader lives until he is
 * done. Threads  all functions from any thread.
 */
#ifndef LH_STORE_BLOCK_MEMORY_H
#define LH_STORE_BLOCK_MEMORY_H

#include "base/status.h"
#include "store/block.h"

struct block_memory;

struct block_memory *block_memory_new(uint64_t bytes_max); /* 0 keeps nothing */
void block_memory_free(struct block_memory *m);
LH_AUTO_DEFINE(block_memory)

/* A reference, or NULL. `reader` tells readers apart. */
struct block *block_memory_find(struct block_memory *m, const struct block_id *id, uint64_t reader);
/* Puts the pages of `b` beside those that are there. */
void block_memory_add(struct block_memory *m, struct block *b, uint64_t reader);
/* Forgets that very block, if it is still there. */
void block_memory_drop(struct block_memory *m, const struct block *b);

uint64_t block_memory_bytes(struct block_memory *m);

#endif
