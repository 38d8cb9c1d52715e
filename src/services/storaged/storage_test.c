#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"
#include "base/time.h"
#include "services/storaged/storage.h"

/*
 * The service over a real store in a scratch folder, with a journal that only remembers, called as
 * the mesh would.
 */

/* ---- the journal ---- */

struct events {
    struct lh_buf text;
    size_t count;
    bool is_down;
};

static lh_status
event_take(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    struct events *e = self;

    (void)call;
    if (e->is_down)
        return lh_fail(err, LH_UNAVAILABLE, "test.down", "the journal is down");
    lh_buf_add(&e->text, req->body_bytes.ptr, req->body_bytes.len);
    e->count++;
    return lh_response_empty(res, 204, err);
}

/* No dataset has anything in a bucket, except in one. */
static lh_status
bucket_datasets(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                struct lh_error *err)
{
    LH_AUTO_BUF(body, 1000);

    (void)self;
    (void)call;
    lh_buf_add_cstr(&body, lh_str_eq(lh_request_query(req, "name"), LH_STR("used"))
                               ? "{\"datasets\":[\"people\",\"jobs\"]}"
                               : "{\"datasets\":[]}");
    return lh_response_json(res, 200, &body, err);
}

static const struct lh_route catalog_routes[] = {
    {LH_GET, "/internal/catalog/bucket", bucket_datasets, LH_ROUTE_INTERNAL, 0},
    {0},
};

static const struct lh_route event_routes[] = {
    {LH_POST, "/internal/journal/events", event_take, LH_ROUTE_INTERNAL, 0},
    {0},
};

/* ---- the house ---- */

struct house {
    char data[64];
    struct lh_config *config;
    struct lh_env env;
    struct lh_router *journal_router, *catalog_router, *router;
    struct events events;
    void *service;
};

static const struct lh_config_key *const tables[] = {lh_store_config, lh_mesh_config, NULL};

static int
setup(void **state)
{
    struct house *h = LH_NEW(struct house);
    LH_AUTO_ERROR(err);

    (void)snprintf(h->data, sizeof(h->data), "/tmp/lh-storaged-XXXXXX");
    assert_non_null(mkdtemp(h->data));
    assert_int_equal(lh_config_parse(tables,
                                     LH_STR("[[store.limit]]\nprefix=\"small/\"\nsize_max=8\n"),
                                     "test.toml", &h->config, &err),
                     LH_OK);
    h->env.config = h->config;
    h->env.data_dir = h->data;
    assert_int_equal(lh_store_open(h->config, h->data, NULL, &h->env.store, &err), LH_OK);
    h->env.mesh = lh_mesh_new(h->config);
    lh_buf_init(&h->events.text, 1 << 20);
    h->journal_router = lh_router_new();
    lh_router_add(h->journal_router, event_routes, &h->events);
    lh_mesh_host(h->env.mesh, "journald", h->journal_router);
    h->catalog_router = lh_router_new();
    lh_router_add(h->catalog_router, catalog_routes, h);
    lh_mesh_host(h->env.mesh, "catalogd", h->catalog_router);
    assert_int_equal(lh_storaged.start(&h->env, &h->service, &err), LH_OK);
    h->router = lh_router_new();
    lh_router_add(h->router, lh_storaged.routes, h->service);
    *state = h;
    return 0;
}

static int
teardown(void **state)
{
    struct house *h = *state;

    lh_storaged.stop(h->service);
    lh_router_free(h->router);
    lh_mesh_free(h->env.mesh);
    lh_router_free(h->journal_router);
    lh_router_free(h->catalog_router);
    lh_store_free(h->env.store);
    lh_config_free(h->config);
    lh_buf_fini(&h->events.text);
    (void)lh_dir_remove_tree(h->data, NULL);
    free(h);
    return 0;
}

/* ---- asking ---- */

struct answer {
    struct lh_call call;
    int status;
    struct lh_header headers[LH_RESPONSE_HEADERS_MAX];
    size_t header_count;
    int64_t length;
    struct lh_buf body;
    bool used_file;
    lh_status outcome;
    struct lh_error err;
};

static lh_status
sink_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
           struct lh_error *err)
{
    struct answer *a = self;

