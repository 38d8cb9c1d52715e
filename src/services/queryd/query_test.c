/*
 * The service behind its routes, on a mesh with a catalog that this file plays: it knows "workers"
 * in up to three versions and "clients".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/thread.h"
#include "base/time.h"
#include "engine/engine.h"
#include "engine/table.h"
#include "services/queryd/client.h"
#include "services/queryd/queryd.h"

/* ---- the house around it ---- */

struct house {
    char folder[64];
    struct lh_config *config;
    struct lh_store *store;
    struct lh_mesh *mesh;
    struct lh_router *catalog_router, *router;
    struct lh_engine *work, *query;
    struct lh_env env;
    void *queryd;
    uint64_t head; /* of "workers" */
    unsigned snapshots_asked;
};

static struct house *house; /* what the engines of the environment are */

lh_status
lh_env_work_engine(const struct lh_env *env, struct lh_engine **out, struct lh_error *err)
{
    (void)env;
    (void)err;
    *out = house->work;
    return LH_OK;
}

lh_status
lh_env_query_engine(const struct lh_env *env, struct lh_engine **out, struct lh_error *err)
{
    (void)env;
    (void)err;
    *out = house->query;
    return LH_OK;
}

#define assert_ok(expr)                                                                            \
    do {                                                                                           \
        LH_AUTO_ERROR(err);                                                                        \
        if ((expr) != LH_OK)                                                                       \
            fail_msg("%s: %s %s: %s", #expr, lh_status_name(err.status), err.reason, err.text);    \
    } while (0)

/* ---- the catalog ---- */

static lh_status
head_of(const struct house *h, lh_str dataset, uint64_t *version, struct lh_error *err)
{
    *version = lh_str_eq(dataset, LH_STR("workers")) ? h->head : 1;
    if (lh_str_eq(dataset, LH_STR("workers")) || lh_str_eq(dataset, LH_STR("clients")))
        return LH_OK;
    return lh_fail(err, LH_NOT_FOUND, "catalog.unknown_dataset", "there is no dataset \"%.*s\"",
                   LH_FMT(dataset));
}

static lh_status
catalog_head(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(body, 4096);
    uint64_t version;

    (void)call;
    LH_TRY(head_of(self, lh_request_query(req, "dataset"), &version, err));
    lh_buf_printf(&body, "{\"version\":%llu,\"state\":\"live\"}", (unsigned long long)version);
    return lh_response_json(res, 200, &body, err);
}

static lh_status
catalog_snapshot(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                 struct lh_error *err)
{
    static const char sha[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    struct house *h = self;
    LH_AUTO_BUF(body, 4096);
    lh_str dataset = lh_request_query(req, "dataset");
    int64_t version = 0;
    uint64_t head;

    (void)call;
    h->snapshots_asked++;
    LH_TRY(head_of(h, dataset, &head, err));
    LH_TRY(lh_request_query_i64(req, "version", 0, 1000, &version, err));
    if ((uint64_t)version > head)
        return lh_fail(err, LH_NOT_FOUND, "catalog.unknown_version", "there is no version %lld",
                       (long long)version);
    lh_buf_printf(&body,
                  "{\"dataset\":\"%.*s\",\"version\":%lld,\"parent\":%lld,\"created_us\":1,"
                  "\"mode\":\"replace\",\"rows_rejected\":0,\"columns\":["
                  "{\"name\":\"id\",\"type\":\"BIGINT\",\"null_count\":0},"
                  "{\"name\":\"city\",\"type\":\"VARCHAR\",\"null_count\":0}],\"files\":[{"
                  "\"bucket\":\"primary\",\"key\":\"%.*s-%lld.parquet\",\"sha256\":\"%s\","
                  "\"size_bytes\":1,\"rows\":10}]}",
                  LH_FMT(dataset), (long long)version, (long long)version - 1, LH_FMT(dataset),
                  (long long)version, sha);
    return lh_response_json(res, 200, &body, err);
}

static lh_status
catalog_names(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    LH_AUTO_BUF(body, 4096);

    (void)self;
    (void)call;
    (void)req;
    lh_buf_add_cstr(&body, "[{\"name\":\"workers\",\"version\":1},{\"name\":\"clients\"}]");
    return lh_response_json(res, 200, &body, err);
}

static const struct lh_route catalog_routes[] = {
    {LH_GET, "/internal/catalog/head", catalog_head, LH_ROUTE_INTERNAL, 0},
    {LH_GET, "/internal/catalog/snapshot", catalog_snapshot, LH_ROUTE_INTERNAL, 0},
    {LH_GET, "/internal/catalog/names", catalog_names, LH_ROUTE_INTERNAL, 0},
    {0},
};

/* Ten workers in version 1, twenty in version 2, … */
static void
workers_put(struct house *h, uint64_t version)
{
    static const struct lh_table_column columns[] = {{"id", LH_CELL_I64}, {"city", LH_CELL_TEXT}};
    LH_AUTO(lh_table) *t = lh_table_new(columns, 2);
    LH_AUTO_CHARS key = lh_asprintf("workers-%llu.parquet", (unsigned long long)version);
    LH_AUTO_BUF(bytes, 1 << 20);
    struct lh_call call;

    for (size_t i = 0; i < version * 10; i++) {
        size_t row = lh_table_row_add(t);

        lh_table_set_i64(t, row, 0, (int64_t)i);
        lh_table_set_text(t, row, 1, i % 2 ? LH_STR("Chicago") : LH_STR("Łódź"));
    }
    lh_call_init(&call);
    assert_ok(lh_table_encode(h->work, &call, t, &bytes, &err));
    assert_ok(lh_object_put(lh_store_primary(h->store), &call, lh_str_of(key), lh_buf_bytes(&bytes),
                            NULL, NULL, &err));
    lh_call_fini(&call);
    h->head = version;
}

static int
house_setup(void **state)
{
    static const struct lh_config_key *tables[5];
    struct house *h = LH_NEW(struct house);

    tables[0] = lh_store_config;
    tables[1] = lh_engine_config;
    tables[2] = lh_mesh_config;
    tables[3] = lh_queryd.config;
    house = h;
    (void)snprintf(h->folder, sizeof(h->folder), "/tmp/lh-queryd-XXXXXX");
    assert_non_null(mkdtemp(h->folder));
    assert_ok(lh_config_parse(tables,
                              LH_STR("query.concurrency = 2\nquery.rows_default = 100\n"
                                     "engine.memory_limit = \"512MiB\"\n"),
                              "test.toml", &h->config, &err));
    assert_ok(lh_store_open(h->config, h->folder, NULL, &h->store, &err));
    assert_ok(lh_engine_open(LH_ENGINE_WORK, h->config, h->store, &h->work, &err));
    assert_ok(lh_engine_open(LH_ENGINE_QUERY, h->config, h->store, &h->query, &err));
    h->mesh = lh_mesh_new(h->config);
    h->catalog_router = lh_router_new();
    lh_router_add(h->catalog_router, catalog_routes, h);
    lh_mesh_host(h->mesh, "catalogd", h->catalog_router);
    h->env = (struct lh_env){.config = h->config, .store = h->store, .mesh = h->mesh};
    assert_ok(lh_queryd.start(&h->env, &h->queryd, &err));
    h->router = lh_router_new();
    lh_router_add(h->router, lh_queryd.routes, h->queryd);
    lh_mesh_host(h->mesh, "queryd", h->router);
    workers_put(h, 1);
    *state = h;
    return 0;
}

static int
house_teardown(void **state)
{
    struct house *h = *state;

    lh_queryd.stop(h->queryd);
    lh_mesh_free(h->mesh);
    lh_router_free(h->router);
    lh_router_free(h->catalog_router);
    lh_engine_free(h->query);
    lh_engine_free(h->work);
    lh_store_free(h->store);
    lh_config_free(h->config);
    (void)lh_dir_remove_tree(h->folder, NULL);
    free(h);
    return 0;
}

/* ---- a client ---- */

struct reply {
    int status;
    char type[80], query_id[64], truncated[8];
    struct lh_buf body;
    json_t *json;
    lh_status outcome;
    struct lh_error err;
};

static lh_status
reply_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
            struct lh_error *err)
{
    struct reply *r = self;

    (void)length;
    (void)err;
    r->status = status;
    for (size_t i = 0; i < count; i++) {
        if (lh_str_eq(headers[i].name, LH_STR("Content-Type")))
            lh_str_copy(r->type, sizeof(r->type), headers[i].value);
        if (lh_str_eq(headers[i].name, LH_STR("X-Lakehouse-Query-Id")))
            lh_str_copy(r->query_id, sizeof(r->query_id), headers[i].value);
        if (lh_str_eq(headers[i].name, LH_STR("X-Lakehouse-Truncated")))
            lh_str_copy(r->truncated, sizeof(r->truncated), headers[i].value);
    }
    return LH_OK;
}

static lh_status
reply_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct reply *r = self;

    (void)err;
    lh_buf_add(&r->body, bytes.ptr, bytes.len);
    return LH_OK;
}

