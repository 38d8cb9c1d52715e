#include "services/vectord/catalogue.h"

#include "base/alloc.h"
#include "base/time.h"
#include "services/vectord/build.h"
#include "services/vectord/cache_file.h"
#include "services/vectord/model.h"
#include "services/vectord/playbook.h"
#include "services/vectord/registry.h"
#include "text/hash_model.h"
#include "text/lsa.h"

enum { DELETE_TRIES = 20, COUNT_PAGE = 1000 };

/* ---- describing ---- */

/* `g` is the current generation, or NULL when it cannot be opened: what it holds is then not known.
 */
static void
size_print(struct lh_json_writer *w, const struct vector_generation *g)
{
    if (g) {
        lh_json_set_u64(w, "length", atomic_load(&g->live_count));
        lh_json_set_u64(w, "memory_bytes", atomic_load(&g->bytes));
    } else {
        lh_json_set_null(w, "length");
        lh_json_set_null(w, "memory_bytes");
    }
}

static void
index_print(struct vectord *v, struct lh_call *call, struct lh_json_writer *w,
            const struct vector_definition *d, const struct vector_generation *g)
{
    const struct vector_generation_spec *spec = vector_definition_find(d, d->current);
    int stale = vector_source_is_stale(v, call, spec->source);

    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", d->name);
    lh_json_set_u64(w, "dimension", spec->dimension);
    lh_json_set_cstr(w, "metric", vector_metric_name(d->metric));
    lh_json_set_u64(w, "generation", d->current);
    size_print(w, g);
    lh_json_set_cstr(w, "model", spec->model[0] ? spec->model : NULL);
    lh_json_key(w, "parameters");
    lh_json_object_begin(w);
    vector_parameters_print(w, &spec->parameters);
    lh_json_object_end(w);
    lh_json_key(w, "source");
    lh_json_put_raw(w, spec->source ? lh_str_of(spec->source) : LH_STR("null"));
    lh_json_key(w, "stale");
    if (stale < 0)
        lh_json_put_null(w);
    else
        lh_json_put_bool(w, stale > 0);
    lh_json_set_time(w, "created_at", d->created_us);
    lh_json_object_end(w);
}

lh_status
vector_index_describe(struct vectord *v, struct lh_call *call, lh_str name, struct lh_buf *answer,
                      struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    LH_AUTO(vector_generation) *g = NULL;
    struct lh_json_writer w = lh_json_writer_over(answer);

    LH_TRY(vector_definition_load(v->bucket, call, name, &d, err));
    LH_TRY(vector_current(v, call, name, &g, err));
    index_print(v, call, &w, d, g);
    return LH_OK;
}

lh_status
vector_index_list(struct vectord *v, struct lh_call *call, lh_str after, size_t limit,
                  struct lh_buf *answer, struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(answer);
    bool has_more = false;
    size_t count = 0;
    lh_str *names = NULL;

    LH_TRY(vector_definition_names(v->bucket, call, after, limit, &names, &count, &has_more, err));
    lh_json_object_begin(&w);
    lh_json_key(&w, "indexes");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        LH_AUTO(vector_definition) *d = NULL;
        LH_AUTO(vector_generation) *g = NULL;
        LH_AUTO_ERROR(why);
        lh_status status = vector_definition_load(v->bucket, call, names[i], &d, &why);

        if (status == LH_OK) {
            (void)vector_current(v, call, names[i], &g, NULL);
            index_print(v, call, &w, d, g);
        } else if (status != LH_NOT_FOUND) {
            lh_error_copy(err, &why);
            return status;
        }
    }
    lh_json_array_end(&w);
    if (has_more && count > 0)
        lh_json_set_str(&w, "next_cursor", names[count - 1]);
    lh_json_object_end(&w);
    return LH_OK;
}

lh_status
vector_index_count(struct vectord *v, struct lh_call *call, size_t *out, struct lh_error *err)
{
    bool has_more = true;
    lh_str after = LH_STR_NONE;
    size_t total = 0;

    while (has_more) {
        lh_str *names = NULL;
        size_t count = 0;

        LH_TRY(vector_definition_names(v->bucket, call, after, COUNT_PAGE, &names, &count,
                                       &has_more, err));
        total += count;
        has_more &= count > 0;
        if (has_more)
            after = names[count - 1];
    }
    *out = total;
    return LH_OK;
}

/* ---- creating ---- */

static lh_status
body_read(const json_t *body, struct vector_definition *d, struct vector_generation_spec *spec,
          struct lh_error *err)
{
    static const char *const fields[] = {
        "name",      "dimension",    "metric", "m", "ef_construction",
        "ef_search", "quantization", "model",  NULL};
    lh_str name, metric, model = LH_STR_NONE;
    int64_t dimension;

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "name", &name, err));
    LH_TRY(lh_json_i64(body, "dimension", &dimension, err));
    LH_TRY(lh_json_str(body, "metric", &metric, err));
    LH_TRY(lh_json_str_opt(body, "model", &model, err));
    LH_TRY(vector_name_check(name, err));
    if (dimension < 1 || dimension > LH_ANN_DIM_MAX)
        return lh_fail(err, LH_INVALID, "vectors.dimension", "dimension is from 1 to %d, not %lld",
                       LH_ANN_DIM_MAX, (long long)dimension);
    if (!vector_metric_parse(metric, &d->metric))
        return lh_fail(err, LH_INVALID, "vectors.metric",
                       "metric is \"cosine\", \"l2\" or \"dot\", not \"%.*s\"",
                       LH_FMT(lh_str_fit(metric, 64)));
    if (!lh_str_copy(spec->model, sizeof(spec->model), model))
        return lh_fail(err, LH_INVALID, "vectors.model", "a model's name has at most %d bytes",
                       VECTOR_MODEL_MAX - 1);
    lh_str_copy(d->name, sizeof(d->name), name);
    spec->dimension = (uint32_t)dimension;
    return vector_parameters_read(body, &spec->parameters, err);
}