    (void)err;
    a->status = status;
    a->length = length;
    memcpy(a->headers, headers, count * sizeof(headers[0]));
    a->header_count = count;
    return LH_OK;
}

static lh_status
sink_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct answer *a = self;

    lh_buf_add(&a->body, bytes.ptr, bytes.len);
    return lh_buf_check(&a->body, "the answer", err);
}

static lh_status
sink_send_file(void *self, int fd, uint64_t offset, uint64_t length, struct lh_error *err)
{
    struct answer *a = self;
    LH_AUTO_FD owned = fd;
    uint8_t *to = lh_buf_reserve(&a->body, (size_t)length);

    a->used_file = true;
    LH_TRY(lh_file_pread_all(owned, to, (size_t)length, offset, err));
    lh_buf_advance(&a->body, (size_t)length);
    return LH_OK;
}

static void
sink_end(void *self, bool complete)
{
    (void)self;
    (void)complete;
}

struct question {
    enum lh_method method;
    const char *path;
    struct lh_header headers[4]; /* ended by an empty name */
    lh_bytes body;
    const char *profile;
};

struct body_source {
    lh_bytes left;
};

static lh_status
source_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct body_source *b = self;

    (void)err;
    *got = b->left.len < size ? b->left.len : size;
    if (*got > 3) /* in uneven pieces */
        *got = *got / 2 + 1;
    if (*got > 0)
        memcpy(to, b->left.ptr, *got);
    b->left = lh_bytes_of(b->left.ptr + *got, b->left.len - *got);
    return LH_OK;
}

static void
request_fill(const struct question *q, struct lh_arena *arena, struct lh_request *req)
{
    lh_str path = lh_str_of(q->path), query, pair;
    struct lh_header *list = lh_arena_array(arena, 8, sizeof(*list));

    query = path;
    *req = (struct lh_request){.method = q->method, .headers = q->headers, .query = list};
    if (!lh_str_cut(&query, '?', &req->path))
        query = LH_STR_NONE;
    while (lh_str_next(&query, '&', &pair)) {
        lh_str name;
        (void)lh_str_cut(&pair, '=', &name);
        list[req->query_count++] = (struct lh_header){name, pair};
    }
    while (req->header_count < 4 && q->headers[req->header_count].name.len > 0)
        req->header_count++;
}

static void
route_run(struct house *h, struct answer *a, struct lh_request *req, struct lh_response *res)
{
    struct lh_match match;
    lh_str allow;

    a->outcome = lh_router_find(h->router, &a->call.arena, req, &match, &allow, &a->err);
    if (a->outcome == LH_OK)
        a->outcome = match.route->handle(match.service, &a->call, req, res, &a->err);
    if (a->outcome != LH_OK)
        lh_response_problem(res, &a->err, &a->call.trace);
}

static void
ask(struct house *h, const struct question *q, struct answer *a)
{
    struct body_source source = {q->body};
    struct lh_request req;
    struct lh_response res = {.sink = {.begin = sink_begin,
                                       .write = sink_write,
                                       .send_file = sink_send_file,
                                       .end = sink_end,
                                       .self = a}};

    memset(a, 0, sizeof(*a));
    lh_call_init(&a->call);
    if (q->profile)
        a->call.principal.profile = q->profile;
    lh_buf_init(&a->body, (size_t)1 << 28);
    request_fill(q, &a->call.arena, &req);
    req.body_bytes = q->body;
    req.body =
        (struct lh_source){.read = source_read, .self = &source, .length = (int64_t)q->body.len};
    res.arena = &a->call.arena;
    res.is_head = q->method == LH_HEAD;
    route_run(h, a, &req, &res);
}

static void
answer_fini(struct answer *a)
{
    lh_buf_fini(&a->body);
    lh_error_clear(&a->err);
    lh_call_fini(&a->call);
}
#define AUTO_ANSWER(name) __attribute__((cleanup(answer_fini))) struct answer name = {0}

static const char *
header(const struct answer *a, const char *name)
{
    static char text[256];

    for (size_t i = 0; i < a->header_count; i++)
        if (lh_str_eq_nocase(a->headers[i].name, lh_str_of(name))) {
            (void)lh_str_copy(text, sizeof(text), a->headers[i].value);
            return text;
        }
    return "";
}

