#include "services/vectord/trials.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/encoding.h"
#include "base/fault.h"
#include "base/time.h"
#include "services/jobs.h"
#include "services/queryd/client.h"
#include "services/vectord/generations.h"

enum { K_DEFAULT = 10, K_MAX = 1000, QUERIES_DEFAULT = 200, QUERIES_MAX = 10000 };

#define COLUMNS                                                                                    \
    "trial_id, measured_at, index_name, generation, job_id, m, ef_construction, ef_search, "       \
    "quantization, k, queries, recall, p50_us, p95_us, p99_us, build_ms, memory_bytes, items"
#define TYPES                                                                                      \
    "{\"trial_id\":\"VARCHAR\",\"measured_at\":\"TIMESTAMP\",\"index_name\":\"VARCHAR\","          \
    "\"generation\":\"BIGINT\",\"job_id\":\"VARCHAR\",\"m\":\"BIGINT\","                           \
    "\"ef_construction\":\"BIGINT\",\"ef_search\":\"BIGINT\",\"quantization\":\"VARCHAR\","        \
    "\"k\":\"BIGINT\",\"queries\":\"BIGINT\",\"recall\":\"DOUBLE\",\"p50_us\":\"DOUBLE\","         \
    "\"p95_us\":\"DOUBLE\",\"p99_us\":\"DOUBLE\",\"build_ms\":\"DOUBLE\","                         \
    "\"memory_bytes\":\"BIGINT\",\"items\":\"BIGINT\"}"

struct trials {
    struct vectord *v;
    char name[VECTOR_NAME_MAX];
    struct vector_parameters grid[VECTOR_GRID_MAX];
    size_t count, k, queries;
    bool is_autotune, promotes;
    struct vector_trial best;
    bool has_best;
};

/* ---- as data ---- */

static void
row_print(const struct trials *t, const struct vector_generation *g, const struct vector_trial *r,
          const char *job, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    char id[LH_UUID_TEXT];

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "trial_id", lh_uuid_format(lh_uuid_v7(), id));
    lh_json_set_time(&w, "measured_at", lh_time_now_us());
    lh_json_set_cstr(&w, "index_name", t->name);
    lh_json_set_u64(&w, "generation", g->spec.number);
    lh_json_set_cstr(&w, "job_id", job);
    vector_parameters_print(&w, &r->parameters);
    lh_json_set_u64(&w, "k", t->k);
    lh_json_set_u64(&w, "queries", t->queries);
    lh_json_set_f64(&w, "recall", r->recall);
    lh_json_set_f64(&w, "p50_us", r->p50_us);
    lh_json_set_f64(&w, "p95_us", r->p95_us);
    lh_json_set_f64(&w, "p99_us", r->p99_us);
    lh_json_set_f64(&w, "build_ms", r->build_ms);
    lh_json_set_u64(&w, "memory_bytes", r->memory_bytes);
    lh_json_set_u64(&w, "items", r->items);
    lh_json_object_end(&w);
    lh_buf_add_char(out, '\n');
}

static lh_status
row_ingest(const struct trials *t, struct lh_call *call, lh_bytes row, struct lh_error *err)
{
    LH_AUTO_BUF(path, 8192);
    LH_AUTO_BUF(answer, (size_t)1 << 20);
    struct lh_mesh_request request = {.service = "ingestd",
                                      .method = LH_POST,
                                      .body = row,
                                      .content_type = "application/x-ndjson",
                                      .is_idempotent = true};
    int http_status;

    lh_buf_add_cstr(&path, "/v1/ingest?dataset=" VECTOR_TRIALS_DATASET
                           "&mode=append&format=ndjson&types=");
    lh_percent_encode(&path, LH_STR(TYPES), false);
    request.path = lh_buf_cstr(&path);
    return lh_mesh_call(t->v->env->mesh, call, &request, &http_status, &answer, err);
}

static bool
is_better(const struct trials *t, const struct vector_trial *r)
{
    double gate = lh_config_f64(t->v->env->config, "vectors.recall_gate");

    if (r->recall < gate)
        return false;
    return !t->has_best || r->recall > t->best.recall ||
           (r->recall == t->best.recall && r->p50_us < t->best.p50_us);
}

static lh_status
trial_note(struct trials *t, struct lh_call *call, const struct vector_generation *g,
           const struct vector_trial *r, const char *job, struct lh_error *err)
{
    LH_AUTO_BUF(row, 8192);

    row_print(t, g, r, job, &row);
    LH_TRY(row_ingest(t, call, lh_buf_bytes(&row), err));
    if (is_better(t, r)) {
        t->best = *r;
        t->has_best = true;
    }
    return LH_OK;
}

