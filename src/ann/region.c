#include "ann/region.h"

#include <stdint.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)4096)
#define LARGE_FROM (2 * LARGE_PAGE)

static size_t
round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

bool
ann_region_init(struct ann_region *r, size_t bytes)
{
    *r = (struct ann_region){.reserved = round_up(bytes, LARGE_PAGE)};
    r->mapped = r->reserved + LARGE_PAGE;
    void *at = mmap(NULL, r->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    r->mapping = at;
    r->base = (char *)round_up((uintptr_t)at, LARGE_PAGE);
    return true;
}

void
ann_region_fini(struct ann_region *r)
{
    if (r->mapping != NULL)
        munmap(r->mapping, r->mapped);
    *r = (struct ann_region){0};
}

/* An eighth at a time, so that growing costs little, and little is taken in vain. */
size_t
ann_region_step(const struct ann_region *r, size_t bytes)
{
    if (bytes <= r->committed)
        return r->committed;
    size_t wanted = r->committed + r->committed / 8;
    size_t unit = wanted >= LARGE_FROM ? LARGE_PAGE : 4 * PAGE;
    wanted = round_up(wanted > bytes ? wanted : bytes, unit);
    return wanted < r->reserved ? wanted : r->reserved;
}

bool
ann_region_commit(struct ann_region *r, size_t bytes)
{
    size_t to = ann_region_step(r, bytes);

    if (bytes > r->reserved)
        return false;
    if (to == r->committed)
        return true;
    if (mprotect(r->base + r->committed, to - r->committed, PROT_READ | PROT_WRITE) != 0)
        return false;
    if (to >= LARGE_FROM)
        (void)madvise(r->base, round_up(to, LARGE_PAGE), MADV_HUGEPAGE);
    r->committed = to;
    return true;
}

size_t
ann_region_return(struct ann_region *r, size_t from, size_t to)
{
    from = round_up(from, PAGE);
    to = to / PAGE * PAGE;
    if (to <= from || madvise(r->base + from, to - from, MADV_DONTNEED) != 0)
        return 0;
    return to - from;
}
