/*
 * test_house: a house for the tests of catalogd and journald: a real store in a temporary folder,
 * the real work engine, and a mesh that hosts both services in this process. Another process opens
 * a house of its own on the same folder.
 *
 * Included by one test program at a time; it also is the environment that gives out the engine.
 */
#ifndef LH_SERVICES_TEST_HOUSE_H
#define LH_SERVICES_TEST_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/thread.h"
#include "base/time.h"
#include "engine/table.h"
#include "services/catalogd/client.h"
#include "services/journald/client.h"
#include "services/service.h"

struct house {
    char folder[80];
    struct lh_config *config;
    struct lh_store *store;
    struct lh_mesh *mesh;
    struct lh_engine *work;
    pthread_mutex_t engine_lock;
    struct lh_env env;
    void *journald, *catalogd;
    struct lh_router *journald_router, *catalogd_router;
    struct lh_catalog_client *client;
};

static __thread const char *house_step = ""; /* named when an expectation fails in a thread */

/* `env` is the first member that a service is given, so the house around it is found from it. */
lh_status
lh_env_work_engine(const struct lh_env *env, struct lh_engine **out, struct lh_error *err)
{
    struct house *h = (struct house *)((char *)(uintptr_t)env - offsetof(struct house, env));
    LH_AUTO_LOCK(&h->engine_lock);

    if (h->work == NULL)
        LH_TRY(lh_engine_open(LH_ENGINE_WORK, h->config, h->store, &h->work, err));
    *out = h->work;
    return LH_OK;
}

#define assert_ok(expr)                                                                            \
    do {                                                                                           \
        LH_AUTO_ERROR(err);                                                                        \
        if ((expr) != LH_OK)                                                                       \
            fail_msg("%s%s: %s %s: %s", house_step, #expr, lh_status_name(err.status), err.reason, \
                     err.text);                                                                    \
    } while (0)

#define assert_fails(expr, expected_status, expected_reason)                                       \
    do {                                                                                           \
        LH_AUTO_ERROR(err);                                                                        \
        if ((expr) != (expected_status) || !lh_error_is(&err, (expected_reason)))                  \
            fail_msg("%s%s: expected %s, got %s %s: %s", house_step, #expr, (expected_reason),     \
                     lh_status_name(err.status), err.reason, err.text);                            \
    } while (0)

/* ---- life ---- */

static inline void
house_services_start(struct house *h)
{
    h->mesh = lh_mesh_new(h->config);
    h->env = (struct lh_env){.config = h->config, .store = h->store, .mesh = h->mesh};
    assert_ok(lh_journald.start(&h->env, &h->journald, &err));
    h->journald_router = lh_router_new();
    lh_router_add(h->journald_router, lh_journald.routes, h->journald);
    lh_mesh_host(h->mesh, "journald", h->journald_router);
    assert_ok(lh_catalogd.start(&h->env, &h->catalogd, &err));
    h->catalogd_router = lh_router_new();
    lh_router_add(h->catalogd_router, lh_catalogd.routes, h->catalogd);
    lh_mesh_host(h->mesh, "catalogd", h->catalogd_router);
    h->client = lh_catalog_client_new(h->mesh);
}

static inline struct house *
house_open(const char *folder, const char *toml)
{
    static const struct lh_config_key *tables[8];
    struct house *h = LH_NEW(struct house);

    tables[0] = lh_store_config;
    tables[1] = lh_engine_config;
    tables[2] = lh_mesh_config;
    tables[3] = lh_journald.config;
    tables[4] = lh_catalogd.config;
    pthread_mutex_init(&h->engine_lock, NULL);
    (void)snprintf(h->folder, sizeof(h->folder), "%s", folder ? folder : "/tmp/lh-house-XXXXXX");
    if (folder == NULL)
        assert_non_null(mkdtemp(h->folder));
    assert_ok(lh_config_parse(tables, lh_str_of(toml), "test.toml", &h->config, &err));
    assert_ok(lh_store_open(h->config, h->folder, NULL, &h->store, &err));
    house_services_start(h);
    return h;
}

static inline void
house_close(struct house *h)
{
    lh_catalog_client_free(h->client);
    lh_catalogd.drain(h->catalogd);
    lh_catalogd.stop(h->catalogd);
    lh_journald.stop(h->journald);
    lh_mesh_free(h->mesh);
    lh_router_free(h->catalogd_router);
    lh_router_free(h->journald_router);
    lh_engine_free(h->work);
    lh_store_free(h->store);
    lh_config_free(h->config);
    pthread_mutex_destroy(&h->engine_lock);
    free(h);
}