/* ---- the job ---- */

static lh_status
grid_run(struct trials *t, struct lh_job *job, struct lh_call *call, struct vector_generation *g,
         struct vector_sample *s, struct lh_error *err)
{
    LH_AUTO(lh_ann) *ann = NULL;
    struct vector_parameters built = {0};
    struct vector_trial r = {0};

    for (size_t i = 0; i < t->count; i++) {
        LH_TRY(vector_trial_run(s, call, &t->grid[i], &ann, &built, &r, err));
        LH_TRY(trial_note(t, call, g, &r, lh_job_id(job), err));
        LH_FAULT("vectors.trial_noted", err);
        lh_job_progress(job, (double)(i + 1) / (double)(t->count + 1),
                        "trial %zu of %zu: recall %.4f, p50 %.0f µs", i + 1, t->count, r.recall,
                        r.p50_us);
    }
    return LH_OK;
}

/* The same items under other parameters: a generation over the same log. */
static lh_status
champion_promote(struct trials *t, struct lh_call *call, const struct vector_generation *g,
                 uint64_t *number, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    LH_AUTO(vector_generation) *opened = NULL;
    struct vector_generation_spec spec, made;
    const struct vector_generation_spec *from;
    lh_str name = lh_str_of(t->name);
    lh_status status;

    LH_TRY(vector_definition_load(t->v->bucket, call, name, &d, err));
    from = vector_definition_find(d, g->spec.number);
    if (from == NULL || d->current != g->spec.number)
        return lh_fail(err, LH_CONFLICT, "vectors.generation_changed",
                       "another generation of '%s' became current meanwhile", t->name);
    spec = *from;
    spec.note = NULL;
    spec.parameters = t->best.parameters;
    LH_TRY(vector_generation_begin(t->v, call, name, &spec, &made, err));
    *number = made.number;
    status = vector_generation_get(t->v, call, name, made.number, &opened, err);
    if (status == LH_OK)
        status = vector_generation_finish(t->v, call, name, &made, NULL, true, err);
    if (status != LH_OK)
        (void)vector_generation_drop(t->v, call, name, &made, NULL);
    return status;
}

static void
parameters_put(struct lh_json_writer *w, const struct vector_trial *r)
{
    lh_json_object_begin(w);
    vector_parameters_print(w, &r->parameters);
    lh_json_set_f64(w, "recall", r->recall);
    lh_json_set_f64(w, "p50_us", r->p50_us);
    lh_json_set_f64(w, "p99_us", r->p99_us);
    lh_json_set_f64(w, "build_ms", r->build_ms);
    lh_json_set_u64(w, "memory_bytes", r->memory_bytes);
    lh_json_object_end(w);
}

static lh_status
result_make(const struct trials *t, uint64_t promoted, json_t **result, struct lh_error *err)
{
    LH_AUTO_BUF(text, 8192);
    struct lh_json_writer w = lh_json_writer_over(&text);

    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "trials", t->count);
    lh_json_set_cstr(&w, "dataset", VECTOR_TRIALS_DATASET);
    lh_json_key(&w, "best");
    if (t->has_best)
        parameters_put(&w, &t->best);
    else
        lh_json_put_null(&w);
    lh_json_key(&w, "promoted");
    if (promoted > 0)
        lh_json_put_u64(&w, promoted);
    else
        lh_json_put_null(&w);
    lh_json_object_end(&w);
    return lh_json_parse(lh_buf_str(&text), result, err);
}

static lh_status
trials_run(void *context, struct lh_job *job, struct lh_call *call, json_t **result,
           struct lh_error *err)
{
    struct trials *t = context;
    LH_AUTO(vector_generation) *g = NULL;
    struct vector_sample sample;
    uint64_t promoted = 0;
    lh_status status;

    LH_TRY(vector_current(t->v, call, lh_str_of(t->name), &g, err));
    status = vector_sample_make(g, call, t->k, t->queries, &sample, err);
    if (status == LH_OK)
        status = grid_run(t, job, call, g, &sample, err);
    vector_sample_fini(&sample);
    LH_TRY(status);
    if (t->promotes && t->has_best)
        LH_TRY(champion_promote(t, call, g, &promoted, err));
    return result_make(t, promoted, result, err);
}

/* ---- starting ---- */

