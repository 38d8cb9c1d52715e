/*
 * region: an array that grows in place and never moves.
 *
 * Address space is reserved once for as many entries as the memory limit could ever hold, and made
 * usable step by step, so readers keep plain pointers while writers grow the array. Nothing
 * has to be declared in advance and growing copies nothing. Past 4 MiB large pages are asked for.
 *
 * Threads  one thread grows or returns at a time; entries below the committed size may be used by
 * all.
 */
#ifndef LH_ANN_REGION_H
#define LH_ANN_REGION_H

#include <stdbool.h>
#include <stddef.h>

struct ann_region {
    char *base;       /* aligned to a large page */
    void *mapping;    /* as mmap gave it; NULL for an empty region */
    size_t mapped;    /* bytes of address space */
    size_t reserved;  /* bytes usable at most, from base */
    size_t committed; /* bytes usable now */
};

/* False when the address space is refused. */
bool ann_region_init(struct ann_region *r, size_t bytes);
void ann_region_fini(struct ann_region *r);

/* How far the region would be committed to hold `bytes`; never less than now. */
size_t ann_region_step(const struct ann_region *r, size_t bytes);
/* False when the memory is refused; new bytes are zero. */
bool ann_region_commit(struct ann_region *r, size_t bytes);
/* Gives whole pages of [from, to) back; they read as zero afterwards. Returns the bytes given. */
size_t ann_region_return(struct ann_region *r, size_t from, size_t to);

#endif
