/*
 * One read, in windows of at most 16 MiB. For each block of the window: memory, then disk; then the
 * missing pages are claimed, those that are ours fetched, cached and landed, and those of others
 * waited for. That goes round until every piece has its pages: a wait may end with nothing when the
 * one who fetched went away. At last the bytes are copied out.
 */
#include <assert.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "store/backend.h"
#include "store/block_fetch.h"

#define WINDOW_BLOCKS 64

struct piece {
    struct block_id id;
    size_t from, n; /* bytes wanted, within the block */
    uint64_t wanted;
    struct block *block; /* what is here of it, proven */
    struct block_flight *own, *other;
};

struct window {
    struct block_reader *r;
    struct lh_call *call;
    struct piece pieces[WINDOW_BLOCKS];
    size_t count;
    bool is_counted; /* for somebody who wants the bytes */
};

/* ---- pieces ---- */

static uint64_t
missing_of(const struct piece *p)
{
    return p->wanted & ~(p->block ? p->block->pages : 0);
}

/* Consumes `b`. */
static void
piece_take(struct piece *p, struct block *b)
{
    struct block *both = NULL;

    if (p->block && (b->pages & ~p->block->pages) == 0)
        both = block_ref(p->block);
    else if (p->block && (p->block->pages & ~b->pages) != 0)
        both = block_merge(p->block, b);
    else
        both = block_ref(b);
    block_unref(p->block);
    block_unref(b);
    p->block = both;
}

static void
hit_count(const struct window *w, enum block_tier tier, uint64_t pages)
{
    struct block_cache *c = w->r->source->cache;
    struct lh_read_tally *t = w->r->object->tally;
    uint64_t bytes = block_pages_bytes(pages);

    if (!w->is_counted || pages == 0)
        return;
    lh_metric_add(c->hits[tier], 1);
    lh_metric_add(c->hit_bytes[tier], (int64_t)bytes);
    if (t)
        atomic_fetch_add_explicit(tier == BLOCK_MEMORY ? &t->memory_bytes : &t->disk_bytes, bytes,
                                  memory_order_relaxed);
}

static void
piece_from_memory(struct window *w, struct piece *p)
{
    struct block_cache *c = w->r->source->cache;
    struct block *b = block_memory_find(c->memory, &p->id, w->r->serial);
    uint64_t useful = b ? b->pages & missing_of(p) : 0;

    if (b && !block_check(b, useful)) {
        lh_metric_add(c->bad_memory, 1);
        block_memory_drop(c->memory, b);
        block_unref(b);
        return;
    }
    hit_count(w, BLOCK_MEMORY, useful);
    if (b)
        piece_take(p, b);
}

static void
piece_from_disk(struct window *w, struct piece *p)
{
    struct block_cache *c = w->r->source->cache;
    struct block *b = block_disk_load(c->disk, &p->id);

    if (!b)
        return;
    hit_count(w, BLOCK_DISK, b->pages & missing_of(p));
    piece_take(p, b);
    block_memory_add(c->memory, p->block, w->r->serial);
}

static void
pieces_find(struct window *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct piece *p = &w->pieces[i];

        piece_from_memory(w, p);
        if (missing_of(p))
            piece_from_disk(w, p);
        if (missing_of(p) && w->is_counted)
            lh_metric_add(w->r->source->cache->misses, 1);
    }
}

/* ---- claiming ---- */

/* A flight that landed between the look and the claim has left its block in memory. */
static void
piece_claim(struct window *w, struct piece *p)
{
    struct block_cache *c = w->r->source->cache;

    block_flights_claim(c->flights, &p->id, missing_of(p), &p->own, &p->other);
    if (p->own)
        piece_from_memory(w, p);
    if (p->own && (block_flight_pages(p->own) & ~(p->block ? p->block->pages : 0)) == 0) {
        block_flight_land(c->flights, p->own, p->block, NULL);
        p->own = NULL;
    }
    if (p->other && w->is_counted)
        lh_metric_add(c->shared, 1);
}

static bool
pieces_claim(struct window *w)
{
    bool is_any = false;

    for (size_t i = 0; i < w->count; i++) {
        struct piece *p = &w->pieces[i];

        if (!missing_of(p))
            continue;
        is_any = true;
        piece_claim(w, p);
    }
    return is_any;
}

/* ---- fetching ---- */

/* A block on its way to disk. */
struct writing {
    struct block_task task; /* first */
    struct block_disk *disk;
    struct block *block;
};

static void
writing_run(struct block_task *task)
{
    struct writing *x = (struct writing *)task;

    block_disk_store(x->disk, x->block);
    if (block_disk_wants_trim(x->disk))
        block_disk_trim(x->disk);
    block_unref(x->block);
    free(x);
}

/* When the crew has no room the reader writes himself: what is fetched faster than it can be
 * written is slowed down to that. */
