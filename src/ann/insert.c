/*
 * The order of an insertion: the node's columns are written; a walk on every level from the node's
 * highest down finds candidates, and the node's own lists are written on all of them; only then do
 * other nodes link back to it; only then is it answered by searches and named by its id. Whoever
 * finds the node on some level can therefore go on from it on every level below.
 *
 * A vector that is there already, bit for bit, becomes a *twin*: it hangs on the node that came
 * first and has no links. A thousand copies of one vector would otherwise fill each other's lists
 * and hide what lies beyond them.
 */
#include "ann/insert.h"

#include <math.h>
#include <string.h>
#include "ann/link.h"
#include "ann/repair.h"
#include "ann/store.h"
#include "base/hash.h"
#include "base/thread.h"

#define TWIN_CANDIDATES 8 /* a copy has the same code, so it is among the very nearest */

lh_status
ann_write_begin(struct lh_ann *ann, const float *vectors, size_t count, struct lh_error *err)
{
    pthread_rwlock_rdlock(&ann->gate);
    if (ann->view == &ann->grown && ann->is_trained)
        return LH_OK;
    pthread_rwlock_unlock(&ann->gate);

    pthread_rwlock_wrlock(&ann->gate);
    lh_status status = ann_store_thaw(ann, err);
    if (status == LH_OK && !ann->is_trained) {
        if (vectors != NULL)
            ann_model_train(&ann->model, vectors, count);
        ann->is_trained = true;
    }
    pthread_rwlock_unlock(&ann->gate);
    if (status != LH_OK)
        return status;
    pthread_rwlock_rdlock(&ann->gate);
    return LH_OK;
}

/* A level of l with probability degree_upper^-l (HNSW, section 4.1), from the seed and the order.
 */
static unsigned
level_draw(struct lh_ann *ann)
{
    uint64_t at = __atomic_fetch_add(&ann->sequence, 1, __ATOMIC_RELAXED);
    uint64_t bits = lh_xxh64(&at, sizeof(at), ann->options.seed);
    double u = ((double)(bits >> 11) + 1) * 0x1p-53;
    double level = -log(u) / log((double)ann->degree_upper);

    return level > ANN_LEVELS_MAX ? ANN_LEVELS_MAX : (unsigned)level;
}

