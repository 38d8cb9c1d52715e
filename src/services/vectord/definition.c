#include "services/vectord/definition.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/time.h"

#define PREFIX "_vectors/indexes.d/"
#define SUFFIX ".json"
#define DEFINITION_BYTES_MAX ((size_t)1 << 20)

enum { TRIES_MAX = 50, M_DEFAULT = 16, M_MIN = 4, M_MAX = 64, EF_MAX = 10000 };
enum { EF_CONSTRUCTION_DEFAULT = 160 };

/* ---- words ---- */

static const char *const metric_names[] = {"cosine", "l2", "dot"};
static const char *const quantization_names[] = {"none", "int8"};
static const char *const state_names[] = {"ready", "building", "failed"};

static bool
word_find(lh_str word, const char *const *words, size_t count, size_t *at)
{
    for (size_t i = 0; i < count; i++) {
        if (lh_str_eq(word, lh_str_of(words[i]))) {
            *at = i;
            return true;
        }
    }
    return false;
}

static bool
is_name_char(char c, size_t at)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (at > 0 && c >= '0' && c <= '9');
}

lh_status
vector_name_check(lh_str name, struct lh_error *err)
{
    bool is_good = name.len > 0 && name.len < VECTOR_NAME_MAX;

    for (size_t i = 0; is_good && i < name.len; i++)
        is_good = is_name_char(name.ptr[i], i);
    if (!is_good)
        return lh_fail(err, LH_INVALID, "vectors.name",
                       "an index is named by a letter or _, then up to 62 letters, digits or _, "
                       "not \"%.*s\"",
                       LH_FMT(lh_str_fit(name, VECTOR_NAME_MAX)));
    return LH_OK;
}

const char *
vector_metric_name(enum lh_ann_metric metric)
{
    return metric_names[metric];
}

bool
vector_metric_parse(lh_str name, enum lh_ann_metric *out)
{
    size_t at;

    if (!word_find(name, metric_names, 3, &at))
        return false;
    *out = (enum lh_ann_metric)at;
    return true;
}

const char *
vector_quantization_name(enum vector_quantization q)
{
    return quantization_names[q];
}

bool
vector_quantization_parse(lh_str name, enum vector_quantization *out)
{
    size_t at;

    if (!word_find(name, quantization_names, 2, &at))
        return false;
    *out = (enum vector_quantization)at;
    return true;
}

const char *
vector_state_name(enum vector_state state)
{
    return state_names[state];
}

/* ---- parameters ---- */

static lh_status
parameter_read(const json_t *object, const char *field, int64_t min, int64_t max, uint32_t *out,
               struct lh_error *err)
{
    int64_t value = *out;

    LH_TRY(lh_json_i64_opt(object, field, &value, err));
    if (value != *out && (value < min || value > max))
        return lh_fail(err, LH_INVALID, "vectors.parameters",
                       "%s is from %lld to %lld, and %lld was asked for", field, (long long)min,
                       (long long)max, (long long)value);
    *out = (uint32_t)value;
    return LH_OK;
}

lh_status
vector_parameters_read(const json_t *object, struct vector_parameters *p, struct lh_error *err)
{
    struct vector_parameters read = *p;
    lh_str quantization = LH_STR_NONE;

    LH_TRY(parameter_read(object, "m", M_MIN, M_MAX, &read.m, err));
    LH_TRY(parameter_read(object, "ef_construction", M_MIN, EF_MAX, &read.ef_construction, err));
    LH_TRY(parameter_read(object, "ef_search", 1, EF_MAX, &read.ef_search, err));
    LH_TRY(lh_json_str_opt(object, "quantization", &quantization, err));
    if (quantization.ptr && !vector_quantization_parse(quantization, &read.quantization))
        return lh_fail(err, LH_INVALID, "vectors.parameters",
                       "quantization is \"none\" or \"int8\", not \"%.*s\"",
                       LH_FMT(lh_str_fit(quantization, 64)));
    *p = read;
    return LH_OK;
}

