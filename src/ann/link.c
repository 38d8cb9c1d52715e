#include "ann/link.h"

#include <sched.h>

#define SPINS 200 /* before the processor is left to whoever holds the list */

void
ann_spin_lock(const struct ann_view *v, uint32_t node)
{
    unsigned spins = 0;

    while (__atomic_exchange_n(&v->spin[node], 1, __ATOMIC_ACQUIRE) != 0)
        while (__atomic_load_n(&v->spin[node], __ATOMIC_RELAXED) != 0)
            if (++spins % SPINS == 0)
                sched_yield();
}

void
ann_spin_unlock(const struct ann_view *v, uint32_t node)
{
    __atomic_store_n(&v->spin[node], 0, __ATOMIC_RELEASE);
}

void
ann_target_of(const struct ann_walk *w, uint32_t node, int8_t *code, struct ann_target *out)
{
    const struct ann_view *v = w->view;

    ann_target_from_row(&w->ann->model, ann_row_of(v->walk, node), ann_row_of(v->fine, node),
                        v->factor[node], v->fine_mul[node], code, out);
    out->vector = ann_floats_of(w->ann, v, node);
    if (w->ann->model.is_float)
        out->norm = w->ann->model.kernels->dot(out->vector, out->vector, w->ann->model.dim);
    if (w->ann->model.metric == LH_ANN_INNER_PRODUCT) {
        out->is_lifted = true;
        out->lift = ann_lift_of(w, v->factor[node].add);
    }
}

/* Keeps of `c[0..count)` those that `keeper` does not stand before; returns how many. */
static size_t
occluded_drop(const struct ann_walk *w, uint32_t keeper, struct ann_candidate *c, size_t count)
{
    struct ann_seat *seat = w->seat;
    struct ann_target target;
    struct ann_walk from_keeper = *w;
    size_t kept = 0;

    ann_target_of(w, keeper, seat->row_code, &target);
    from_keeper.target = &target;
    ann_seat_batch_reserve(seat, count);
    for (size_t i = 0; i < count; i++)
        seat->batch[i] = c[i].node;
    ann_estimate_fine(&from_keeper, seat->batch, count, seat->distances);
    for (size_t i = 0; i < count; i++)
        if (seat->distances[i] > c[i].distance)
            c[kept++] = c[i];
    return kept;
}

static bool
is_among(const uint32_t *links, size_t count, uint32_t node)
{
    for (size_t i = 0; i < count; i++)
        if (links[i] == node)
            return true;
    return false;
}

size_t
ann_links_choose(const struct ann_walk *w, struct ann_pool *candidates, size_t max, uint32_t *links)
{
    struct ann_candidate *c = candidates->entry;
    size_t left = candidates->size, count = 0;
    size_t least = left < max / 2 ? left : max / 2;
    uint32_t nearest[ANN_DEGREE_MAX / 2];

    for (size_t i = 0; i < least; i++)
        nearest[i] = c[i].node;
    while (left > 0 && count < max) {
        links[count++] = c[0].node;
        if (count < max)
            left = occluded_drop(w, c[0].node, c + 1, left - 1);
        c++;
    }
    for (size_t i = 0; i < least && count < least; i++)
        if (!is_among(links, count, nearest[i]))
            links[count++] = nearest[i];
    return count;
}

void
ann_links_write(struct ann_list list, const uint32_t *links, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ann_link_set(list, i, links[i]);
    for (size_t i = count; i < list.max; i++)
        ann_link_set(list, i, ANN_NODE_NONE);
}

static void
full_list_prune(const struct ann_walk *w, struct ann_list list, uint32_t node, uint32_t to)
{
    struct ann_seat *seat = w->seat;
    struct ann_pool *chosen = &seat->chosen;
    struct ann_target target;
    struct ann_walk from_node = *w;
    uint32_t links[ANN_DEGREE_MAX];

    ann_target_of(w, node, seat->owner_code, &target);
    from_node.target = &target;
    for (size_t i = 0; i < list.max; i++)
        seat->batch[i] = ann_link_get(list, i);
    seat->batch[list.max] = to;
    ann_estimate_fine(&from_node, seat->batch, list.max + 1, seat->distances);
    ann_pool_reset(chosen, list.max + 1);
    for (size_t i = 0; i <= list.max; i++)
        ann_pool_insert(chosen, seat->distances[i], seat->batch[i]);
    ann_links_write(list, links, ann_links_choose(&from_node, chosen, list.max, links));
}

void
ann_link_add(const struct ann_walk *w, uint32_t node, unsigned level, uint32_t to)
{
    struct ann_list list = ann_list_of(w->ann, w->view, node, level);
    size_t i = 0;

    ann_spin_lock(w->view, node);
    while (i < list.max && ann_link_get(list, i) != ANN_NODE_NONE && ann_link_get(list, i) != to)
        i++;
    if (i < list.max)
        ann_link_set(list, i, to);
    else
        full_list_prune(w, list, node, to);
    ann_spin_unlock(w->view, node);
}
