#include "net/mesh.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include "base/thread.h"
#include "net/testing.h"

#define MIB ((int64_t)1 << 20)

/* ---- a service ---- */

static struct {
    atomic_int calls, canceled, waiting;
} shop;

static lh_status
mirror(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    LH_AUTO_BUF(out, 1 << 24);
    struct lh_json_writer w = lh_json_writer_over(&out);

    (void)service;
    atomic_fetch_add(&shop.calls, 1);
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "method", lh_method_name(req->method));
    lh_json_set_str(&w, "path", req->path);
    lh_json_set_str(&w, "q", lh_request_query(req, "q"));
    lh_json_set_str(&w, "id", lh_request_param(req, "id"));
    lh_json_set_str(&w, "body", lh_bytes_str(req->body_bytes));
    lh_json_set_str(&w, "type", lh_request_header(req, "Content-Type"));
    lh_json_set_i64(&w, "kind", call->principal.kind);
    lh_json_set_cstr(&w, "name", call->principal.name);
    lh_json_set_cstr(&w, "profile", call->principal.profile);
    lh_json_set_bool(&w, "may_write", call->principal.may_write);
    lh_json_set_cstr(&w, "trace", call->trace.trace_id);
    lh_json_set_bool(&w, "has_deadline", call->deadline_ms != INT64_MAX);
    lh_json_set_bool(&w, "is_far", lh_call_remaining_ms(call) > 60000);
    lh_json_object_end(&w);
    return lh_response_json(res, req->method == LH_POST ? 201 : 200, &out, err);
}

static lh_status
refuse(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    int64_t status = LH_CONFLICT;

    (void)service;
    (void)call;
    (void)res;
    atomic_fetch_add(&shop.calls, 1);
    LH_TRY(lh_request_query_i64(req, "status", 1, LH_STATUS_COUNT - 1, &status, err));
    lh_fail(err, (lh_status)status, "catalog.schema_drift", "column \"%s\" was removed", "age");
    lh_error_extra_set(err, "{\"removed\":[\"age\"],\"version\":7}");
    return (lh_status)status;
}

static lh_status
not_ready(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    return lh_response_bytes(res, 503, "application/json",
                             lh_str_bytes(LH_STR("{\"checks\":[{\"name\":\"disk\"}]}")), err);
}

static lh_status
empty(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
      struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    return lh_response_empty(res, 204, err);
}

static lh_status
produce(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    static const uint8_t step[65536];
    int64_t mib = 1;

    (void)service;
    (void)call;
    LH_TRY(lh_request_query_i64(req, "mib", 0, 100000, &mib, err));
    LH_TRY(lh_response_begin(res, 200, "application/octet-stream", -1, err));
    for (int64_t i = 0; i < mib * 16; i++)
        LH_TRY(lh_response_write(res, lh_bytes_of(step, sizeof(step)), err));
    return LH_OK;
}

static lh_status
consume(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    static _Thread_local uint8_t step[65536];
    LH_AUTO_BUF(out, 64);
    uint64_t total = 0;
    size_t got;

    (void)service;
    (void)call;
    do {
        LH_TRY(lh_request_read(req, step, sizeof(step), &got, err));
        total += got;
    } while (got > 0);
    lh_buf_printf(&out, "%llu", (unsigned long long)total);
    return lh_response_bytes(res, 200, "text/plain", lh_buf_bytes(&out), err);
}

/* An object with an ETag, ranges and all: what the gateway must not spoil. */
static lh_status
object(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    lh_str range = lh_request_header(req, "Range");
    int fd = memfd_create("object", MFD_CLOEXEC);

    (void)service;
    (void)call;
    if (write(fd, "0123456789", 10) != 10)
        return lh_fail(err, LH_IO, "test.io", "no");
    lh_response_header(res, "ETag", LH_STR("\"abc\""));
    lh_response_header(res, "X-Lakehouse-Rescue-Used", LH_STR("rescue"));
    if (lh_str_eq(range, LH_STR("bytes=2-4"))) {
        lh_response_header(res, "Content-Range", LH_STR("bytes 2-4/10"));
        LH_TRY(lh_response_begin(res, 206, "text/plain", 3, err));
        return lh_response_send_file(res, fd, 2, 3, err);
    }
    if (lh_request_header(req, "If-None-Match").ptr) {
        close(fd);
        return lh_response_empty(res, 304, err);
    }
    LH_TRY(lh_response_begin(res, 200, "text/plain", 10, err));
    return lh_response_send_file(res, fd, 0, 10, err);
}

