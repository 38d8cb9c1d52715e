/*
 * A search is done while DuckDB binds: only then is it known how many rows there are, and joins are
 * ordered by that. The hits are borrowed from the statement's call, which outlives the plan.
 *
 * A failure is remembered on the connection like one of a read, so that it leaves as the provider
 * said it and not as DuckDB's text.
 */
#include "engine/search_scan.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/instance.h"
#include "engine/lake_fs.h"

enum { ID, SCORE, DISTANCE, TEXT, METADATA, COLUMNS };

static const struct {
    const char *name;
    duckdb_type type;
} columns[COLUMNS] = {
    [ID] = {"id", DUCKDB_TYPE_VARCHAR},
    [SCORE] = {"score", DUCKDB_TYPE_DOUBLE},
    [DISTANCE] = {"distance", DUCKDB_TYPE_DOUBLE},
    [TEXT] = {"text", DUCKDB_TYPE_VARCHAR},
    [METADATA] = {"metadata", DUCKDB_TYPE_VARCHAR},
};

struct found {
    const struct lh_statement_hit *hits;
    size_t count;
};

/* ---- arguments ---- */

static lh_status
text_read(duckdb_value value, const char *what, struct lh_arena *arena, lh_str *out,
          struct lh_error *err)
{
    char *text;

    if (!value || duckdb_is_null_value(value))
        return lh_fail(err, LH_INVALID, "sql.search", "%s is NULL", what);
    text = duckdb_get_varchar(value);
    *out = lh_str_of(lh_arena_cstr(arena, lh_str_of(text ? text : "")));
    duckdb_free(text);
    return LH_OK;
}

static bool
is_list(duckdb_value value)
{
    duckdb_type type = duckdb_get_type_id(duckdb_get_value_type(value));

    return type == DUCKDB_TYPE_LIST || type == DUCKDB_TYPE_ARRAY;
}

/* A child that is no number reads as NaN, which no index takes. */
static lh_status
vector_read(duckdb_value value, struct lh_arena *arena, struct lh_statement_search *s,
            struct lh_error *err)
{
    size_t dim = duckdb_get_list_size(value);
    float *to = lh_arena_array(arena, dim + 1, sizeof(*to));

    for (size_t i = 0; i < dim; i++) {
        duckdb_value child = duckdb_get_list_child(value, i);
        bool is_null = !child || duckdb_is_null_value(child);

        to[i] = is_null ? NAN : (float)duckdb_get_double(child);
        duckdb_destroy_value(&child);
        if (!isfinite(to[i]))
            return lh_fail(err, LH_INVALID, "sql.search", "element %zu of the vector is no number",
                           i + 1);
    }
    s->vector = to;
    s->dim = dim;
    return LH_OK;
}

static lh_status
question_read(duckdb_value value, struct lh_arena *arena, struct lh_statement_search *s,
              struct lh_error *err)
{
    if (!value || duckdb_is_null_value(value))
        return lh_fail(err, LH_INVALID, "sql.search", "what to search for is NULL");
    if (s->is_words || !is_list(value))
        return text_read(value, "what to search for", arena, &s->text, err);
    return vector_read(value, arena, s, err);
}

static lh_status
k_read(duckdb_value value, struct lh_statement_search *s, struct lh_error *err)
{
    int64_t k = !value || duckdb_is_null_value(value) ? 0 : duckdb_get_int64(value);

    if (k < 1 || k > LH_STATEMENT_HITS_MAX)
        return lh_fail(err, LH_INVALID, "sql.search", "k is a number of 1 to %d",
                       LH_STATEMENT_HITS_MAX);
    s->k = (uint64_t)k;
    return LH_OK;
}

