#include "ann/repair.h"

#include <sched.h>
#include <stdlib.h>
#include "ann/link.h"
#include "ann/store.h"
#include "base/thread.h"

#define DUE_MIN 64    /* removed nodes below which a sweep is not worth while */
#define DUE_SHARE 16  /* or this share of all slots, so that sweeps cost as much as they free */
#define STEP_NODES 32 /* looked at by one write: half a sweep's worth before the next is due */
#define BACK_LINKS 2  /* nearest neighbours that link back to a repaired node */

static void
dead_push(struct lh_ann *ann, uint32_t node)
{
    LH_AUTO_LOCK(&ann->slots_lock);
    ann_free_list_push(&ann->dead, node);
    __atomic_store_n(&ann->dead_count, ann->dead.count, __ATOMIC_RELAXED);
}

void
ann_node_kill(struct lh_ann *ann, uint32_t node)
{
    struct ann_view *v = &ann->grown;

    __atomic_fetch_xor(&v->state[node], ANN_LIVE | ANN_DEAD, __ATOMIC_ACQ_REL);
    dead_push(ann, node);
}

/* ---- marking ---- */

static bool
has_live_twin(const struct ann_view *v, uint32_t node)
{
    uint32_t twin = __atomic_load_n(&v->twin[node], __ATOMIC_ACQUIRE);

    for (; twin != ANN_NODE_NONE; twin = __atomic_load_n(&v->twin[twin], __ATOMIC_ACQUIRE))
        if (!(ann_state_of(v, twin) & ANN_DEAD))
            return true;
    return false;
}

/* Not while a twin is being written that may hang on the node in a moment. */
static bool
node_mark(const struct ann_view *v, uint32_t node)
{
    ann_spin_lock(v, node);
    bool is_free = (ann_state_of(v, node) & ANN_TWIN) || !has_live_twin(v, node);
    if (is_free)
        __atomic_fetch_or(&v->state[node], ANN_SWEPT, __ATOMIC_ACQ_REL);
    ann_spin_unlock(v, node);
    return is_free;
}

/* Gives a removed node the id of a living twin: the vector is the same, so the node lives on in the
 * graph under that id, and it is the twin whose slot comes back. */
static bool
node_revive(struct lh_ann *ann, uint32_t node)
{
    struct ann_view *v = &ann->grown;
    LH_AUTO_LOCK(&ann->ids_lock);
    uint32_t twin = __atomic_load_n(&v->twin[node], __ATOMIC_ACQUIRE);
    struct ann_idtable *old;

    if (ann_state_of(v, node) & ANN_TWIN)
        return false;
    while (twin != ANN_NODE_NONE && !(ann_state_of(v, twin) & ANN_LIVE))
        twin = __atomic_load_n(&v->twin[twin], __ATOMIC_ACQUIRE);
    if (twin == ANN_NODE_NONE)
        return false;
    uint64_t id = __atomic_load_n(&v->label[twin], __ATOMIC_RELAXED);
    __atomic_store_n(&v->label[node], id, __ATOMIC_RELEASE);
    __atomic_fetch_xor(&v->state[node], ANN_LIVE | ANN_DEAD, __ATOMIC_ACQ_REL);
    (void)ann_idmap_put(&ann->ids, v->label, id, node, &old);
    ann_node_kill(ann, twin);
    return true;
}

static void
batch_mark(struct lh_ann *ann)
{
    struct ann_repair *r = &ann->repair;
    struct ann_free_list all;
    {
        LH_AUTO_LOCK(&ann->slots_lock);
        all = ann->dead;
        ann->dead = (struct ann_free_list){0};
        __atomic_store_n(&ann->dead_count, 0, __ATOMIC_RELAXED);
    }
    r->batch.count = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (node_revive(ann, all.node[i]))
            continue;
        if (node_mark(&ann->grown, all.node[i])) {
            ann_free_list_push(&r->batch, all.node[i]);
            continue;
        }
        dead_push(ann, all.node[i]);
    }
    free(all.node);
    r->tag = ann_epoch_advance(ann->seats);
    r->phase = r->batch.count > 0 ? ANN_REPAIR_MARKED : ANN_REPAIR_IDLE;
}

/* ---- the pass ---- */

/* Takes swept twins off the chain of a node. They keep their own pointers, so that a reader who
 * stands on one finds its way on. */
static void
twins_sweep(const struct ann_view *v, uint32_t node)
{
    uint32_t *at = &v->twin[node];

    if (__atomic_load_n(at, __ATOMIC_RELAXED) == ANN_NODE_NONE)
        return;
    ann_spin_lock(v, node);
    for (uint32_t twin; (twin = *at) != ANN_NODE_NONE;) {
        if (ann_state_of(v, twin) & ANN_SWEPT)
            __atomic_store_n(at, v->twin[twin], __ATOMIC_RELEASE);
        else
            at = &v->twin[twin];
    }
    ann_spin_unlock(v, node);
}

