#include "services/vectord/merge.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"

#define MERGED_BYTES_MAX ((uint64_t)64 << 20)

enum { BLOCK = 8, MERGES_PER_PASS = 4 };

/* ---- which ---- */

struct block {
    const struct vector_batch *items;
    size_t count;
    struct vector_batch merged;
};

static bool
block_is_due(struct block *b, uint64_t size)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < b->count; i++)
        bytes += b->items[i].size_bytes;
    return b->count > 1 && bytes <= MERGED_BYTES_MAX && b->merged.from % size == 1 &&
           b->merged.to == b->merged.from + size - 1;
}

/* The first block of `size` numbers that is complete and not yet one batch. */
static bool
block_find(const struct vector_batch_list *list, uint64_t size, struct block *out)
{
    for (size_t i = 0; i < list->count;) {
        uint64_t end = ((list->items[i].from - 1) / size + 1) * size;
        struct block b = {.items = &list->items[i]};

        while (i < list->count && list->items[i].to <= end) {
            b.count++;
            i++;
        }
        if (b.count == 0) { /* larger than a block already */
            i++;
            continue;
        }
        b.merged = (struct vector_batch){.from = b.items[0].from, .to = b.items[b.count - 1].to};
        if (block_is_due(&b, size)) {
            *out = b;
            return true;
        }
    }
    return false;
}

static bool
due_find(const struct vector_batch_list *list, struct block *out)
{
    uint64_t head = list->count > 0 ? list->items[list->count - 1].to : 0;

    for (uint64_t size = BLOCK; size <= head; size *= BLOCK) {
        if (block_find(list, size, out))
            return true;
    }
    return false;
}

/* ---- merging ---- */

struct merging {
    struct vector_generation *g;
    bool drops_removals;
    struct lh_arena arena;
    struct lh_vector_row *rows;
    size_t count, capacity;
};

/* A row is alive while it is the last word on its id. */
static bool
row_is_alive(const struct merging *m, const struct lh_vector_row *row)
{
    uint32_t slot;
    const struct vector_record *now = vector_generation_find(m->g, row->id, &slot);

    if (row->is_removal)
        return now == NULL && !m->drops_removals;
    return now && now->sequence == row->sequence;
}

static void
row_keep(struct merging *m, const struct lh_vector_row *row)
{
    struct lh_vector_row *own;
    size_t dim = m->g->spec.dimension;

    if (m->count == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 1024;
        m->rows = lh_realloc_array(m->rows, m->capacity, sizeof(*m->rows));
    }
    own = &m->rows[m->count++];
    *own = *row;
    own->id = lh_arena_str(&m->arena, row->id);
    own->text = row->text.ptr ? lh_arena_str(&m->arena, row->text) : LH_STR_NONE;
    own->metadata = row->metadata.ptr ? lh_arena_str(&m->arena, row->metadata) : LH_STR_NONE;
    if (row->vector) {
        float *vector = lh_arena_array(&m->arena, dim, sizeof(*vector));

        own->vector = memcpy(vector, row->vector, dim * sizeof(*vector));
    }
}

static lh_status
rows_see(void *ctx, const struct lh_vector_row *rows, size_t count, struct lh_error *err)
{
    struct merging *m = ctx;
    struct vector_generation *g = m->g;

    (void)err;
    pthread_rwlock_rdlock(&g->shared.lock);
    for (size_t i = 0; i < count; i++) {
        if (row_is_alive(m, &rows[i]))
            row_keep(m, &rows[i]);
    }
    pthread_rwlock_unlock(&g->shared.lock);
    return LH_OK;
}

static lh_status
batch_read(struct vector_generation *g, struct lh_call *call, const struct vector_batch *b,
           const struct lh_vector_visitor *visitor, struct lh_error *err)
{
    LH_AUTO_BUF(bytes, VECTOR_BATCH_BYTES_MAX);
    struct lh_engine *work;

    LH_TRY(lh_env_work_engine(g->v->env, &work, err));
    LH_TRY(vector_batch_get(&g->log, call, b, &bytes, err));
    return lh_vectors_decode(work, call, lh_buf_bytes(&bytes), g->spec.dimension, visitor, NULL,
                             err);
}

