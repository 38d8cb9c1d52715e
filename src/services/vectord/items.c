#include "services/vectord/items.h"

#include <math.h>

#include "base/thread.h"
#include "services/vectord/embed.h"
#include "services/vectord/lift.h"

enum { COMMIT_TRIES = 20, ASIDE_BYTES = 64 << 10 };

/* ---- reading the request ---- */

struct upsert {
    struct vector_generation *g;
    struct lh_call *call;
    struct vector_lifted lifted;
    json_t *body;
    struct vector_row *rows;
    size_t count;
    lh_str *texts; /* to be embedded */
    size_t *text_rows;
    size_t text_count;
};

static void
upsert_fini(struct upsert *u)
{
    vector_lifted_fini(&u->lifted);
    json_decref(u->body);
}

static lh_status
id_check(lh_str id, size_t at, struct lh_error *err)
{
    if (id.len == 0 || id.len > VECTOR_ID_MAX)
        return lh_fail(err, LH_INVALID, "vectors.id", "items[%zu].id has 1 to %d bytes, not %zu",
                       at, VECTOR_ID_MAX, id.len);
    return LH_OK;
}

static lh_status
vector_read(const struct upsert *u, const json_t *value, size_t at, const float **out,
            struct lh_error *err)
{
    const struct vector_generation *g = u->g;
    size_t dim;

    if (!vector_lifted_of(&u->lifted, value, out, &dim))
        return lh_fail(err, LH_INVALID, "vectors.vector",
                       "items[%zu].vector is an array of numbers", at);
    if (dim != g->spec.dimension)
        return lh_fail(err, LH_INVALID, "vectors.dimension",
                       "items[%zu].vector has %zu numbers, index '%s' has %u dimensions", at, dim,
                       g->log.index, g->spec.dimension);
    if (g->metric == LH_ANN_COSINE && vector_is_zero(*out, dim))
        return lh_fail(err, LH_INVALID, "vectors.zero_vector",
                       "items[%zu].vector is all zeros, which has no direction", at);
    return LH_OK;
}

static lh_status
metadata_read(const struct upsert *u, json_t *value, size_t at, struct vector_row *row,
              struct lh_error *err)
{
    struct lh_buf text;
    struct lh_json_writer w;

    row->keeps_metadata = value == NULL;
    if (value == NULL || json_object_size(value) == 0)
        return LH_OK;
    if (json_object_size(value) > VECTOR_METADATA_KEYS_MAX)
        return lh_fail(err, LH_TOO_BIG, "vectors.metadata_too_big",
                       "items[%zu].metadata has %zu keys, %d are allowed", at,
                       json_object_size(value), VECTOR_METADATA_KEYS_MAX);
    lh_buf_init(&text, u->g->v->metadata_max);
    w = lh_json_writer_over(&text);
    lh_json_put_value(&w, value);
    row->metadata = lh_arena_str(&u->call->arena, lh_buf_str(&text));
    bool is_too_big = text.is_failed;

    lh_buf_fini(&text);
    if (is_too_big)
        return lh_fail(err, LH_TOO_BIG, "vectors.metadata_too_big",
                       "items[%zu].metadata has more than %zu bytes", at, u->g->v->metadata_max);
    return LH_OK;
}

static lh_status
text_read(struct upsert *u, size_t at, struct vector_row *row, struct lh_error *err)
{
    if (row->text.len > u->g->v->text_max)
        return lh_fail(err, LH_TOO_BIG, "vectors.text_too_big",
                       "items[%zu].text has %zu bytes, %zu are allowed (vectors.text_max)", at,
                       row->text.len, u->g->v->text_max);
    if (row->vector)
        return LH_OK;
    if (row->text.ptr == NULL)
        return lh_fail(err, LH_INVALID, "vectors.items",
                       "items[%zu] has neither a vector nor a text", at);
    u->texts[u->text_count] = row->text;
    u->text_rows[u->text_count++] = at;
    return LH_OK;
}