#define OBJECTS "/v1/storage/buckets/primary/objects/"
#define HEADER(n, v)                                                                               \
    {                                                                                              \
        LH_STR(n), v                                                                               \
    }

static void
put(struct house *h, const char *path, const char *text, struct answer *a)
{
    ask(h,
        &(struct question){.method = LH_PUT, .path = path, .body = lh_str_bytes(lh_str_of(text))},
        a);
}

static void
put_if(struct house *h, const char *path, const char *text, const char *name, const char *value,
       struct answer *a)
{
    ask(h,
        &(struct question){.method = LH_PUT,
                           .path = path,
                           .headers = {{lh_str_of(name), lh_str_of(value)}},
                           .body = lh_str_bytes(lh_str_of(text))},
        a);
}

static void
get(struct house *h, const char *path, const char *name, const char *value, struct answer *a)
{
    ask(h,
        &(struct question){
            .method = LH_GET, .path = path, .headers = {{lh_str_of(name), lh_str_of(value)}}},
        a);
}

static void
assert_status(struct house *h, enum lh_method method, const char *path, int status,
              const char *code)
{
    AUTO_ANSWER(a);

    ask(h, &(struct question){.method = method, .path = path, .body = lh_str_bytes(LH_STR("x"))},
        &a);
    if (a.status != status)
        fail_msg("%s: %d %s", path, a.status, a.err.text);
    assert_string_equal(a.err.reason, code);
}

/* ---- objects ---- */

static void
what_is_put_is_got_with_its_headers(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(p);
    AUTO_ANSWER(g);
    AUTO_ANSWER(d);
    char etag[100];

    put_if(h, OBJECTS "a/b.csv", "one,two", "Content-Type", "text/csv", &p);
    assert_int_equal(p.status, 201);
    (void)snprintf(etag, sizeof(etag), "%s", header(&p, "ETag"));
    assert_int_equal(etag[0], '"');
    get(h, OBJECTS "a/b.csv", "", "", &g);
    assert_int_equal(g.status, 200);
    assert_true(g.used_file);
    assert_string_equal(lh_buf_cstr(&g.body), "one,two");
    assert_string_equal(header(&g, "ETag"), etag);
    assert_string_equal(header(&g, "Content-Type"), "text/csv");
    assert_string_equal(header(&g, "Accept-Ranges"), "bytes");
    assert_int_equal(strlen(header(&g, "X-Lakehouse-Checksum-SHA256")), 64);
    assert_true(strlen(header(&g, "Last-Modified")) > 20);
    ask(h, &(struct question){.method = LH_DELETE, .path = OBJECTS "a/b.csv"}, &d);
    assert_int_equal(d.status, 204);
    assert_status(h, LH_GET, OBJECTS "a/b.csv", 404, "store.no_object");
    assert_status(h, LH_DELETE, OBJECTS "a/b.csv", 404, "store.no_object");
}

static void
replacing_answers_200(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(first);
    AUTO_ANSWER(second);

    put(h, OBJECTS "k", "1", &first);
    put(h, OBJECTS "k", "2", &second);
    assert_int_equal(first.status, 201);
    assert_int_equal(second.status, 200);
}

static void
head_answers_without_a_body(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(p);
    AUTO_ANSWER(a);

    put(h, OBJECTS "k", "0123456789", &p);
    ask(h,
        &(struct question){.method = LH_HEAD,
                           .path = OBJECTS "k",
                           .headers = {HEADER("Range", LH_STR("bytes=0-1"))}},
        &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.length, 10);
    assert_int_equal(a.body.len, 0);
}