static inline void
house_close_and_remove(struct house *h)
{
    char folder[sizeof(h->folder)];

    memcpy(folder, h->folder, sizeof(folder));
    house_close(h);
    (void)lh_dir_remove_tree(folder, NULL);
}

/* This program again, as a process of its own with two arguments. Spawned, not forked: nothing of
 * the threads that run here is taken over. */
static inline pid_t
house_child_start(const char *folder, const char *argument)
{
    char *args[] = {(char *)"child", (char *)(uintptr_t)folder, (char *)(uintptr_t)argument, NULL};
    pid_t child;

    assert_int_equal(posix_spawn(&child, "/proc/self/exe", NULL, NULL, args, environ), 0);
    return child;
}

/* ---- asking ---- */

struct reply {
    lh_status status;
    int http;
    json_t *json;
    struct lh_error err;
    char etag[160];
    struct lh_buf body;
};

static inline void
reply_fini(struct reply *r)
{
    json_decref(r->json);
    lh_error_clear(&r->err);
    lh_buf_fini(&r->body);
}

#define AUTO_REPLY(name) __attribute__((cleanup(reply_fini))) struct reply name = {0}

static inline void
ask(struct house *h, const char *service, enum lh_method method, const char *path, const char *body,
    struct reply *r)
{
    struct lh_call call;
    LH_AUTO_BUF(answer, LH_BUF_UNLIMITED);

    reply_fini(r);
    *r = (struct reply){0};
    lh_call_init(&call);
    r->status = lh_mesh_call(h->mesh, &call,
                             &(struct lh_mesh_request){.service = service,
                                                       .method = method,
                                                       .path = path,
                                                       .body = lh_str_bytes(lh_str_of(body))},
                             &r->http, &answer, &r->err);
    if (r->status == LH_OK && answer.len > 0)
        r->json = json_loadb((char *)answer.data, answer.len, JSON_DECODE_ANY, NULL);
    lh_call_fini(&call);
}

#define assert_answered(r)                                                                         \
    do {                                                                                           \
        if ((r)->status != LH_OK)                                                                  \
            fail_msg("%s %s: %s", lh_status_name((r)->status), (r)->err.reason, (r)->err.text);    \
    } while (0)

#define assert_refused(r, expected_status, expected_reason)                                        \
    do {                                                                                           \
        if ((r)->status != (expected_status) || !lh_error_is(&(r)->err, (expected_reason)))        \
            fail_msg("expected %s, got %s %s: %s", (expected_reason), lh_status_name((r)->status), \
                     (r)->err.reason, (r)->err.text);                                              \
    } while (0)

/* The same with headers in both directions: only a forwarded request has them. */
static inline lh_status
reply_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
            struct lh_error *err)
{
    struct reply *r = self;

    (void)length;
    (void)err;
    r->http = status;
    for (size_t i = 0; i < count; i++)
        if (lh_str_eq_nocase(headers[i].name, LH_STR("ETag")))
            lh_str_copy(r->etag, sizeof(r->etag), headers[i].value);
    return LH_OK;
}

static inline lh_status
reply_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct reply *r = self;

    (void)err;
    lh_buf_add(&r->body, bytes.ptr, bytes.len);
    return LH_OK;
}

static inline void
reply_end(void *self, bool complete)
{
    (void)self;
    (void)complete;
}

static inline void
ask_if_match(struct house *h, enum lh_method method, const char *path, const char *body,
             const char *if_match, struct reply *r)
{
    const struct lh_header headers[] = {{LH_STR("Content-Type"), LH_STR("application/json")},
                                        {LH_STR("If-Match"), lh_str_of(if_match)}};
    struct lh_call call;
    struct lh_request req = {.method = method,
                             .path = lh_str_of(path),
                             .headers = headers,
                             .header_count = if_match ? 2 : 1,
                             .body_bytes = lh_str_bytes(lh_str_of(body)),
                             .route = "",
                             .peer = LH_STR("")};
    struct lh_response res = {
        .sink = {.begin = reply_begin, .write = reply_write, .end = reply_end, .self = r}};

    reply_fini(r);
    *r = (struct reply){.body.max = LH_BUF_UNLIMITED};
    lh_call_init(&call);
    res.arena = &call.arena;
    r->status = lh_mesh_forward(h->mesh, &call, "catalogd", &req, &res, &r->err);
    if (r->status == LH_OK)
        r->json = json_loadb((char *)r->body.data, r->body.len, 0, NULL);
    lh_call_fini(&call);
}

/* ---- reading answers ---- */