static void
reply_end(void *self, bool complete)
{
    (void)self;
    (void)complete;
}

static void
reply_fini(struct reply *r)
{
    lh_buf_fini(&r->body);
    json_decref(r->json);
    lh_error_clear(&r->err);
}

#define AUTO_REPLY(name)                                                                           \
    __attribute__((cleanup(reply_fini))) struct reply name = {.body.max = LH_BUF_UNLIMITED}

static void
send_as(struct house *h, struct lh_call *call, enum lh_method method, const char *path,
        const char *body, const char *accept, struct reply *r)
{
    const struct lh_header headers[] = {{LH_STR("Content-Type"), LH_STR("application/json")},
                                        {LH_STR("Accept"), lh_str_of(accept)}};
    struct lh_request req = {
        .method = method,
        .path = lh_str_of(path),
        .headers = headers,
        .header_count = accept ? 2 : 1,
        .body_bytes = lh_str_bytes(lh_str_of(body)),
        .route = "",
        .peer = LH_STR(""),
    };
    struct lh_response res = {
        .sink = {.begin = reply_begin, .write = reply_write, .end = reply_end, .self = r},
        .arena = &call->arena,
    };

    r->outcome = lh_mesh_forward(h->mesh, call, "queryd", &req, &res, &r->err);
    if (r->outcome == LH_OK && strstr(r->type, "application/json"))
        r->json = json_loadb((char *)r->body.data, r->body.len, 0, NULL);
}