static lh_status
fields(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    LH_AUTO_BUF(out, 1 << 20);

    (void)service;
    (void)call;
    for (size_t i = 0; i < req->header_count; i++)
        lh_buf_printf(&out, "%.*s: %.*s\n", LH_FMT(req->headers[i].name),
                      LH_FMT(req->headers[i].value));
    return lh_response_bytes(res, 200, "text/plain", lh_buf_bytes(&out), err);
}

static lh_status
wait_here(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    (void)service;
    (void)req;
    (void)res;
    atomic_fetch_add(&shop.waiting, 1);
    for (;;) {
        lh_status status = lh_call_check(call, err);

        if (status == LH_CANCELED)
            atomic_fetch_add(&shop.canceled, 1);
        LH_TRY(status);
        sched_yield();
    }
}

static lh_status
silent(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    (void)res;
    (void)err;
    return LH_OK;
}

static const struct lh_route service_routes[] = {
    {LH_GET, "/mirror/{id}", mirror, 0, 0},
    {LH_POST, "/mirror/{id}", mirror, LH_ROUTE_WRITES, 0},
    {LH_PATCH, "/mirror/{id}", mirror, 0, 0},
    {LH_PATCH, "/little", mirror, 0, 100},
    {LH_PATCH, "/count", consume, LH_ROUTE_STREAMS_BODY, 0},
    {LH_POST, "/little", mirror, 0, 100},
    {LH_GET, "/refuse", refuse, 0, 0},
    {LH_POST, "/refuse", refuse, 0, 0},
    {LH_GET, "/not-ready", not_ready, 0, 0},
    {LH_GET, "/empty", empty, 0, 0},
    {LH_GET, "/produce", produce, LH_ROUTE_LONG, 0},
    {LH_PUT, "/consume", consume, LH_ROUTE_STREAMS_BODY, 0},
    {LH_GET, "/object", object, 0, 0},
    {LH_GET, "/fields", fields, 0, 0},
    {LH_GET, "/internal", mirror, LH_ROUTE_INTERNAL, 0},
    {LH_GET, "/wait", wait_here, LH_ROUTE_LONG, 0},
    {LH_GET, "/silent", silent, 0, 0},
    {LH_GET, "/healthz", empty, LH_ROUTE_OPEN | LH_ROUTE_INLINE, 0},
    {0},
};

/* ---- two worlds: the service in this process, and behind a socket ---- */

struct world {
    const char *name;
    struct lh_config *config;
    struct lh_mesh *mesh;
    struct lh_mesh *far_mesh; /* of the far service: its guard */
    struct lh_router *router;
    struct lh_server *server; /* of the far service */
};

static const struct lh_config_key *const tables[] = {lh_server_config, lh_mesh_config, NULL};

static struct lh_config *
config_with(const char *toml)
{
    struct lh_config *c = NULL;
    LH_AUTO_ERROR(err);

    assert_ok(lh_config_parse(tables, lh_str_of(toml), "test", &c, &err), err);
    return c;
}

static void
world_near(struct world *w)
{
    *w = (struct world){.name = "in process", .config = config_with("")};
    w->router = lh_router_new();
    lh_router_add(w->router, service_routes, NULL);
    w->mesh = lh_mesh_new(w->config);
    lh_mesh_host(w->mesh, "catalogd", w->router);
}

static void
world_far_with(struct world *w, const char *near_more, const char *far_more)
{
    struct lh_server_options o = {
        .name = "catalogd", .listen = "127.0.0.1:0", .guard = lh_mesh_guard};
    LH_AUTO_BUF(toml, 4096);
    LH_AUTO_BUF(far_toml, 4096);
    LH_AUTO_ERROR(err);

    *w = (struct world){.name = "over HTTP"};
    w->router = lh_router_new();
    lh_router_add(w->router, service_routes, NULL);
    lh_buf_printf(&far_toml, "[http]\nhalf_close_grace = \"10ms\"\n[mesh]\n%s", far_more);
    w->config = config_with(lh_buf_cstr(&far_toml));
    w->far_mesh = lh_mesh_new(w->config);
    o.router = w->router;
    o.config = w->config;
    o.self = w->far_mesh;
    assert_ok(lh_server_start(&o, &w->server, &err), err);
    lh_buf_printf(&toml, "[mesh]\ncatalogd = \"127.0.0.1:%d\"\n%s", lh_server_port(w->server),
                  near_more);
    struct lh_config *near_config = config_with(lh_buf_cstr(&toml));
    w->mesh = lh_mesh_new(near_config);
    lh_config_free(near_config);
}

static void
world_far(struct world *w)
{
    world_far_with(w, "token = \"open sesame\"\n", "token = \"open sesame\"\n");
}

static void
world_end(struct world *w)
{
    lh_server_free(w->server);
    lh_mesh_free(w->mesh);
    lh_mesh_free(w->far_mesh);
    lh_router_free(w->router);
    lh_config_free(w->config);
}