static bool
has_swept_link(const struct ann_walk *w, struct ann_list list)
{
    for (size_t i = 0; i < list.max; i++) {
        uint32_t to = ann_link_get(list, i);
        if (to == ANN_NODE_NONE)
            return false;
        if (ann_state_of(w->view, to) & ANN_SWEPT)
            return true;
    }
    return false;
}

static void
candidate_add(const struct ann_walk *w, uint32_t node, size_t *n)
{
    struct ann_seat *seat = w->seat;

    /* What was added since the limit was read has no place among the seen. */
    if (node >= w->limit || (ann_state_of(w->view, node) & ANN_SWEPT) ||
        !ann_visited_add(&seat->visited, node))
        return;
    ann_seat_batch_reserve(seat, *n + 1);
    seat->batch[(*n)++] = node;
}

/* The links that stay, and those of the links that go. */
static size_t
candidates_gather(const struct ann_walk *w, uint32_t node, unsigned level)
{
    struct ann_list list = ann_list_of(w->ann, w->view, node, level);
    size_t n = 0;

    ann_visited_reset(&w->seat->visited, w->limit);
    ann_visited_add(&w->seat->visited, node);
    for (size_t i = 0; i < list.max; i++) {
        uint32_t to = ann_link_get(list, i);
        if (to == ANN_NODE_NONE)
            break;
        candidate_add(w, to, &n);
        if (!(ann_state_of(w->view, to) & ANN_SWEPT))
            continue;
        struct ann_list next = ann_list_of(w->ann, w->view, to, level);
        for (size_t j = 0; j < next.max && ann_link_get(next, j) != ANN_NODE_NONE; j++)
            candidate_add(w, ann_link_get(next, j), &n);
    }
    return n;
}

/* Nothing near is left: looks for neighbours from the entry, as for a new node. */
static size_t
candidates_search(const struct ann_walk *w, uint32_t node)
{
    uint32_t entry = __atomic_load_n(&w->ann->entry, __ATOMIC_ACQUIRE);
    struct ann_candidate from = {0, entry};
    struct ann_pool *pool = &w->seat->pool;
    size_t n = 0;

    if (entry == ANN_NODE_NONE)
        return 0;
    ann_estimate(w, &entry, 1, &from.distance);
    from = ann_walk_descend(w, from, w->view->level[entry], 0);
    ann_walk_beam(w, &from, 1, 0, 4 * (size_t)w->ann->options.ef_construction);
    ann_visited_reset(&w->seat->visited, w->limit);
    ann_visited_add(&w->seat->visited, node);
    for (size_t i = 0; i < pool->size; i++)
        candidate_add(w, ann_candidate_node(pool->entry[i]), &n);
    return n;
}

/* Returns how many of the nearest new links are in `links`. */
static size_t
list_repair(const struct ann_walk *w, uint32_t node, unsigned level, uint32_t *links)
{
    struct ann_list list = ann_list_of(w->ann, w->view, node, level);
    struct ann_seat *seat = w->seat;
    size_t n = candidates_gather(w, node, level);

    if (n == 0 && level == 0)
        n = candidates_search(w, node);
    ann_estimate_fine(w, seat->batch, n, seat->distances);
    ann_pool_reset(&seat->chosen, n);
    for (size_t i = 0; i < n; i++)
        ann_pool_append(&seat->chosen, seat->distances[i], seat->batch[i]);
    ann_pool_sort(&seat->chosen);
    size_t count = ann_links_choose(w, &seat->chosen, list.max, links);
    ann_links_write(list, links, count);
    return count;
}

static void
node_sweep(struct ann_walk *w, uint32_t node)
{
    const struct ann_view *v = w->view;
    uint8_t state = ann_state_of(v, node);
    struct ann_target target;
    uint32_t links[ANN_DEGREE_MAX];

    /* What is being written has not linked to anything marked; what is marked goes as a whole. */
    if (!(state & (ANN_LIVE | ANN_DEAD)) || (state & (ANN_SWEPT | ANN_TWIN)))
        return;
    twins_sweep(v, node);
    for (unsigned level = v->level[node] + 1u; level-- > 0;) {
        struct ann_list list = ann_list_of(w->ann, v, node, level);
        if (!has_swept_link(w, list))
            continue;
        ann_spin_lock(v, node);
        ann_target_of(w, node, w->seat->code, &target);
        w->target = &target;
        size_t count = list_repair(w, node, level, links);
        ann_spin_unlock(v, node);
        for (size_t i = 0; i < count && i < BACK_LINKS; i++)
            ann_link_add(w, links[i], level, node);
    }
    w->target = NULL; /* which was ours */
}