static void
ranges_are_parts(void **state)
{
    struct house *h = *state;
    static const struct {
        const char *range;
        int status;
        const char *body, *content_range;
    } rows[] = {
        {"bytes=0-3", 206, "0123", "bytes 0-3/10"}, {"bytes=-2", 206, "89", "bytes 8-9/10"},
        {"bytes=7-", 206, "789", "bytes 7-9/10"},   {"bytes=5-500", 206, "56789", "bytes 5-9/10"},
        {"bytes=10-", 416, NULL, "bytes */10"},     {"bytes=0-1,3-4", 200, "0123456789", ""},
        {"lines=0-1", 200, "0123456789", ""},
    };
    AUTO_ANSWER(p);

    put(h, OBJECTS "k", "0123456789", &p);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ANSWER(a);
        get(h, OBJECTS "k", "Range", rows[i].range, &a);
        assert_int_equal(a.status, rows[i].status);
        if (rows[i].body)
            assert_string_equal(lh_buf_cstr(&a.body), rows[i].body);
        assert_string_equal(header(&a, "Content-Range"), rows[i].content_range);
    }
}

static void
if_range_of_an_old_tag_gives_the_whole(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(p);
    AUTO_ANSWER(a);

    put(h, OBJECTS "k", "0123456789", &p);
    ask(h,
        &(struct question){.method = LH_GET,
                           .path = OBJECTS "k",
                           .headers = {HEADER("Range", LH_STR("bytes=0-1")),
                                       HEADER("If-Range", LH_STR("\"old\""))}},
        &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, 10);
}

static void
conditions_of_reads_are_judged(void **state)
{
    struct house *h = *state;
    char etag[100], modified[100];
    AUTO_ANSWER(p);
    AUTO_ANSWER(same);
    AUTO_ANSWER(other);
    AUTO_ANSWER(match);
    AUTO_ANSWER(date);
    AUTO_ANSWER(old);

    put(h, OBJECTS "k", "1", &p);
    (void)snprintf(etag, sizeof(etag), "\"x\", %s", header(&p, "ETag"));
    get(h, OBJECTS "k", "If-None-Match", etag, &same);
    assert_int_equal(same.status, 304);
    assert_int_equal(same.body.len, 0);
    (void)snprintf(modified, sizeof(modified), "%s", header(&same, "Last-Modified"));
    get(h, OBJECTS "k", "If-None-Match", "\"x\"", &other);
    assert_int_equal(other.status, 200);
    get(h, OBJECTS "k", "If-Match", "\"x\"", &match);
    assert_int_equal(match.status, 412);
    get(h, OBJECTS "k", "If-Modified-Since", modified, &date);
    assert_int_equal(date.status, 304);
    get(h, OBJECTS "k", "If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", &old);
    assert_int_equal(old.status, 412);
}

static void
conditions_of_puts_are_judged(void **state)
{
    struct house *h = *state;
    char etag[100];
    AUTO_ANSWER(first);
    AUTO_ANSWER(again);
    AUTO_ANSWER(wrong);
    AUTO_ANSWER(right);
    AUTO_ANSWER(stale);
    AUTO_ANSWER(none);
    AUTO_ANSWER(absent);

    put_if(h, OBJECTS "k", "1", "If-None-Match", "*", &first);
    assert_int_equal(first.status, 201);
    (void)snprintf(etag, sizeof(etag), "%s", header(&first, "ETag"));
    put_if(h, OBJECTS "k", "2", "If-None-Match", "*", &again);
    assert_int_equal(again.status, 412);
    put_if(h, OBJECTS "k", "2", "If-Match", "\"nope\"", &wrong);
    assert_int_equal(wrong.status, 412);
    put_if(h, OBJECTS "k", "2", "If-Match", etag, &right);
    assert_int_equal(right.status, 200);
    put_if(h, OBJECTS "k", "3", "If-Match", etag, &stale);
    assert_int_equal(stale.status, 412);
    put_if(h, OBJECTS "k", "3", "If-None-Match", etag, &none);
    assert_int_equal(none.status, 200);
    put_if(h, OBJECTS "new", "3", "If-Match", "*", &absent);
    assert_int_equal(absent.status, 412);
}