static struct world worlds[2];

static int
worlds_begin(void **state)
{
    (void)state;
    atomic_store(&shop.calls, 0);
    atomic_store(&shop.canceled, 0);
    atomic_store(&shop.waiting, 0);
    world_near(&worlds[0]);
    world_far(&worlds[1]);
    return 0;
}

static int
worlds_end(void **state)
{
    (void)state;
    world_end(&worlds[0]);
    world_end(&worlds[1]);
    return 0;
}

static void
call_as_ann(struct lh_call *call)
{
    lh_call_init(call);
    call->principal = (struct lh_principal){LH_PRINCIPAL_USER, "ann & co", "staffing", false};
}

static lh_status
ask_service(struct world *w, struct lh_call *call, enum lh_method method, const char *path,
            const char *body, int *http, json_t **out, struct lh_error *err)
{
    struct lh_mesh_request r = {
        .service = "catalogd",
        .method = method,
        .path = path,
        .body = lh_str_bytes(lh_str_of(body)),
    };
    LH_AUTO_BUF(text, 1 << 26);
    lh_status status;

    lh_error_clear(err);
    status = lh_mesh_call(w->mesh, call, &r, http, &text, err);
    *out = NULL;
    if (status == LH_OK && text.len > 0)
        assert_ok(lh_json_parse(lh_buf_str(&text), out, err), *err);
    else
        assert_int_equal(text.len, 0);
    return status;
}

static void
a_call_arrives_the_same_in_process_and_over_http(void **state)
{
    json_t *answers[2] = {NULL, NULL};
    struct lh_call call;

    (void)state;
    call_as_ann(&call);
    call.deadline_ms = lh_time_mono_ms() + 100000;
    for (int i = 0; i < 2; i++) {
        LH_AUTO_ERROR(err);
        int http = 0;

        assert_ok(ask_service(&worlds[i], &call, LH_POST, "/mirror/a%2Fb%20c?q=%26+x", "{\"n\":1}",
                              &http, &answers[i], &err),
                  err);
        assert_int_equal(http, 201);
    }
    assert_true(json_equal(answers[0], answers[1]));
    assert_string_equal(json_string_value(json_object_get(answers[0], "id")), "a/b c");
    assert_string_equal(json_string_value(json_object_get(answers[0], "name")), "ann & co");
    assert_string_equal(json_string_value(json_object_get(answers[0], "type")), "application/json");
    assert_true(json_is_true(json_object_get(answers[0], "is_far")));
    assert_string_equal(json_string_value(json_object_get(answers[0], "trace")),
                        call.trace.trace_id);
    json_decref(answers[0]);
    json_decref(answers[1]);
    lh_call_fini(&call);
}

static void
failures_come_back_the_same_in_process_and_over_http(void **state)
{
    struct lh_call call;

    (void)state;
    call_as_ann(&call);
    for (int s = LH_OK + 1; s < LH_STATUS_COUNT; s++) {
        struct lh_error errs[2] = {0};
        int http[2];
        char path[64];

        snprintf(path, sizeof(path), "/refuse?status=%d", s);
        for (int i = 0; i < 2; i++) {
            json_t *none;

            assert_int_equal(
                ask_service(&worlds[i], &call, LH_GET, path, "", &http[i], &none, &errs[i]), s);
        }
        assert_int_equal(http[0], http[1]);
        assert_int_equal(errs[0].status, errs[1].status);
        assert_string_equal(errs[0].reason, errs[1].reason);
        assert_string_equal(errs[0].text, errs[1].text);
        assert_string_equal(errs[0].extra, errs[1].extra);
        lh_error_clear(&errs[0]);
        lh_error_clear(&errs[1]);
    }
    lh_call_fini(&call);
}

static void
refusals_of_the_router_are_the_same_too(void **state)
{
    static const struct {
        enum lh_method method;
        const char *path;
        const char *body;
    } cases[] = {
        {LH_GET, "/nowhere", ""},
        {LH_DELETE, "/refuse", ""},
        {LH_GET, "/mirror/%zz", ""},
        {LH_GET, "/mirror/1?q=%", ""},
        {LH_GET, "/not-ready", ""},
        {LH_GET, "/silent", ""},
        {LH_POST, "/little",
         "\"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456"
         "7"
         "890123456789\""},
    };
    struct lh_call call;

    (void)state;
    call_as_ann(&call);
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct lh_error errs[2] = {0};
        int http[2];

        for (int i = 0; i < 2; i++) {
            json_t *none;

            assert_true(ask_service(&worlds[i], &call, cases[c].method, cases[c].path,
                                    cases[c].body, &http[i], &none, &errs[i]) != LH_OK);
        }
        assert_int_equal(http[0], http[1]);
        assert_int_equal(errs[0].status, errs[1].status);
        assert_string_equal(errs[0].reason, errs[1].reason);
        assert_string_equal(errs[0].text, errs[1].text);
        if (errs[0].extra || errs[1].extra)
            assert_string_equal(errs[0].extra, errs[1].extra);
        lh_error_clear(&errs[0]);
        lh_error_clear(&errs[1]);
    }
    lh_call_fini(&call);
}

