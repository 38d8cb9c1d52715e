/*
 * A search decides on a plan, gathers candidates by it, and re-ranks them: the best on 8 bits, the
 * best of those on the floats. Plans:
 *
 *   graph            without a filter: a walk that keeps what is nearest;
 *   filtered graph   the same walk goes on until enough of what matches is found and nothing nearer
 * is left to look at; what does not match serves as a bridge; exact            few match: their
 * codes are compared, and nothing else.
 *
 * A filter that goes with the content may match only far from the query. A filtered walk that has
 * cost as much as the exact plan would is therefore given up for it, as Lucene does. And a walk
 * that comes back with fewer than k hits although more match is not trusted: the exact plan answers
 * instead. So no filter, removal or odd corner of the graph makes an answer short.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ann/filter.h"
#include "ann/ladder.h"
#include "ann/search.h"

#define DOORS_MAX 64       /* nodes that a walk over the lowest level begins at */
#define DOOR_EF 48         /* so much width for each beyond the first */
#define EXACT_LIVE_MAX 256 /* an index that small is scanned */
#define EXACT_COST 16      /* per match that a walk collects, see is_scan_cheaper */
#define FILTERED_EF 80     /* width that a filtered walk has at least */
#define FILTERED_LEAST 48  /* matches that it collects at least */
#define FILTERED_POOL 2    /* candidates that it keeps, per node that it is expected to expand */
#define WALK_MIN 2048      /* comparisons that it may make beyond those of the exact plan */
#define FLOATS_AHEAD 8     /* rows of floats asked for before their turn */
#define FINE_MORE 16       /* candidates that get 8 bits, beyond 2 k and an eighth of ef */
#define RERANK_MORE 4 /* candidates that get floats, beyond k, an eighth of k and a 32nd of ef */

struct search {
    struct ann_walk walk;
    struct ann_target target;
    struct ann_gate gate;
    const struct lh_ann_query *query;
    const float *vector;
    float norm;
    size_t ef, matching;
    enum lh_ann_plan plan;
    size_t reranked;
};

static lh_status
query_check(const struct lh_ann *ann, const float *vector, size_t dim, const struct lh_ann_query *q,
            float *norm, struct lh_error *err)
{
    if (dim != ann->model.dim)
        return lh_fail(err, LH_INVALID, "ann.dim", "a query of %zu dimensions for an index of %u",
                       dim, ann->model.dim);
    if (q->k < 1 || q->k > LH_ANN_K_MAX || q->ef > LH_ANN_K_MAX)
        return lh_fail(err, LH_INVALID, "ann.k", "k %zu and ef %zu: 1 to %d, and at most %d", q->k,
                       q->ef, LH_ANN_K_MAX, LH_ANN_K_MAX);
    if (!(q->min_recall >= 0 && q->min_recall <= 1))
        return lh_fail(err, LH_INVALID, "ann.min_recall", "min_recall is a share of 0 to 1");
    LH_TRY(ann_filter_check(q->filter, err));
    if (!ann_norm_check(&ann->model, vector, norm))
        return lh_fail(err, LH_INVALID, "ann.not_finite",
                       "the query holds NaN, infinity, or values whose squares overflow");
    return LH_OK;
}

/* ---- candidates ---- */

/* Adds a node and its twins to the candidates, those of them that may be answered. */
static void
chosen_add(const struct search *s, float distance, uint32_t node)
{
    struct ann_pool *chosen = &s->walk.seat->chosen;

    for (uint32_t steps = 0; node != ANN_NODE_NONE && steps < s->walk.limit; steps++) {
        if (chosen->size == chosen->max)
            return;
        if (ann_gate_allows(&s->gate, node))
            ann_pool_append(chosen, distance, node);
        node = ann_twin_next(s->walk.view, node, s->walk.limit);
    }
}

/* Four bits order the candidates well enough that the rest of them need no second look; measured,
 * no recall is lost down to about twice k. */
static size_t
fine_most(const struct search *s)
{
    return 2 * s->query->k + s->ef / 8 + FINE_MORE;
}