static void
radius_raise(struct lh_ann *ann, float norm)
{
    float now;

    __atomic_load(&ann->radius, &now, __ATOMIC_RELAXED);
    while (norm > now && !__atomic_compare_exchange(&ann->radius, &now, &norm, true,
                                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static void
node_write(struct lh_ann *ann, struct ann_seat *seat, uint32_t node, const struct ann_newcomer *new)
{
    struct ann_view *v = &ann->grown;
    size_t bytes = ann->width[ANN_COLUMN_FLOATS];
    const float *row = new->vector;
    bool is_zero = ann->model.metric == LH_ANN_COSINE && !(new->norm > 0);

    if (!new->is_borrowed) {
        float *own = (float *)(void *)(ann->region[ANN_COLUMN_FLOATS].base + node * bytes);
        memcpy(own, new->vector, bytes);
        row = own;
    }
    v->row[node] = row;
    __atomic_store_n(&v->label[node], new->id, __ATOMIC_RELAXED);
    ann_model_rotate(&ann->model, new->vector, new->norm, seat->rotated);
    ann_code_encode(
        &ann->model, seat->rotated, is_zero, (uint8_t *)(uintptr_t)ann_row_of(v->walk, node),
        (uint8_t *)(uintptr_t)ann_row_of(v->fine, node), &v->factor[node], &v->fine_mul[node]);
    if (ann->model.metric == LH_ANN_INNER_PRODUCT)
        radius_raise(ann, v->factor[node].add);
}

/* ---- finding links ---- */

/* Links are chosen on all 8 bits: among near copies, 4 bits cannot tell who stands before whom. */
static void
distances_refine(const struct ann_walk *w, struct ann_pool *pool)
{
    struct ann_seat *seat = w->seat;

    ann_seat_batch_reserve(seat, pool->size);
    for (size_t i = 0; i < pool->size; i++)
        seat->batch[i] = pool->entry[i].node;
    ann_estimate_fine(w, seat->batch, pool->size, seat->distances);
    for (size_t i = 0; i < pool->size; i++)
        pool->entry[i].distance = seat->distances[i];
    ann_pool_sort(pool);
}

/* The pool without nodes that nothing may link to any more. */
static void
candidates_take(const struct ann_walk *w, uint32_t self)
{
    const struct ann_pool *pool = &w->seat->pool;
    struct ann_pool *chosen = &w->seat->chosen;

    ann_pool_reset(chosen, pool->size);
    for (size_t i = 0; i < pool->size; i++) {
        uint32_t node = ann_candidate_node(pool->entry[i]);
        if (node != self && !(ann_state_of(w->view, node) & ANN_SWEPT))
            ann_pool_append(chosen, 0, node);
    }
    distances_refine(w, chosen);
}

/* Wider and wider while everything near is being swept, which only mass removal brings about. */
static void
candidates_find(const struct ann_walk *w, uint32_t self, struct ann_candidate from, unsigned level)
{
    size_t ef = w->ann->options.ef_construction;

    for (;; ef *= 4) {
        ann_walk_beam(w, &from, 1, level, ef);
        candidates_take(w, self);
        if (w->seat->chosen.size > 0 || w->seat->pool.size < ef)
            return;
    }
}

static bool
is_same_vector(const struct ann_walk *w, uint32_t a, uint32_t b)
{
    const struct ann_view *v = w->view;
    size_t dim = w->ann->model.dim;

    if (v->walk.stride > 0 &&
        memcmp(ann_row_of(v->walk, a), ann_row_of(v->walk, b), v->walk.stride) != 0)
        return false;
    return memcmp(v->row[a], v->row[b], dim * sizeof(float)) == 0;
}

/* Hangs `self` on a node with the same vector, if one is among the nearest candidates. */
static bool
twin_attach(const struct ann_walk *w, uint32_t self)
{
    const struct ann_pool *chosen = &w->seat->chosen;
    uint32_t *twin = w->view->twin;

    for (size_t i = 0; i < chosen->size && i < TWIN_CANDIDATES; i++) {
        uint32_t node = chosen->entry[i].node;
        if (!is_same_vector(w, node, self))
            continue;
        ann_spin_lock(w->view, node);
        bool is_usable = !(ann_state_of(w->view, node) & ANN_SWEPT);
        if (is_usable) {
            __atomic_fetch_or(&w->view->state[self], ANN_TWIN, __ATOMIC_ACQ_REL);
            __atomic_store_n(&twin[self], twin[node], __ATOMIC_RELAXED);
            __atomic_store_n(&twin[node], self, __ATOMIC_RELEASE);
        }
        ann_spin_unlock(w->view, node);
        return is_usable;
    }
    return false;
}

static void
links_back(const struct ann_walk *w, uint32_t node, unsigned level)
{
    for (unsigned l = level + 1; l-- > 0;) {
        struct ann_list list = ann_list_of(w->ann, w->view, node, l);
        for (size_t i = 0; i < list.max; i++) {
            uint32_t to = ann_link_get(list, i);
            if (to == ANN_NODE_NONE)
                break;
            ann_link_add(w, to, l, node);
        }
    }
}

/* True when the node became a twin and needs no links of its own. */
static bool
links_find(const struct ann_walk *w, uint32_t node, unsigned level, uint32_t entry)
{
    unsigned top = w->view->level[entry];
    unsigned first = level < top ? level : top;
    struct ann_candidate from = {0, entry};
    uint32_t links[ANN_DEGREE_MAX];

    ann_estimate(w, &entry, 1, &from.distance);
    from = ann_walk_descend(w, from, top, first);
    for (unsigned l = first + 1; l-- > 0;) {
        struct ann_list list = ann_list_of(w->ann, w->view, node, l);
        candidates_find(w, node, from, l);
        from = w->seat->pool.entry[0];
        from.node = ann_candidate_node(from);
        if (l == 0 && twin_attach(w, node))
            return true;
        ann_links_write(list, links, ann_links_choose(w, &w->seat->chosen, list.max, links));
    }
    return false;
}

/* ---- joining the graph ---- */

/* Makes the node the entry if there is none, if that one is on its way out, or if the node stands
 * higher. Returns the entry. */
static uint32_t
entry_offer(struct lh_ann *ann, uint32_t node)
{
    LH_AUTO_LOCK(&ann->entry_lock);
    const struct ann_view *v = &ann->grown;
    uint32_t entry = ann->entry;

    if (entry == ANN_NODE_NONE || (ann_state_of(v, entry) & ANN_SWEPT) ||
        v->level[node] > v->level[entry])
        __atomic_store_n(&ann->entry, node, __ATOMIC_RELEASE);
    return ann->entry;
}

static void
target_set(const struct ann_walk *w, uint32_t node, struct ann_target *target)
{
    const struct lh_ann *ann = w->ann;
    float norm = w->view->factor[node].add;

    ann_target_from_query(&ann->model, w->seat->rotated, w->seat->code, target);
    target->vector = w->view->row[node];
    target->norm = ann->model.kernels->dot(target->vector, target->vector, ann->model.dim);
    target->weight_add = 1.0f;
    target->base = norm;
    if (ann->model.metric == LH_ANN_INNER_PRODUCT) {
        target->is_lifted = true;
        target->lift = ann_lift_of(w, norm);
    }
}

/* A node that found nobody to link to is either the first, or everything it met is being swept:
 * then it is the new entry, or there is another one by now, and it tries again from there. */
static void
node_connect(struct lh_ann *ann, struct ann_seat *seat, uint32_t node, unsigned level)
{
    struct ann_target target;
    struct ann_walk w = {ann, &ann->grown, seat, &target, 0};
    struct ann_list list = ann_list_of(ann, &ann->grown, node, 0);
    uint32_t entry = __atomic_load_n(&ann->entry, __ATOMIC_ACQUIRE);

    if (entry == ANN_NODE_NONE && (entry = entry_offer(ann, node)) == node)
        return;
    target_set(&w, node, &target);
    for (;;) {
        w.limit = __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE);
        if (links_find(&w, node, level, entry))
            return;
        if (ann_link_get(list, 0) != ANN_NODE_NONE)
            break;
        uint32_t other = entry_offer(ann, node);
        if (other == node || other == entry)
            break;
        entry = other;
    }
    links_back(&w, node, level);
    if (level > ann->grown.level[entry])
        (void)entry_offer(ann, node);
}

/* From here on the id names this node. The one before dies after this one lives, so that a search
 * at any moment finds at least one of them; it drops the older should it find both. */
static void
node_publish(struct lh_ann *ann, uint64_t id, uint32_t node)
{
    struct ann_view *v = &ann->grown;
    struct ann_idtable *old;
    uint32_t before;
    {
        LH_AUTO_LOCK(&ann->ids_lock);
        __atomic_fetch_or(&v->state[node], ANN_LIVE, __ATOMIC_ACQ_REL);
        before = ann_idmap_put(&ann->ids, v->label, id, node, &old);
        if (before == ANN_ID_EMPTY)
            __atomic_fetch_add(&ann->live, 1, __ATOMIC_RELAXED);
        else
            ann_node_kill(ann, before);
        __atomic_store_n(&ann->bytes_other, ann_idtable_bytes(ann->ids.table), __ATOMIC_RELAXED);
    }
    ann_retire(ann, old);
}

lh_status
ann_insert(struct lh_ann *ann, const struct ann_newcomer *new, struct lh_error *err)
{
    unsigned level = level_draw(ann);
    uint32_t node;

    LH_TRY(ann_slot_take(ann, &level, !new->is_borrowed, &node, err));
    struct ann_seat *seat = ann_seat_take(ann->seats);
    node_write(ann, seat, node, new);
    node_connect(ann, seat, node, level);
    node_publish(ann, new->id, node);
    __atomic_fetch_add(&ann->unchecked, 1, __ATOMIC_RELAXED);
    ann_seat_leave(seat);
    ann_repair_step(ann);
    return LH_OK;
}