static void
json_answers_are_parsed_and_empty_ones_are_null(void **state)
{
    struct lh_call call;

    (void)state;
    call_as_ann(&call);
    for (int i = 0; i < 2; i++) {
        LH_AUTO_ERROR(err);
        LH_AUTO_JSON value = NULL;
        struct lh_mesh_request r = {.service = "catalogd", .path = "/mirror/7"};

        assert_ok(lh_mesh_call_json(worlds[i].mesh, &call, &r, &value, &err), err);
        assert_string_equal(json_string_value(json_object_get(value, "path")), "/mirror/7");
        json_decref(value);
        r.path = "/empty";
        value = json_null();
        assert_ok(lh_mesh_call_json(worlds[i].mesh, &call, &r, &value, &err), err);
        assert_null(value);
        r.path = "/fields";
        r.body = lh_str_bytes(LH_STR("x"));
        assert_int_equal(lh_mesh_call_json(worlds[i].mesh, &call, &r, &value, &err), LH_INVALID);
        assert_holds(err.text, "the answer of catalogd");
    }
    lh_call_fini(&call);
}

static void
an_answer_past_its_limit_is_too_big(void **state)
{
    struct lh_call call;

    (void)state;
    call_as_ann(&call);
    for (int i = 0; i < 2; i++) {
        LH_AUTO_ERROR(err);
        LH_AUTO_BUF(body, LH_BUF_UNLIMITED);
        struct lh_mesh_request r = {
            .service = "catalogd", .path = "/produce?mib=3", .answer_max = (size_t)MIB};

        assert_int_equal(lh_mesh_call(worlds[i].mesh, &call, &r, NULL, &body, &err), LH_TOO_BIG);
        r.answer_max = 0;
        lh_buf_clear(&body);
        assert_ok(lh_mesh_call(worlds[i].mesh, &call, &r, NULL, &body, &err), err);
        assert_int_equal(body.len, 3 * MIB);
    }
    lh_call_fini(&call);
}

static void *
cancel_run(void *arg)
{
    wait_for(atomic_load(&shop.waiting) == 1);
    lh_call_cancel(arg);
    return NULL;
}

static void
cancelling_reaches_the_service(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lh_call call;
        LH_AUTO_ERROR(err);
        pthread_t canceler;
        json_t *none;
        int http;

        call_as_ann(&call);
        atomic_store(&shop.waiting, 0);
        atomic_store(&shop.canceled, 0);
        assert_ok(lh_thread_start(&canceler, "cancel", cancel_run, &call, &err), err);
        assert_int_equal(ask_service(&worlds[i], &call, LH_GET, "/wait", "", &http, &none, &err),
                         LH_CANCELED);
        lh_thread_join(canceler);
        wait_for(atomic_load(&shop.canceled) == 1);
        lh_call_fini(&call);
    }
}

static void
the_deadline_goes_along(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lh_call call;
        LH_AUTO_ERROR(err);
        json_t *none;
        int http;

        call_as_ann(&call);
        call.deadline_ms = lh_time_mono_ms() + 50;
        assert_int_equal(ask_service(&worlds[i], &call, LH_GET, "/wait", "", &http, &none, &err),
                         LH_TIMEOUT);
        assert_int_equal(http, 408);
        lh_call_fini(&call);
    }
}

static void
places_are_known(void **state)
{
    (void)state;
    assert_true(lh_mesh_is_local(worlds[0].mesh, "catalogd"));
    assert_false(lh_mesh_is_local(worlds[1].mesh, "catalogd"));
    assert_string_equal(lh_mesh_where(worlds[0].mesh, "catalogd"), "in process");
    assert_holds(lh_mesh_where(worlds[1].mesh, "catalogd"), "http://127.0.0.1:");
    assert_string_equal(lh_mesh_where(worlds[0].mesh, "queryd"), "nowhere");
    assert_string_equal(lh_mesh_where(worlds[0].mesh, "who"), "nowhere");
}

/* ---- who is not there ---- */

static void
a_service_without_a_place_is_unreachable(void **state)
{
    struct lh_mesh_request r = {.service = "queryd", .path = "/x"};
    LH_AUTO_BUF(body, 1000);
    LH_AUTO_ERROR(err);
    struct lh_call call;

    (void)state;
    call_as_ann(&call);
    assert_int_equal(lh_mesh_call(worlds[0].mesh, &call, &r, NULL, &body, &err), LH_UNAVAILABLE);
    assert_string_equal(err.reason, "mesh.unreachable");
    assert_holds(err.text, "mesh.queryd");
    lh_call_fini(&call);
}

