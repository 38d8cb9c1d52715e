/*
 * A walk is a row of steps that overlap. One gathers the unseen neighbours of the nearest
 * unexpanded candidate and asks for their rows; before those are looked at, the next candidate is
 * chosen and its neighbours gathered. So each choice does not know the last one's outcome, which
 * costs a few comparisons and hides most of the way to memory. The list of a candidate is asked for
 * as soon as it enters the pool.
 */
#include "ann/walk.h"

#include <math.h>
#include "ann/filter.h"

/* Vectors of the inner product lie on a sphere once a last coordinate lifts them to the largest
 * norm; distances between rows then follow geometry, and pruning stays sound (Bachrach et al.,
 * RecSys 2014). The query's own lift is 0, so searches never need it. */
float
ann_lift_of(const struct ann_walk *w, float norm)
{
    float radius;

    __atomic_load(&w->ann->radius, &radius, __ATOMIC_RELAXED);
    return radius > norm ? sqrtf(radius - norm) : 0;
}

static void
lifts_add(const struct ann_walk *w, const uint32_t *nodes, size_t count, float *distances)
{
    for (size_t i = 0; i < count; i++) {
        float by = ann_lift_of(w, w->view->factor[nodes[i]].add) - w->target->lift;
        distances[i] += by * by;
    }
}

static void
dots_compute(const struct ann_walk *w, struct ann_rows rows, const uint32_t *nodes, size_t count,
             int32_t *dots)
{
    const struct ann_model *m = &w->ann->model;

    (m->is_nibble ? m->kernels->dots_nibble : m->kernels->dots_byte)(rows, nodes, count,
                                                                     w->target->code, dots);
}

static float
float_distance(const struct ann_walk *w, uint32_t node)
{
    const struct ann_model *m = &w->ann->model;
    const struct ann_target *t = w->target;
    const float *row = ann_floats_of(w->ann, w->view, node);

    if (m->metric == LH_ANN_INNER_PRODUCT)
        return t->base + t->weight_add * w->view->factor[node].add -
               2 * m->kernels->dot(t->vector, row, m->dim);
    float distance = ann_distance(m, t->vector, t->norm, row);
    return m->metric == LH_ANN_COSINE ? 2 * distance : distance;
}

static void
floats_compare(const struct ann_walk *w, const uint32_t *nodes, size_t count, float *distances)
{
    for (size_t i = 0; i < count; i++)
        distances[i] = float_distance(w, nodes[i]);
    w->seat->compared += count;
    if (w->target->is_lifted)
        lifts_add(w, nodes, count, distances);
}

void
ann_walk_prefetch(const struct ann_walk *w, uint32_t node)
{
    const struct ann_model *m = &w->ann->model;

    if (m->is_float)
        ann_prefetch(ann_floats_of(w->ann, w->view, node), m->dim * sizeof(float));
    else
        ann_row_prefetch(w->view->walk, node);
}

void
ann_estimate(const struct ann_walk *w, const uint32_t *nodes, size_t count, float *distances)
{
    if (w->ann->model.is_float) {
        floats_compare(w, nodes, count, distances);
        return;
    }
    const struct ann_target *t = w->target;
    const struct ann_factor *factor = w->view->factor;
    int32_t *dots = w->seat->dots;

    dots_compute(w, w->view->walk, nodes, count, dots);
    for (size_t i = 0; i < count; i++) {
        struct ann_factor f = factor[nodes[i]];
        distances[i] =
            t->base + t->weight_add * f.add + f.mul * (t->scale * ((float)dots[i] - t->shift));
    }
    w->seat->compared += count;
    if (t->is_lifted)
        lifts_add(w, nodes, count, distances);
}

void
ann_estimate_fine(const struct ann_walk *w, const uint32_t *nodes, size_t count, float *distances)
{
    const struct ann_target *t = w->target;
    const struct ann_view *v = w->view;
    int32_t low[64], high[64];

    if (v->fine.base == NULL) {
        ann_estimate(w, nodes, count, distances);
        return;
    }
    for (size_t at = 0; at < count; at += 64) {
        size_t n = count - at < 64 ? count - at : 64;
        for (size_t i = 0; i < n; i++) {
            ann_row_prefetch(v->walk, nodes[at + i]);
            ann_row_prefetch(v->fine, nodes[at + i]);
        }
        dots_compute(w, v->walk, nodes + at, n, high);
        dots_compute(w, v->fine, nodes + at, n, low);
        for (size_t i = 0; i < n; i++) {
            uint32_t node = nodes[at + i];
            float dot = (float)(16 * high[i] + low[i]) - t->shift_fine;
            distances[at + i] = t->base + t->weight_add * v->factor[node].add +
                                v->fine_mul[node] * (t->scale * dot);
        }
    }
    if (t->is_lifted)
        lifts_add(w, nodes, count, distances);
}

struct ann_candidate
ann_walk_descend(const struct ann_walk *w, struct ann_candidate from, unsigned from_level,
                 unsigned to_level)
{
    struct ann_seat *seat = w->seat;

    for (unsigned level = from_level; level > to_level; level--) {
        for (bool is_moving = true; is_moving;) {
            struct ann_list list = ann_list_of(w->ann, w->view, from.node, level);
            size_t n = 0;
            is_moving = false;
            for (size_t i = 0; i < list.max; i++) {
                uint32_t node = ann_link_get(list, i);
                if (node == ANN_NODE_NONE)
                    break;
                if (node >= w->limit)
                    continue;
                ann_walk_prefetch(w, node);
                seat->batch[n++] = node;
            }
            ann_estimate(w, seat->batch, n, seat->distances);
            for (size_t i = 0; i < n; i++)
                if (seat->distances[i] < from.distance) {
                    from = (struct ann_candidate){seat->distances[i], seat->batch[i]};
                    is_moving = true;
                }
        }
    }
    return from;
}

