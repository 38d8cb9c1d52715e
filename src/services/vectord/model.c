#include "services/vectord/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define MODEL_BYTES_MAX ((size_t)1 << 30)

bool
vector_model_is_fitted(lh_str name)
{
    return lh_str_eq(name, LH_STR(LH_LSA_NAME));
}

static lh_str
model_key(const struct vector_log *log, struct lh_arena *arena)
{
    return lh_str_of(lh_arena_printf(arena, "_vectors/%s/models/%s-%010llu.parquet", log->index,
                                     log->uid, (unsigned long long)log->number));
}

/* ---- storing ---- */

static void
info_print(const struct lh_lsa_info *info, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "dim", info->dim);
    lh_json_set_u64(&w, "texts", info->text_count);
    lh_json_set_u64(&w, "terms", info->term_count);
    lh_json_set_u64(&w, "seed", info->seed);
    lh_json_set_cstr(&w, "language", info->language);
    lh_json_key(&w, "singular_values");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < info->dim; i++)
        lh_json_put_f64(&w, (double)info->singular_values[i]);
    lh_json_array_end(&w);
    lh_json_object_end(&w);
}

static struct lh_vector_row *
rows_of(const struct lh_lsa *model, const struct lh_lsa_info *info, struct lh_arena *arena)
{
    struct lh_vector_row *rows = lh_arena_array(arena, info->term_count + 1, sizeof(*rows));

    for (size_t i = 0; i < info->term_count; i++) {
        struct lh_lsa_row row;

        lh_lsa_row_get(model, i, &row);
        rows[i] = (struct lh_vector_row){
            .id = row.term,
            .vector = row.vector,
            .metadata = lh_str_of(lh_arena_printf(arena, "{\"weight\":%.9g}", (double)row.weight)),
            .sequence = 1,
        };
    }
    return rows;
}

lh_status
vector_model_store(struct vectord *v, struct lh_call *call, const struct vector_log *log,
                   const struct lh_lsa *model, struct lh_error *err)
{
    LH_AUTO_BUF(meta, (size_t)4 << 20);
    LH_AUTO_BUF(parquet, MODEL_BYTES_MAX);
    LH_AUTO_ARENA(arena);
    struct lh_engine *work;
    struct lh_lsa_info info;
    struct lh_object_info object;

    lh_lsa_info_get(model, &info);
    info_print(&info, &meta);
    LH_TRY(lh_env_work_engine(v->env, &work, err));
    LH_TRY(lh_vectors_encode(work, call, rows_of(model, &info, &arena), info.term_count,
                             (uint32_t)info.dim, lh_buf_str(&meta), &parquet, err));
    return lh_object_put(v->bucket, call, model_key(log, &call->arena), lh_buf_bytes(&parquet),
                         &(struct lh_put_options){.content_type = "application/vnd.apache.parquet"},
                         &object, err);
}

/* ---- loading ---- */

struct loading {
    struct lh_arena arena;
    size_t dim;
    struct lh_lsa_row *rows;
    size_t count, capacity;
};

static lh_status
term_weight(lh_str metadata, float *out, struct lh_error *err)
{
    LH_AUTO_JSON o = NULL;

    LH_TRY(lh_json_parse(metadata, &o, err));
    *out = (float)json_number_value(json_object_get(o, "weight"));
    return LH_OK;
}

static lh_status
rows_see(void *ctx, const struct lh_vector_row *rows, size_t count, struct lh_error *err)
{
    struct loading *l = ctx;

    for (size_t i = 0; i < count; i++) {
        struct lh_lsa_row *row;
        float *vector = lh_arena_array(&l->arena, l->dim, sizeof(*vector));

        if (l->count == l->capacity) {
            l->capacity = l->capacity ? 2 * l->capacity : 1024;
            l->rows = lh_realloc_array(l->rows, l->capacity, sizeof(*l->rows));
        }
        if (rows[i].vector == NULL)
            return lh_fail(err, LH_CORRUPT, "vectors.model", "a term of a model has no vector");
        row = &l->rows[l->count++];
        *row = (struct lh_lsa_row){.term = lh_arena_str(&l->arena, rows[i].id)};
        LH_TRY(term_weight(rows[i].metadata, &row->weight, err));
        row->vector = memcpy(vector, rows[i].vector, l->dim * sizeof(*vector));
    }
    return LH_OK;
}