static void
a_service_that_is_down_is_unreachable_and_named(void **state)
{
    LH_AUTO_ERROR(err);
    struct lh_call call;
    json_t *none;
    int http;

    (void)state;
    call_as_ann(&call);
    lh_server_drain(worlds[1].server, 0);
    assert_int_equal(ask_service(&worlds[1], &call, LH_POST, "/refuse", "x", &http, &none, &err),
                     LH_UNAVAILABLE);
    assert_string_equal(err.reason, "mesh.unreachable");
    assert_holds(err.text, "catalogd");
    assert_holds(err.text, "127.0.0.1:");
    assert_int_equal(http, 503);
    lh_call_fini(&call);
}

/* A peer that takes requests and hangs up on the first few. */
struct fickle {
    int listener, port;
    int refusals;        /* hang up on so many */
    const char *refusal; /* or say this */
    atomic_int seen;
    pthread_t thread;
};

static void *
fickle_run(void *arg)
{
    struct fickle *f = arg;

    for (;;) {
        char request[65536];
        int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            return NULL;
        if (recv(fd, request, sizeof(request), 0) > 0) {
            if (atomic_fetch_add(&f->seen, 1) >= f->refusals)
                say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ntrue");
            else if (f->refusal)
                say(fd, f->refusal);
        }
        close(fd);
    }
}

static void
fickle_start(struct fickle *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    LH_AUTO_ERROR(err);

    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(f->listener, 10), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &len), 0);
    f->port = ntohs(at.sin_port);
    assert_ok(lh_thread_start(&f->thread, "fickle", fickle_run, f, &err), err);
}

static lh_status
ask_fickle(struct fickle *f, enum lh_method method, bool is_idempotent, struct lh_error *err)
{
    struct lh_mesh_request r = {
        .service = "catalogd",
        .method = method,
        .path = "/x",
        .body = lh_str_bytes(LH_STR("{}")),
        .is_idempotent = is_idempotent,
    };
    LH_AUTO_BUF(body, 1000);
    struct lh_call call;
    char toml[128];
    lh_status status;

    fickle_start(f);
    snprintf(toml, sizeof(toml), "[mesh]\nretries = 2\ncatalogd = \"127.0.0.1:%d\"\n", f->port);
    struct lh_config *config = config_with(toml);
    struct lh_mesh *mesh = lh_mesh_new(config);
    lh_call_init(&call);
    status = lh_mesh_call(mesh, &call, &r, NULL, &body, err);
    if (status == LH_OK)
        assert_str(lh_buf_str(&body), "true");
    lh_call_fini(&call);
    lh_mesh_free(mesh);
    lh_config_free(config);
    shutdown(f->listener, SHUT_RDWR);
    lh_thread_join(f->thread);
    close(f->listener);
    return status;
}

static void
what_may_be_repeated_is_repeated(void **state)
{
    static const enum lh_method methods[] = {LH_GET, LH_PUT, LH_DELETE, LH_POST};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct fickle f = {.refusals = 2};
        LH_AUTO_ERROR(err);

        assert_ok(ask_fickle(&f, methods[i], methods[i] == LH_POST, &err), err);
        assert_int_equal(atomic_load(&f.seen), 3);
    }
}

static void
what_may_not_be_repeated_is_not(void **state)
{
    static const enum lh_method methods[] = {LH_POST, LH_PATCH};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fickle f = {.refusals = 1};
        LH_AUTO_ERROR(err);

        assert_fails(ask_fickle(&f, methods[i], false, &err), LH_UNAVAILABLE, "mesh.unreachable",
                     err);
        assert_int_equal(atomic_load(&f.seen), 1);
    }
}

static void
repeating_has_an_end(void **state)
{
    struct fickle f = {.refusals = 100};
    LH_AUTO_ERROR(err);

    (void)state;
    assert_fails(ask_fickle(&f, LH_GET, false, &err), LH_UNAVAILABLE, "mesh.unreachable", err);
    assert_int_equal(atomic_load(&f.seen), 3);
}

static void
a_refusal_at_the_door_is_repeated_whatever_the_method(void **state)
{
    struct fickle f = {
        .refusals = 1,
        .refusal = "HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 60\r\n\r\n"
                   "{\"type\":\"urn:lakehouse:problem:busy\",\"code\":\"net.busy\"}     ",
    };
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(ask_fickle(&f, LH_POST, false, &err), err);
    assert_int_equal(atomic_load(&f.seen), 2);
}