/* The highest node that stays takes the place of an entry that goes. */
static void
entry_replace(struct lh_ann *ann)
{
    const struct ann_view *v = &ann->grown;
    uint32_t best = ANN_NODE_NONE, slots = __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE);
    LH_AUTO_LOCK(&ann->entry_lock);

    if (ann->entry == ANN_NODE_NONE || !(ann_state_of(v, ann->entry) & ANN_SWEPT))
        return;
    for (uint32_t i = 0; i < slots; i++) {
        uint8_t state = ann_state_of(v, i);
        if (!(state & (ANN_LIVE | ANN_DEAD)) || (state & (ANN_SWEPT | ANN_TWIN)))
            continue;
        if (best == ANN_NODE_NONE || v->level[i] > v->level[best])
            best = i;
    }
    __atomic_store_n(&ann->entry, best, __ATOMIC_RELEASE);
}

static void
pass_step(struct lh_ann *ann, uint32_t nodes)
{
    struct ann_repair *r = &ann->repair;
    struct ann_seat *seat = ann_seat_take(ann->seats);
    struct ann_walk w = {.ann = ann, .view = &ann->grown, .seat = seat};

    for (; nodes > 0 && r->cursor < r->end; nodes--, r->cursor++) {
        w.limit = __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE);
        node_sweep(&w, r->cursor);
    }
    ann_seat_leave(seat);
    if (r->cursor < r->end)
        return;
    entry_replace(ann);
    r->tag = ann_epoch_advance(ann->seats);
    r->phase = ANN_REPAIR_DRAINING;
}

static void
batch_give(struct lh_ann *ann)
{
    struct ann_repair *r = &ann->repair;

    for (size_t i = 0; i < r->batch.count; i++)
        ann_slot_give(ann, r->batch.node[i]);
    r->batch.count = 0;
    r->phase = ANN_REPAIR_IDLE;
}

/* False when there is nothing to do before other calls have ended. */
static bool
phase_step(struct lh_ann *ann, uint32_t nodes)
{
    struct ann_repair *r = &ann->repair;

    switch (r->phase) {
    case ANN_REPAIR_IDLE:
        batch_mark(ann);
        return r->phase != ANN_REPAIR_IDLE;
    case ANN_REPAIR_MARKED:
        if (!ann_epoch_passed(ann->seats, r->tag))
            return false;
        r->cursor = 0;
        r->end = __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE);
        r->phase = ANN_REPAIR_SWEEPING;
        return true;
    case ANN_REPAIR_SWEEPING:
        pass_step(ann, nodes);
        return true;
    case ANN_REPAIR_DRAINING:
        if (!ann_epoch_passed(ann->seats, r->tag))
            return false;
        batch_give(ann);
        return true;
    }
    return false;
}

static bool
is_due(struct lh_ann *ann)
{
    size_t slots = __atomic_load_n(&ann->slots, __ATOMIC_RELAXED);
    size_t dead = __atomic_load_n(&ann->dead_count, __ATOMIC_RELAXED);

    return dead >= DUE_MIN && dead >= slots / DUE_SHARE;
}

void
ann_repair_step(struct lh_ann *ann)
{
    struct ann_repair *r = &ann->repair;

    ann_retired_free(ann);
    if (!__atomic_load_n(&ann->is_repairing, __ATOMIC_RELAXED) && !is_due(ann))
        return;
    if (pthread_mutex_trylock(&r->mutex) != 0)
        return;
    if (r->phase != ANN_REPAIR_IDLE || is_due(ann))
        (void)phase_step(ann, STEP_NODES);
    __atomic_store_n(&ann->is_repairing, r->phase != ANN_REPAIR_IDLE, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&r->mutex);
}

void
ann_repair_all(struct lh_ann *ann)
{
    struct ann_repair *r = &ann->repair;
    LH_AUTO_LOCK(&r->mutex);

    /* What is under way ends first; one sweep takes everything that is removed by now, and another
     * the twins whose ids went to the nodes that they hung on. */
    for (int sweeps = r->phase == ANN_REPAIR_IDLE ? 2 : 3; sweeps > 0; sweeps--)
        do {
            while (!phase_step(ann, UINT32_MAX) && r->phase != ANN_REPAIR_IDLE)
                sched_yield();
        } while (r->phase != ANN_REPAIR_IDLE);
    __atomic_store_n(&ann->is_repairing, false, __ATOMIC_RELAXED);
    ann_retired_free(ann);
}