static void
chosen_from_pool(struct search *s)
{
    const struct ann_pool *pool = &s->walk.seat->pool;
    struct ann_pool *chosen = &s->walk.seat->chosen;

    ann_pool_reset(chosen, fine_most(s));
    for (size_t i = 0; i < pool->size && chosen->size < chosen->max; i++)
        chosen_add(s, pool->entry[i].distance, ann_candidate_node(pool->entry[i]));
}

/* The pool's bound is read once a batch: a few late insertions cost less than looking each time. */
static void
scan_add(const struct ann_walk *w, const uint32_t *nodes, size_t count)
{
    struct ann_seat *seat = w->seat;

    ann_seat_batch_reserve(seat, count);
    for (size_t i = 0; i < count; i++)
        ann_walk_prefetch(w, nodes[i]);
    ann_estimate(w, nodes, count, seat->distances);
    for (size_t i = 0; i < count; i++)
        ann_pool_insert(&seat->chosen, seat->distances[i], nodes[i]);
}

/* Codes of everything that matches; wide enough that their error does not cost an answer. */
static void
codes_scan(struct search *s)
{
    s->plan = LH_ANN_PLAN_EXACT;
    ann_pool_reset(&s->walk.seat->chosen, 4 * s->query->k + 64);
    ann_gate_each(&s->gate, &s->walk, scan_add);
}

/* Where the walk over the lowest level begins: the nearest nodes of the level above. A wide walk
 * begins at several, lest it never gets to a cluster that few links lead into. */
static size_t
descend(struct search *s, struct ann_candidate from[DOORS_MAX])
{
    const struct ann_walk *w = &s->walk;
    const struct ann_pool *pool = &w->seat->pool;
    uint32_t entry = __atomic_load_n(&w->ann->entry, __ATOMIC_ACQUIRE);
    size_t doors = 1 + s->ef / DOOR_EF;

    if (entry >= w->limit)
        return 0;
    unsigned top = w->view->level[entry];
    from->node = entry;
    ann_estimate(w, &entry, 1, &from->distance);
    if (top == 0 || doors == 1) {
        *from = ann_walk_descend(w, *from, top, 0);
        return 1;
    }
    *from = ann_walk_descend(w, *from, top, 1);
    ann_walk_beam(w, from, 1, 1, doors < DOORS_MAX ? doors : DOORS_MAX);
    memcpy(from, pool->entry, pool->size * sizeof(from[0]));
    return pool->size;
}

/* ---- re-ranking ---- */

static void
rerank_fine(struct search *s)
{
    struct ann_seat *seat = s->walk.seat;
    struct ann_pool *c = &seat->chosen;

    if (c->size > fine_most(s))
        c->size = fine_most(s);
    ann_seat_batch_reserve(seat, c->size);
    for (size_t i = 0; i < c->size; i++)
        seat->batch[i] = c->entry[i].node;
    ann_estimate_fine(&s->walk, seat->batch, c->size, seat->distances);
    for (size_t i = 0; i < c->size; i++)
        c->entry[i].distance = seat->distances[i];
    ann_pool_sort(c);
}

static void
floats_prefetch(const struct search *s, uint32_t node)
{
    ann_prefetch(ann_floats_of(s->walk.ann, s->walk.view, node),
                 s->walk.ann->model.dim * sizeof(float));
}

static void
rerank_floats(struct search *s, size_t count)
{
    const struct ann_model *m = &s->walk.ann->model;
    struct ann_pool *c = &s->walk.seat->chosen;

    if (count < c->size)
        c->size = count;
    for (size_t i = 0; i < c->size && i < FLOATS_AHEAD; i++)
        floats_prefetch(s, c->entry[i].node);
    for (size_t i = 0; i < c->size; i++) {
        if (i + FLOATS_AHEAD < c->size)
            floats_prefetch(s, c->entry[i + FLOATS_AHEAD].node);
        const float *row = ann_floats_of(s->walk.ann, s->walk.view, c->entry[i].node);
        c->entry[i].distance = ann_distance(m, s->vector, s->norm, row);
    }
    s->reranked += c->size;
    ann_pool_sort(c);
}

