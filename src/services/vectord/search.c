#include "services/vectord/search.h"

#include <math.h>

#include "base/thread.h"
#include "base/time.h"
#include "services/vectord/embed.h"
#include "services/vectord/lift.h"

/* So few vectors are compared faster than a graph is walked. */
/* Widths of a search that says nothing: where fresh questions, unlike the items, still find 0.99 of
 * their ten nearest in clustered data (docs/decisions/vector-log.md). */
enum { EF_PLAIN = 128, EF_FILTERED = 256 };

enum { EF_MAX = 65536, SPARE_MAX = 256, SCAN_MAX = 1000 };

struct search {
    struct vector_generation *g;
    struct lh_call *call;
    struct vector_lifted lifted;
    json_t *body;
    /* as asked */
    bool is_words; /* BM25 over texts instead of vectors */
    lh_str words;
    const float *vector;
    bool knows_nothing; /* the text has no word that the model knows */
    size_t k, ef;
    double min_recall;
    bool is_exact, has_filter;
    struct vector_filter filter;
    struct vector_sql_filter sql;
    lh_str *excluded, *only; /* only NULL: all */
    size_t excluded_count, only_count;
    /* as found */
    struct lh_ann_hit *hits;
    const struct vector_record **records;
    size_t count;
    struct lh_ann_report report;
    bool is_filtered;
};

/* ---- reading the request ---- */

static lh_status
bad_query(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_INVALID, "vectors.query", "%s", what);
}

static lh_status
given_vector_read(struct search *s, const json_t *value, struct lh_error *err)
{
    size_t dim;

    if (!vector_lifted_of(&s->lifted, value, &s->vector, &dim))
        return lh_fail(err, LH_INVALID, "vectors.vector", "vector is an array of numbers");
    if (dim != s->g->spec.dimension)
        return lh_fail(err, LH_INVALID, "vectors.dimension",
                       "the vector has %zu numbers, index '%s' has %u dimensions", dim,
                       s->g->log.index, s->g->spec.dimension);
    if (s->g->metric == LH_ANN_COSINE && vector_is_zero(s->vector, dim))
        return lh_fail(err, LH_INVALID, "vectors.zero_vector",
                       "the vector is all zeros, which has no direction");
    return LH_OK;
}

static lh_status
given_text_read(struct search *s, lh_str text, struct lh_error *err)
{
    float *vector = lh_arena_array(&s->call->arena, s->g->spec.dimension, sizeof(*vector));

    if (text.len > s->g->v->text_max)
        return lh_fail(err, LH_TOO_BIG, "vectors.text_too_big",
                       "the text has %zu bytes, %zu are allowed (vectors.text_max)", text.len,
                       s->g->v->text_max);
    LH_TRY(vector_embed(s->g, s->call, &text, 1, vector, NULL, err));
    s->knows_nothing = vector_is_zero(vector, s->g->spec.dimension);
    s->vector = vector;
    return LH_OK;
}

static lh_status
words_read(struct search *s, lh_str text, struct lh_error *err)
{
    if (text.ptr == NULL || json_object_get(s->body, "vector"))
        return bad_query(err, "words are searched for by text alone");
    s->words = text;
    return LH_OK;
}

static lh_status
question_read(struct search *s, struct lh_error *err)
{
    const json_t *vector = json_object_get(s->body, "vector");
    lh_str text = LH_STR_NONE;

    LH_TRY(lh_json_str_opt(s->body, "text", &text, err));
    if (s->is_words)
        return words_read(s, text, err);
    if (json_is_null(vector))
        vector = NULL;
    if ((vector != NULL) == (text.ptr != NULL))
        return bad_query(err, "either vector or text is needed, and not both");
    return vector ? given_vector_read(s, vector, err) : given_text_read(s, text, err);
}

