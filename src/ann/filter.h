/*
 * filter: which nodes may be answered, how many there are, and all of them when they are few.
 */
#ifndef LH_ANN_FILTER_H
#define LH_ANN_FILTER_H

#include "ann/walk.h"

/* A filter bound to one search. */
struct ann_gate {
    const struct lh_ann_filter *filter; /* NULL allows all live nodes */
    const struct ann_view *view;
    struct ann_visited *listed; /* nodes of a filter by list; NULL for the others */
};

/* LH_INVALID unless the filter says exactly one thing. */
lh_status ann_filter_check(const struct lh_ann_filter *f, struct lh_error *err);

void ann_gate_init(struct ann_gate *g, const struct ann_walk *w, const struct lh_ann_filter *f);

/* About how many live vectors match. */
size_t ann_gate_estimate(const struct ann_gate *g, const struct ann_walk *w);

/* Calls `add` with batches of all nodes that may be answered, twins included. */
void ann_gate_each(const struct ann_gate *g, const struct ann_walk *w,
                   void (*add)(const struct ann_walk *w, const uint32_t *nodes, size_t count));

bool ann_filter_match(const struct lh_ann_filter *f, uint64_t id);

/* This very node, without its twins. */
static inline bool
ann_gate_allows(const struct ann_gate *g, uint32_t node)
{
    if (!(ann_state_of(g->view, node) & ANN_LIVE))
        return false;
    if (g->filter == NULL)
        return true;
    if (g->listed != NULL)
        return g->listed->bits[node / 64] >> (node % 64) & 1;
    return ann_filter_match(g->filter, __atomic_load_n(&g->view->label[node], __ATOMIC_RELAXED));
}

static inline uint32_t
ann_twin_next(const struct ann_view *v, uint32_t node, uint32_t limit)
{
    uint32_t twin = __atomic_load_n(&v->twin[node], __ATOMIC_ACQUIRE);

    return twin < limit ? twin : ANN_NODE_NONE;
}

/* The node or one of its twins. */
bool ann_gate_allows_any(const struct ann_gate *g, uint32_t node, uint32_t limit);

#endif