/* An id that is being replaced may be found twice; the nearer or older stays, it is one id. */
static bool
is_repeated(const struct lh_ann_hit *hits, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (hits[i].id == id)
            return true;
    return false;
}

static size_t
hits_write(const struct search *s, struct lh_ann_hit *hits)
{
    const struct ann_pool *c = &s->walk.seat->chosen;
    size_t count = 0;

    for (size_t i = 0; i < c->size && count < s->query->k; i++) {
        uint64_t id = __atomic_load_n(&s->walk.view->label[c->entry[i].node], __ATOMIC_ACQUIRE);
        if (!is_repeated(hits, count, id))
            hits[count++] = (struct lh_ann_hit){id, c->entry[i].distance};
    }
    return count;
}

/* ---- plans ---- */

/* Nodes that the filtered walk found, with their twins. */
static void
chosen_from_found(struct search *s)
{
    struct ann_seat *seat = s->walk.seat;
    struct ann_pool swap = seat->pool;

    seat->pool = seat->chosen;
    seat->chosen = swap;
    chosen_from_pool(s);
}

static double
share_of(const struct search *s)
{
    size_t live = lh_ann_count(s->walk.ann);

    return live == 0 ? 0 : (double)s->matching / (double)live;
}

/* The rarer matches are, the more nodes a walk looks at for each, and the surer it finds the
 * nearest of them; but below some 48 clusters lose a hit in fifty, however many nodes that means.
 */
static size_t
matches_wanted(const struct search *s, double share)
{
    double width = s->ef < FILTERED_EF ? FILTERED_EF : (double)s->ef;
    size_t least = s->query->k > FILTERED_LEAST / 2 ? 2 * s->query->k : FILTERED_LEAST;
    size_t matches = (size_t)(width * sqrt(share));

    return matches < least ? least : matches;
}

static struct ann_filtered_width
filtered_width(const struct search *s)
{
    double share = share_of(s);
    size_t matches = matches_wanted(s, share), comparisons = s->matching + WALK_MIN;
    double candidates = FILTERED_POOL * (double)matches / share;

    return (struct ann_filtered_width){
        .matches = matches,
        .candidates = candidates < (double)comparisons ? (size_t)candidates + 1 : comparisons,
        .comparisons = comparisons,
    };
}

/* False when the walk was given up, because the exact plan would have cost no more. */
static bool
graph_walk(struct search *s)
{
    struct ann_candidate from[DOORS_MAX];

    ann_pool_reset(&s->walk.seat->chosen, 0);
    size_t doors = descend(s, from);
    if (doors == 0)
        return true;
    if (s->plan == LH_ANN_PLAN_GRAPH) {
        ann_walk_beam(&s->walk, from, doors, 0, s->ef);
        chosen_from_pool(s);
        return true;
    }
    struct ann_filtered_width width = filtered_width(s);
    if (!ann_walk_filtered(&s->walk, &s->gate, from, doors, &width))
        return false;
    s->ef = width.matches;
    chosen_from_found(s);
    return true;
}

static void
floats_scan_add(const struct ann_walk *w, const uint32_t *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ann_pool_insert(&w->seat->chosen,
                        ann_distance(&w->ann->model, w->exact_query, w->exact_norm,
                                     ann_floats_of(w->ann, w->view, nodes[i])),
                        nodes[i]);
    w->seat->compared += count;
}

/* Floats of everything that matches: exact by definition. */
static void
floats_scan(struct search *s)
{
    s->plan = LH_ANN_PLAN_EXACT;
    s->walk.exact_query = s->vector;
    s->walk.exact_norm = s->norm;
    ann_pool_reset(&s->walk.seat->chosen, s->query->k + 8);
    ann_gate_each(&s->gate, &s->walk, floats_scan_add);
    s->reranked = s->walk.seat->compared;
}

