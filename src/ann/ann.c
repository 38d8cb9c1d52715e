/*
 * The public face: writes that are checked before anything changes, batches on several threads, and
 * what can be asked without searching.
 */
#include "ann/ann.h"

#include <stdlib.h>
#include <string.h>
#include "ann/connect.h"
#include "ann/insert.h"
#include "ann/repair.h"
#include "ann/store.h"
#include "base/alloc.h"
#include "base/thread.h"

#define THREADS_MAX 256

lh_status
lh_ann_new(const struct lh_ann_options *options, struct lh_ann **out, struct lh_error *err)
{
    return ann_store_new(options, out, err);
}

/* ---- checks ---- */

static lh_status
dim_check(const struct lh_ann *ann, size_t dim, struct lh_error *err)
{
    if (dim != ann->model.dim)
        return lh_fail(err, LH_INVALID, "ann.dim", "a vector of %zu dimensions for an index of %u",
                       dim, ann->model.dim);
    return LH_OK;
}

static lh_status
values_fail(size_t row, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "ann.not_finite",
                   "vector %zu holds NaN, infinity, or values whose squares overflow", row);
}

/* ---- one vector ---- */

lh_status
lh_ann_add(struct lh_ann *ann, uint64_t id, const float *vector, size_t dim, struct lh_error *err)
{
    struct ann_newcomer new = {.id = id, .vector = vector};

    LH_TRY(dim_check(ann, dim, err));
    if (!ann_norm_check(&ann->model, vector, &new.norm))
        return values_fail(0, err);
    LH_TRY(ann_write_begin(ann, NULL, 0, err));
    lh_status status = ann_insert(ann, &new, err);
    pthread_rwlock_unlock(&ann->gate);
    return status;
}

lh_status
lh_ann_remove(struct lh_ann *ann, uint64_t id, struct lh_error *err)
{
    if (!lh_ann_contains(ann, id))
        return lh_fail(err, LH_NOT_FOUND, "ann.id", "no vector has id %llu",
                       (unsigned long long)id);
    LH_TRY(ann_write_begin(ann, NULL, 0, err));
    uint32_t node;
    {
        LH_AUTO_LOCK(&ann->ids_lock);
        node = ann_idmap_erase(&ann->ids, ann->grown.label, id);
        if (node != ANN_ID_EMPTY) {
            ann_node_kill(ann, node);
            __atomic_fetch_sub(&ann->live, 1, __ATOMIC_RELAXED);
        }
    }
    ann_repair_step(ann);
    pthread_rwlock_unlock(&ann->gate);
    if (node == ANN_ID_EMPTY)
        return lh_fail(err, LH_NOT_FOUND, "ann.id", "no vector has id %llu",
                       (unsigned long long)id);
    return LH_OK;
}

lh_status
lh_ann_vacuum(struct lh_ann *ann, struct lh_error *err)
{
    LH_TRY(ann_write_begin(ann, NULL, 0, err));
    ann_repair_all(ann);
    pthread_rwlock_unlock(&ann->gate);
    return LH_OK;
}

/* ---- batches ---- */

struct batch_work {
    struct lh_ann *ann;
    const struct lh_ann_batch *batch;
    const uint8_t *is_outdone; /* a later row has the same id; or NULL */
    size_t next;               /* atomic */
    lh_status status;          /* atomic; of the first failure */
    pthread_mutex_t lock;
    struct lh_error *err;
};

static uint64_t
batch_id(const struct lh_ann_batch *batch, size_t row)
{
    return batch->ids == NULL ? row : batch->ids[row];
}

static lh_status
batch_check(struct lh_ann *ann, const struct lh_ann_batch *batch, struct lh_error *err)
{
    float norm;

    LH_TRY(dim_check(ann, batch->dim, err));
    if (batch->count > ANN_NODES_MAX || batch->threads > THREADS_MAX)
        return lh_fail(err, LH_INVALID, "ann.batch", "%zu vectors on %u threads: at most %u on %d",
                       batch->count, batch->threads, ANN_NODES_MAX, THREADS_MAX);
    for (size_t i = 0; i < batch->count; i++)
        if (!ann_norm_check(&ann->model, batch->vectors + i * batch->dim, &norm))
            return values_fail(i, err);
    return LH_OK;
}

/* A row a later row of the batch replaces is not added at all. NULL when there is none. */
static uint8_t *
outdone_find(const struct lh_ann_batch *batch)
{
    uint8_t *is_outdone = NULL;

    if (batch->ids == NULL)
        return NULL;
    struct ann_idmap seen = {0};
    for (size_t i = 0; i < batch->count; i++) {
        struct ann_idtable *old;
        uint32_t before = ann_idmap_put(&seen, batch->ids, batch->ids[i], (uint32_t)i, &old);
        free(old);
        if (before == ANN_ID_EMPTY)
            continue;
        if (is_outdone == NULL)
            is_outdone = lh_alloc_array(batch->count, 1);
        is_outdone[before] = 1;
    }
    free(seen.table);
    return is_outdone;
}

static lh_status
batch_row_add(struct batch_work *work, size_t row, struct lh_error *err)
{
    const struct lh_ann_batch *b = work->batch;
    struct ann_newcomer new = {.id = batch_id(b, row), .is_borrowed = b->is_borrowed};

    if (work->is_outdone != NULL && work->is_outdone[row])
        return LH_OK;
    new.vector = b->vectors + row * b->dim;
    (void)ann_norm_check(&work->ann->model, new.vector, &new.norm);
    return ann_insert(work->ann, &new, err);
}