static inline json_int_t
int_at(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static inline const char *
text_at(const json_t *object, const char *key)
{
    assert_true(json_is_string(json_object_get(object, key)));
    return json_string_value(json_object_get(object, key));
}

static inline size_t
count_at(const json_t *object, const char *key)
{
    assert_true(json_is_array(json_object_get(object, key)));
    return json_array_size(json_object_get(object, key));
}

static inline const json_t *
item_at(const json_t *object, const char *key, size_t i)
{
    return json_array_get(json_object_get(object, key), i);
}

/* ---- data and commits ---- */

static const struct lh_catalog_column house_columns[] = {
    {.name = "id", .type = "BIGINT", .null_count = 0, .min = "0", .max = "9"},
    {.name = "city", .type = "VARCHAR", .null_count = 0, .min = NULL, .max = NULL},
};

/* A small Parquet of `rows` rows under `_data/<dataset>/<name>.parquet`; texts live as long as the
 * arena. */
static inline struct lh_catalog_file
data_put(struct house *h, struct lh_arena *arena, const char *dataset, const char *name,
         uint64_t rows)
{
    static const struct lh_table_column columns[] = {{"id", LH_CELL_I64}, {"city", LH_CELL_TEXT}};
    LH_AUTO(lh_table) *t = lh_table_new(columns, 2);
    LH_AUTO_BUF(bytes, LH_BUF_UNLIMITED);
    const char *key = lh_arena_printf(arena, "_data/%s/%s.parquet", dataset, name);
    struct lh_object_info info;
    struct lh_engine *work;
    struct lh_call call;

    for (uint64_t i = 0; i < rows; i++) {
        size_t row = lh_table_row_add(t);

        lh_table_set_i64(t, row, 0, (int64_t)i);
        lh_table_set_text(t, row, 1, i % 2 ? LH_STR("Chicago") : LH_STR("Joliet"));
    }
    lh_call_init(&call);
    assert_ok(lh_env_work_engine(&h->env, &work, &err));
    assert_ok(lh_table_encode(work, &call, t, &bytes, &err));
    assert_ok(lh_object_put(lh_store_primary(h->store), &call, lh_str_of(key), lh_buf_bytes(&bytes),
                            NULL, &info, &err));
    lh_call_fini(&call);
    return (struct lh_catalog_file){.bucket = "primary",
                                    .key = key,
                                    .sha256 = lh_arena_cstr(arena, lh_str_of(info.sha256)),
                                    .ingest_key = lh_arena_cstr(arena, lh_str_of(name)),
                                    .size_bytes = info.size_bytes,
                                    .rows = rows};
}

static inline struct lh_catalog_commit
wish(const char *dataset, uint64_t head, const char *mode, const struct lh_catalog_file *files,
     size_t count)
{
    return (struct lh_catalog_commit){.dataset = dataset,
                                      .expected_head = head,
                                      .mode = mode,
                                      .source = "test.csv",
                                      .columns = house_columns,
                                      .column_count = 2,
                                      .files = files,
                                      .file_count = count};
}

static inline lh_status
commit_try(struct house *h, const struct lh_catalog_commit *w, uint64_t *version,
           struct lh_error *err)
{
    LH_AUTO(lh_snapshot) *s = NULL;
    struct lh_call call;
    lh_status status;

    lh_call_init(&call);
    status = lh_catalog_commit(h->client, &call, w, &s, err);
    if (status == LH_OK && version != NULL)
        *version = s->version;
    lh_call_fini(&call);
    return status;
}

/* One file of so many rows becomes the next version. */
static inline void
version_make(struct house *h, const char *dataset, uint64_t head, const char *name, uint64_t rows)
{
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, dataset, name, rows);
    struct lh_catalog_commit w = wish(dataset, head, "replace", &file, 1);
    uint64_t version = 0;

    assert_ok(commit_try(h, &w, &version, &err));
    assert_int_equal(version, head + 1);
}

static inline lh_status
snapshot_get(struct house *h, const char *dataset, uint64_t version, struct lh_snapshot **out,
             struct lh_error *err)
{
    struct lh_call call;
    lh_status status;

    lh_call_init(&call);
    status = lh_catalog_snapshot(h->client, &call, lh_str_of(dataset), version, out, err);
    lh_call_fini(&call);
    return status;
}

static inline bool
object_exists(struct house *h, const char *key)
{
    struct lh_object_info info;
    struct lh_call call;
    lh_status status;

    lh_call_init(&call);
    status = lh_object_head(lh_store_primary(h->store), &call, lh_str_of(key), &info, NULL);
    lh_call_fini(&call);
    return status == LH_OK;
}

static inline void
object_write(struct house *h, const char *key, const char *text)
{
    struct lh_call call;

    lh_call_init(&call);
    assert_ok(lh_object_put(lh_store_primary(h->store), &call, lh_str_of(key),
                            lh_str_bytes(lh_str_of(text)), NULL, NULL, &err));
    lh_call_fini(&call);
}

#endif