/* The unseen neighbours of a node, whose rows are asked for. */
static size_t
neighbours_gather(const struct ann_walk *w, uint32_t node, unsigned level, uint32_t *batch)
{
    struct ann_list list = ann_list_of(w->ann, w->view, node, level);
    size_t n = 0;

    for (size_t i = 0; i < list.max; i++) {
        uint32_t next = ann_link_get(list, i);
        if (next == ANN_NODE_NONE)
            break;
        batch[n] = next;
        n += next < w->limit;
    }
    ann_visited_reserve(&w->seat->visited, n);
    n = ann_visited_add_many(&w->seat->visited, batch, n, batch);
    for (size_t i = 0; i < n; i++) {
        ann_walk_prefetch(w, batch[i]);
        ann_prefetch(&w->view->factor[batch[i]], 1);
    }
    return n;
}

static void
list_prefetch(const struct ann_walk *w, uint32_t node, unsigned level)
{
    if (level == 0)
        ann_prefetch(w->view->link + (size_t)node * w->ann->degree,
                     w->ann->degree * sizeof(uint32_t));
}

static void
near_keep(const struct ann_walk *w, const uint32_t *nodes, size_t count, unsigned level)
{
    struct ann_pool *pool = &w->seat->pool;
    const float *distances = w->seat->distances;

    ann_estimate(w, nodes, count, w->seat->distances);
    for (size_t i = 0; i < count; i++)
        if (distances[i] < ann_pool_bound(pool)) {
            list_prefetch(w, nodes[i], level);
            ann_pool_insert(pool, distances[i], nodes[i]);
        }
}

static void
pool_begin(const struct ann_walk *w, const struct ann_candidate *from, size_t count, size_t ef)
{
    struct ann_seat *seat = w->seat;

    ann_pool_reset(&seat->pool, ef);
    ann_visited_reset(&seat->visited, w->limit);
    if (w->avoid != NULL)
        ann_visited_add(&seat->visited, *w->avoid);
    for (size_t i = 0; i < count; i++)
        if (ann_visited_add(&seat->visited, ann_candidate_node(from[i])))
            ann_pool_insert(&seat->pool, from[i].distance, ann_candidate_node(from[i]));
}

void
ann_walk_beam(const struct ann_walk *w, const struct ann_candidate *from, size_t count,
              unsigned level, size_t ef)
{
    struct ann_seat *seat = w->seat;
    struct ann_pool *pool = &seat->pool;
    uint32_t *now = seat->batch, *ahead = seat->ahead;
    size_t n = 0;

    pool_begin(w, from, count, ef);
    do {
        uint32_t node = ann_pool_expand(pool), *swap = now;
        size_t n_ahead = node == ANN_NODE_NONE ? 0 : neighbours_gather(w, node, level, ahead);
        near_keep(w, now, n, level);
        now = ahead;
        ahead = swap;
        n = n_ahead;
    } while (n > 0 || pool->next < pool->size);
}

/* ---- within a filter ---- */

static void
allowed_take(const struct ann_walk *w, const struct ann_gate *gate, float distance, uint32_t node)
{
    struct ann_pool *found = &w->seat->chosen;

    if (distance < ann_pool_bound(found) && ann_gate_allows_any(gate, node, w->limit))
        ann_pool_insert(found, distance, node);
}

static void
allowed_keep(const struct ann_walk *w, const struct ann_gate *gate, const uint32_t *nodes,
             size_t count)
{
    struct ann_seat *seat = w->seat;
    const float *distances = seat->distances;

    ann_estimate(w, nodes, count, seat->distances);
    for (size_t i = 0; i < count; i++)
        if (distances[i] < ann_pool_bound(&seat->chosen)) {
            list_prefetch(w, nodes[i], 0);
            ann_pool_insert(&seat->pool, distances[i], nodes[i]);
            allowed_take(w, gate, distances[i], nodes[i]);
        }
}

/* Whether what comes next may still be among what is wanted. */
static bool
has_near(const struct ann_seat *seat)
{
    const struct ann_pool *pool = &seat->pool;

    return pool->next < pool->size &&
           pool->entry[pool->next].distance <= ann_pool_bound(&seat->chosen);
}

bool
ann_walk_filtered(const struct ann_walk *w, const struct ann_gate *gate,
                  const struct ann_candidate *from, size_t count,
                  const struct ann_filtered_width *width)
{
    struct ann_seat *seat = w->seat;
    struct ann_pool *pool = &seat->pool;
    uint32_t *now = seat->batch, *ahead = seat->ahead;
    size_t end = seat->compared + width->comparisons, n = 0;

    pool_begin(w, from, count, width->candidates);
    ann_pool_reset(&seat->chosen, width->matches);
    for (size_t i = 0; i < pool->size; i++)
        allowed_take(w, gate, pool->entry[i].distance, pool->entry[i].node);
    do {
        uint32_t node = has_near(seat) ? ann_pool_expand(pool) : ANN_NODE_NONE, *swap = now;
        size_t n_ahead = node == ANN_NODE_NONE ? 0 : neighbours_gather(w, node, 0, ahead);
        allowed_keep(w, gate, now, n);
        now = ahead;
        ahead = swap;
        n = n_ahead;
        if (seat->compared > end)
            return false;
    } while (n > 0 || has_near(seat));
    return true;
}