static void
send_to(struct house *h, enum lh_method method, const char *path, const char *body,
        const char *accept, struct reply *r)
{
    struct lh_call call;

    lh_call_init(&call);
    send_as(h, &call, method, path, body, accept, r);
    lh_call_fini(&call);
}

static void
sql(struct house *h, const char *body, const char *accept, struct reply *r)
{
    send_to(h, LH_POST, "/v1/sql", body, accept, r);
}

#define assert_answered(r)                                                                         \
    do {                                                                                           \
        if ((r)->outcome != LH_OK)                                                                 \
            fail_msg("%s %s: %s", lh_status_name((r)->outcome), (r)->err.reason, (r)->err.text);   \
    } while (0)

#define assert_refused(r, expected_status, expected_reason)                                        \
    do {                                                                                           \
        if ((r)->outcome != (expected_status) || !lh_error_is(&(r)->err, (expected_reason)))       \
            fail_msg("expected %s, got %s %s: %s", (expected_reason),                              \
                     lh_status_name((r)->outcome), (r)->err.reason, (r)->err.text);                \
        assert_int_equal((r)->status, 0);                                                          \
    } while (0)

static json_int_t
int_at(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

/* ---- answers ---- */

static void
a_json_answer_has_rows_and_says_where_they_came_from(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);
    const json_t *dataset, *column;

    sql(h, "{\"sql\":\"SELECT city, count(*) AS n FROM workers GROUP BY city ORDER BY city\"}",
        NULL, &r);
    assert_answered(&r);
    assert_int_equal(r.status, 200);
    assert_non_null(r.json);
    column = json_array_get(json_object_get(r.json, "columns"), 1);
    assert_string_equal(json_string_value(json_object_get(column, "name")), "n");
    assert_string_equal(json_string_value(json_object_get(column, "type")), "BIGINT");
    assert_int_equal(json_array_size(json_object_get(r.json, "rows")), 2);
    assert_int_equal(int_at(r.json, "row_count"), 2);
    assert_true(json_is_false(json_object_get(r.json, "truncated")));
    assert_true(int_at(r.json, "elapsed_ms") >= 0);
    assert_string_equal(json_string_value(json_object_get(r.json, "query_id")), r.query_id);
    dataset = json_array_get(json_object_get(r.json, "datasets"), 0);
    assert_string_equal(json_string_value(json_object_get(dataset, "name")), "workers");
    assert_int_equal(int_at(dataset, "version"), 1);
    assert_true(int_at(json_object_get(r.json, "scanned"), "bytes") > 0);
    assert_int_equal(int_at(json_object_get(r.json, "transferred"), "bytes"), 0);
    assert_int_equal(int_at(json_object_get(r.json, "transferred"), "requests"), 0);
    assert_int_equal(int_at(json_object_get(r.json, "cached"), "memory_bytes"), 0);
    assert_int_equal(int_at(json_object_get(r.json, "cached"), "disk_bytes"), 0);
}