void
vector_parameters_print(struct lh_json_writer *w, const struct vector_parameters *p)
{
    lh_json_set_u64(w, "m", p->m ? p->m : M_DEFAULT);
    lh_json_set_u64(w, "ef_construction",
                    p->ef_construction ? p->ef_construction : EF_CONSTRUCTION_DEFAULT);
    if (p->ef_search > 0)
        lh_json_set_u64(w, "ef_search", p->ef_search);
    else
        lh_json_set_null(w, "ef_search");
    lh_json_set_cstr(w, "quantization", vector_quantization_name(p->quantization));
}

struct lh_ann_options
vector_ann_options(const struct vector_generation_spec *spec, enum lh_ann_metric metric,
                   size_t max_bytes)
{
    const struct vector_parameters *p = &spec->parameters;

    return (struct lh_ann_options){
        .dim = spec->dimension,
        .metric = metric,
        .code = p->quantization == VECTOR_QUANTIZATION_INT8 ? LH_ANN_CODE_INT8 : LH_ANN_CODE_AUTO,
        .degree = 2 * (p->m ? p->m : M_DEFAULT),
        .ef_construction = p->ef_construction,
        .seed = spec->number,
        .max_bytes = max_bytes,
    };
}

/* ---- generations ---- */

static void
spec_fini(struct vector_generation_spec *spec)
{
    free(spec->source);
    free(spec->note);
    *spec = (struct vector_generation_spec){0};
}

void
vector_definition_free(struct vector_definition *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->generation_count; i++)
        spec_fini(&d->generations[i]);
    free(d);
}

const struct vector_generation_spec *
vector_definition_find(const struct vector_definition *d, uint64_t number)
{
    for (size_t i = 0; i < d->generation_count; i++) {
        if (d->generations[i].number == number)
            return &d->generations[i];
    }
    return NULL;
}

struct vector_generation_spec *
vector_definition_generation(struct vector_definition *d, uint64_t number)
{
    return (struct vector_generation_spec *)(uintptr_t)vector_definition_find(d, number);
}

lh_status
vector_definition_generation_add(struct vector_definition *d,
                                 const struct vector_generation_spec *spec, uint64_t *number,
                                 struct lh_error *err)
{
    struct vector_generation_spec *own;

    if (d->generation_count == VECTOR_GENERATIONS_MAX)
        return lh_fail(err, LH_TOO_BIG, "vectors.generations",
                       "'%s' has %d generations, which is the limit; delete some", d->name,
                       VECTOR_GENERATIONS_MAX);
    own = &d->generations[d->generation_count++];
    *own = *spec;
    own->number = d->next++;
    own->log = spec->log ? spec->log : own->number;
    own->created_us = lh_time_now_us();
    own->source = lh_strdup(spec->source);
    own->note = NULL;
    *number = own->number;
    return LH_OK;
}

static void
history_drop(struct vector_definition *d, uint64_t number)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->history_count; i++) {
        if (d->history[i] != number)
            d->history[kept++] = d->history[i];
    }
    d->history_count = kept;
}

void
vector_definition_generation_drop(struct vector_definition *d, uint64_t number)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->generation_count; i++) {
        if (d->generations[i].number == number)
            spec_fini(&d->generations[i]);
        else
            d->generations[kept++] = d->generations[i];
    }
    d->generation_count = kept;
    history_drop(d, number);
}

static void
history_push(struct vector_definition *d, uint64_t number)
{
    history_drop(d, number);
    if (d->history_count == VECTOR_HISTORY_MAX)
        memmove(d->history, d->history + 1, --d->history_count * sizeof(d->history[0]));
    d->history[d->history_count++] = number;
}