static lh_status
sql_filter_read(struct search *s, const json_t *object, struct lh_error *err)
{
    static const char *const fields[] = {"dataset", "id_column", "where", NULL};

    LH_TRY(lh_json_only(object, fields, err));
    LH_TRY(lh_json_str(object, "dataset", &s->sql.dataset, err));
    LH_TRY(lh_json_str(object, "id_column", &s->sql.id_column, err));
    return lh_json_str_opt(object, "where", &s->sql.where, err);
}

static lh_status
filters_read(struct search *s, struct lh_error *err)
{
    json_t *filter = NULL, *sql = NULL;

    LH_TRY(lh_json_object_opt(s->body, "filter", &filter, err));
    LH_TRY(lh_json_object_opt(s->body, "sql_filter", &sql, err));
    if (filter)
        LH_TRY(vector_filter_parse(filter, &s->call->arena, &s->filter, err));
    if (sql)
        LH_TRY(sql_filter_read(s, sql, err));
    s->has_filter = s->filter.count > 0 || sql;
    return LH_OK;
}

/* NULL in *out when the field is absent. */
static lh_status
ids_read(struct search *s, const char *field, lh_str **out, size_t *count, struct lh_error *err)
{
    json_t *list = NULL, *item;
    size_t i;

    LH_TRY(lh_json_array_opt(s->body, field, &list, err));
    if (!list)
        return LH_OK;
    if (json_array_size(list) > VECTOR_EXCLUDED_MAX)
        return lh_fail(err, LH_INVALID, "vectors.query", "%s has more than %d ids", field,
                       VECTOR_EXCLUDED_MAX);
    *out = lh_arena_array(&s->call->arena, json_array_size(list) + 1, sizeof(lh_str));
    json_array_foreach (list, i, item) {
        if (!json_is_string(item))
            return lh_fail(err, LH_INVALID, "vectors.query", "%s is an array of texts", field);
        (*out)[(*count)++] = (lh_str){json_string_value(item), json_string_length(item)};
    }
    return LH_OK;
}

static lh_status
numbers_read(struct search *s, struct lh_error *err)
{
    int64_t k = VECTOR_K_DEFAULT, ef = s->g->spec.parameters.ef_search;

    LH_TRY(lh_json_f64_opt(s->body, "min_recall", &s->min_recall, err));
    if (s->min_recall < 0 || s->min_recall > 1 || isnan(s->min_recall))
        return bad_query(err, "min_recall is from 0 to 1");
    if (s->min_recall > 0)
        ef = 0;
    LH_TRY(lh_json_i64_opt(s->body, "k", &k, err));
    LH_TRY(lh_json_i64_opt(s->body, "ef", &ef, err));
    LH_TRY(lh_json_bool_opt(s->body, "exact", &s->is_exact, err));
    if (k < 1 || k > VECTOR_K_MAX)
        return bad_query(err, "k is from 1 to 10000");
    if (ef < 0 || ef > EF_MAX || (ef == 0 && json_object_get(s->body, "ef")))
        return bad_query(err, "ef is from 1 to 65536");
    s->k = (size_t)k;
    s->ef = (size_t)ef;
    if (ef == 0 && lh_ann_count(s->g->ann) <= SCAN_MAX)
        s->is_exact = true;
    return LH_OK;
}

static lh_status
request_read(struct search *s, lh_str body, struct lh_error *err)
{
    static const char *const fields[] = {"vector",      "text",       "k",     "ef",
                                         "filter",      "sql_filter", "exact", "min_recall",
                                         "exclude_ids", "ids",        NULL};

    LH_TRY(vector_lift(body, 1, &s->lifted, err));
    LH_TRY(lh_json_parse(lh_buf_str(&s->lifted.json), &s->body, err));
    if (!json_is_object(s->body))
        return lh_fail(err, LH_INVALID, "request.json", "the body is a JSON object");
    LH_TRY(lh_json_only(s->body, fields, err));
    LH_TRY(numbers_read(s, err));
    LH_TRY(filters_read(s, err));
    LH_TRY(ids_read(s, "exclude_ids", &s->excluded, &s->excluded_count, err));
    LH_TRY(ids_read(s, "ids", &s->only, &s->only_count, err));
    return question_read(s, err);
}