/* ---- the guard ---- */

static void
a_wrong_or_missing_token_is_refused(void **state)
{
    static const char *const shown[] = {"token = \"wrong\"\n", ""};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world w;
        struct lh_call call;
        LH_AUTO_ERROR(err);
        json_t *none;
        int http;

        world_far_with(&w, shown[i], "token = \"right\"\n");
        call_as_ann(&call);
        atomic_store(&shop.calls, 0);
        assert_int_equal(ask_service(&w, &call, LH_GET, "/mirror/1", "", &http, &none, &err),
                         LH_DENIED);
        assert_string_equal(err.reason, "mesh.token");
        assert_int_equal(http, 401);
        assert_int_equal(atomic_load(&shop.calls), 0);
        assert_ok(ask_service(&w, &call, LH_GET, "/healthz", "", &http, &none, &err), err);
        lh_call_fini(&call);
        world_end(&w);
    }
}

static void
without_a_token_this_machine_is_believed(void **state)
{
    LH_AUTO_JSON value = NULL;
    struct lh_call call;
    LH_AUTO_ERROR(err);
    struct world w;
    int http;

    (void)state;
    world_far_with(&w, "", "");
    call_as_ann(&call);
    assert_ok(ask_service(&w, &call, LH_GET, "/mirror/1", "", &http, &value, &err), err);
    assert_string_equal(json_string_value(json_object_get(value, "profile")), "staffing");
    lh_call_fini(&call);
    world_end(&w);
}

/* ---- forwarding: a gateway before each world ---- */

static lh_status
gateway(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    struct world *w = service;

    call->principal = (struct lh_principal){LH_PRINCIPAL_USER, "ann", "staffing",
                                            lh_request_has_query(req, "as_writer")};
    return lh_mesh_forward(w->mesh, call, "catalogd", req, res, err);
}

static const struct lh_route gateway_routes[] = {
    {LH_GET, "/{path...}", gateway, LH_ROUTE_LONG, 0},
    {LH_POST, "/{path...}", gateway, LH_ROUTE_STREAMS_BODY | LH_ROUTE_LONG, 0},
    {LH_PUT, "/{path...}", gateway, LH_ROUTE_STREAMS_BODY | LH_ROUTE_LONG, 0},
    {LH_DELETE, "/{path...}", gateway, LH_ROUTE_STREAMS_BODY | LH_ROUTE_LONG, 0},
    {LH_PATCH, "/{path...}", gateway, 0, 0},
    {0},
};

struct gate {
    struct lab labs[2];
};

static int
gates_begin(void **state)
{
    static struct gate g;

    worlds_begin(state);
    for (int i = 0; i < 2; i++)
        lab_start(&g.labs[i], gateway_routes, &worlds[i], "[http]\nhalf_close_grace = \"10ms\"\n");
    *state = &g;
    return 0;
}

static int
gates_end(void **state)
{
    struct gate *g = *state;

    for (int i = 0; i < 2; i++)
        lab_stop(&g->labs[i]);
    return worlds_end(state);
}

static char *
ask_gate(struct gate *g, int i, const char *head, const char *body)
{
    LH_AUTO_CHARS request = NULL;

    if (asprintf(&request, "%s\r\nHost: h\r\nConnection: close\r\n\r\n%s", head, body) < 0)
        abort();
    return ask(g->labs[i].port, request);
}

static void
a_forwarded_request_is_answered_as_if_asked_directly(void **state)
{
    for (int i = 0; i < 2; i++) {
        LH_AUTO_CHARS get = ask_gate(*state, i, "GET /mirror/a%2Fb?q=1 HTTP/1.1", "");
        LH_AUTO_CHARS post = ask_gate(
            *state, i,
            "POST /mirror/7?as_writer HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 3",
            "a,b");
        LH_AUTO_CHARS missing = ask_gate(*state, i, "GET /nowhere HTTP/1.1", "");
        LH_AUTO_CHARS method = ask_gate(*state, i, "DELETE /object HTTP/1.1", "");
        LH_AUTO_CHARS failing = ask_gate(*state, i, "GET /refuse HTTP/1.1", "");

        assert_answer(get, 200);
        assert_holds(get, "\"id\":\"a/b\"");
        assert_holds(get, "\"profile\":\"staffing\"");
        assert_answer(post, 201);
        assert_holds(post, "\"body\":\"a,b\"");
        assert_holds(post, "\"type\":\"text/csv\"");
        assert_answer(missing, 404);
        assert_holds(missing, "request.route");
        assert_answer(method, 405);
        assert_answer(failing, 409);
        assert_holds(failing, "\"removed\":[\"age\"]");
        assert_holds(failing, "application/problem+json");
    }
}