static void
deletes_take_conditions_too(void **state)
{
    struct house *h = *state;
    char etag[100];
    AUTO_ANSWER(p);
    AUTO_ANSWER(wrong);
    AUTO_ANSWER(right);

    put(h, OBJECTS "k", "1", &p);
    (void)snprintf(etag, sizeof(etag), "%s", header(&p, "ETag"));
    ask(h,
        &(struct question){.method = LH_DELETE,
                           .path = OBJECTS "k",
                           .headers = {HEADER("If-Match", LH_STR("\"x\""))}},
        &wrong);
    assert_int_equal(wrong.status, 412);
    ask(h,
        &(struct question){.method = LH_DELETE,
                           .path = OBJECTS "k",
                           .headers = {HEADER("If-Match", lh_str_of(etag))}},
        &right);
    assert_int_equal(right.status, 204);
}

static void
an_announced_checksum_is_checked(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(good);
    AUTO_ANSWER(bad);
    AUTO_ANSWER(malformed);

    put_if(h, OBJECTS "good", "hello", "X-Lakehouse-Checksum-SHA256",
           "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824", &good);
    assert_int_equal(good.status, 201);
    put_if(h, OBJECTS "bad", "hallo", "X-Lakehouse-Checksum-SHA256",
           "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", &bad);
    assert_int_equal(bad.status, 400);
    put_if(h, OBJECTS "bad", "hallo", "X-Lakehouse-Checksum-SHA256", "abc", &malformed);
    assert_int_equal(malformed.status, 400);
    assert_status(h, LH_GET, OBJECTS "bad", 404, "store.no_object");
}

static void
what_cannot_be_put_is_refused(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(part);
    AUTO_ANSWER(encoded);

    assert_status(h, LH_PUT, OBJECTS "a//b", 400, "store.key");
    assert_status(h, LH_PUT, OBJECTS "a/../b", 400, "store.key");
    assert_status(h, LH_PUT, OBJECTS "_catalog/x", 403, "store.prefix_owned");
    assert_status(h, LH_DELETE, OBJECTS "_anything/x", 403, "store.prefix_owned");
    assert_status(h, LH_PUT, "/v1/storage/buckets/nowhere/objects/k", 404, "store.no_bucket");
    put_if(h, OBJECTS "k", "x", "Content-Range", "bytes 0-0/2", &part);
    assert_int_equal(part.status, 400);
    put_if(h, OBJECTS "k", "x", "Content-Encoding", "gzip", &encoded);
    assert_int_equal(encoded.status, 400);
    assert_status(h, LH_GET, OBJECTS "k", 404, "store.no_object");
}

static void
too_much_is_refused_before_it_comes(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(a);

    put(h, OBJECTS "small/x", "123456789", &a);
    assert_int_equal(a.status, 413);
    assert_string_equal(a.err.reason, "store.object_too_big");
}

static void
a_damaged_object_is_told_by_name_and_can_be_replaced(void **state)
{
    struct house *h = *state;
    char path[PATH_MAX];
    AUTO_ANSWER(p);
    AUTO_ANSWER(g);
    AUTO_ANSWER(again);
    int fd;

    put(h, OBJECTS "k", "0123456789", &p);
    (void)snprintf(path, sizeof(path), "%s/primary/k", h->data);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 3), 1);
    close(fd);
    get(h, OBJECTS "k", "", "", &g);
    assert_int_equal(g.status, 500);
    assert_string_equal(g.err.reason, "store.checksum");
    assert_string_equal(g.err.extra, "{\"bucket\":\"primary\",\"object\":\"k\"}");
    put(h, OBJECTS "k", "whole", &again);
    assert_int_equal(again.status, 200);
}

static char *
large_put(struct house *h, size_t size)
{
    char *bytes = lh_alloc(size);
    AUTO_ANSWER(p);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    ask(h,
        &(struct question){
            .method = LH_PUT, .path = OBJECTS "big", .body = lh_bytes_of(bytes, size)},
        &p);
    assert_int_equal(p.status, 201);
    return bytes;
}