static lh_status
model_make(struct loading *l, const struct lh_buf *meta, struct lh_lsa **out, struct lh_error *err)
{
    LH_AUTO_JSON o = NULL;
    const json_t *values;
    struct lh_lsa_info info = {.dim = l->dim, .term_count = l->count};
    float *singular = lh_arena_array(&l->arena, l->dim, sizeof(*singular));

    if (lh_json_parse(lh_buf_str(meta), &o, NULL) != LH_OK)
        return lh_fail(err, LH_CORRUPT, "vectors.model", "a model without its description");
    values = json_object_get(o, "singular_values");
    for (size_t i = 0; i < l->dim; i++)
        singular[i] = (float)json_number_value(json_array_get(values, i));
    info.seed = (uint64_t)json_integer_value(json_object_get(o, "seed"));
    info.text_count = (size_t)json_integer_value(json_object_get(o, "texts"));
    info.language = json_string_value(json_object_get(o, "language"));
    info.singular_values = singular;
    if (info.language == NULL)
        return lh_fail(err, LH_CORRUPT, "vectors.model", "a model without a language");
    return lh_lsa_from_rows(&info, l->rows, out, err);
}

static lh_status
model_load(struct vector_generation *g, struct lh_call *call, struct lh_lsa **out,
           struct lh_error *err)
{
    struct loading l = {.dim = g->spec.dimension};
    LH_AUTO_BUF(bytes, MODEL_BYTES_MAX);
    LH_AUTO_BUF(meta, (size_t)4 << 20);
    struct lh_engine *work;
    lh_status status;

    LH_TRY(lh_object_get(g->v->bucket, call, model_key(&g->log, &call->arena), &bytes, NULL, err));
    LH_TRY(lh_env_work_engine(g->v->env, &work, err));
    lh_arena_init(&l.arena);
    status = lh_vectors_decode(work, call, lh_buf_bytes(&bytes), (uint32_t)l.dim,
                               &(struct lh_vector_visitor){rows_see, &l}, &meta, err);
    if (status == LH_OK)
        status = model_make(&l, &meta, out, err);
    free(l.rows);
    lh_arena_fini(&l.arena);
    return status;
}

lh_status
vector_model_open(struct vector_generation *g, struct lh_call *call, struct lh_error *err)
{
    static atomic_uint serial;
    LH_AUTO(lh_lsa) *model = NULL;
    LH_AUTO_ERROR(why);
    char name[LH_BRIDGE_NAME_MAX];
    lh_status status;

    if (!vector_model_is_fitted(lh_str_of(g->spec.model)))
        return LH_OK;
    status = model_load(g, call, &model, &why);
    if (status == LH_NOT_FOUND)
        return LH_OK; /* not fitted yet */
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    (void)snprintf(name, sizeof(name), LH_LSA_NAME ":%.63s:%llu:%u", g->log.index,
                   (unsigned long long)g->log.number, atomic_fetch_add(&serial, 1));
    g->model_bytes = lh_lsa_bytes(model);
    LH_TRY(lh_bridge_lsa_register(g->v->bridge, lh_str_of(name), model, err));
    model = NULL;
    g->model_name = lh_strdup(name);
    return LH_OK;
}

void
vector_model_close(struct vector_generation *g)
{
    if (g->model_name)
        lh_bridge_unregister(g->v->bridge, lh_str_of(g->model_name));
    free(g->model_name);
}