static void
accept_chooses_the_form(void **state)
{
    struct house *h = *state;
    const char *body = "{\"sql\":\"SELECT id FROM workers WHERE id < 2 ORDER BY id\"}";
    AUTO_REPLY(csv);
    AUTO_REPLY(lines);
    AUTO_REPLY(parquet);
    AUTO_REPLY(none);

    sql(h, body, "text/csv", &csv);
    assert_answered(&csv);
    assert_string_equal(lh_buf_cstr(&csv.body), "id\n0\n1\n");
    sql(h, body, "application/x-ndjson", &lines);
    assert_answered(&lines);
    assert_string_equal(lh_buf_cstr(&lines.body), "{\"id\":0}\n{\"id\":1}\n");
    sql(h, body, "application/vnd.apache.parquet", &parquet);
    assert_answered(&parquet);
    assert_memory_equal(parquet.body.data, "PAR1", 4);
    sql(h, body, "image/png", &none);
    assert_refused(&none, LH_INVALID, "request.not_acceptable");
}

static void
versions_are_read_by_name_and_old_ones_stay(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(head);
    AUTO_REPLY(old);
    AUTO_REPLY(both);
    AUTO_REPLY(future);

    workers_put(h, 2);
    sql(h, "{\"sql\":\"SELECT count(*) AS n FROM workers\"}", "text/csv", &head);
    assert_string_equal(lh_buf_cstr(&head.body), "n\n20\n");
    sql(h, "{\"sql\":\"SELECT count(*) AS n FROM \\\"workers@1\\\"\"}", "text/csv", &old);
    assert_string_equal(lh_buf_cstr(&old.body), "n\n10\n");
    sql(h,
        "{\"sql\":\"SELECT count(*) AS n FROM workers w, \\\"workers@1\\\" o WHERE w.id = o.id\"}",
        NULL, &both);
    assert_answered(&both);
    assert_int_equal(json_array_size(json_object_get(both.json, "datasets")), 2);
    sql(h, "{\"sql\":\"SELECT 1 FROM \\\"workers@9\\\"\"}", NULL, &future);
    assert_refused(&future, LH_NOT_FOUND, "sql.unknown_version");
}

