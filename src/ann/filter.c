#include "ann/filter.h"

#define SAMPLE 512    /* nodes asked to estimate a callback's selectivity: ±2 % at a half */
#define BATCH 128     /* nodes handed on at once */
#define PROBE_COST 16 /* looking one id up costs about as much as passing this many nodes by */

lh_status
ann_filter_check(const struct lh_ann_filter *f, struct lh_error *err)
{
    if (f == NULL || (f->match != NULL) + (f->bits != NULL) + (f->ids != NULL) == 1)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "ann.filter",
                   "a filter is one of a function, a set of bits and a list of ids");
}

bool
ann_filter_match(const struct lh_ann_filter *f, uint64_t id)
{
    if (f->match != NULL)
        return f->match(f->ctx, id);
    return f->bits != NULL && id < f->bit_count && (f->bits[id / 64] >> (id % 64) & 1);
}

static uint32_t
id_find(const struct ann_walk *w, uint64_t id)
{
    return ann_idmap_find(&w->ann->ids, w->view->label, w->limit, id);
}

void
ann_gate_init(struct ann_gate *g, const struct ann_walk *w, const struct lh_ann_filter *f)
{
    *g = (struct ann_gate){.filter = f, .view = w->view};
    if (f == NULL || f->ids == NULL)
        return;
    g->listed = &w->seat->listed;
    ann_visited_reset(g->listed, w->limit);
    for (size_t i = 0; i < f->id_count; i++) {
        uint32_t node = id_find(w, f->ids[i]);
        if (node != ANN_ID_EMPTY)
            ann_visited_add(g->listed, node);
    }
}

bool
ann_gate_allows_any(const struct ann_gate *g, uint32_t node, uint32_t limit)
{
    /* A crafted file may have a ring of twins; no chain is longer than all nodes. */
    for (uint32_t steps = 0; node != ANN_NODE_NONE && steps < limit; steps++) {
        if (ann_gate_allows(g, node))
            return true;
        node = ann_twin_next(g->view, node, limit);
    }
    return false;
}

static size_t
bits_count(const uint64_t *bits, size_t bit_count)
{
    size_t count = 0;

    for (size_t i = 0; i < bit_count / 64; i++)
        count += (size_t)__builtin_popcountll(bits[i]);
    if (bit_count % 64 != 0)
        count += (size_t)__builtin_popcountll(bits[bit_count / 64] &
                                              (((uint64_t)1 << bit_count % 64) - 1));
    return count;
}

static size_t
sample_estimate(const struct ann_gate *g, const struct ann_walk *w, size_t live)
{
    size_t step = w->limit / SAMPLE + 1, asked = 0, allowed = 0;

    for (size_t i = step / 2; i < w->limit; i += step) {
        if (!(ann_state_of(g->view, (uint32_t)i) & ANN_LIVE))
            continue;
        asked++;
        allowed += ann_gate_allows(g, (uint32_t)i);
    }
    return asked == 0 ? 0 : live * allowed / asked;
}

size_t
ann_gate_estimate(const struct ann_gate *g, const struct ann_walk *w)
{
    size_t live = lh_ann_count(w->ann), count;

    if (g->filter == NULL)
        return live;
    if (g->filter->selectivity > 0)
        count = (size_t)((double)live * (double)g->filter->selectivity);
    else if (g->filter->bits != NULL)
        count = bits_count(g->filter->bits, g->filter->bit_count);
    else if (g->filter->ids != NULL)
        count = g->filter->id_count;
    else
        count = sample_estimate(g, w, live);
    return count < live ? count : live;
}

/* ---- all that match ---- */

typedef void (*batch_add)(const struct ann_walk *w, const uint32_t *nodes, size_t count);

struct batch {
    uint32_t node[BATCH];
    size_t count;
    batch_add add;
};

static void
batch_push(struct batch *b, const struct ann_walk *w, uint32_t node)
{
    b->node[b->count++] = node;
    if (b->count == BATCH) {
        b->add(w, b->node, b->count);
        b->count = 0;
    }
}

static void
each_listed(const struct ann_gate *g, const struct ann_walk *w, struct batch *b)
{
    for (size_t i = 0; i < g->listed->touched_count; i++) {
        uint32_t word = g->listed->touched[i];
        for (uint64_t bits = g->listed->bits[word]; bits != 0; bits &= bits - 1) {
            uint32_t node = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (ann_state_of(w->view, node) & ANN_LIVE)
                batch_push(b, w, node);
        }
    }
}

static void
each_bit(const struct ann_gate *g, const struct ann_walk *w, struct batch *b)
{
    const struct lh_ann_filter *f = g->filter;

    for (size_t word = 0; word * 64 < f->bit_count; word++)
        for (uint64_t bits = f->bits[word]; bits != 0; bits &= bits - 1) {
            uint64_t id = word * 64 + (unsigned)__builtin_ctzll(bits);
            uint32_t node = id < f->bit_count ? id_find(w, id) : ANN_ID_EMPTY;
            if (node != ANN_ID_EMPTY && (ann_state_of(w->view, node) & ANN_LIVE))
                batch_push(b, w, node);
        }
}

void
ann_gate_each(const struct ann_gate *g, const struct ann_walk *w, batch_add add)
{
    struct batch b = {.add = add};

    if (g->listed != NULL)
        each_listed(g, w, &b);
    else if (g->filter != NULL && g->filter->bits != NULL &&
             bits_count(g->filter->bits, g->filter->bit_count) < w->limit / PROBE_COST)
        each_bit(g, w, &b);
    else
        for (uint32_t node = 0; node < w->limit; node++)
            if (ann_gate_allows(g, node))
                batch_push(&b, w, node);
    if (b.count > 0)
        add(w, b.node, b.count);
}