static lh_status
numbers_read(const json_t *body, struct trials *t, struct lh_error *err)
{
    int64_t k = K_DEFAULT, queries = QUERIES_DEFAULT;

    LH_TRY(lh_json_i64_opt(body, "k", &k, err));
    LH_TRY(lh_json_i64_opt(body, "queries", &queries, err));
    if (k < 1 || k > K_MAX)
        return lh_fail(err, LH_INVALID, "vectors.trials", "k is from 1 to %d", K_MAX);
    if (queries < 1 || queries > QUERIES_MAX)
        return lh_fail(err, LH_INVALID, "vectors.trials", "queries is from 1 to %d", QUERIES_MAX);
    t->k = (size_t)k;
    t->queries = (size_t)queries;
    return LH_OK;
}

static lh_status
grid_read(const json_t *body, struct trials *t, struct lh_error *err)
{
    static const char *const fields[] = {"m", "ef_construction", "ef_search", "quantization", NULL};
    json_t *grid = NULL, *item;
    size_t i;

    LH_TRY(lh_json_array_opt(body, "grid", &grid, err));
    if (grid == NULL)
        return lh_fail(err, LH_INVALID, "request.field_missing", "grid is missing");
    if (json_array_size(grid) == 0 || json_array_size(grid) > VECTOR_GRID_MAX)
        return lh_fail(err, LH_INVALID, "vectors.trials", "grid has 1 to %d candidates",
                       VECTOR_GRID_MAX);
    json_array_foreach (grid, i, item) {
        if (!json_is_object(item))
            return lh_fail(err, LH_INVALID, "vectors.trials", "grid[%zu] is not an object", i);
        LH_TRY(lh_json_only(item, fields, err));
        LH_TRY(vector_parameters_read(item, &t->grid[i], err));
    }
    t->count = json_array_size(grid);
    return LH_OK;
}

/* Three constructions, four widths of search. */
static void
grid_default(struct trials *t)
{
    static const uint32_t constructions[][2] = {{8, 80}, {16, 160}, {24, 200}};
    static const uint32_t widths[] = {24, 48, 96, 192};

    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 4; j++)
            t->grid[t->count++] = (struct vector_parameters){.m = constructions[i][0],
                                                             .ef_construction = constructions[i][1],
                                                             .ef_search = widths[j]};
    }
}

static lh_status
job_start(struct trials *t, struct lh_call *call, struct lh_buf *answer, struct lh_error *err)
{
    struct vectord *v = t->v;
    const struct lh_job_work work = {.kind = t->is_autotune ? "index.autotune" : "index.trials",
                                     .subject = lh_arena_cstr(&call->arena, lh_str_of(t->name)),
                                     .run = trials_run,
                                     .release = free,
                                     .context = t};
    char id[LH_UUID_TEXT];

    LH_TRY(lh_jobs_start(v->jobs, call, &work, id, err));
    lh_jobs_accepted_print(id, answer);
    return vectord_event(v, call, work.subject, "index.trials_started", LH_STR_NONE,
                         lh_buf_str(answer), err);
}

static lh_status
trials_read(struct trials *t, struct lh_call *call, const json_t *body, struct lh_error *err)
{
    static const char *const fields[] = {"grid", "k", "queries", NULL};
    static const char *const autotune_fields[] = {"k", "queries", "promote", NULL};
    LH_AUTO(vector_definition) *d = NULL;

    LH_TRY(lh_json_only(body, t->is_autotune ? autotune_fields : fields, err));
    LH_TRY(vector_definition_load(t->v->bucket, call, lh_str_of(t->name), &d, err));
    LH_TRY(numbers_read(body, t, err));
    if (!t->is_autotune)
        return grid_read(body, t, err);
    t->promotes = lh_config_bool(t->v->env->config, "vectors.autotune_promote");
    grid_default(t);
    return lh_json_bool_opt(body, "promote", &t->promotes, err);
}

static lh_status
start(struct vectord *v, struct lh_call *call, lh_str name, const json_t *body, bool is_autotune,
      struct lh_buf *answer, struct lh_error *err)
{
    struct trials *t = LH_NEW(struct trials);
    lh_status status;

    t->v = v;
    t->is_autotune = is_autotune;
    lh_str_copy(t->name, sizeof(t->name), name);
    status = trials_read(t, call, body, err);
    if (status == LH_OK)
        return job_start(t, call, answer, err);
    free(t);
    return status;
}

lh_status
vector_trials_start(struct vectord *v, struct lh_call *call, lh_str name, const json_t *body,
                    struct lh_buf *answer, struct lh_error *err)
{
    return start(v, call, name, body, false, answer, err);
}