/* A scan compares all that match; a walk that collects so many matches expands 1 / share as many
 * nodes, each for as much as some sixteen comparisons of a scan (measured at shares of 4 to 20 % of
 * 60,000 images and 100,000 texts). */
static bool
is_scan_cheaper(const struct search *s, double share)
{
    return (double)s->matching * share <= EXACT_COST * (double)matches_wanted(s, share);
}

static void
plan_choose(struct search *s)
{
    size_t live = lh_ann_count(s->walk.ann);
    double share = share_of(s);
    bool is_small = live <= EXACT_LIVE_MAX || s->matching <= 2 * s->query->k;

    if (is_small || (s->query->filter != NULL && is_scan_cheaper(s, share)))
        s->plan = LH_ANN_PLAN_EXACT;
    else
        s->plan = s->query->filter != NULL ? LH_ANN_PLAN_FILTERED_GRAPH : LH_ANN_PLAN_GRAPH;
}

static size_t
rerank(struct search *s, struct lh_ann_hit *hits)
{
    size_t k = s->query->k;

    rerank_fine(s);
    rerank_floats(s, k + k / 8 + s->ef / 32 + RERANK_MORE);
    return hits_write(s, hits);
}

static size_t
search_run(struct search *s, struct lh_ann_hit *hits)
{
    size_t k = s->query->k, count;

    if (s->query->is_exact) {
        floats_scan(s);
        ann_pool_sort(&s->walk.seat->chosen);
        return hits_write(s, hits);
    }
    s->matching = ann_gate_estimate(&s->gate, &s->walk);
    plan_choose(s);
    if (s->plan != LH_ANN_PLAN_EXACT) {
        count = graph_walk(s) ? rerank(s, hits) : 0;
        if (count == k)
            return count;
    }
    codes_scan(s);
    return rerank(s, hits);
}

static lh_status
search(const struct lh_ann *ann, const uint32_t *avoid, const float *vector, size_t dim,
       const struct lh_ann_query *query, struct lh_ann_hit *hits, struct lh_ann_report *report,
       struct lh_error *err)
{
    struct search s = {.query = query, .vector = vector};
    struct lh_ann_report own;

    LH_TRY(query_check(ann, vector, dim, query, &s.norm, err));
    struct ann_seat *seat = ann_seat_take(ann->seats);
    s.walk = (struct ann_walk){.ann = ann, .view = ann_view_of(ann), .seat = seat};
    s.walk.target = &s.target;
    s.walk.limit = __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE);
    s.walk.avoid = avoid != NULL && *avoid < s.walk.limit ? avoid : NULL;
    ann_model_rotate(&ann->model, vector, s.norm, seat->rotated);
    ann_target_from_query(&ann->model, seat->rotated, seat->code, &s.target);
    s.target.vector = vector;
    s.target.norm = s.norm;
    ann_gate_init(&s.gate, &s.walk, query->filter);
    s.ef = query->ef != 0 ? query->ef : ann_ladder_ef(ann, query->min_recall, query->k);
    if (s.ef < query->k)
        s.ef = query->k;
    if (report == NULL)
        report = &own;
    report->count = search_run(&s, hits);
    report->plan = s.plan;
    report->candidates = seat->compared;
    report->reranked = s.reranked;
    report->ef = s.ef;
    ann_seat_leave(seat);
    return LH_OK;
}

lh_status
lh_ann_search(const struct lh_ann *ann, const float *vector, size_t dim,
              const struct lh_ann_query *query, struct lh_ann_hit *hits,
              struct lh_ann_report *report, struct lh_error *err)
{
    return search(ann, NULL, vector, dim, query, hits, report, err);
}

lh_status
ann_search_avoiding(const struct lh_ann *ann, uint32_t avoid, const float *vector, size_t dim,
                    const struct lh_ann_query *query, struct lh_ann_hit *hits,
                    struct lh_ann_report *report, struct lh_error *err)
{
    return search(ann, &avoid, vector, dim, query, hits, report, err);
}
