#include "services/vectord/allowed.h"

#include "base/thread.h"
#include "services/queryd/client.h"
#include "services/vectord/source.h"

enum { BLOCK_SLOTS = 1 << 16, SQL_IDS_MAX = 1000000 };

/* ---- what the epoch sees, and the filter ---- */

/* With the shared lock. */
static void
block_see(const struct vector_reader *r, uint32_t from, uint32_t to, uint64_t *bits)
{
    for (uint32_t slot = from; slot < to; slot++) {
        if (vector_record_is_seen(r->g->shared.records[slot], r->epoch))
            bits[slot / 64] |= UINT64_C(1) << (slot % 64);
    }
}

static void
blocks_fill(const struct vector_reader *r, const struct vector_plan *plan, struct vector_allowed *a)
{
    struct vector_generation *g = r->g;

    for (size_t from = 0; from < a->slot_count; from += BLOCK_SLOTS) {
        size_t to = from + BLOCK_SLOTS < a->slot_count ? from + BLOCK_SLOTS : a->slot_count;

        pthread_rwlock_rdlock(&g->shared.lock);
        block_see(r, (uint32_t)from, (uint32_t)to, a->bits);
        if (plan)
            vector_plan_apply(plan, (uint32_t)from, (uint32_t)to, a->bits);
        pthread_rwlock_unlock(&g->shared.lock);
    }
}

static void
columns_ensure(struct vector_generation *g)
{
    bool has_columns;

    pthread_rwlock_rdlock(&g->shared.lock);
    has_columns = g->shared.columns != NULL;
    pthread_rwlock_unlock(&g->shared.lock);
    if (has_columns)
        return;
    LH_AUTO_LOCK(&g->write_lock);
    vector_generation_columns_make(g);
}

/* ---- SQL ---- */

/* The line end closes a comment that the condition may end with. */
static void
statement_print(const struct vector_sql_filter *f, struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "SELECT DISTINCT CAST(");
    vector_sql_name_print(sql, f->id_column);
    lh_buf_add_cstr(sql, " AS VARCHAR) FROM ");
    vector_sql_name_print(sql, f->dataset);
    if (f->where.len > 0) {
        lh_buf_add_cstr(sql, " WHERE (");
        lh_buf_add_str(sql, f->where);
        lh_buf_add_cstr(sql, "\n)");
    }
}

static lh_status
ids_ask(const struct vector_generation *g, struct lh_call *call, const struct vector_sql_filter *f,
        json_t **out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, (size_t)1 << 20);

    statement_print(f, &sql);
    LH_TRY(lh_buf_check(&sql, "sql_filter", err));
    LH_TRY(lh_query_json(g->v->env->mesh, call,
                         &(struct lh_query){.sql = lh_buf_str(&sql), .limit = SQL_IDS_MAX}, out,
                         err));
    if (json_is_true(json_object_get(*out, "truncated")))
        return lh_fail(err, LH_TOO_BIG, "vectors.sql_filter_too_big",
                       "sql_filter answers more than %d ids", SQL_IDS_MAX);
    return LH_OK;
}

/* A bitmap that ids are put into one by one; the lock is held. */
static void
slot_mark(const struct vector_generation *g, lh_str id, size_t slot_count, uint64_t *bits)
{
    uint32_t slot = vector_names_find(&g->shared.names, id);

    if (slot != VECTOR_NO_SLOT && slot < slot_count)
        bits[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static uint64_t *
bits_new(struct lh_call *call, const struct vector_allowed *a)
{
    return lh_arena_array(&call->arena, a->slot_count / 64 + 1, sizeof(uint64_t));
}

static void
bits_and(struct vector_allowed *a, const uint64_t *bits)
{
    for (size_t word = 0; word < a->slot_count / 64 + 1; word++)
        a->bits[word] &= bits[word];
}

static lh_status
sql_apply(const struct vector_reader *r, struct lh_call *call, const struct vector_sql_filter *f,
          struct vector_allowed *a, struct lh_error *err)
{
    uint64_t *bits = bits_new(call, a);
    LH_AUTO_JSON answer = NULL;
    json_t *row;
    size_t i;

    LH_TRY(ids_ask(r->g, call, f, &answer, err));
    pthread_rwlock_rdlock(&r->g->shared.lock);
    json_array_foreach (json_object_get(answer, "rows"), i, row) {
        const json_t *id = json_array_get(row, 0);

        slot_mark(r->g, (lh_str){json_string_value(id), json_string_length(id)}, a->slot_count,
                  bits);
    }
    pthread_rwlock_unlock(&r->g->shared.lock);
    bits_and(a, bits);
    return LH_OK;
}

/* ---- together ---- */

static void
excluded_clear(const struct vector_reader *r, const lh_str *ids, size_t count,
               struct vector_allowed *a)
{
    pthread_rwlock_rdlock(&r->g->shared.lock);
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = vector_names_find(&r->g->shared.names, ids[i]);

        if (slot != VECTOR_NO_SLOT && slot < a->slot_count)
            a->bits[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    }
    pthread_rwlock_unlock(&r->g->shared.lock);
}

static void
only_keep(const struct vector_reader *r, struct lh_call *call, const struct vector_wanted *wanted,
          struct vector_allowed *a)
{
    uint64_t *bits = bits_new(call, a);

    pthread_rwlock_rdlock(&r->g->shared.lock);
    for (size_t i = 0; i < wanted->only_count; i++)
        slot_mark(r->g, wanted->only[i], a->slot_count, bits);
    pthread_rwlock_unlock(&r->g->shared.lock);
    bits_and(a, bits);
}

lh_status
vector_allowed_make(const struct vector_reader *r, struct lh_call *call,
                    const struct vector_wanted *wanted, struct vector_allowed *out,
                    struct lh_error *err)
{
    struct vector_generation *g = r->g;
    bool has_filter = wanted->filter && wanted->filter->count > 0;
    struct vector_plan *plan = NULL;

    *out = (struct vector_allowed){0};
    if (has_filter)
        columns_ensure(g);
    pthread_rwlock_rdlock(&g->shared.lock);
    out->slot_count = g->shared.slot_count;
    if (has_filter)
        plan = vector_columns_plan(g->shared.columns, wanted->filter, &call->arena);
    pthread_rwlock_unlock(&g->shared.lock);
    out->bits = bits_new(call, out);
    blocks_fill(r, plan, out);
    if (wanted->sql)
        LH_TRY(sql_apply(r, call, wanted->sql, out, err));
    if (wanted->only)
        only_keep(r, call, wanted, out);
    excluded_clear(r, wanted->excluded, wanted->excluded_count, out);
    for (size_t word = 0; word < out->slot_count / 64 + 1; word++)
        out->count += (size_t)__builtin_popcountll(out->bits[word]);
    return LH_OK;
}