static void
an_unknown_dataset_is_answered_with_near_names(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);
    AUTO_REPLY(far);
    AUTO_REPLY(cased);

    sql(h, "{\"sql\":\"SELECT * FROM wrokers\"}", NULL, &r);
    assert_refused(&r, LH_NOT_FOUND, "sql.unknown_dataset");
    assert_non_null(strstr(r.err.extra, "\"near\":[\"workers\"]"));
    sql(h, "{\"sql\":\"SELECT * FROM duckdb_settings\"}", NULL, &far);
    assert_int_not_equal(far.outcome, LH_OK);
    sql(h, "{\"sql\":\"SELECT count(*) AS n FROM Workers\"}", "text/csv", &cased);
    assert_answered(&cased);
    assert_string_equal(lh_buf_cstr(&cased.body), "n\n10\n");
}

static void
show_tables_and_describe_work(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(tables);
    AUTO_REPLY(describe);

    sql(h, "{\"sql\":\"SHOW TABLES\"}", "text/csv", &tables);
    assert_answered(&tables);
    assert_string_equal(lh_buf_cstr(&tables.body), "name\nworkers\nclients\n");
    sql(h, "{\"sql\":\"DESCRIBE workers\"}", NULL, &describe);
    assert_answered(&describe);
    assert_int_equal(int_at(describe.json, "row_count"), 2);
}

static void
json_is_cut_at_the_default_and_at_the_limit(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(def);
    AUTO_REPLY(own);
    AUTO_REPLY(none);
    AUTO_REPLY(csv);
    AUTO_REPLY(cut);

    sql(h, "{\"sql\":\"SELECT range FROM range(1000)\"}", NULL, &def);
    assert_int_equal(int_at(def.json, "row_count"), 100);
    assert_true(json_is_true(json_object_get(def.json, "truncated")));
    sql(h, "{\"sql\":\"SELECT range FROM range(1000)\",\"limit\":500}", NULL, &own);
    assert_int_equal(int_at(own.json, "row_count"), 500);
    sql(h, "{\"sql\":\"SELECT range FROM range(1000)\",\"limit\":0}", NULL, &none);
    assert_answered(&none);
    assert_int_equal(int_at(none.json, "row_count"), 0);
    sql(h, "{\"sql\":\"SELECT range FROM range(1000)\"}", "application/x-ndjson", &csv);
    assert_answered(&csv);
    assert_true(csv.body.len > 10000);
    sql(h, "{\"sql\":\"SELECT range FROM range(1000)\",\"limit\":5}", "text/csv", &cut);
    assert_string_equal(lh_buf_cstr(&cut.body), "range\n0\n1\n2\n3\n4\n");
    assert_string_equal(cut.truncated, "true");
}

static void
a_wrong_body_names_its_field(void **state)
{
    static const struct {
        const char *body, *field;
    } wrong[] = {
        {"{}", "sql"},
        {"{\"sql\":1}", "sql"},
        {"{\"sql\":\"SELECT 1\",\"params\":1}", "params"},
        {"{\"sql\":\"SELECT 1\",\"limit\":-1}", "limit"},
        {"{\"sql\":\"SELECT 1\",\"limit\":\"x\"}", "limit"},
        {"{\"sql\":\"SELECT 1\",\"timeout_ms\":0}", "timeout_ms"},
        {"{\"sql\":\"SELECT 1\",\"timeout\":5}", "timeout"},
    };
    struct house *h = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO_REPLY(r);

        sql(h, wrong[i].body, NULL, &r);
        assert_int_equal(r.outcome, LH_INVALID);
        assert_non_null(strstr(r.err.text, wrong[i].field));
    }
}

static void
parameters_reach_the_statement(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    sql(h,
        "{\"sql\":\"SELECT count(*) AS n FROM workers WHERE city = $1 AND id < $2\","
        "\"params\":[\"Łódź\",5]}",
        "text/csv", &r);
    assert_answered(&r);
    assert_string_equal(lh_buf_cstr(&r.body), "n\n3\n");
}