static void
what_is_too_large_to_prove_first_is_proven_on_the_way(void **state)
{
    struct house *h = *state;
    size_t size = ((size_t)3 << 20) + 17;
    LH_AUTO_CHARS bytes = large_put(h, size);
    char path[PATH_MAX];
    AUTO_ANSWER(whole);
    AUTO_ANSWER(part);
    AUTO_ANSWER(broken);
    AUTO_ANSWER(early);
    int fd;

    ((struct storage *)h->service)->prove_first_max = 1000;
    get(h, OBJECTS "big", "", "", &whole);
    assert_false(whole.used_file);
    assert_int_equal(whole.body.len, size);
    assert_memory_equal(whole.body.data, bytes, size);
    get(h, OBJECTS "big", "Range", "bytes=100-2000000", &part);
    assert_int_equal(part.status, 206);
    assert_memory_equal(part.body.data, bytes + 100, 1999901);

    (void)snprintf(path, sizeof(path), "%s/primary/big", h->data);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 2000000), 1);
    close(fd);
    /* Begun, then cut off where the damage is: never a byte of the damaged block. */
    get(h, OBJECTS "big", "", "", &broken);
    assert_int_equal(broken.status, 200);
    assert_int_equal(broken.outcome, LH_CORRUPT);
    assert_true(broken.body.len <= 2000000 - 2000000 % 65536);
    /* Damage in the first step is a whole answer of its own. */
    get(h, OBJECTS "big", "Range", "bytes=2000000-2100000", &early);
    assert_int_equal(early.status, 500);
}

static void
a_large_object_streams_through(void **state)
{
    struct house *h = *state;
    size_t size = (size_t)5 << 20;
    LH_AUTO_CHARS bytes = large_put(h, size);
    AUTO_ANSWER(g);

    get(h, OBJECTS "big", "", "", &g);
    assert_int_equal(g.body.len, size);
    assert_memory_equal(g.body.data, bytes, size);
}

static void
whoever_is_held_to_a_profile_sees_no_files_of_services(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(p);
    AUTO_ANSWER(own);
    AUTO_ANSWER(data);
    AUTO_ANSWER(list);
    AUTO_ANSWER(all);

    put(h, OBJECTS "k", "1", &p);
    ask(h, &(struct question){.method = LH_GET, .path = OBJECTS "k", .profile = "agent"}, &own);
    assert_int_equal(own.status, 200);
    ask(h, &(struct question){.method = LH_GET, .path = OBJECTS "_data/x", .profile = "agent"},
        &data);
    assert_int_equal(data.status, 403);
    ask(h,
        &(struct question){.method = LH_GET,
                           .path = "/v1/storage/buckets/primary/objects?prefix=_data/",
                           .profile = "agent"},
        &list);
    assert_int_equal(list.status, 403);
    ask(h,
        &(struct question){
            .method = LH_GET, .path = "/v1/storage/buckets/primary/objects", .profile = "agent"},
        &all);
    assert_int_equal(all.status, 403);
}

/* ---- lists ---- */

