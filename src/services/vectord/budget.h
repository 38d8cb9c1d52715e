/*
 * budget: memory of all indexes of the process together. What does not fit is refused, before
 * anything is written.
 */
#ifndef LH_SERVICES_VECTORD_BUDGET_H
#define LH_SERVICES_VECTORD_BUDGET_H

#include <stdatomic.h>
#include "base/status.h"

struct vector_budget {
    size_t max_bytes;
    atomic_size_t used_bytes;
};

/* For one graph: what a row takes is estimated before it is written, and a batch that is in the
 * bucket must fit, so the graph itself is given some room beyond the budget. */
static inline size_t
vector_budget_graph_max(const struct vector_budget *b)
{
    return b->max_bytes + b->max_bytes / 4;
}

static inline void
vector_budget_move(struct vector_budget *b, size_t from, size_t to)
{
    atomic_fetch_add(&b->used_bytes, to - from); /* wraps to a subtraction when it shrinks */
}

static inline void
vector_budget_give_back(struct vector_budget *b, size_t bytes)
{
    atomic_fetch_sub(&b->used_bytes, bytes);
}

static inline bool
vector_budget_has(const struct vector_budget *b, size_t more)
{
    size_t used = atomic_load(&b->used_bytes);

    return used <= b->max_bytes && more <= b->max_bytes - used;
}

#endif