static lh_status
item_read(struct upsert *u, const json_t *item, size_t at, struct lh_error *err)
{
    static const char *const fields[] = {"id", "vector", "text", "metadata", NULL};
    struct vector_row *row = &u->rows[at];
    const json_t *vector = json_object_get(item, "vector");
    json_t *metadata = NULL;

    if (!json_is_object(item))
        return lh_fail(err, LH_INVALID, "vectors.items", "items[%zu] is not an object", at);
    LH_TRY(lh_json_only(item, fields, err));
    LH_TRY(lh_json_str(item, "id", &row->id, err));
    LH_TRY(id_check(row->id, at, err));
    LH_TRY(lh_json_str_opt(item, "text", &row->text, err));
    LH_TRY(lh_json_object_opt(item, "metadata", &metadata, err));
    if (vector && !json_is_null(vector))
        LH_TRY(vector_read(u, vector, at, &row->vector, err));
    LH_TRY(metadata_read(u, metadata, at, row, err));
    return text_read(u, at, row, err);
}

static lh_status
items_read(struct upsert *u, struct lh_error *err)
{
    static const char *const fields[] = {"items", NULL};
    json_t *items = NULL;

    LH_TRY(lh_json_only(u->body, fields, err));
    LH_TRY(lh_json_array_opt(u->body, "items", &items, err));
    u->count = json_array_size(items);
    if (u->count == 0)
        return lh_fail(err, LH_INVALID, "vectors.items", "items is an array of at least one item");
    if (u->count > u->g->v->items_max)
        return lh_fail(err, LH_TOO_BIG, "vectors.too_many_items",
                       "%zu items in one request, %zu are allowed (vectors.items_max)", u->count,
                       u->g->v->items_max);
    u->rows = lh_arena_array(&u->call->arena, u->count, sizeof(*u->rows));
    u->texts = lh_arena_array(&u->call->arena, u->count, sizeof(*u->texts));
    u->text_rows = lh_arena_array(&u->call->arena, u->count, sizeof(*u->text_rows));
    for (size_t i = 0; i < u->count; i++)
        LH_TRY(item_read(u, json_array_get(items, i), i, err));
    return LH_OK;
}

static lh_status
texts_embed(struct upsert *u, struct lh_error *err)
{
    size_t dim = u->g->spec.dimension;
    float *floats;

    if (u->text_count == 0)
        return LH_OK;
    floats = lh_arena_array(&u->call->arena, u->text_count * dim, sizeof(*floats));
    LH_TRY(vector_embed(u->g, u->call, u->texts, u->text_count, floats, NULL, err));
    for (size_t i = 0; i < u->text_count; i++) {
        const float *vector = floats + i * dim;

        if (u->g->metric == LH_ANN_COSINE && vector_is_zero(vector, dim))
            return lh_fail(err, LH_INVALID, "vectors.zero_vector",
                           "items[%zu].text has no word that model \"%s\" knows", u->text_rows[i],
                           u->g->spec.model);
        u->rows[u->text_rows[i]].vector = vector;
    }
    return LH_OK;
}

/* ---- committing ---- */

/* Nobody has made another generation current whose items are elsewhere. */
static lh_status
is_still_current(struct vectord *v, struct lh_call *call, const struct vector_generation *g,
                 bool *out, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    const struct vector_generation_spec *spec;

    LH_TRY(vector_definition_load(v->bucket, call, lh_str_of(g->log.index), &d, err));
    spec = vector_definition_find(d, d->current);
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a definition has a uid */
    *out = strncmp(d->uid, g->log.uid, 8) == 0 && spec->log == g->log.number;
    return LH_OK;
}

lh_status
vector_rows_commit(struct vectord *v, struct lh_call *call, struct vector_generation *g,
                   struct vector_change *change, struct lh_error *err)
{
    bool is_current = false;

    LH_TRY(vector_commit(g, call, change, err));
    LH_TRY(is_still_current(v, call, g, &is_current, err));
    if (!is_current)
        return lh_fail(err, LH_CONFLICT, "vectors.generation_changed",
                       "another generation of '%s' became current meanwhile; do it again",
                       g->log.index);
    lh_metric_add(v->metrics.items, (int64_t)change->count);
    return LH_OK;
}

/* What may be tried again on what is current or readable now. */
static bool
is_to_repeat(const struct lh_error *why)
{
    return lh_error_is(why, "vectors.generation_changed") || lh_error_is(why, "vectors.reload");
}

static void
after_failure(struct vectord *v, struct lh_call *call, struct vector_generation *g,
              const struct lh_error *why)
{
    struct vector_definition *d = NULL;
    LH_AUTO_ERROR(err);

    if (lh_error_is(why, "vectors.reload"))
        vector_registry_close(v, g);
    else if (vector_definition_load(v->bucket, call, lh_str_of(g->log.index), &d, &err) == LH_OK)
        (void)vector_registry_adopt(v, call, d, &err);
}

