#include "services/queryd/query.h"

#include "base/time.h"
#include "services/queryd/answer.h"
#include "services/queryd/hot.h"
#include "services/queryd/running.h"
#include "services/queryd/searches.h"
#include "services/queryd/tables.h"

/* ---- request ---- */

/* An array or an object; absent and null are none. */
static lh_status
params_read(const json_t *body, const json_t **out, struct lh_error *err)
{
    const json_t *params = json_object_get(body, "params");

    if (!params || json_is_null(params))
        return LH_OK;
    if (!json_is_array(params) && !json_is_object(params))
        return lh_fail(err, LH_INVALID, "request.field_type",
                       "field \"params\" must be an array or an object");
    *out = params;
    return LH_OK;
}

static lh_status
positive_read(const json_t *body, const char *field, int64_t min, int64_t *out,
              struct lh_error *err)
{
    LH_TRY(lh_json_i64_opt(body, field, out, err));
    if (*out < min)
        return lh_fail(err, LH_INVALID, "request.field_value", "field \"%s\" must be at least %lld",
                       field, (long long)min);
    return LH_OK;
}

static lh_status
format_read(lh_str accept, enum lh_result_format *out, struct lh_error *err)
{
    if (lh_result_format_choose(accept, out))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "request.not_acceptable",
                   "an answer can be application/json, application/x-ndjson, text/csv, "
                   "application/vnd.apache.arrow.stream or application/vnd.apache.parquet");
}

lh_status
query_request_read(struct query_request *r, const struct queryd *q, const json_t *body,
                   lh_str accept, struct lh_error *err)
{
    static const char *const fields[] = {"sql", "params", "limit", "timeout_ms", NULL};
    const struct lh_config *config = q->env->config;
    int64_t timeout_max = lh_config_ms(config, "query.timeout_max");
    int64_t timeout = lh_config_ms(config, "query.timeout");
    int64_t limit = INT64_MAX;

    *r = (struct query_request){.limits.bytes_max = lh_config_size(config, "query.bytes_max")};
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "sql", &r->sql, err));
    LH_TRY(params_read(body, &r->params, err));
    LH_TRY(format_read(accept, &r->format, err));
    if (r->format == LH_RESULT_JSON)
        limit = lh_config_i64(config, "query.rows_default");
    LH_TRY(positive_read(body, "limit", 0, &limit, err));
    LH_TRY(positive_read(body, "timeout_ms", 1, &timeout, err));
    r->limits.rows_max = limit == INT64_MAX ? UINT64_MAX : (uint64_t)limit;
    r->timeout_ms = timeout < timeout_max ? timeout : timeout_max;
    return LH_OK;
}

/* ---- run ---- */

/* What one statement holds while it runs. */
struct query {
    struct queryd *q;
    struct lh_call *call;
    const struct query_request *request;
    struct query_entry entry;
    struct lh_engine *engine;
    struct lh_statement *statement;
    struct query_searches searches;
    struct lh_search_provider provider;
    struct query_tables tables;
    struct query_answer answer;
    struct lh_statement_outcome outcome;
};

static lh_status
statement_bind(struct query *x, struct lh_error *err)
{
    const char *const *names;
    size_t count;

    if (lh_statement_lists_tables(x->statement)) {
        LH_TRY(query_names(x->q, x->call, &names, &count, err));
        return lh_statement_bind_tables_list(x->statement, names, count, err);
    }
    LH_TRY(query_tables_init(&x->tables, x->q, x->call, x->statement, err));
    query_running_reads(&x->entry, x->tables.snapshots, x->tables.count);
    query_hot_note(x->q->hot, x->engine, x->tables.snapshots, x->tables.count);
    return lh_statement_bind(x->statement, x->tables.sources, x->tables.count, x->request->params,
                             err);
}

static lh_status
sink_text(const struct lh_result_sink *sink, const char *text, struct lh_error *err)
{
    return sink->write(sink->self, lh_str_bytes(lh_str_of(text)), err);
}

static void
reads_print(const struct lh_statement_outcome *o, struct lh_json_writer *w)
{
    lh_json_key(w, "scanned");
    lh_json_object_begin(w);
    lh_json_set_u64(w, "bytes", o->lake_bytes);
    lh_json_set_u64(w, "requests", o->lake_requests);
    lh_json_object_end(w);
    lh_json_key(w, "transferred");
    lh_json_object_begin(w);
    lh_json_set_u64(w, "bytes", o->remote_bytes);
    lh_json_set_u64(w, "requests", o->remote_requests);
    lh_json_object_end(w);
    lh_json_key(w, "cached");
    lh_json_object_begin(w);
    lh_json_set_u64(w, "memory_bytes", o->memory_bytes);
    lh_json_set_u64(w, "disk_bytes", o->disk_bytes);
    lh_json_object_end(w);
}

/* Of a bucket that stood in for another: read from by the engine, or for a manifest. */
static const char *
rescued_by(const struct query *x)
{
    const char *by = x->statement ? lh_statement_rescued_by(x->statement) : NULL;

    return by ? by : atomic_load(&x->call->rescued_by);
}

static void
rescue_header(void *self)
{
    const struct query *x = self;
    const char *by = rescued_by(x);

    if (by)
        lh_response_header(x->answer.res, "X-Lakehouse-Rescue-Used", lh_str_of(by));
}

/* The members that are known only after the rows. */
static void
tail_print(const struct query *x, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "row_count", x->outcome.row_count);
    lh_json_set_bool(&w, "truncated", x->outcome.is_truncated);
    lh_json_set_i64(&w, "elapsed_ms", (lh_time_mono_ns() - x->entry.started_ns) / 1000000);
    lh_json_set_cstr(&w, "query_id", x->entry.id);
    lh_json_key(&w, "datasets");
    query_tables_print(&x->tables, &w);
    reads_print(&x->outcome, &w);
    if (rescued_by(x))
        lh_json_set_cstr(&w, "rescue_used", rescued_by(x));
    lh_json_object_end(&w);
}