/* ---- searching ---- */

/* Scores become distances, so that the rest is the same. */
static lh_status
words_ask(struct search *s, size_t k, const struct lh_ann_filter *filter, struct lh_error *err)
{
    struct lh_bm25_hit *hits = lh_arena_array(&s->call->arena, k, sizeof(*hits));
    struct lh_bm25_filter bits = {0};
    size_t count = 0;

    if (filter)
        bits = (struct lh_bm25_filter){.bits = filter->bits, .bit_count = filter->bit_count};
    LH_TRY(
        lh_bm25_search(s->g->shared.words, s->words, k, filter ? &bits : NULL, hits, &count, err));
    for (size_t i = 0; i < count; i++)
        s->hits[i] = (struct lh_ann_hit){hits[i].id, -hits[i].score};
    s->report =
        (struct lh_ann_report){.count = count, .plan = LH_ANN_PLAN_EXACT, .candidates = count};
    return LH_OK;
}

static size_t
ef_default(size_t k, const struct lh_ann_filter *filter)
{
    size_t least = filter ? EF_FILTERED : EF_PLAIN;

    return 2 * k > least ? 2 * k : least;
}

/* The width below which a wanted recall is not believed, whatever the graph says that it serves:
 * it measures that with its own items, which are found more easily than fresh questions. Measured
 * with such on sets of 10,000 to 40,000 (docs/decisions/vector-log.md); each further hit asks for
 * one more candidate, a filter for twice as many. */
static size_t
ef_least(double min_recall, size_t k, bool is_filtered)
{
    static const struct {
        double recall;
        size_t ef;
    } steps[] = {{0.8, 16}, {0.9, 28}, {0.95, 40}, {0.99, 80}, {0.999, 160}, {1, 320}};
    size_t i = 0, ef;

    while (i + 1 < sizeof(steps) / sizeof(steps[0]) && steps[i].recall < min_recall)
        i++;
    ef = steps[i].ef + (k > VECTOR_K_DEFAULT ? k - VECTOR_K_DEFAULT : 0);
    return is_filtered ? 2 * ef : ef;
}

static lh_status
vectors_ask(struct search *s, struct lh_ann_query *query, struct lh_error *err)
{
    const struct vector_generation *g = s->g;
    size_t least;

    LH_TRY(lh_ann_search(g->ann, s->vector, g->spec.dimension, query, s->hits, &s->report, err));
    if (query->ef > 0 || s->report.plan == LH_ANN_PLAN_EXACT)
        return LH_OK;
    least = ef_least(s->min_recall, query->k, query->filter != NULL);
    if (s->report.ef >= least)
        return LH_OK;
    query->ef = least;
    return lh_ann_search(g->ann, s->vector, g->spec.dimension, query, s->hits, &s->report, err);
}

static lh_status
graph_ask(struct search *s, size_t k, const struct lh_ann_filter *filter, struct lh_error *err)
{
    struct lh_ann_query query = {
        .k = k,
        .ef = s->ef,
        /* What the graph promises it measured with its own items; questions are harder. */
        .min_recall = s->min_recall > 0 ? (float)(1 - (1 - s->min_recall) / 2) : 0,
        .is_exact = s->is_exact,
        .filter = filter,
    };

    if (query.ef == 0 && query.min_recall == 0)
        query.ef = ef_default(k, filter);
    s->hits = lh_arena_array(&s->call->arena, k, sizeof(*s->hits));
    s->records = lh_arena_array(&s->call->arena, k, sizeof(*s->records));
    return s->is_words ? words_ask(s, k, filter, err) : vectors_ask(s, &query, err);
}

/* Keeps the hits that the epoch sees and that are not excluded, at most k. */
static void
hits_keep(struct search *s, const struct vector_reader *r)
{
    struct vector_generation *g = s->g;

    s->count = 0;
    pthread_rwlock_rdlock(&g->shared.lock);
    for (size_t i = 0; i < s->report.count && s->count < s->k; i++) {
        const struct vector_record *record =
            s->hits[i].id < g->shared.slot_count ? g->shared.records[s->hits[i].id] : NULL;

        if (!vector_record_is_seen(record, r->epoch))
            continue;
        s->hits[s->count] = s->hits[i];
        s->records[s->count++] = record;
    }
    pthread_rwlock_unlock(&g->shared.lock);
}