static lh_status
upserted_event(struct upsert *u, const struct vector_change *change, struct lh_buf *answer,
               struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(answer);

    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "upserted", u->count);
    lh_json_set_u64(&w, "generation", u->g->spec.number);
    lh_json_set_u64(&w, "batch", change->batch);
    lh_json_set_u64(&w, "length", atomic_load(&u->g->live_count));
    lh_json_object_end(&w);
    return vectord_event(u->g->v, u->call, u->g->log.index, "items.upserted", LH_STR_NONE,
                         lh_buf_str(answer), err);
}

static lh_status
request_read(struct upsert *u, lh_str body, struct lh_error *err)
{
    LH_TRY(vector_lift(body, 3, &u->lifted, err));
    LH_TRY(lh_json_parse(lh_buf_str(&u->lifted.json), &u->body, err));
    if (!json_is_object(u->body))
        return lh_fail(err, LH_INVALID, "request.json", "the body is a JSON object");
    LH_TRY(items_read(u, err));
    return texts_embed(u, err);
}

struct reading {
    struct upsert *u;
    lh_str body;
    struct lh_error *err;
    lh_status status;
};

static void
reading_run(void *arg)
{
    struct reading *r = arg;

    r->status = request_read(r->u, r->body, r->err);
}

/* Numbers of a few hundred vectors take milliseconds to read, which searches do not wait for. */
static lh_status
request_read_aside(struct upsert *u, lh_str body, struct lh_error *err)
{
    struct reading r = {u, body, err, LH_OK};

    if (body.len < ASIDE_BYTES)
        return request_read(u, body, err);
    lh_thread_run_aside("vector-read", reading_run, &r);
    return r.status;
}

static lh_status
upsert_once(struct upsert *u, lh_str body, struct lh_buf *answer, struct lh_error *err)
{
    struct vector_change change = {0};

    LH_TRY(request_read_aside(u, body, err));
    change.rows = u->rows;
    change.count = u->count;
    LH_TRY(vector_rows_commit(u->g->v, u->call, u->g, &change, err));
    return upserted_event(u, &change, answer, err);
}

lh_status
vector_items_upsert(struct vectord *v, struct lh_call *call, lh_str name, lh_str body,
                    struct lh_buf *answer, struct lh_error *err)
{
    for (int i = 0;; i++) {
        LH_AUTO(vector_generation) *g = NULL;
        LH_AUTO_ERROR(why);
        struct upsert u = {.call = call};
        lh_status status;

        LH_TRY(vector_current(v, call, name, &g, err));
        u.g = g;
        status = upsert_once(&u, body, answer, &why);
        upsert_fini(&u);
        if (status == LH_OK || !is_to_repeat(&why) || i == COMMIT_TRIES) {
            lh_error_copy(err, &why);
            return status;
        }
        after_failure(v, call, g, &why);
    }
}

/* ---- removing ---- */

static lh_status
rows_remove(struct vectord *v, struct lh_call *call, lh_str name, const lh_str *ids, size_t count,
            size_t *known, uint64_t *generation, struct lh_error *err)
{
    for (int i = 0;; i++) {
        LH_AUTO(vector_generation) *g = NULL;
        LH_AUTO_ERROR(why);
        struct vector_change change = {
            .rows = lh_arena_array(&call->arena, count + 1, sizeof(*change.rows)),
            .count = count,
        };
        lh_status status;

        LH_TRY(vector_current(v, call, name, &g, err));
        for (size_t at = 0; at < count; at++)
            change.rows[at] = (struct vector_row){.id = ids[at], .is_removal = true};
        status = vector_rows_commit(v, call, g, &change, &why);
        *known = change.known;
        *generation = g->spec.number;
        if (status == LH_OK || !is_to_repeat(&why) || i == COMMIT_TRIES) {
            lh_error_copy(err, &why);
            return status;
        }
        after_failure(v, call, g, &why);
    }
}

static lh_status
deleted_event(struct vectord *v, struct lh_call *call, lh_str name, size_t known,
              uint64_t generation, struct lh_buf *answer, struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(answer);

    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "deleted", known);
    lh_json_set_u64(&w, "generation", generation);
    lh_json_object_end(&w);
    return vectord_event(v, call, lh_arena_cstr(&call->arena, name), "items.deleted", LH_STR_NONE,
                         lh_buf_str(answer), err);
}