lh_status
vector_autotune_start(struct vectord *v, struct lh_call *call, lh_str name, const json_t *body,
                      struct lh_buf *answer, struct lh_error *err)
{
    return start(v, call, name, body, true, answer, err);
}

/* ---- reading ---- */

/* Rows as objects by column name; none while there is no dataset yet. */
static lh_status
rows_query(struct vectord *v, struct lh_call *call, const char *sql, const json_t *params,
           size_t limit, json_t **out, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = lh_query_json(
        v->env->mesh, call,
        &(struct lh_query){.sql = lh_str_of(sql), .params = params, .limit = limit}, out, &why);

    if (status == LH_NOT_FOUND && lh_error_is(&why, "sql.unknown_dataset")) {
        *out = json_object();
        return LH_OK;
    }
    lh_error_copy(err, &why);
    return status;
}

static void
row_put(struct lh_json_writer *w, const json_t *columns, const json_t *row)
{
    const json_t *column;
    size_t i;

    lh_json_object_begin(w);
    json_array_foreach (columns, i, column) {
        lh_json_key(w, json_string_value(json_object_get(column, "name")));
        lh_json_put_value(w, json_array_get(row, i));
    }
    lh_json_object_end(w);
}

/* As many as are wanted, and where to go on when one more came. */
static void
page_print(const json_t *rows, size_t limit, struct lh_json_writer *w)
{
    const json_t *columns = json_object_get(rows, "columns"), *row, *last = NULL;
    size_t i;

    lh_json_key(w, "trials");
    lh_json_array_begin(w);
    json_array_foreach (json_object_get(rows, "rows"), i, row) {
        if (i == limit)
            break;
        row_put(w, columns, row);
        last = json_array_get(row, 0);
    }
    lh_json_array_end(w);
    if (last && json_array_size(json_object_get(rows, "rows")) > limit)
        lh_json_set_cstr(w, "next_cursor", json_string_value(last));
}

lh_status
vector_trials_list(struct vectord *v, struct lh_call *call, lh_str name, lh_str cursor,
                   size_t limit, struct lh_buf *answer, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    LH_AUTO_JSON params = NULL;
    LH_AUTO_JSON rows = NULL;
    struct lh_json_writer w = lh_json_writer_over(answer);

    LH_TRY(vector_definition_load(v->bucket, call, name, &d, err));
    /* Ids grow with time: the newest first, and after the cursor the older ones. */
    params = json_pack("[s, s%]", d->name, cursor.len > 0 ? cursor.ptr : "~",
                       cursor.len > 0 ? cursor.len : 1);
    if (!params)
        return lh_fail(err, LH_INVALID, "request.cursor", "the cursor is not one of this list");
    LH_TRY(rows_query(v, call,
                      "SELECT " COLUMNS " FROM " VECTOR_TRIALS_DATASET
                      " WHERE index_name = ? AND trial_id < ? ORDER BY trial_id DESC",
                      params, limit + 1, &rows, err));
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "dataset", VECTOR_TRIALS_DATASET);
    page_print(rows, limit, &w);
    lh_json_object_end(&w);
    return LH_OK;
}

lh_status
vector_trials_best(struct vectord *v, struct lh_call *call, lh_str name, struct lh_buf *answer,
                   struct lh_error *err)
{
    double gate = lh_config_f64(v->env->config, "vectors.recall_gate");
    LH_AUTO(vector_definition) *d = NULL;
    LH_AUTO_JSON params = NULL;
    LH_AUTO_JSON rows = NULL;
    struct lh_json_writer w = lh_json_writer_over(answer);
    const json_t *row;

    LH_TRY(vector_definition_load(v->bucket, call, name, &d, err));
    params = json_pack("[s, f]", d->name, gate);
    LH_TRY(rows_query(v, call,
                      "SELECT " COLUMNS " FROM " VECTOR_TRIALS_DATASET
                      " WHERE index_name = ? AND recall >= ?"
                      " ORDER BY recall DESC, p50_us, trial_id DESC",
                      params, 1, &rows, err));
    row = json_array_get(json_object_get(rows, "rows"), 0);
    if (row == NULL)
        return lh_fail(err, LH_NOT_FOUND, "vectors.no_trial",
                       "no trial of '%s' has reached a recall of %.3f (vectors.recall_gate)",
                       d->name, gate);
    row_put(&w, json_object_get(rows, "columns"), row);
    return LH_OK;
}