/* ---- time and cancelling ---- */

#define HEAVY                                                                                      \
    "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range % 7 = b.range % 5"

static void
a_statement_ends_at_its_own_timeout(void **state)
{
    struct house *h = *state;
    struct lh_call call;
    AUTO_REPLY(r);

    lh_call_init(&call);
    send_as(h, &call, LH_POST, "/v1/sql", "{\"sql\":\"" HEAVY "\",\"timeout_ms\":100}", NULL, &r);
    assert_refused(&r, LH_TIMEOUT, "sql.timeout");
    assert_int_equal(call.deadline_ms, INT64_MAX); /* the caller's deadline is his again */
    lh_call_fini(&call);
}

static void *
heavy_main(void *arg)
{
    sql(house, "{\"sql\":\"" HEAVY "\"}", NULL, arg);
    return NULL;
}

/* Waits until n statements are listed; copies the id of the first. */
static void
running_wait(struct house *h, size_t n, char id[LH_UUID_TEXT])
{
    for (;;) {
        AUTO_REPLY(list);
        const json_t *queries;

        send_to(h, LH_GET, "/v1/sql", "", NULL, &list);
        queries = json_object_get(list.json, "queries");
        if (json_array_size(queries) == n) {
            const json_t *first = json_array_get(queries, 0);

            lh_str_copy(id, LH_UUID_TEXT,
                        lh_str_of(json_string_value(json_object_get(first, "query_id"))));
            return;
        }
        usleep(1000);
    }
}

static void
a_running_statement_is_listed_and_canceled(void **state)
{
    struct house *h = *state;
    char id[LH_UUID_TEXT] = "", path[128];
    pthread_t thread;
    AUTO_REPLY(r);
    AUTO_REPLY(gone);
    AUTO_REPLY(again);

    assert_ok(lh_thread_start(&thread, "heavy", heavy_main, &r, &err));
    running_wait(h, 1, id);
    (void)snprintf(path, sizeof(path), "/v1/sql/%s", id);
    send_to(h, LH_DELETE, path, "", NULL, &gone);
    assert_answered(&gone);
    assert_int_equal(gone.status, 204);
    lh_thread_join(thread);
    assert_refused(&r, LH_CANCELED, "sql.canceled");
    send_to(h, LH_DELETE, path, "", NULL, &again);
    assert_refused(&again, LH_NOT_FOUND, "query.unknown");
}

static void
too_many_statements_are_told_to_come_back(void **state)
{
    struct house *h = *state;
    char id[2][LH_UUID_TEXT];
    pthread_t threads[2];
    struct reply replies[2] = {{.body.max = 1 << 20}, {.body.max = 1 << 20}};
    AUTO_REPLY(third);

    for (size_t i = 0; i < 2; i++) {
        assert_ok(lh_thread_start(&threads[i], "heavy", heavy_main, &replies[i], &err));
        running_wait(h, i + 1, id[i]);
    }
    sql(h, "{\"sql\":\"SELECT 1\"}", NULL, &third);
    assert_refused(&third, LH_BUSY, "query.too_many");
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        AUTO_REPLY(gone);

        (void)snprintf(path, sizeof(path), "/v1/sql/%s", id[i]);
        send_to(h, LH_DELETE, path, "", NULL, &gone);
    }
    for (size_t i = 0; i < 2; i++) {
        lh_thread_join(threads[i]);
        reply_fini(&replies[i]);
    }
}

/* ---- the hot cache ---- */

static json_int_t
entry_version(struct house *h)
{
    AUTO_REPLY(r);

    send_to(h, LH_GET, "/v1/query/cache", "", NULL, &r);
    assert_answered(&r);
    return json_integer_value(
        json_object_get(json_array_get(json_object_get(r.json, "entries"), 0), "version"));
}