static lh_status
merged_put(struct merging *m, struct lh_call *call, const struct block *b, struct lh_error *err)
{
    struct vector_generation *g = m->g;
    LH_AUTO_BUF(parquet, VECTOR_BATCH_BYTES_MAX);
    struct lh_engine *work;

    LH_TRY(lh_env_work_engine(g->v->env, &work, err));
    LH_TRY(lh_vectors_encode(work, call, m->rows, m->count, g->spec.dimension, LH_STR_NONE,
                             &parquet, err));
    return vector_batch_put_merged(&g->log, call, &b->merged, lh_buf_bytes(&parquet), err);
}

static lh_status
rows_count(void *ctx, const struct lh_vector_row *rows, size_t count, struct lh_error *err)
{
    (void)rows;
    (void)err;
    *(size_t *)ctx += count;
    return LH_OK;
}

/* What cannot be read back must not take the place of what can. */
static lh_status
merged_check(struct merging *m, struct lh_call *call, const struct block *b, struct lh_error *err)
{
    size_t count = 0;
    LH_AUTO_ERROR(why);
    lh_status status =
        batch_read(m->g, call, &b->merged, &(struct lh_vector_visitor){rows_count, &count}, &why);

    if (status == LH_OK && count == m->count)
        return LH_OK;
    (void)vector_batch_remove(&m->g->log, call, &b->merged, NULL);
    if (status == LH_OK)
        return lh_fail(err, LH_CORRUPT, "vectors.merge",
                       "a merged batch of index '%s' has %zu rows instead of %zu", m->g->log.index,
                       count, m->count);
    lh_error_copy(err, &why);
    return status;
}

static lh_status
block_merge(struct merging *m, struct lh_call *call, const struct block *b, struct lh_error *err)
{
    for (size_t i = 0; i < b->count; i++)
        LH_TRY(batch_read(m->g, call, &b->items[i], &(struct lh_vector_visitor){rows_see, m}, err));
    LH_TRY(merged_put(m, call, b, err));
    LH_FAULT("vectors.merge_after_put", err);
    LH_TRY(merged_check(m, call, b, err));
    for (size_t i = 0; i < b->count; i++) {
        LH_TRY(vector_batch_remove(&m->g->log, call, &b->items[i], err));
        LH_FAULT("vectors.merge_amid_removal", err);
    }
    lh_log(LH_LOG_DEBUG, "vectord", "batches merged", LH_LOG_S("index", m->g->log.index),
           LH_LOG_I("batches", b->count), LH_LOG_I("rows", m->count));
    return LH_OK;
}

static lh_status
merge_once(struct vector_generation *g, struct lh_call *call, bool *has_more, struct lh_error *err)
{
    struct merging m = {.g = g};
    struct vector_batch_list list;
    struct block b;
    lh_status status;

    LH_TRY(vector_batches_list(&g->log, call, 0, &list, err));
    for (size_t i = 0; i < list.stale_count; i++)
        LH_TRY(vector_batch_remove(&g->log, call, &list.stale[i], err));
    *has_more = due_find(&list, &b) && b.merged.to <= atomic_load(&g->applied);
    if (!*has_more)
        return LH_OK;
    m.drops_removals = b.merged.from == 1;
    lh_arena_init(&m.arena);
    status = block_merge(&m, call, &b, err);
    free(m.rows);
    lh_arena_fini(&m.arena);
    return status;
}

lh_status
vector_merge(struct vector_generation *g, struct lh_call *call, struct lh_error *err)
{
    bool has_more = true;

    for (int i = 0; i < MERGES_PER_PASS && has_more; i++) {
        LH_AUTO_ERROR(why);
        lh_status status = merge_once(g, call, &has_more, &why);

        /* Another process does the same. */
        if (status == LH_CONFLICT || status == LH_NOT_FOUND)
            return LH_OK;
        if (status != LH_OK) {
            lh_error_copy(err, &why);
            return status;
        }
    }
    return LH_OK;
}