static void
fields_of_the_message_pass_and_fields_of_the_connection_do_not(void **state)
{
    for (int i = 0; i < 2; i++) {
        LH_AUTO_CHARS object = ask_gate(*state, i, "GET /object HTTP/1.1\r\nRange: bytes=2-4", "");
        LH_AUTO_CHARS cached =
            ask_gate(*state, i, "GET /object HTTP/1.1\r\nIf-None-Match: \"abc\"", "");
        LH_AUTO_CHARS head = ask_gate(*state, i, "HEAD /object HTTP/1.1", "");

        assert_answer(object, 206);
        assert_holds(object, "ETag: \"abc\"\r\n");
        assert_holds(object, "Content-Range: bytes 2-4/10\r\n");
        assert_holds(object, "X-Lakehouse-Rescue-Used: rescue\r\n");
        assert_holds(object, "Content-Length: 3\r\n");
        assert_string_equal(body_of(object), "234");
        assert_answer(cached, 304);
        assert_answer(head, 200);
        assert_holds(head, "Content-Length: 10\r\n");
        assert_string_equal(body_of(head), "");
        assert_null(strstr(strstr(object, "X-Trace-Id") + 1, "X-Trace-Id"));
        assert_null(strstr(strstr(object, "Date: ") + 1, "Date: "));
    }
}

static void
nobody_outside_can_speak_for_the_mesh(void **state)
{
    LH_AUTO_CHARS answer =
        ask_gate(*state, 1,
                 "GET /fields HTTP/1.1\r\nX-Lakehouse-Principal: kind=system&write=1\r\n"
                 "X-Lakehouse-Mesh-Token: guess\r\nAuthorization: Bearer mine\r\nCookie: a=b\r\n"
                 "X-Lakehouse-Deadline-Ms: 1\r\nX-Kept: yes\r\nAccept: text/csv",
                 "");

    assert_answer(answer, 200);
    assert_holds(answer, "X-Lakehouse-Principal: kind=user&name=ann");
    assert_lacks(answer, "kind=system");
    assert_lacks(answer, "guess");
    assert_lacks(answer, "Bearer mine");
    assert_lacks(answer, "Cookie");
    assert_lacks(answer, "Deadline-Ms: 1\n");
    assert_holds(answer, "X-Kept: yes");
    assert_holds(answer, "Accept: text/csv");
}

static void
internal_routes_are_not_there_for_the_outside(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct lh_call call;
        LH_AUTO_ERROR(err);
        LH_AUTO_JSON value = NULL;
        int http;
        LH_AUTO_CHARS outside = ask_gate(*state, i, "GET /internal HTTP/1.1", "");

        assert_answer(outside, 404);
        assert_holds(outside, "request.route");
        call_as_ann(&call);
        assert_ok(ask_service(&worlds[i], &call, LH_GET, "/internal", "", &http, &value, &err),
                  err);
        lh_call_fini(&call);
    }
}

static void
who_may_only_read_cannot_write_through_the_gateway(void **state)
{
    for (int i = 0; i < 2; i++) {
        LH_AUTO_CHARS answer =
            ask_gate(*state, i, "POST /mirror/7 HTTP/1.1\r\nContent-Length: 2", "{}");

        assert_answer(answer, 403);
        assert_holds(answer, "auth.read_only");
    }
}