lh_status
vector_definition_promote(struct vector_definition *d, uint64_t number, struct lh_error *err)
{
    const struct vector_generation_spec *spec = vector_definition_find(d, number);

    if (spec == NULL)
        return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_generation",
                       "'%s' has no generation %llu", d->name, (unsigned long long)number);
    if (spec->state != VECTOR_READY)
        return lh_fail(err, LH_CONFLICT, "vectors.generation_not_ready",
                       "generation %llu of '%s' is %s", (unsigned long long)number, d->name,
                       vector_state_name(spec->state));
    if (number == d->current)
        return LH_OK;
    history_push(d, d->current);
    d->current = number;
    return LH_OK;
}

lh_status
vector_definition_rollback(struct vector_definition *d, struct lh_error *err)
{
    if (d->history_count == 0)
        return lh_fail(err, LH_CONFLICT, "vectors.nothing_to_roll_back",
                       "no other generation of '%s' has answered before", d->name);
    d->current = d->history[--d->history_count];
    return LH_OK;
}

/* ---- the object ---- */

static void
spec_print(struct lh_json_writer *w, const struct vector_generation_spec *spec)
{
    lh_json_object_begin(w);
    lh_json_set_u64(w, "generation", spec->number);
    lh_json_set_u64(w, "log", spec->log);
    lh_json_set_cstr(w, "state", vector_state_name(spec->state));
    lh_json_set_u64(w, "dimension", spec->dimension);
    lh_json_set_cstr(w, "model", spec->model);
    lh_json_set_u64(w, "m", spec->parameters.m);
    lh_json_set_u64(w, "ef_construction", spec->parameters.ef_construction);
    lh_json_set_u64(w, "ef_search", spec->parameters.ef_search);
    lh_json_set_cstr(w, "quantization", vector_quantization_name(spec->parameters.quantization));
    lh_json_set_i64(w, "created_us", spec->created_us);
    if (spec->source)
        lh_json_set_raw(w, "source", lh_str_of(spec->source));
    if (spec->note)
        lh_json_set_cstr(w, "note", spec->note);
    lh_json_object_end(w);
}

static void
definition_print(const struct vector_definition *d, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "name", d->name);
    lh_json_set_cstr(&w, "uid", d->uid);
    lh_json_set_cstr(&w, "metric", vector_metric_name(d->metric));
    lh_json_set_i64(&w, "created_us", d->created_us);
    lh_json_set_u64(&w, "current", d->current);
    lh_json_set_u64(&w, "next", d->next);
    lh_json_set_u64(&w, "revision", d->revision);
    lh_json_key(&w, "generations");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < d->generation_count; i++)
        spec_print(&w, &d->generations[i]);
    lh_json_array_end(&w);
    lh_json_key(&w, "history");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < d->history_count; i++)
        lh_json_put_u64(&w, d->history[i]);
    lh_json_array_end(&w);
    lh_json_object_end(&w);
}