static void
lists_go_on_from_a_cursor(void **state)
{
    struct house *h = *state;
    static const char *const keys[] = {"l/b", "l/a/x", "l/a-b", "l/a0", "l/c/d/e"};
    LH_AUTO_BUF(seen, 1000);
    char path[300] = "/v1/storage/buckets/primary/objects?prefix=l/&limit=2";

    for (size_t i = 0; i < 5; i++) {
        AUTO_ANSWER(p);
        char object[100];
        (void)snprintf(object, sizeof(object), OBJECTS "%s", keys[i]);
        put(h, object, "1", &p);
    }
    for (int page = 0; page < 3; page++) {
        AUTO_ANSWER(a);
        LH_AUTO_JSON v = NULL;
        json_t *object;
        size_t i;
        ask(h, &(struct question){.method = LH_GET, .path = path}, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(lh_json_parse(lh_buf_str(&a.body), &v, NULL), LH_OK);
        json_array_foreach (json_object_get(v, "objects"), i, object) {
            lh_buf_printf(&seen, "%s ", json_string_value(json_object_get(object, "key")));
            assert_true(json_is_string(json_object_get(object, "etag")));
            assert_true(json_is_string(json_object_get(object, "modified_at")));
            assert_int_equal(json_integer_value(json_object_get(object, "size_bytes")), 1);
        }
        assert_int_equal(json_object_get(v, "next_cursor") != NULL, page < 2);
        if (page < 2)
            (void)snprintf(path, sizeof(path),
                           "/v1/storage/buckets/primary/objects?prefix=l/&limit=2&cursor=%s",
                           json_string_value(json_object_get(v, "next_cursor")));
    }
    assert_string_equal(lh_buf_cstr(&seen), "l/a-b l/a/x l/a0 l/b l/c/d/e ");
    assert_status(h, LH_GET, "/v1/storage/buckets/primary/objects?cursor=zz", 400, "request.query");
    assert_status(h, LH_GET, "/v1/storage/buckets/primary/objects?limit=0", 400, "request.query");
    assert_status(h, LH_GET, "/v1/storage/buckets/primary/objects?limits=1", 400,
                  "request.query_unknown");
}

/* ---- buckets ---- */

static void
bucket_post(struct house *h, const char *json, struct answer *a)
{
    ask(h,
        &(struct question){.method = LH_POST,
                           .path = "/v1/storage/buckets",
                           .body = lh_str_bytes(lh_str_of(json))},
        a);
}

static void
buckets_come_and_go(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(added);
    AUTO_ANSWER(again);
    AUTO_ANSWER(p);
    AUTO_ANSWER(list);
    AUTO_ANSWER(removed);

    bucket_post(h, "{\"name\":\"second\",\"backend\":\"local\"}", &added);
    assert_int_equal(added.status, 201);
    assert_non_null(strstr(lh_buf_cstr(&added.body), "/buckets/second\""));
    bucket_post(h, "{\"name\":\"second\"}", &again);
    assert_int_equal(again.status, 409);
    put(h, "/v1/storage/buckets/second/objects/k", "1", &p);
    assert_int_equal(p.status, 201);
    ask(h, &(struct question){.method = LH_GET, .path = "/v1/storage/buckets"}, &list);
    assert_non_null(strstr(lh_buf_cstr(&list.body), "\"second\""));
    ask(h, &(struct question){.method = LH_DELETE, .path = "/v1/storage/buckets/second"}, &removed);
    assert_int_equal(removed.status, 204);
    assert_status(h, LH_GET, "/v1/storage/buckets/second/objects/k", 404, "store.no_bucket");
    assert_status(h, LH_DELETE, "/v1/storage/buckets/second", 404, "store.no_bucket");
    assert_status(h, LH_DELETE, "/v1/storage/buckets/primary", 403, "store.bucket_protected");
}

static void
a_bucket_that_versions_name_is_removed_only_by_force(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(added);
    AUTO_ANSWER(refused);
    AUTO_ANSWER(forced);

    bucket_post(h, "{\"name\":\"used\"}", &added);
    ask(h, &(struct question){.method = LH_DELETE, .path = "/v1/storage/buckets/used"}, &refused);
    assert_int_equal(refused.status, 409);
    assert_string_equal(refused.err.reason, "store.bucket_in_use");
    assert_string_equal(refused.err.extra, "{\"datasets\":[\"people\",\"jobs\"]}");
    ask(h, &(struct question){.method = LH_DELETE, .path = "/v1/storage/buckets/used?force=true"},
        &forced);
    assert_int_equal(forced.status, 204);
    assert_status(h, LH_DELETE, "/v1/storage/buckets/used?force=true", 404, "store.no_bucket");
}

static void
bad_buckets_are_refused(void **state)
{
    struct house *h = *state;
    static const struct {
        const char *json;
        int status;
        const char *code;
    } rows[] = {
        {"{\"name\":\"X\"}", 400, "store.bucket_name"},
        {"{}", 400, "request.field_missing"},
        {"{\"name\":\"good\",\"rot\":\"/x\"}", 400, "request.field_unknown"},
        {"{\"name\":\"good\",\"root\":\"x\"}", 400, "store.bucket_root"},
        {"{\"name\":\"good\",\"backend\":\"tape\"}", 501, "store.backend"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ANSWER(a);
        bucket_post(h, rows[i].json, &a);
        assert_int_equal(a.status, rows[i].status);
        assert_string_equal(a.err.reason, rows[i].code);
    }
}

static void
health_is_proven_by_doing(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(a);
    AUTO_ANSWER(again);

    ask(h, &(struct question){.method = LH_GET, .path = "/v1/storage/health"}, &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(lh_buf_cstr(&a.body), "\"reachable\":true"));
    assert_non_null(strstr(lh_buf_cstr(&a.body), "\"conditional_put\":true"));
    assert_non_null(strstr(lh_buf_cstr(&a.body), "\"compare_and_swap\":true"));
    assert_null(strstr(lh_buf_cstr(&a.body), "false"));
    /* At once again it is the same answer: nothing is written for it. */
    ask(h, &(struct question){.method = LH_GET, .path = "/v1/storage/health"}, &again);
    assert_string_equal(lh_buf_cstr(&again.body), lh_buf_cstr(&a.body));
}

/* ---- events ---- */

static void
every_mutation_leaves_its_event_and_reads_leave_none(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(p);
    AUTO_ANSWER(g);
    AUTO_ANSWER(d);
    AUTO_ANSWER(b);
    AUTO_ANSWER(r);

    put(h, OBJECTS "some/key", "1", &p);
    assert_int_equal(h->events.count, 1);
    assert_non_null(strstr(lh_buf_cstr(&h->events.text), "\"entity_id\":\"primary/some/key\""));
    assert_non_null(strstr(lh_buf_cstr(&h->events.text), "\"action\":\"object.put\""));
    get(h, OBJECTS "some/key", "", "", &g);
    assert_int_equal(h->events.count, 1);
    ask(h, &(struct question){.method = LH_DELETE, .path = OBJECTS "some/key"}, &d);
    assert_int_equal(h->events.count, 2);
    assert_non_null(strstr(lh_buf_cstr(&h->events.text), "\"action\":\"object.deleted\""));
    bucket_post(h, "{\"name\":\"second\"}", &b);
    ask(h, &(struct question){.method = LH_DELETE, .path = "/v1/storage/buckets/second"}, &r);
    assert_int_equal(h->events.count, 4);
    assert_non_null(strstr(lh_buf_cstr(&h->events.text), "\"action\":\"bucket.added\""));
    assert_non_null(strstr(lh_buf_cstr(&h->events.text), "\"action\":\"bucket.removed\""));
}

static void
without_its_event_a_put_is_not_acknowledged(void **state)
{
    struct house *h = *state;
    AUTO_ANSWER(p);

    h->events.is_down = true;
    put(h, OBJECTS "k", "1", &p);
    assert_int_equal(p.status, 503);
}

static void
the_service_is_ready_with_its_primary_bucket(void **state)
{
    struct house *h = *state;
    struct lh_ready_check checks[2];
    struct lh_call call;

    lh_call_init(&call);
    assert_int_equal(lh_storaged.ready(h->service, &call, checks, 2), 1);
    assert_true(checks[0].is_ok);
    assert_int_equal(lh_storaged.ready(h->service, &call, checks, 0), 0);
    lh_call_fini(&call);
}

int
main(void)
{
#define house_test(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        house_test(what_is_put_is_got_with_its_headers),
        house_test(replacing_answers_200),
        house_test(head_answers_without_a_body),
        house_test(ranges_are_parts),
        house_test(if_range_of_an_old_tag_gives_the_whole),
        house_test(conditions_of_reads_are_judged),
        house_test(conditions_of_puts_are_judged),
        house_test(deletes_take_conditions_too),
        house_test(an_announced_checksum_is_checked),
        house_test(what_cannot_be_put_is_refused),
        house_test(too_much_is_refused_before_it_comes),
        house_test(a_damaged_object_is_told_by_name_and_can_be_replaced),
        house_test(what_is_too_large_to_prove_first_is_proven_on_the_way),
        house_test(a_large_object_streams_through),
        house_test(whoever_is_held_to_a_profile_sees_no_files_of_services),
        house_test(lists_go_on_from_a_cursor),
        house_test(buckets_come_and_go),
        house_test(a_bucket_that_versions_name_is_removed_only_by_force),
        house_test(bad_buckets_are_refused),
        house_test(health_is_proven_by_doing),
        house_test(every_mutation_leaves_its_event_and_reads_leave_none),
        house_test(without_its_event_a_put_is_not_acknowledged),
        house_test(the_service_is_ready_with_its_primary_bucket),
    };

    return cmocka_run_group_tests_name("storaged", tests, NULL, NULL);
}