static void
a_pinned_dataset_is_read_from_memory_and_follows_its_head(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(pin);
    AUTO_REPLY(hot);
    AUTO_REPLY(newer);
    AUTO_REPLY(evict);
    int64_t give_up = lh_time_mono_ms() + 10000;

    send_to(h, LH_POST, "/v1/query/cache/pin", "{\"dataset\":\"workers\"}", NULL, &pin);
    assert_answered(&pin);
    assert_true(int_at(pin.json, "bytes") > 0);
    sql(h, "{\"sql\":\"SELECT sum(id) FROM workers\"}", NULL, &hot);
    assert_answered(&hot);
    assert_int_equal(int_at(json_object_get(hot.json, "scanned"), "bytes"), 0);
    workers_put(h, 2);
    sql(h, "{\"sql\":\"SELECT count(*) AS n FROM workers\"}", "text/csv", &newer);
    assert_string_equal(lh_buf_cstr(&newer.body), "n\n20\n");
    while (entry_version(h) != 2 && lh_time_mono_ms() < give_up)
        usleep(1000);
    assert_int_equal(entry_version(h), 2);
    send_to(h, LH_POST, "/v1/query/cache/evict", "{}", NULL, &evict);
    assert_answered(&evict);
    assert_int_equal(int_at(evict.json, "bytes"), 0);
    assert_int_equal(int_at(evict.json, "hits"), 1);
}

static void
pinning_what_is_not_there_is_refused(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);
    AUTO_REPLY(field);

    send_to(h, LH_POST, "/v1/query/cache/pin", "{\"dataset\":\"nope\"}", NULL, &r);
    assert_refused(&r, LH_NOT_FOUND, "catalog.unknown_dataset");
    send_to(h, LH_POST, "/v1/query/cache/pin", "{\"datasets\":\"workers\"}", NULL, &field);
    assert_refused(&field, LH_INVALID, "request.field_unknown");
}

static void
a_version_seen_once_is_not_asked_for_again(void **state)
{
    struct house *h = *state;

    for (int i = 0; i < 3; i++) {
        AUTO_REPLY(r);

        sql(h, "{\"sql\":\"SELECT count(*) FROM workers\"}", NULL, &r);
        assert_answered(&r);
    }
    assert_int_equal(h->snapshots_asked, 1);
}

static void
another_service_asks_through_the_client(void **state)
{
    struct house *h = *state;
    LH_AUTO_JSON params = json_pack("[i]", 3);
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_JSON none = NULL;
    struct lh_query query = {LH_STR("SELECT id FROM workers WHERE id >= $1"), params, 2, 5000};
    struct lh_call call;
    LH_AUTO_ERROR(why);

    lh_call_init(&call);
    assert_ok(lh_query_json(h->mesh, &call, &query, &answer, &err));
    assert_int_equal(int_at(answer, "row_count"), 2);
    assert_true(json_is_true(json_object_get(answer, "truncated")));
    query.sql = LH_STR("SELECT * FROM nobody WHERE id >= $1");
    assert_int_equal(lh_query_json(h->mesh, &call, &query, &none, &why), LH_NOT_FOUND);
    assert_string_equal(why.reason, "sql.unknown_dataset");
    lh_call_fini(&call);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_json_answer_has_rows_and_says_where_they_came_from),
        TEST(accept_chooses_the_form),
        TEST(versions_are_read_by_name_and_old_ones_stay),
        TEST(an_unknown_dataset_is_answered_with_near_names),
        TEST(show_tables_and_describe_work),
        TEST(json_is_cut_at_the_default_and_at_the_limit),
        TEST(a_wrong_body_names_its_field),
        TEST(parameters_reach_the_statement),
        TEST(a_statement_ends_at_its_own_timeout),
        TEST(a_running_statement_is_listed_and_canceled),
        TEST(too_many_statements_are_told_to_come_back),
        TEST(a_pinned_dataset_is_read_from_memory_and_follows_its_head),
        TEST(pinning_what_is_not_there_is_refused),
        TEST(a_version_seen_once_is_not_asked_for_again),
        TEST(another_service_asks_through_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
