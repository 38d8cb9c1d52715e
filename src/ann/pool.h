/*
 * pool: the candidates of a walk as one sorted array with an expanded bit, and the set of nodes
 * that the walk has seen as bits that are taken back one by one.
 *
 * One array serves as both heaps of the HNSW paper (arXiv 1603.09320, algorithm 2): its front is
 * the next to expand, its end the worst that is kept.
 */
#ifndef LH_ANN_POOL_H
#define LH_ANN_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ANN_NODE_NONE UINT32_MAX
#define ANN_NODES_MAX ((uint32_t)1 << 31) /* the bit above is the expanded bit */
#define ANN_EXPANDED ((uint32_t)1 << 31)
#define ANN_POOL_SHORT 160 /* so many candidates are moved one by one faster than searched */

struct ann_candidate {
    float distance;
    uint32_t node; /* with ANN_EXPANDED */
};

struct ann_pool {
    struct ann_candidate *entry; /* nearest first */
    size_t size, max;
    size_t next; /* nothing before it is unexpanded */
    size_t allocated;
};

struct ann_visited {
    uint64_t *bits;
    size_t words;
    uint32_t *touched; /* words that are not zero, some more than once */
    size_t touched_count, touched_max;
};

void ann_pool_fini(struct ann_pool *p);
/* Empties the pool; at most `max` candidates from now on. */
void ann_pool_reset(struct ann_pool *p, size_t max);
void ann_pool_sort(struct ann_pool *p);

void ann_visited_fini(struct ann_visited *v);
/* Forgets all and makes room for nodes below `count`. */
void ann_visited_reset(struct ann_visited *v, size_t count);
/* Room for `more` further nodes. */
void ann_visited_reserve(struct ann_visited *v, size_t more);

static inline uint32_t
ann_candidate_node(struct ann_candidate c)
{
    return c.node & ~ANN_EXPANDED;
}

/* Appends without order; the pool must have room. */
static inline void
ann_pool_append(struct ann_pool *p, float distance, uint32_t node)
{
    p->entry[p->size++] = (struct ann_candidate){distance, node};
}

/* The distance beyond which a candidate is not kept. */
static inline float
ann_pool_bound(const struct ann_pool *p)
{
    return p->size < p->max ? __builtin_inff() : p->entry[p->size - 1].distance;
}

/* The first place that is farther than `distance`, without a branch to guess wrongly. */
static inline size_t
ann_pool_place(const struct ann_candidate *entry, size_t count, float distance)
{
    size_t low = 0;

    for (; count > 1; count -= count / 2)
        low += entry[low + count / 2 - 1].distance <= distance ? count / 2 : 0;
    return low + (count == 1 && entry[low].distance <= distance);
}

/* Keeps the order; the farthest falls out of a full pool. False when it was too far. A NaN counts
 * as farthest, so that factors of a crafted file can mislead a walk but not break it. */
static inline bool
ann_pool_insert(struct ann_pool *p, float distance, uint32_t node)
{
    struct ann_candidate *e = p->entry;
    size_t place = p->size;

    if (p->size == p->max) {
        if (p->max == 0 || !(distance < e[p->size - 1].distance))
            return false;
        place--;
    }
    p->size = place + 1;
    if (place > ANN_POOL_SHORT) {
        size_t at = ann_pool_place(e, place, distance);
        memmove(e + at + 1, e + at, (place - at) * sizeof(e[0]));
        place = at;
    } else
        for (; place > 0 && e[place - 1].distance > distance; place--)
            e[place] = e[place - 1];
    e[place] = (struct ann_candidate){distance, node};
    if (place < p->next)
        p->next = place;
    return true;
}

/* Marks the nearest unexpanded candidate and returns its node; ANN_NODE_NONE at the end. */
static inline uint32_t
ann_pool_expand(struct ann_pool *p)
{
    while (p->next < p->size && (p->entry[p->next].node & ANN_EXPANDED))
        p->next++;
    if (p->next == p->size)
        return ANN_NODE_NONE;
    uint32_t node = p->entry[p->next].node;
    p->entry[p->next++].node |= ANN_EXPANDED;
    return node;
}

/* True when `node` was not seen before. */
static inline bool
ann_visited_add(struct ann_visited *v, uint32_t node)
{
    uint64_t *word = &v->bits[node / 64], bit = (uint64_t)1 << (node % 64);

    if (*word & bit)
        return false;
    if (*word == 0) {
        if (v->touched_count == v->touched_max)
            ann_visited_reserve(v, 1);
        v->touched[v->touched_count++] = node / 64;
    }
    *word |= bit;
    return true;
}

/* Adds the new ones of `count` nodes to `out`, which may be `nodes`, without a branch that depends
 * on what is new. Room for all of them was reserved. */
static inline size_t
ann_visited_add_many(struct ann_visited *v, const uint32_t *nodes, size_t count, uint32_t *out)
{
    uint64_t *bits = v->bits;
    uint32_t *touched = v->touched + v->touched_count;
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t node = nodes[i];
        uint64_t before = bits[node / 64];
        bits[node / 64] = before | (uint64_t)1 << (node % 64);
        touched[n] = node / 64;
        out[n] = node;
        n += !(before >> (node % 64) & 1);
    }
    v->touched_count += n;
    return n;
}

#endif