static bool
u64_of(const json_t *object, const char *field, uint64_t *out)
{
    const json_t *v = json_object_get(object, field);

    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static bool
u32_of(const json_t *object, const char *field, uint32_t *out)
{
    uint64_t v;

    if (!u64_of(object, field, &v) || v > UINT32_MAX)
        return false;
    *out = (uint32_t)v;
    return true;
}

static lh_str
str_of(const json_t *object, const char *field)
{
    return lh_str_of(json_string_value(json_object_get(object, field)));
}

static bool
spec_words_parse(const json_t *object, struct vector_generation_spec *spec)
{
    lh_str model = str_of(object, "model");
    size_t state;

    if (!word_find(str_of(object, "state"), state_names, 3, &state))
        return false;
    spec->state = (enum vector_state)state;
    return lh_str_copy(spec->model, sizeof(spec->model), model) &&
           vector_quantization_parse(str_of(object, "quantization"),
                                     &spec->parameters.quantization);
}

static bool
spec_parse(const json_t *object, struct vector_generation_spec *spec)
{
    const json_t *source = json_object_get(object, "source");
    struct vector_parameters *p = &spec->parameters;

    spec->created_us = json_integer_value(json_object_get(object, "created_us"));
    spec->note = lh_strdup(json_string_value(json_object_get(object, "note")));
    spec->source = source ? json_dumps(source, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    return u64_of(object, "generation", &spec->number) && u64_of(object, "log", &spec->log) &&
           spec_words_parse(object, spec) && u32_of(object, "dimension", &spec->dimension) &&
           spec->dimension > 0 && spec->dimension <= LH_ANN_DIM_MAX && u32_of(object, "m", &p->m) &&
           u32_of(object, "ef_construction", &p->ef_construction) &&
           u32_of(object, "ef_search", &p->ef_search) && p->m <= M_MAX;
}

static bool
generations_parse(const json_t *root, struct vector_definition *d)
{
    const json_t *list = json_object_get(root, "generations"), *item;
    size_t i;

    if (json_array_size(list) > VECTOR_GENERATIONS_MAX)
        return false;
    json_array_foreach (list, i, item) {
        d->generation_count = i + 1; /* half of one is freed too */
        if (!spec_parse(item, &d->generations[i]))
            return false;
    }
    return vector_definition_find(d, d->current) != NULL;
}

static bool
history_parse(const json_t *root, struct vector_definition *d)
{
    const json_t *list = json_object_get(root, "history"), *item;
    size_t i;

    json_array_foreach (list, i, item) {
        uint64_t number = (uint64_t)json_integer_value(item);

        if (d->history_count < VECTOR_HISTORY_MAX && vector_definition_find(d, number))
            d->history[d->history_count++] = number;
    }
    return true;
}

static bool
definition_parse(const json_t *root, lh_str name, struct vector_definition *d)
{
    d->created_us = json_integer_value(json_object_get(root, "created_us"));
    return lh_str_eq(str_of(root, "name"), name) && lh_str_copy(d->name, sizeof(d->name), name) &&
           str_of(root, "uid").len == LH_UUID_TEXT - 1 &&
           lh_str_copy(d->uid, sizeof(d->uid), str_of(root, "uid")) &&
           vector_metric_parse(str_of(root, "metric"), &d->metric) &&
           u64_of(root, "current", &d->current) && u64_of(root, "next", &d->next) &&
           u64_of(root, "revision", &d->revision) && generations_parse(root, d) &&
           history_parse(root, d);
}

static lh_str
definition_key(lh_str name, struct lh_arena *arena)
{
    return lh_str_of(lh_arena_printf(arena, PREFIX "%.*s" SUFFIX, LH_FMT(name)));
}

static lh_status
unknown(lh_str name, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_index", "there is no index '%.*s'",
                   LH_FMT(lh_str_fit(name, VECTOR_NAME_MAX)));
}

lh_status
vector_definition_load(struct lh_bucket *b, struct lh_call *call, lh_str name,
                       struct vector_definition **out, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = LH_NEW(struct vector_definition);
    LH_AUTO_BUF(text, DEFINITION_BYTES_MAX);
    LH_AUTO_JSON root = NULL;
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status;

    if (vector_name_check(name, NULL) != LH_OK)
        return unknown(name, err);
    status = lh_object_get(b, call, definition_key(name, &call->arena), &text, &info, &why);
    if (status == LH_NOT_FOUND)
        return unknown(name, err);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    if (lh_json_parse(lh_buf_str(&text), &root, NULL) != LH_OK || !definition_parse(root, name, d))
        return lh_fail(err, LH_CORRUPT, "vectors.definition",
                       "the definition of index '%.*s' is damaged", LH_FMT(name));
    memcpy(d->etag, info.etag, sizeof(d->etag));
    *out = lh_take(d);
    return LH_OK;
}

static lh_status
definition_put(struct lh_bucket *b, struct lh_call *call, struct vector_definition *d,
               const struct lh_put_options *options, struct lh_error *err)
{
    LH_AUTO_BUF(text, DEFINITION_BYTES_MAX);
    struct lh_object_info info;

    d->revision++;
    definition_print(d, &text);
    LH_TRY(lh_buf_check(&text, "the definition of the index", err));
    LH_TRY(lh_object_put(b, call, definition_key(lh_str_of(d->name), &call->arena),
                         lh_buf_bytes(&text), options, &info, err));
    memcpy(d->etag, info.etag, sizeof(d->etag));
    return LH_OK;
}

lh_status
vector_definition_create(struct lh_bucket *b, struct lh_call *call, struct vector_definition *d,
                         struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = definition_put(
        b, call, d, &(struct lh_put_options){.if_absent = true, .content_type = "application/json"},
        &why);

    if (status == LH_CONFLICT)
        return lh_fail(err, LH_EXISTS, "vectors.index_exists", "there is an index '%s' already",
                       d->name);
    lh_error_copy(err, &why);
    return status;
}

lh_status
vector_definition_store(struct lh_bucket *b, struct lh_call *call, struct vector_definition *d,
                        struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = definition_put(
        b, call, d,
        &(struct lh_put_options){.if_match = d->etag, .content_type = "application/json"}, &why);

    if (status == LH_CONFLICT || status == LH_NOT_FOUND)
        return lh_fail(err, LH_CONFLICT, "vectors.definition_changed",
                       "index '%s' was changed by somebody else meanwhile", d->name);
    lh_error_copy(err, &why);
    return status;
}

lh_status
vector_definition_delete(struct lh_bucket *b, struct lh_call *call,
                         const struct vector_definition *d, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status =
        lh_object_delete(b, call, definition_key(lh_str_of(d->name), &call->arena), d->etag, &why);

    if (status == LH_NOT_FOUND)
        return unknown(lh_str_of(d->name), err);
    if (status == LH_CONFLICT)
        return lh_fail(err, LH_CONFLICT, "vectors.definition_changed",
                       "index '%s' was changed by somebody else meanwhile", d->name);
    lh_error_copy(err, &why);
    return status;
}

lh_status
vector_definition_change(struct lh_bucket *b, struct lh_call *call, lh_str name,
                         lh_status (*change)(void *ctx, struct vector_definition *d,
                                             struct lh_error *err),
                         void *ctx, struct vector_definition **out, struct lh_error *err)
{
    for (int i = 0;; i++) {
        LH_AUTO(vector_definition) *d = NULL;
        LH_AUTO_ERROR(why);
        lh_status status;

        LH_TRY(vector_definition_load(b, call, name, &d, err));
        LH_TRY(change(ctx, d, err));
        status = vector_definition_store(b, call, d, &why);
        if (status == LH_OK) {
            *out = lh_take(d);
            return LH_OK;
        }
        if (status != LH_CONFLICT || i == TRIES_MAX) {
            lh_error_copy(err, &why);
            return status;
        }
        LH_TRY(lh_call_check(call, err));
    }
}

lh_status
vector_definition_names(struct lh_bucket *b, struct lh_call *call, lh_str after, size_t limit,
                        lh_str **names, size_t *count, bool *has_more, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *list = NULL;
    size_t n = 0;

    LH_TRY(lh_object_list(b, call, LH_STR(PREFIX),
                          after.len > 0 ? definition_key(after, &call->arena) : LH_STR_NONE, limit,
                          &list, err));
    *names = lh_arena_array(&call->arena, list->count + 1, sizeof(**names));
    for (size_t i = 0; i < list->count; i++) {
        lh_str key = lh_str_of(list->items[i].key);

        if (lh_str_ends(key, LH_STR(SUFFIX)))
            (*names)[n++] =
                lh_arena_str(&call->arena,
                             lh_str_slice(key, sizeof(PREFIX) - 1, key.len - (sizeof(SUFFIX) - 1)));
    }
    *count = n;
    *has_more = list->has_more;
    return LH_OK;
}