static lh_status
named_apply(const char *name, duckdb_value value, struct lh_arena *arena,
            struct lh_statement_search *s, struct lh_error *err)
{
    if (strcmp(name, "filter") == 0)
        return text_read(value, "filter", arena, &s->filter, err);
    if (strcmp(name, "exact") == 0)
        s->is_exact = duckdb_get_bool(value);
    else if (strcmp(name, "min_recall") == 0)
        s->min_recall = duckdb_get_double(value);
    else if (duckdb_get_int64(value) < 1)
        return lh_fail(err, LH_INVALID, "sql.search", "ef is at least 1");
    else
        s->ef = (uint64_t)duckdb_get_int64(value);
    return LH_OK;
}

static const struct {
    const char *name;
    duckdb_type type;
    bool is_of_words; /* text_search has it too */
} named[] = {
    {"filter", DUCKDB_TYPE_VARCHAR, true},
    {"exact", DUCKDB_TYPE_BOOLEAN, false},
    {"min_recall", DUCKDB_TYPE_DOUBLE, false},
    {"ef", DUCKDB_TYPE_BIGINT, false},
};
#define NAMED_COUNT (sizeof(named) / sizeof(named[0]))

static lh_status
named_read(duckdb_bind_info info, struct lh_arena *arena, struct lh_statement_search *s,
           struct lh_error *err)
{
    for (size_t i = 0; i < NAMED_COUNT; i++) {
        duckdb_value value = duckdb_bind_get_named_parameter(info, named[i].name);
        lh_status status = LH_OK;

        if (value && !duckdb_is_null_value(value))
            status = named_apply(named[i].name, value, arena, s, err);
        if (value)
            duckdb_destroy_value(&value);
        LH_TRY(status);
    }
    return LH_OK;
}

static lh_status
search_read(duckdb_bind_info info, struct lh_arena *arena, struct lh_statement_search *s,
            struct lh_error *err)
{
    duckdb_value index = duckdb_bind_get_parameter(info, 0);
    duckdb_value question = duckdb_bind_get_parameter(info, 1);
    duckdb_value k = duckdb_bind_get_parameter(info, 2);
    lh_status status = text_read(index, "the name of the index", arena, &s->index, err);

    if (status == LH_OK)
        status = question_read(question, arena, s, err);
    if (status == LH_OK)
        status = k_read(k, s, err);
    duckdb_destroy_value(&index);
    duckdb_destroy_value(&question);
    duckdb_destroy_value(&k);
    return status == LH_OK ? named_read(info, arena, s, err) : status;
}

/* ---- bind ---- */

static struct engine_connection *
connection_of(duckdb_bind_info info)
{
    duckdb_client_context context = NULL;
    struct engine_connection *c;

    duckdb_table_function_get_client_context(info, &context);
    c = engine_context_connection(context);
    duckdb_destroy_client_context(&context);
    return c;
}

static lh_status
search_run(struct engine_connection *c, duckdb_bind_info info, bool is_words, struct found *out,
           struct lh_error *err)
{
    struct lh_statement_search s = {.is_words = is_words};
    struct lh_call *call = c->reads.call;
    const struct lh_search_provider *p = c->searches.provider;

    if (!p || !call)
        return lh_fail(err, LH_UNSUPPORTED, "sql.search", "no index can be searched here");
    if (c->searches.count++ >= LH_STATEMENT_SEARCHES_MAX)
        return lh_fail(err, LH_TOO_BIG, "sql.too_complex", "more than %d searches in a statement",
                       LH_STATEMENT_SEARCHES_MAX);
    LH_TRY(search_read(info, &call->arena, &s, err));
    return p->run(p->self, call, &s, &out->hits, &out->count, err);
}

