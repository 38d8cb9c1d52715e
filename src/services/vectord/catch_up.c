/*
 * Catching up: batches that are in the bucket and not yet in memory, applied in order.
 *
 * A merged batch may begin before where memory stands; its rows that are known already are passed
 * over by their number. Only a merge from the very beginning has dropped removals, so memory that
 * stands inside one cannot follow and is opened anew. A batch may be merged and removed between the
 * list and the read; then the list is made again.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "services/vectord/budget.h"
#include "services/vectord/generation.h"

enum { TRIES_MAX = 10 };

struct gathering {
    struct vector_generation *g;
    uint64_t after;
    struct lh_arena arena;
    struct vector_row *rows;
    size_t count, capacity;
    float *vectors;
    size_t vector_count, vector_capacity;
};

static void
room_make(struct gathering *s)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 1024;
        s->rows = lh_realloc_array(s->rows, s->capacity, sizeof(*s->rows));
    }
    if (s->vector_count == s->vector_capacity) {
        s->vector_capacity = s->vector_capacity ? 2 * s->vector_capacity : 1024;
        s->vectors = lh_realloc_array(s->vectors, s->vector_capacity * s->g->spec.dimension,
                                      sizeof(*s->vectors));
    }
}

static lh_status
rows_see(void *ctx, const struct lh_vector_row *rows, size_t count, struct lh_error *err)
{
    struct gathering *s = ctx;
    size_t dim = s->g->spec.dimension;

    (void)err;
    for (size_t i = 0; i < count; i++) {
        const struct lh_vector_row *r = &rows[i];

        if (r->sequence <= (int64_t)s->after)
            continue;
        room_make(s);
        s->rows[s->count++] = (struct vector_row){
            .id = lh_arena_str(&s->arena, r->id),
            .text = r->text.ptr ? lh_arena_str(&s->arena, r->text) : LH_STR_NONE,
            .metadata = r->metadata.ptr ? lh_arena_str(&s->arena, r->metadata) : LH_STR_NONE,
            .sequence = r->sequence,
            .is_removal = r->is_removal,
        };
        if (!r->is_removal)
            memcpy(s->vectors + s->vector_count++ * dim, r->vector, dim * sizeof(float));
    }
    return LH_OK;
}

/* Their place is known only when no more come. */
static void
vectors_place(struct gathering *s)
{
    size_t at = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (!s->rows[i].is_removal)
            s->rows[i].vector = s->vectors + at++ * s->g->spec.dimension;
    }
}

static lh_status
memory_check(const struct gathering *s, struct lh_error *err)
{
    const struct vector_generation *g = s->g;
    size_t more =
        s->vector_count * (sizeof(float) * g->spec.dimension +
                           vector_generation_row_bytes(g, LH_STR_NONE, LH_STR_NONE, LH_STR_NONE)) +
        s->arena.used_bytes;

    vectord_room_make(g->v, more, g);
    if (vector_budget_has(&g->v->budget, more))
        return LH_OK;
    return lh_fail(err, LH_NO_SPACE, "vectors.memory",
                   "index '%s' does not fit into the memory for vector indexes "
                   "(vectors.memory_max)",
                   g->log.index);
}

static lh_status
batch_apply(struct vector_generation *g, struct lh_call *call, const struct vector_batch *b,
            struct lh_error *err)
{
    struct gathering s = {.g = g, .after = atomic_load(&g->applied)};
    LH_AUTO_BUF(bytes, VECTOR_BATCH_BYTES_MAX);
    struct lh_engine *work;
    lh_status status;

    LH_TRY(lh_env_work_engine(g->v->env, &work, err));
    LH_TRY(vector_batch_get(&g->log, call, b, &bytes, err));
    lh_arena_init(&s.arena);
    status = lh_vectors_decode(work, call, lh_buf_bytes(&bytes), g->spec.dimension,
                               &(struct lh_vector_visitor){rows_see, &s}, NULL, err);
    vectors_place(&s);
    if (status == LH_OK)
        status = memory_check(&s, err);
    if (status == LH_OK)
        status = vector_generation_apply(g, s.rows, s.count, err);
    if (status == LH_OK)
        atomic_store(&g->applied, b->to);
    free(s.rows);
    free(s.vectors);
    lh_arena_fini(&s.arena);
    return status;
}

static lh_status
batches_apply(struct vector_generation *g, struct lh_call *call, struct lh_error *err)
{
    struct vector_batch_list list;

    LH_TRY(vector_batches_list(&g->log, call, atomic_load(&g->applied), &list, err));
    for (size_t i = 0; i < list.count; i++) {
        const struct vector_batch *b = &list.items[i];

        if (b->from == 1 && atomic_load(&g->applied) > 0)
            return lh_fail(err, LH_CONFLICT, "vectors.reload",
                           "the batches of index '%s' were merged past what is in memory",
                           g->log.index);
        LH_TRY(batch_apply(g, call, b, err));
        LH_TRY(lh_call_check(call, err));
    }
    return LH_OK;
}

lh_status
vector_generation_catch_up(struct vector_generation *g, struct lh_call *call, struct lh_error *err)
{
    for (int i = 0;; i++) {
        LH_AUTO_ERROR(why);
        lh_status status = batches_apply(g, call, &why);
        bool is_moving = status == LH_NOT_FOUND || lh_error_is(&why, "vectors.batch_missing");

        if (status == LH_OK)
            return LH_OK;
        if (!is_moving || i == TRIES_MAX) {
            lh_error_copy(err, &why);
            return status;
        }
    }
}