/* A bitmap of what may be answered; always enough, and never too much. */
static lh_status
filtered_run(struct search *s, const struct vector_reader *r, struct lh_error *err)
{
    const struct vector_wanted wanted = {
        .filter = &s->filter,
        .sql = s->sql.dataset.ptr ? &s->sql : NULL,
        .only = s->only,
        .only_count = s->only_count,
        .excluded = s->excluded,
        .excluded_count = s->excluded_count,
    };
    struct vector_allowed allowed;
    struct lh_ann_filter filter;

    LH_TRY(vector_allowed_make(r, s->call, &wanted, &allowed, err));
    s->is_filtered = true;
    if (allowed.count == 0) {
        s->report = (struct lh_ann_report){.plan = LH_ANN_PLAN_EXACT};
        return LH_OK;
    }
    filter = (struct lh_ann_filter){
        .bits = allowed.bits,
        .bit_count = allowed.slot_count,
        .selectivity = (float)((double)allowed.count / (double)lh_ann_count(s->g->ann)),
    };
    LH_TRY(graph_ask(s, s->k, &filter, err));
    hits_keep(s, r);
    return LH_OK;
}

/* Without a filter the graph is asked for a few more, in place of those that are dead or not born
 * yet for this search. When they were too many, the bitmap decides. */
static lh_status
plain_run(struct search *s, const struct vector_reader *r, struct lh_error *err)
{
    size_t spare = atomic_load(&s->g->dead_count), asked;

    asked = s->k + (spare < SPARE_MAX ? spare : SPARE_MAX);
    LH_TRY(graph_ask(s, asked, NULL, err));
    hits_keep(s, r);
    if (s->count < s->k && s->report.count == asked)
        return filtered_run(s, r, err);
    return LH_OK;
}

static lh_status
search_run(struct search *s, const struct vector_reader *r, struct lh_error *err)
{
    if (s->knows_nothing) {
        s->report = (struct lh_ann_report){.plan = LH_ANN_PLAN_EXACT};
        return LH_OK;
    }
    if (s->has_filter || s->only || s->excluded_count > 0)
        return filtered_run(s, r, err);
    return plain_run(s, r, err);
}

/* ---- answering ---- */

static double
score_of(enum lh_ann_metric metric, double distance)
{
    switch (metric) {
    case LH_ANN_COSINE:
        return 1 - distance;
    case LH_ANN_L2:
        return 1 / (1 + distance);
    default:
        return -distance;
    }
}

static void
hit_print(struct lh_json_writer *w, const struct search *s, size_t i)
{
    const struct vector_record *r = s->records[i];
    float distance = s->hits[i].distance;

    lh_json_object_begin(w);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every hit has a record */
    lh_json_set_str(w, "id", r->id);
    lh_json_key(w, "score");
    vector_float_put(w, s->is_words ? -distance : (float)score_of(s->g->metric, distance));
    lh_json_key(w, "distance");
    if (s->is_words)
        lh_json_put_null(w);
    else
        vector_float_put(w, distance);
    lh_json_set_raw(w, "metadata", r->metadata.ptr ? r->metadata : LH_STR("{}"));
    if (r->text.ptr)
        lh_json_set_str(w, "text", r->text);
    lh_json_object_end(w);
}

