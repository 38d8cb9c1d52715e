#include "ann/connect.h"

#include "ann/link.h"

#define DUE_SHARE 8 /* of the nodes, that make a check worth while */
#define WIDTH 8     /* of the walk that looks for a node */

static bool
is_found(const struct ann_pool *pool, uint32_t node)
{
    for (size_t i = 0; i < pool->size; i++)
        if (ann_candidate_node(pool->entry[i]) == node)
            return true;
    return false;
}

static void
node_connect(struct ann_walk *w, uint32_t node)
{
    const struct lh_ann *ann = w->ann;
    const struct ann_pool *pool = &w->seat->pool;
    uint32_t entry = __atomic_load_n(&ann->entry, __ATOMIC_ACQUIRE);
    struct ann_candidate from = {0, entry};
    struct ann_target target;

    if (entry >= w->limit || w->view->level[entry] == 0)
        return;
    ann_target_of(w, node, w->seat->code, &target);
    w->target = &target;
    ann_estimate(w, &entry, 1, &from.distance);
    from = ann_walk_descend(w, from, w->view->level[entry], 1);
    ann_walk_beam(w, &from, 1, 1, WIDTH);
    uint32_t end = ann_candidate_node(pool->entry[0]);
    if (!is_found(pool, node) && !(ann_state_of(w->view, end) & ANN_SWEPT)) {
        ann_link_add(w, end, 1, node);
        ann_link_add(w, node, 1, end);
    }
    w->target = NULL; /* which was ours */
}

static bool
is_upper(const struct ann_view *v, uint32_t node)
{
    uint8_t state = ann_state_of(v, node);

    return (state & ANN_LIVE) && !(state & (ANN_SWEPT | ANN_TWIN)) && v->level[node] > 0;
}

void
ann_connect(struct lh_ann *ann)
{
    uint32_t slots = __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE);

    if (__atomic_load_n(&ann->unchecked, __ATOMIC_RELAXED) < slots / DUE_SHARE + 1)
        return;
    __atomic_store_n(&ann->unchecked, 0, __ATOMIC_RELAXED);
    struct ann_seat *seat = ann_seat_take(ann->seats);
    struct ann_walk w = {.ann = ann, .view = &ann->grown, .seat = seat, .limit = slots};
    for (uint32_t node = 0; node < slots; node++)
        if (is_upper(w.view, node))
            node_connect(&w, node);
    ann_seat_leave(seat);
}