static lh_status
room_check(const struct vectord *v, struct lh_call *call, struct lh_error *err)
{
    size_t most = (size_t)lh_config_i64(v->env->config, "vectors.indexes_max"), count = 0;
    bool has_more = false;
    lh_str *names;

    LH_TRY(vector_definition_names(v->bucket, call, LH_STR_NONE, most, &names, &count, &has_more,
                                   err));
    if (count >= most)
        return lh_fail(err, LH_TOO_BIG, "vectors.too_many_indexes",
                       "there are %zu indexes, which is the limit (vectors.indexes_max)", count);
    return LH_OK;
}

static lh_status
created_event(struct vectord *v, struct lh_call *call, const struct vector_definition *d,
              struct lh_buf *answer, struct lh_error *err)
{
    LH_AUTO(vector_generation) *g = NULL;
    struct lh_json_writer w = lh_json_writer_over(answer);

    LH_TRY(vector_current(v, call, lh_str_of(d->name), &g, err));
    index_print(v, call, &w, d, g);
    return vectord_event(v, call, d->name, "index.created", LH_STR_NONE, lh_buf_str(answer), err);
}

struct model_dim {
    const char *name;
    size_t dim; /* 0: unknown, or not yet known */
};

static void
model_dim_see(void *ctx, const struct lh_bridge_model *m)
{
    struct model_dim *wanted = ctx;

    if (strcmp(m->name, wanted->name) == 0)
        wanted->dim = m->dim;
}

/* Whether its vectors fit. A provider is not asked: what it makes is looked at when it embeds. */
static lh_status
model_check(struct vectord *v, const struct vector_generation_spec *spec, struct lh_error *err)
{
    struct model_dim model = {.name = spec->model};
    char found[LH_BRIDGE_NAME_MAX];

    if (spec->model[0] == '\0')
        return LH_OK;
    if (vector_model_is_fitted(lh_str_of(spec->model))) {
        model.dim = LH_LSA_DIM;
    } else {
        LH_TRY(
            lh_bridge_model_find(v->bridge, LH_BRIDGE_EMBED, lh_str_of(spec->model), found, err));
        lh_bridge_models(v->bridge, model_dim_see, &model);
    }
    if (model.dim == 0 || model.dim == spec->dimension)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "vectors.model_dimension",
                   "model \"%s\" makes %zu dimensions, not %u", spec->model, model.dim,
                   spec->dimension);
}

/* The questions of playbooks are compared by one model, or no question would be answered. */
static lh_status
reserved_check(const struct vector_definition *d, const struct vector_generation_spec *spec,
               struct lh_error *err)
{
    if (strcmp(d->name, VECTOR_PLAYBOOK_INDEX) != 0 ||
        (d->metric == LH_ANN_COSINE && strcmp(spec->model, LH_HASH_MODEL_NAME) == 0))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "vectors.reserved",
                   "index '%s' is made by POST /v1/playbooks, with cosine and model \"%s\"",
                   d->name, LH_HASH_MODEL_NAME);
}

lh_status
vector_index_create(struct vectord *v, struct lh_call *call, const json_t *body,
                    struct lh_buf *answer, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = LH_NEW(struct vector_definition);
    struct vector_generation_spec spec = {0};

    LH_TRY(body_read(body, d, &spec, err));
    LH_TRY(reserved_check(d, &spec, err));
    LH_TRY(model_check(v, &spec, err));
    LH_TRY(room_check(v, call, err));
    d->next = 1;
    d->created_us = lh_time_now_us();
    lh_uuid_format(lh_uuid_v4(), d->uid);
    LH_TRY(vector_definition_generation_add(d, &spec, &d->current, err));
    d->generations[0].state = VECTOR_READY;
    LH_TRY(vector_definition_create(v->bucket, call, d, err));
    vector_registry_drop(v, lh_str_of(d->name));
    return created_event(v, call, d, answer, err);
}

/* ---- removing ---- */

/* Names of objects begin with the uid of their index, so a new index of the name is not touched. */
static lh_status
objects_remove(const struct vectord *v, struct lh_call *call, const struct vector_definition *d,
               struct lh_error *err)
{
    const char *prefix =
        lh_arena_printf(&call->arena, "_vectors/%s/embeddings/%.8s-", d->name, d->uid);

    for (size_t i = 0; i < d->generation_count; i++)
        vector_cache_remove(v, d->uid, d->generations[i].number);
    return lh_object_delete_under(v->bucket, call, lh_str_of(prefix), err);
}

lh_status
vector_index_delete(struct vectord *v, struct lh_call *call, lh_str name, struct lh_error *err)
{
    for (int i = 0;; i++) {
        LH_AUTO(vector_definition) *d = NULL;
        LH_AUTO_ERROR(why);
        lh_status status;

        LH_TRY(vector_definition_load(v->bucket, call, name, &d, err));
        status = vector_definition_delete(v->bucket, call, d, &why);
        if (status == LH_OK) {
            vector_registry_drop(v, name);
            LH_TRY(vectord_event(v, call, d->name, "index.deleted", LH_STR_NONE, LH_STR_NONE, err));
            return objects_remove(v, call, d, err);
        }
        if (status != LH_CONFLICT || i == DELETE_TRIES) {
            lh_error_copy(err, &why);
            return status;
        }
    }
}