static lh_status
ids_read(const struct vectord *v, struct lh_call *call, const json_t *body, lh_str **ids,
         size_t *count, struct lh_error *err)
{
    static const char *const fields[] = {"ids", NULL};
    json_t *list = NULL, *item;
    size_t i;

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_array_opt(body, "ids", &list, err));
    if (list == NULL)
        return lh_fail(err, LH_INVALID, "request.field_missing", "ids is missing");
    if (json_array_size(list) > v->items_max)
        return lh_fail(err, LH_TOO_BIG, "vectors.too_many_items",
                       "%zu ids in one request, %zu are allowed (vectors.items_max)",
                       json_array_size(list), v->items_max);
    *ids = lh_arena_array(&call->arena, json_array_size(list) + 1, sizeof(**ids));
    json_array_foreach (list, i, item) {
        (*ids)[i] = lh_str_of(json_string_value(item));
        if ((*ids)[i].len == 0 || (*ids)[i].len > VECTOR_ID_MAX)
            return lh_fail(err, LH_INVALID, "vectors.id", "ids[%zu] is a text of 1 to %d bytes", i,
                           VECTOR_ID_MAX);
    }
    *count = json_array_size(list);
    return LH_OK;
}

lh_status
vector_items_delete(struct vectord *v, struct lh_call *call, lh_str name, const json_t *body,
                    struct lh_buf *answer, struct lh_error *err)
{
    uint64_t generation;
    size_t count = 0, known = 0;
    lh_str *ids = NULL;

    LH_TRY(ids_read(v, call, body, &ids, &count, err));
    LH_TRY(rows_remove(v, call, name, ids, count, &known, &generation, err));
    return deleted_event(v, call, name, known, generation, answer, err);
}

static lh_status
unknown_item(lh_str name, lh_str id, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_item", "index '%.*s' has no item '%.*s'",
                   LH_FMT(name), LH_FMT(lh_str_fit(id, 128)));
}

lh_status
vector_item_delete(struct vectord *v, struct lh_call *call, lh_str name, lh_str id,
                   struct lh_error *err)
{
    LH_AUTO_BUF(answer, 4096);
    uint64_t generation;
    size_t known = 0;

    LH_TRY(rows_remove(v, call, name, &id, 1, &known, &generation, err));
    if (known == 0)
        return unknown_item(name, id, err);
    return deleted_event(v, call, name, known, generation, &answer, err);
}

/* ---- reading ---- */

static void
item_print(const struct vector_generation *g, const struct vector_record *r, const float *vector,
           struct lh_buf *answer)
{
    struct lh_json_writer w = lh_json_writer_over(answer);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "id", r->id);
    lh_json_key(&w, "vector");
    lh_json_array_begin(&w);
    for (uint32_t i = 0; i < g->spec.dimension; i++)
        vector_float_put(&w, vector[i]);
    lh_json_array_end(&w);
    if (r->text.ptr)
        lh_json_set_str(&w, "text", r->text);
    lh_json_set_raw(&w, "metadata", r->metadata.ptr ? r->metadata : LH_STR("{}"));
    lh_json_set_u64(&w, "generation", g->spec.number);
    lh_json_object_end(&w);
}

/* While a reader is registered, a record that was found stays. */
static lh_status
item_read_print(struct vector_generation *g, struct lh_call *call, lh_str id, struct lh_buf *answer,
                struct lh_error *err)
{
    float *vector = lh_arena_array(&call->arena, g->spec.dimension, sizeof(*vector));
    const struct vector_record *r;
    uint32_t slot;

    pthread_rwlock_rdlock(&g->shared.lock);
    r = vector_generation_find(g, id, &slot);
    pthread_rwlock_unlock(&g->shared.lock);
    if (r == NULL)
        return unknown_item(lh_str_of(g->log.index), id, err);
    LH_TRY(lh_ann_load(g->ann, slot, vector, g->spec.dimension, err));
    item_print(g, r, vector, answer);
    return LH_OK;
}

lh_status
vector_item_get(struct vectord *v, struct lh_call *call, lh_str name, lh_str id,
                struct lh_buf *answer, struct lh_error *err)
{
    LH_AUTO(vector_generation) *g = NULL;
    struct vector_reader reader;
    lh_status status;

    LH_TRY(vector_current(v, call, name, &g, err));
    LH_TRY(vector_reader_enter(g, &reader, err));
    status = item_read_print(g, call, id, answer, err);
    vector_reader_leave(&reader);
    return status;
}