static void
block_keep(struct window *w, struct block *b)
{
    struct block_cache *c = w->r->source->cache;
    struct writing *x = LH_NEW(struct writing);

    block_memory_add(c->memory, b, w->r->serial);
    x->task.run = writing_run;
    x->disk = c->disk;
    x->block = block_ref(b);
    if (block_crew_offer(c->crew, &x->task))
        return;
    block_disk_store(c->disk, b);
    block_unref(b);
    free(x);
}

static void
range_hand_out(struct window *w, struct block_range *range)
{
    for (size_t i = 0; i < range->block_count; i++) {
        struct block *b = range->blocks[i];

        piece_take(&w->pieces[b->id.number - w->pieces[0].id.number], block_ref(b));
    }
}

static void
own_land(struct window *w, const struct lh_error *err)
{
    struct block_flights *flights = w->r->source->cache->flights;

    for (size_t i = 0; i < w->count; i++) {
        struct piece *p = &w->pieces[i];
        bool is_here;

        if (!p->own)
            continue;
        is_here = p->block && (block_flight_pages(p->own) & ~p->block->pages) == 0;
        if (is_here)
            block_keep(w, p->block);
        block_flight_land(flights, p->own, is_here ? p->block : NULL, err);
        p->own = NULL;
    }
}

static size_t
own_plan(const struct window *w, struct block_range **out)
{
    const struct block_cost *cost = &w->r->source->cost;
    uint64_t missing[WINDOW_BLOCKS];

    *out = lh_alloc_array(block_plan_max(w->count), sizeof(**out));
    for (size_t i = 0; i < w->count; i++) {
        const struct piece *p = &w->pieces[i];

        missing[i] = block_flight_pages(p->own) & ~(p->block ? p->block->pages : 0);
    }
    return block_plan(missing, w->count, w->pieces[0].id.number, block_cost_bridge(cost),
                      block_cost_part(cost), *out);
}

static lh_status
own_fetch(struct window *w, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct block_range *ranges;
    size_t count = own_plan(w, &ranges);
    lh_status status = block_fetch(w->r, w->call, ranges, count, &why);

    for (size_t i = 0; i < count; i++) {
        range_hand_out(w, &ranges[i]);
        block_range_fini(&ranges[i]);
    }
    free(ranges);
    own_land(w, &why);
    if (status != LH_OK && err)
        lh_error_copy(err, &why);
    return status;
}

static lh_status
other_wait(struct window *w, struct piece *p, struct lh_error *err)
{
    struct block_flight *other = lh_take(p->other);
    struct block *b;

    LH_TRY(block_flight_wait(w->r->source->cache->flights, other, w->call, &b, err));
    if (!b)
        return LH_OK;
    hit_count(w, BLOCK_MEMORY, b->pages & missing_of(p));
    piece_take(p, b);
    return LH_OK;
}

static lh_status
others_wait(struct window *w, struct lh_error *err)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->pieces[i].other)
            LH_TRY(other_wait(w, &w->pieces[i], err));
    return LH_OK;
}

/* ---- windows ---- */

static void
window_fill(struct window *w, uint64_t offset, size_t n)
{
    w->count = 0;
    while (n > 0) {
        struct piece *p = &w->pieces[w->count++];
        size_t from = (size_t)(offset % BLOCK_BYTES), room = BLOCK_BYTES - from;

        *p = (struct piece){.from = from, .n = n < room ? n : room};
        memcpy(p->id.object, w->r->digest, sizeof(p->id.object));
        p->id.number = offset >> BLOCK_LOG2;
        p->wanted = block_pages_of(p->from, p->n);
        offset += p->n;
        n -= p->n;
    }
}

static void
window_fini(struct window *w)
{
    for (size_t i = 0; i < w->count; i++) {
        assert(!w->pieces[i].own);
        block_flight_let_go(w->r->source->cache->flights, w->pieces[i].other);
        block_unref(w->pieces[i].block);
    }
    w->count = 0;
}

static lh_status
window_get(struct window *w, struct lh_error *err)
{
    pieces_find(w);
    while (pieces_claim(w)) {
        LH_TRY(own_fetch(w, err));
        LH_TRY(others_wait(w, err));
        LH_TRY(lh_call_check(w->call, err));
    }
    return LH_OK;
}

static void
window_copy(const struct window *w, uint8_t *to)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct piece *p = &w->pieces[i];

        block_copy(p->block, p->from, p->n, to);
        to += p->n;
    }
}

lh_status
block_read(struct block_reader *r, struct lh_call *call, uint64_t offset, uint8_t *to, size_t n,
           struct lh_error *err)
{
    struct window *w = LH_NEW(struct window);
    lh_status status = LH_OK;

    *w = (struct window){.r = r, .call = call, .is_counted = to != NULL};
    while (n > 0 && status == LH_OK) {
        size_t room = WINDOW_BLOCKS * BLOCK_BYTES - (size_t)(offset % BLOCK_BYTES);
        size_t part = n < room ? n : room;

        window_fill(w, offset, part);
        status = window_get(w, err);
        if (status == LH_OK && to) {
            window_copy(w, to);
            to += part;
        }
        window_fini(w);
        offset += part;
        n -= part;
    }
    free(w);
    return status;
}