/* {"columns":…,"rows":…  from the engine, then the tail without its opening brace. */
static lh_status
json_run(struct query *x, const struct lh_result_sink *sink, struct lh_error *err)
{
    LH_AUTO_BUF(tail, LH_BUF_UNLIMITED);

    LH_TRY(sink_text(sink, "{", err));
    LH_TRY(lh_statement_run(x->statement, LH_RESULT_JSON, &x->request->limits, sink, &x->outcome,
                            err));
    tail_print(x, &tail);
    tail.data[0] = ',';
    return sink->write(sink->self, lh_buf_bytes(&tail), err);
}

/* What the other forms cannot say in their body. A long answer has begun before it is known. */
static void
outcome_headers(const struct query *x, struct lh_response *res)
{
    const struct lh_statement_outcome *o = &x->outcome;

    if (o->is_truncated)
        lh_response_header(res, "X-Lakehouse-Truncated", LH_STR("true"));
    if (x->request->format == LH_RESULT_JSON)
        return;
    lh_response_headerf(res, "X-Lakehouse-Transferred-Bytes", "%llu",
                        (unsigned long long)o->remote_bytes);
    lh_response_headerf(res, "X-Lakehouse-Transferred-Requests", "%llu",
                        (unsigned long long)o->remote_requests);
    lh_response_headerf(res, "X-Lakehouse-Cached-Bytes", "%llu",
                        (unsigned long long)o->memory_bytes + o->disk_bytes);
}

static lh_status
statement_answer(struct query *x, struct lh_response *res, struct lh_error *err)
{
    struct lh_result_sink sink;

    query_answer_init(&x->answer, res, x->request->format);
    x->answer.begins = rescue_header;
    x->answer.self = x;
    sink = query_answer_sink(&x->answer);
    if (x->request->format == LH_RESULT_JSON)
        LH_TRY(json_run(x, &sink, err));
    else
        LH_TRY(lh_statement_run(x->statement, x->request->format, &x->request->limits, &sink,
                                &x->outcome, err));
    if (!x->answer.has_begun)
        outcome_headers(x, res);
    return query_answer_end(&x->answer, err);
}

static lh_status
steps_run(struct query *x, struct lh_response *res, struct lh_error *err)
{
    LH_TRY(query_running_begin(x->q->running, x->call, x->request->sql, &x->entry, err));
    lh_response_header(res, "X-Lakehouse-Query-Id", lh_str_of(x->entry.id));
    LH_TRY(lh_env_query_engine(x->q->env, &x->engine, err));
    LH_TRY(lh_statement_parse(x->engine, x->call, x->request->sql, &x->statement, err));
    x->searches.q = x->q;
    x->provider = query_search_provider(&x->searches);
    lh_statement_searches_set(x->statement, &x->provider);
    LH_TRY(statement_bind(x, err));
    return statement_answer(x, res, err);
}

static void
query_fini(struct query *x)
{
    lh_statement_free(x->statement);
    query_running_end(&x->entry);
    query_tables_fini(&x->tables);
    query_answer_fini(&x->answer);
}

static void
measure(const struct query *x, lh_status status)
{
    const struct queryd *q = x->q;

    if (x->entry.started_ns > 0)
        lh_metric_observe_ns(q->seconds, lh_time_mono_ns() - x->entry.started_ns);
    lh_metric_add(q->rows, (int64_t)x->outcome.row_count);
    lh_metric_add(q->lake_bytes, (int64_t)x->outcome.lake_bytes);
    lh_metric_add(q->lake_requests, (int64_t)x->outcome.lake_requests);
    lh_metric_add(q->remote_bytes, (int64_t)x->outcome.remote_bytes);
    lh_metric_add(q->remote_requests, (int64_t)x->outcome.remote_requests);
    lh_metric_add(q->cached_bytes, (int64_t)(x->outcome.memory_bytes + x->outcome.disk_bytes));
    if (status != LH_OK)
        lh_metric_add(q->failures, 1);
}

/* An object that is gone, of a version that is gone: collection has overtaken the statement, and
 * that is what its caller is told. */
static lh_status
vanished_tell(struct query *x, lh_status status, struct lh_error *err)
{
    LH_AUTO_ERROR(why);

    if (err == NULL || !lh_error_is(err, "store.no_object"))
        return status;
    for (size_t i = 0; i < x->tables.count; i++) {
        const struct lh_snapshot *read = x->tables.snapshots[i];

        if (lh_catalog_snapshot_prove(x->q->catalog, x->call, lh_str_of(read->dataset),
                                      read->version, &why) != LH_OK &&
            lh_error_is(&why, "catalog.version_collected")) {
            lh_error_copy(err, &why);
            return why.status;
        }
    }
    return status;
}

/* The call may be of a larger request in the same process (a search that filters by SQL), whose own
 * deadline comes back after. */
lh_status
query_run(struct queryd *q, struct lh_call *call, const struct query_request *r,
          struct lh_response *res, struct lh_error *err)
{
    struct query x = {.q = q, .call = call, .request = r};
    int64_t before = call->deadline_ms, own = lh_time_mono_ms() + r->timeout_ms;
    lh_status status;

    call->deadline_ms = own < before ? own : before;
    lh_metric_add(q->running_now, 1);
    status = steps_run(&x, res, err);
    if (status != LH_OK)
        status = vanished_tell(&x, status, err);
    lh_metric_add(q->running_now, -1);
    measure(&x, status);
    query_fini(&x);
    call->deadline_ms = before;
    return status;
}
