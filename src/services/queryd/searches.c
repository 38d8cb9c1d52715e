#include "services/queryd/searches.h"

#include <math.h>

#include "services/vectord/client.h"

/* ---- asking ---- */

static void
vector_set(json_t *body, const struct lh_statement_search *s)
{
    json_t *vector = json_array();

    for (size_t i = 0; i < s->dim; i++)
        json_array_append_new(vector, json_real((double)s->vector[i]));
    json_object_set_new(body, "vector", vector);
}

static lh_status
filter_set(json_t *body, lh_str text, struct lh_error *err)
{
    json_t *filter = NULL;

    LH_TRY(lh_json_parse(text, &filter, err));
    json_object_set_new(body, "filter", filter);
    return LH_OK;
}

static lh_status
body_make(const struct lh_statement_search *s, json_t *body, struct lh_error *err)
{
    if (s->text.ptr)
        json_object_set_new(body, "text", json_stringn(s->text.ptr, s->text.len));
    else
        vector_set(body, s);
    json_object_set_new(body, "k", json_integer((json_int_t)s->k));
    if (s->ef > 0)
        json_object_set_new(body, "ef", json_integer((json_int_t)s->ef));
    if (s->min_recall > 0)
        json_object_set_new(body, "min_recall", json_real(s->min_recall));
    if (s->is_exact)
        json_object_set_new(body, "exact", json_true());
    return s->filter.ptr ? filter_set(body, s->filter, err) : LH_OK;
}

/* ---- answers ---- */

static lh_str
text_copy(struct lh_arena *arena, const json_t *value)
{
    if (!json_is_string(value))
        return LH_STR_NONE;
    return lh_arena_str(arena, (lh_str){json_string_value(value), json_string_length(value)});
}

static lh_str
object_copy(struct lh_arena *arena, const json_t *value)
{
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    struct lh_json_writer w = lh_json_writer_over(&text);

    if (!json_is_object(value))
        return LH_STR_NONE;
    lh_json_put_value(&w, value);
    return lh_arena_str(arena, lh_buf_str(&text));
}

static void
hit_read(struct lh_arena *arena, const json_t *item, struct lh_statement_hit *out)
{
    const json_t *distance = json_object_get(item, "distance");

    *out = (struct lh_statement_hit){
        .id = text_copy(arena, json_object_get(item, "id")),
        .score = json_number_value(json_object_get(item, "score")),
        .distance = json_is_number(distance) ? json_number_value(distance) : NAN,
        .text = text_copy(arena, json_object_get(item, "text")),
        .metadata = object_copy(arena, json_object_get(item, "metadata")),
    };
}

/* ---- generations ---- */

static uint64_t
generation_seen(const struct query_searches *s, lh_str index)
{
    for (size_t i = 0; i < s->count; i++)
        if (lh_str_eq(s->seen[i].index, index))
            return s->seen[i].generation;
    return 0;
}

static void
generation_note(struct query_searches *s, struct lh_call *call, lh_str index, const json_t *answer)
{
    json_int_t generation = json_integer_value(json_object_get(answer, "generation"));

    if (generation_seen(s, index) > 0 || s->count == LH_STATEMENT_SEARCHES_MAX)
        return;
    s->seen[s->count].index = lh_arena_str(&call->arena, index);
    s->seen[s->count++].generation = (uint64_t)generation;
}

static lh_status
search_ask(struct query_searches *s, struct lh_call *call, const struct lh_statement_search *search,
           const json_t *body, json_t **out, struct lh_error *err)
{
    struct lh_mesh *mesh = s->q->env->mesh;
    uint64_t generation = generation_seen(s, search->index);

    if (search->is_words)
        LH_TRY(lh_text_search(mesh, call, search->index, generation, body, out, err));
    else
        LH_TRY(lh_vector_search(mesh, call, search->index, generation, body, out, err));
    generation_note(s, call, search->index, *out);
    return LH_OK;
}

static lh_status
search_run(void *self, struct lh_call *call, const struct lh_statement_search *search,
           const struct lh_statement_hit **hits, size_t *count, struct lh_error *err)
{
    LH_AUTO_JSON body = json_object();
    LH_AUTO_JSON answer = NULL;
    struct lh_statement_hit *made;
    const json_t *results, *item;
    size_t i;

    LH_TRY(body_make(search, body, err));
    LH_TRY(search_ask(self, call, search, body, &answer, err));
    results = json_object_get(answer, "results");
    made = lh_arena_array(&call->arena, json_array_size(results) + 1, sizeof(*made));
    json_array_foreach (results, i, item)
        hit_read(&call->arena, item, &made[i]);
    *hits = made;
    *count = json_array_size(results);
    return LH_OK;
}

struct lh_search_provider
query_search_provider(struct query_searches *s)
{
    return (struct lh_search_provider){.run = search_run, .self = s};
}