static void
long_answers_and_long_bodies_stream_through(void **state)
{
    struct gate *g = *state;

    for (int i = 0; i < 2; i++) {
        LH_AUTO_BUF(answer, LH_BUF_UNLIMITED);
        static const char zeros[65536];
        int fd = dial(g->labs[i].port);

        say(fd, "GET /produce?mib=80 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        hear_all(fd, &answer);
        close(fd);
        assert_in_range(answer.len, 80 * MIB, 81 * MIB);
        assert_true(lh_str_ends(lh_buf_str(&answer), LH_STR("\r\n0\r\n\r\n")));
        lh_buf_clear(&answer);
        fd = dial(g->labs[i].port);
        say(fd, "PUT /consume HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                "Content-Length: 83886080\r\n\r\n");
        for (int n = 0; n < 1280; n++)
            assert_true(say_bytes(fd, zeros, sizeof(zeros)));
        hear_all(fd, &answer);
        close(fd);
        assert_answer(lh_buf_cstr(&answer), 200);
        assert_string_equal(body_of(lh_buf_cstr(&answer)), "83886080");
    }
}

static void
a_body_wanted_whole_is_gathered_up_to_its_limit(void **state)
{
    for (int i = 0; i < 2; i++) {
        static char body[101 + 1];
        LH_AUTO_CHARS fits = NULL;
        LH_AUTO_CHARS over = NULL;
        LH_AUTO_CHARS chunked = NULL;

        memset(body, 'x', 101);
        body[100] = '\0';
        fits = ask_gate(*state, i, "POST /little?as_writer HTTP/1.1\r\nContent-Length: 100", body);
        body[100] = 'x';
        over = ask_gate(*state, i, "POST /little?as_writer HTTP/1.1\r\nContent-Length: 101", body);
        chunked =
            ask_gate(*state, i, "POST /little?as_writer HTTP/1.1\r\nTransfer-Encoding: chunked",
                     "5\r\nabcde\r\n0\r\n\r\n");
        assert_answer(fits, 201);
        assert_answer(over, 413);
        assert_holds(over, "request.too_big");
        assert_answer(chunked, 201);
        assert_holds(chunked, "\"body\":\"abcde\"");
    }
}

static void
a_body_that_the_gateway_holds_whole_is_handed_on(void **state)
{
    for (int i = 0; i < 2; i++) {
        LH_AUTO_CHARS whole =
            ask_gate(*state, i, "PATCH /mirror/7 HTTP/1.1\r\nContent-Length: 5", "abcde");
        LH_AUTO_CHARS streamed =
            ask_gate(*state, i, "PATCH /count HTTP/1.1\r\nContent-Length: 5", "abcde");
        LH_AUTO_CHARS over = ask_gate(
            *state, i, "PATCH /little HTTP/1.1\r\nContent-Length: 101",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "xxxxxxxxxxxxxxxxxxxxx");
        LH_AUTO_CHARS none = ask_gate(*state, i, "PATCH /count HTTP/1.1\r\nContent-Length: 0", "");

        assert_answer(whole, 200);
        assert_holds(whole, "\"body\":\"abcde\"");
        assert_answer(streamed, 200);
        assert_string_equal(body_of(streamed), "5");
        assert_answer(over, 413);
        assert_string_equal(body_of(none), "0");
    }
}

static void
a_client_that_leaves_the_gateway_cancels_the_service(void **state)
{
    struct gate *g = *state;

    for (int i = 0; i < 2; i++) {
        int fd = dial(g->labs[i].port);

        atomic_store(&shop.waiting, 0);
        atomic_store(&shop.canceled, 0);
        say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
        wait_for(atomic_load(&shop.waiting) == 1);
        close(fd);
        wait_for(atomic_load(&shop.canceled) == 1);
    }
}

static void
a_gateway_before_nothing_says_so(void **state)
{
    lh_server_drain(worlds[1].server, 0);
    LH_AUTO_CHARS answer = ask_gate(*state, 1, "GET /object HTTP/1.1", "");
    assert_answer(answer, 503);
    assert_holds(answer, "mesh.unreachable");
}

#define IN_WORLDS(test) cmocka_unit_test_setup_teardown(test, worlds_begin, worlds_end)
#define AT_GATES(test) cmocka_unit_test_setup_teardown(test, gates_begin, gates_end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLDS(a_call_arrives_the_same_in_process_and_over_http),
        IN_WORLDS(failures_come_back_the_same_in_process_and_over_http),
        IN_WORLDS(refusals_of_the_router_are_the_same_too),
        IN_WORLDS(json_answers_are_parsed_and_empty_ones_are_null),
        IN_WORLDS(an_answer_past_its_limit_is_too_big),
        IN_WORLDS(cancelling_reaches_the_service),
        IN_WORLDS(the_deadline_goes_along),
        IN_WORLDS(places_are_known),
        IN_WORLDS(a_service_without_a_place_is_unreachable),
        IN_WORLDS(a_service_that_is_down_is_unreachable_and_named),
        cmocka_unit_test(what_may_be_repeated_is_repeated),
        cmocka_unit_test(what_may_not_be_repeated_is_not),
        cmocka_unit_test(repeating_has_an_end),
        cmocka_unit_test(a_refusal_at_the_door_is_repeated_whatever_the_method),
        cmocka_unit_test(a_wrong_or_missing_token_is_refused),
        cmocka_unit_test(without_a_token_this_machine_is_believed),
        AT_GATES(a_forwarded_request_is_answered_as_if_asked_directly),
        AT_GATES(fields_of_the_message_pass_and_fields_of_the_connection_do_not),
        AT_GATES(nobody_outside_can_speak_for_the_mesh),
        AT_GATES(internal_routes_are_not_there_for_the_outside),
        AT_GATES(who_may_only_read_cannot_write_through_the_gateway),
        AT_GATES(long_answers_and_long_bodies_stream_through),
        AT_GATES(a_body_wanted_whole_is_gathered_up_to_its_limit),
        AT_GATES(a_body_that_the_gateway_holds_whole_is_handed_on),
        AT_GATES(a_client_that_leaves_the_gateway_cancels_the_service),
        AT_GATES(a_gateway_before_nothing_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