static void *
batch_run(void *arg)
{
    struct batch_work *work = arg;
    LH_AUTO_ERROR(err);

    while (__atomic_load_n(&work->status, __ATOMIC_RELAXED) == LH_OK) {
        size_t row = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED);
        if (row >= work->batch->count)
            break;
        if (batch_row_add(work, row, &err) == LH_OK)
            continue;
        LH_AUTO_LOCK(&work->lock);
        if (work->status == LH_OK) {
            lh_error_copy(work->err, &err);
            __atomic_store_n(&work->status, err.status, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

/* A thread that cannot be started is one that does not help; the caller does its work. */
static void
batch_spread(struct batch_work *work)
{
    unsigned wanted = work->batch->threads > 1 ? work->batch->threads - 1 : 0, started = 0;
    pthread_t thread[THREADS_MAX];

    while (started < wanted &&
           lh_thread_start(&thread[started], "ann-build", batch_run, work, NULL) == LH_OK)
        started++;
    (void)batch_run(work);
    while (started > 0)
        lh_thread_join(thread[--started]);
}

lh_status
lh_ann_add_many(struct lh_ann *ann, const struct lh_ann_batch *batch, struct lh_error *err)
{
    struct batch_work work = {.ann = ann, .batch = batch, .err = err};

    LH_TRY(batch_check(ann, batch, err));
    if (batch->count == 0)
        return LH_OK;
    LH_TRY(ann_write_begin(ann, batch->vectors, batch->count, err));
    work.status = ann_store_room_make(ann, batch->count, !batch->is_borrowed, err);
    if (work.status != LH_OK) {
        pthread_rwlock_unlock(&ann->gate);
        return work.status;
    }
    uint8_t *is_outdone = outdone_find(batch);
    work.is_outdone = is_outdone;
    pthread_mutex_init(&work.lock, NULL);
    batch_spread(&work);
    ann_connect(ann);
    pthread_rwlock_unlock(&ann->gate);
    pthread_mutex_destroy(&work.lock);
    free(is_outdone);
    return work.status;
}

/* ---- asking ---- */

size_t
lh_ann_count(const struct lh_ann *ann)
{
    return __atomic_load_n(&ann->live, __ATOMIC_RELAXED);
}

static uint32_t
node_find(const struct lh_ann *ann, uint64_t id)
{
    const struct ann_view *v = ann_view_of(ann);

    return ann_idmap_find(&ann->ids, v->label, __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE), id);
}

bool
lh_ann_contains(const struct lh_ann *ann, uint64_t id)
{
    struct ann_seat *seat = ann_seat_take(ann->seats);
    bool is_there = node_find(ann, id) != ANN_ID_EMPTY;

    ann_seat_leave(seat);
    return is_there;
}

lh_status
lh_ann_load(const struct lh_ann *ann, uint64_t id, float *out, size_t dim, struct lh_error *err)
{
    LH_TRY(dim_check(ann, dim, err));
    struct ann_seat *seat = ann_seat_take(ann->seats);
    uint32_t node = node_find(ann, id);
    if (node != ANN_ID_EMPTY)
        memcpy(out, ann_floats_of(ann, ann_view_of(ann), node), dim * sizeof(float));
    ann_seat_leave(seat);
    if (node == ANN_ID_EMPTY)
        return lh_fail(err, LH_NOT_FOUND, "ann.id", "no vector has id %llu",
                       (unsigned long long)id);
    return LH_OK;
}

static void
graph_count(const struct lh_ann *ann, struct lh_ann_stats *out)
{
    const struct ann_view *v = ann_view_of(ann);
    uint32_t entry = __atomic_load_n(&ann->entry, __ATOMIC_ACQUIRE);

    out->levels = entry == ANN_NODE_NONE ? 0 : v->level[entry] + 1u;
    for (uint32_t i = 0; i < out->slots; i++) {
        struct ann_list list = ann_list_of(ann, v, i, 0);
        if (ann_state_of(v, i) != ANN_LIVE)
            continue;
        for (size_t j = 0; j < list.max && ann_link_get(list, j) != ANN_NODE_NONE; j++)
            out->links++;
    }
}

void
lh_ann_stats_get(const struct lh_ann *ann, struct lh_ann_stats *out)
{
    struct lh_ann *own = (struct lh_ann *)(uintptr_t)ann;
    struct ann_seat *seat = ann_seat_take(ann->seats);

    *out = (struct lh_ann_stats){
        .count = lh_ann_count(ann),
        .slots = __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE),
        .kernels = ann->model.kernels->name,
        .code = ann_model_code(&ann->model),
        .is_mapped = ann_view_of(ann) == &ann->mapped,
    };
    graph_count(ann, out);
    out->bytes = ann_store_bytes(own);
    {
        LH_AUTO_LOCK(&own->slots_lock);
        out->free = ann->free_slots.count;
        size_t held = ann->slots - ann->free_slots.count;
        out->removed = held > out->count ? held - out->count : 0;
        out->float_bytes = ann->owned_floats * ann->model.dim * sizeof(float);
    }
    ann_seat_leave(seat);
}

const char *
lh_ann_plan_name(enum lh_ann_plan plan)
{
    switch (plan) {
    case LH_ANN_PLAN_GRAPH:
        return "graph";
    case LH_ANN_PLAN_FILTERED_GRAPH:
        return "filtered_graph";
    case LH_ANN_PLAN_EXACT:
        return "exact";
    }
    return "?";
}