static void
answer_print(const struct search *s, int64_t started_ns, struct lh_buf *answer)
{
    struct lh_json_writer w = lh_json_writer_over(answer);
    double elapsed_us = (double)((lh_time_mono_ns() - started_ns) / 1000);

    lh_json_object_begin(&w);
    lh_json_key(&w, "results");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < s->count; i++)
        hit_print(&w, s, i);
    lh_json_array_end(&w);
    lh_json_set_u64(&w, "generation", s->g->spec.number);
    lh_json_set_cstr(&w, "plan", lh_ann_plan_name(s->report.plan));
    lh_json_set_bool(&w, "exact", s->report.plan == LH_ANN_PLAN_EXACT);
    lh_json_set_u64(&w, "candidates", s->report.candidates);
    lh_json_set_f64(&w, "elapsed_ms", elapsed_us / 1000);
    lh_json_object_end(&w);
}

static lh_status
words_ensure(struct vector_generation *g, struct lh_error *err)
{
    bool has_words;

    pthread_rwlock_rdlock(&g->shared.lock);
    has_words = g->shared.words != NULL;
    pthread_rwlock_unlock(&g->shared.lock);
    if (has_words)
        return LH_OK;
    LH_AUTO_LOCK(&g->write_lock);
    return vector_generation_words_make(g, err);
}

static lh_status
search_answer(struct search *s, lh_str body, int64_t started_ns, struct lh_buf *answer,
              struct lh_error *err)
{
    struct vector_reader reader;
    lh_status status;

    LH_TRY(request_read(s, body, err));
    if (s->is_words)
        LH_TRY(words_ensure(s->g, err));
    LH_TRY(vector_reader_enter(s->g, &reader, err));
    status = search_run(s, &reader, err);
    if (status == LH_OK)
        answer_print(s, started_ns, answer);
    vector_reader_leave(&reader);
    return status;
}

static lh_status
search(struct vector_generation *g, struct lh_call *call, lh_str body, bool is_words,
       struct lh_buf *answer, struct lh_error *err)
{
    int64_t started_ns = lh_time_mono_ns();
    struct search s = {.g = g, .call = call, .is_words = is_words};
    lh_status status = search_answer(&s, body, started_ns, answer, err);

    vector_lifted_fini(&s.lifted);
    json_decref(s.body);
    lh_metric_add(g->v->metrics.searches, 1);
    lh_metric_observe_ns(g->v->metrics.search_seconds, lh_time_mono_ns() - started_ns);
    if (status != LH_OK)
        lh_metric_add(g->v->metrics.failures, 1);
    return status;
}

lh_status
vector_search_in(struct vector_generation *g, struct lh_call *call, lh_str body,
                 struct lh_buf *answer, struct lh_error *err)
{
    return search(g, call, body, false, answer, err);
}

lh_status
vector_words_search_in(struct vector_generation *g, struct lh_call *call, lh_str body,
                       struct lh_buf *answer, struct lh_error *err)
{
    return search(g, call, body, true, answer, err);
}

static lh_status
ready_check(struct vectord *v, struct lh_call *call, lh_str name, uint64_t number,
            struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    const struct vector_generation_spec *spec;

    LH_TRY(vector_known(v, call, name, &d, err));
    spec = vector_definition_find(d, number);
    if (spec && spec->state != VECTOR_READY)
        return lh_fail(err, LH_CONFLICT, "vectors.generation_not_ready",
                       "generation %llu of '%s' is %s", (unsigned long long)number, d->name,
                       vector_state_name(spec->state));
    return LH_OK;
}

lh_status
vector_searched(struct vectord *v, struct lh_call *call, lh_str name, uint64_t number,
                struct vector_generation **out, struct lh_error *err)
{
    LH_AUTO(vector_generation) *g = NULL;

    if (number == 0)
        return vector_current(v, call, name, out, err);
    LH_TRY(ready_check(v, call, name, number, err));
    LH_TRY(vector_generation_get(v, call, name, number, &g, err));
    LH_TRY(vector_registry_follow(v, call, g, err));
    *out = lh_take(g);
    return LH_OK;
}

lh_status
vector_search(struct vectord *v, struct lh_call *call, lh_str name, lh_str body,
              struct lh_buf *answer, struct lh_error *err)
{
    LH_AUTO(vector_generation) *g = NULL;

    LH_TRY(vector_current(v, call, name, &g, err));
    return vector_search_in(g, call, body, answer, err);
}