static void
columns_declare(duckdb_bind_info info)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        duckdb_logical_type type = duckdb_create_logical_type(columns[i].type);

        duckdb_bind_add_result_column(info, columns[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
}

static void
search_bind(duckdb_bind_info info)
{
    bool is_words = duckdb_bind_get_extra_info(info) != NULL;
    struct engine_connection *c = connection_of(info);
    struct found *found;
    LH_AUTO_ERROR(err);

    columns_declare(info);
    if (!c) {
        duckdb_bind_set_error(info, "no index can be searched here");
        return;
    }
    found = LH_NEW(struct found);
    duckdb_bind_set_bind_data(info, found, free);
    if (search_run(c, info, is_words, found, &err) != LH_OK) {
        engine_reads_fail(&c->reads, &err);
        duckdb_bind_set_error(info, err.text);
        return;
    }
    duckdb_bind_set_cardinality(info, found->count, true);
}

/* ---- scan ---- */

static void
search_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1); /* nearest first */
    duckdb_init_set_init_data(info, LH_NEW(size_t), free);
}

static void
text_store(duckdb_vector vector, size_t at, lh_str text)
{
    if (!text.ptr) {
        duckdb_vector_ensure_validity_writable(vector);
        duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), at);
        return;
    }
    duckdb_vector_assign_string_element_len(vector, at, text.ptr, text.len);
}

static void
number_store(duckdb_vector vector, size_t at, double v)
{
    ((double *)duckdb_vector_get_data(vector))[at] = v;
    if (isnan(v)) {
        duckdb_vector_ensure_validity_writable(vector);
        duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), at);
    }
}

static void
hit_store(duckdb_data_chunk out, size_t at, const struct lh_statement_hit *hit)
{
    text_store(duckdb_data_chunk_get_vector(out, ID), at, hit->id);
    number_store(duckdb_data_chunk_get_vector(out, SCORE), at, hit->score);
    number_store(duckdb_data_chunk_get_vector(out, DISTANCE), at, hit->distance);
    text_store(duckdb_data_chunk_get_vector(out, TEXT), at, hit->text);
    text_store(duckdb_data_chunk_get_vector(out, METADATA), at, hit->metadata);
}

static void
search_scan(duckdb_function_info info, duckdb_data_chunk out)
{
    const struct found *found = duckdb_function_get_bind_data(info);
    size_t *done = duckdb_function_get_init_data(info);
    size_t left = found->count - *done, most = duckdb_vector_size();
    size_t count = left < most ? left : most;

    for (size_t i = 0; i < count; i++)
        hit_store(out, i, &found->hits[*done + i]);
    duckdb_data_chunk_set_size(out, count);
    *done += count;
}

/* ---- register ---- */

static void
parameters_add(duckdb_table_function f, bool is_words)
{
    const duckdb_type types[] = {
        DUCKDB_TYPE_VARCHAR, is_words ? DUCKDB_TYPE_VARCHAR : DUCKDB_TYPE_ANY, DUCKDB_TYPE_BIGINT};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        duckdb_logical_type type = duckdb_create_logical_type(types[i]);

        duckdb_table_function_add_parameter(f, type);
        duckdb_destroy_logical_type(&type);
    }
    for (size_t i = 0; i < NAMED_COUNT; i++) {
        duckdb_logical_type type = duckdb_create_logical_type(named[i].type);

        if (named[i].is_of_words || !is_words)
            duckdb_table_function_add_named_parameter(f, named[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
}

static bool
function_register(duckdb_connection connection, const char *name, bool is_words)
{
    static char of_words; /* its address says which of the two functions is called */
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_state state;

    duckdb_table_function_set_name(f, name);
    parameters_add(f, is_words);
    duckdb_table_function_set_extra_info(f, is_words ? &of_words : NULL, NULL);
    duckdb_table_function_set_bind(f, search_bind);
    duckdb_table_function_set_init(f, search_init);
    duckdb_table_function_set_function(f, search_scan);
    state = duckdb_register_table_function(connection, f);
    duckdb_destroy_table_function(&f);
    return state == DuckDBSuccess;
}

lh_status
engine_search_register(duckdb_connection connection, struct lh_error *err)
{
    if (function_register(connection, "vector_search", false) &&
        function_register(connection, "text_search", true))
        return LH_OK;
    return lh_fail(err, LH_BUG, "engine.open", "DuckDB refused a table function");
}
