#include "store/block_plan.h"

#define LATENCY_NS UINT64_C(10000000)
#define PS_PER_BYTE UINT64_C(10000) /* 100 MB/s */
#define SMALL_BYTES ((uint64_t)64 << 10)
#define LARGE_BYTES ((uint64_t)512 << 10)
#define WASTE_SHARE 8

/* ---- cost ---- */

void
block_cost_init(struct block_cost *c)
{
    atomic_init(&c->latency_ns, LATENCY_NS);
    atomic_init(&c->ps_per_byte, PS_PER_BYTE);
}

/* Two threads at once may lose one measurement of many. */
static void
average(atomic_uint_fast64_t *of, uint64_t value)
{
    uint64_t now = atomic_load_explicit(of, memory_order_relaxed);

    atomic_store_explicit(of, now - now / 8 + value / 8, memory_order_relaxed);
}

void
block_cost_note(struct block_cost *c, uint64_t bytes, uint64_t ns)
{
    uint64_t latency = atomic_load_explicit(&c->latency_ns, memory_order_relaxed);

    if (ns > UINT64_C(3600000000000))
        return;
    if (bytes <= SMALL_BYTES)
        average(&c->latency_ns, ns);
    else if (bytes >= LARGE_BYTES)
        average(&c->ps_per_byte, (ns > latency + ns / 10 ? ns - latency : ns / 10) * 1000 / bytes);
}

static size_t
worth_of_latency(const struct block_cost *c, uint64_t times, size_t min, size_t max)
{
    uint64_t latency = atomic_load_explicit(&c->latency_ns, memory_order_relaxed);
    uint64_t ps = atomic_load_explicit(&c->ps_per_byte, memory_order_relaxed);
    uint64_t bytes = latency * times * 1000 / (ps > 0 ? ps : 1);

    return bytes < min ? min : bytes > max ? max : (size_t)bytes;
}

size_t
block_cost_bridge(const struct block_cost *c)
{
    return worth_of_latency(c, 1, BLOCK_PAGE_BYTES, BLOCK_BYTES);
}

size_t
block_cost_part(const struct block_cost *c)
{
    return worth_of_latency(c, 4, (size_t)1 << 20, (size_t)8 << 20);
}

/* ---- ranges ---- */

size_t
block_plan_max(size_t blocks)
{
    return blocks * (BLOCK_PAGES / 2) + 1;
}

struct plan {
    struct block_range *out;
    size_t count;
    uint64_t bridge, waste_left; /* pages */
};

static void
page_add(struct plan *p, uint64_t page)
{
    struct block_range *last = p->count > 0 ? &p->out[p->count - 1] : NULL;
    uint64_t gap = last ? page - (last->first + last->count) : 0;

    if (last && gap <= p->bridge && gap <= p->waste_left) {
        p->waste_left -= gap;
        last->count += gap + 1;
        return;
    }
    p->out[p->count++] = (struct block_range){.first = page, .count = 1};
}

/* Cuts `r` after at least `part` pages at a block border; false when it is short enough. What is
 * left is no less than half a part. */
static bool
range_cut(struct block_range *r, uint64_t part, struct block_range *rest)
{
    uint64_t border = (r->first + part + BLOCK_PAGES - 1) / BLOCK_PAGES * BLOCK_PAGES;
    uint64_t end = r->first + r->count;

    if (border >= end || end - border < part / 2)
        return false;
    *rest = (struct block_range){.first = border, .count = end - border};
    r->count = border - r->first;
    return true;
}

static void
ranges_split(struct plan *p, uint64_t part)
{
    for (size_t i = 0; i < p->count; i++) {
        struct block_range rest;
        if (!range_cut(&p->out[i], part, &rest))
            continue;
        for (size_t j = p->count++; j > i + 1; j--)
            p->out[j] = p->out[j - 1];
        p->out[i + 1] = rest;
    }
}

size_t
block_plan(const uint64_t *missing, size_t blocks, uint64_t first_block, size_t bridge_bytes,
           size_t part_bytes, struct block_range *out)
{
    struct plan p = {.out = out, .bridge = bridge_bytes >> BLOCK_PAGE_LOG2};
    uint64_t pages = 0;

    for (size_t i = 0; i < blocks; i++)
        pages += (uint64_t)__builtin_popcountll(missing[i]);
    p.waste_left = pages / WASTE_SHARE;
    for (size_t i = 0; i < blocks; i++)
        for (uint64_t left = missing[i]; left; left &= left - 1)
            page_add(&p, (first_block + i) * BLOCK_PAGES + (uint64_t)__builtin_ctzll(left));
    ranges_split(&p, part_bytes >> BLOCK_PAGE_LOG2);
    return p.count;
}
