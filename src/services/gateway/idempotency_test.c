#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/time.h"
#include "services/gateway/idempotency.h"
#include "services/gateway/record.h"
#include "services/gateway/sweep.h"
#include "store/store.h"

static const struct lh_config_key *const tables[] = {lh_store_config, NULL};

/* ---- a lake, a request and a handler that counts ---- */

struct lake {
    char dir[64];
    struct lh_config *config;
    struct lh_store *store;
    struct gateway_idempotency *i;
};

static struct gateway_idempotency *
gateway_start(struct lake *l, int64_t ttl_ms, int64_t lease_ms)
{
    struct gateway_idempotency_options options = {
        .bucket = lh_store_primary(l->store),
        .ttl_ms = ttl_ms,
        .lease_ms = lease_ms,
        .answer_max = 64,
    };
    struct gateway_idempotency *i = NULL;

    assert_int_equal(gateway_idempotency_open(&options, &i, NULL), LH_OK);
    return i;
}

static int
setup(void **state)
{
    struct lake *l = calloc(1, sizeof(*l));

    snprintf(l->dir, sizeof(l->dir), "/tmp/lh-idempotency-XXXXXX");
    assert_non_null(mkdtemp(l->dir));
    assert_int_equal(lh_config_load(tables, NULL, &l->config, NULL), LH_OK);
    assert_int_equal(lh_store_open(l->config, l->dir, NULL, &l->store, NULL), LH_OK);
    l->i = gateway_start(l, 60000, 60000);
    *state = l;
    return 0;
}

static int
teardown(void **state)
{
    struct lake *l = *state;

    gateway_idempotency_close(l->i);
    lh_store_free(l->store);
    lh_config_free(l->config);
    lh_dir_remove_tree(l->dir, NULL);
    free(l);
    return 0;
}

/* What one request came to. */
struct outcome {
    lh_status status;
    char reason[LH_ERROR_REASON_MAX];
    int http;
    bool is_replayed;
    char body[4096];
    size_t body_len;
};

struct handler {
    int runs;
    int http;
    size_t pad; /* bytes of answer beyond the count */
    lh_status fail;
    bool reads_body;
    bool cancels; /* the caller hangs up while it runs */
    /* Run inside the handler: a second request while the first is at work. */
    struct outcome (*meanwhile)(struct lake *l);
    struct lake *lake;
    struct outcome inner;
};

static lh_status
handle(void *arg, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    struct handler *h = arg;
    char scratch[4096];
    size_t got = h->reads_body;
    int n;

    h->runs++;
    if (h->cancels)
        lh_call_cancel(call);
    while (got > 0)
        LH_TRY(lh_request_read(req, scratch, sizeof(scratch), &got, err));
    if (h->meanwhile)
        h->inner = h->meanwhile(h->lake);
    if (h->fail)
        return lh_fail(err, h->fail, "test.fail", "as told");
    memset(scratch, '.', sizeof(scratch));
    n = snprintf(scratch, sizeof(scratch), "run %d", h->runs);
    lh_response_header(res, "ETag", LH_STR("\"e1\""));
    return lh_response_bytes(res, h->http ? h->http : 201, "text/plain",
                             lh_bytes_of(scratch, (size_t)n + h->pad), err);
}

struct memory {
    lh_str left;
};

static lh_status
memory_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct memory *m = self;

    (void)err;
    /* Three bytes at a time, so that a hash over parts is what is tested. */
    *got = m->left.len < 3 ? m->left.len : 3;
    *got = *got < size ? *got : size;
    memcpy(to, m->left.ptr, *got);
    m->left = lh_str_slice(m->left, *got, m->left.len);
    return LH_OK;
}

static lh_status
outcome_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
              struct lh_error *err)
{
    struct outcome *o = self;

    (void)length;
    (void)err;
    assert_int_equal(o->http, 0);
    o->http = status;
    for (size_t i = 0; i < count; i++) {
        if (lh_str_eq(headers[i].name, LH_STR("Idempotent-Replayed")))
            o->is_replayed = true;
    }
    return LH_OK;
}

static lh_status
outcome_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct outcome *o = self;

    (void)err;
    assert_true(o->body_len + bytes.len < sizeof(o->body));
    memcpy(o->body + o->body_len, bytes.ptr, bytes.len);
    o->body_len += bytes.len;
    return LH_OK;
}

struct question {
    struct gateway_idempotency *i;
    const char *key, *body, *query, *who;
    bool is_streamed;
};

static struct outcome
ask(const struct question *q, struct handler *h)
{
    LH_AUTO_ERROR(err);
    struct outcome o = {0};
    struct lh_call call;
    struct lh_header header = {LH_STR("Idempotency-Key"), lh_str_of(q->key)};
    struct lh_header query = {LH_STR("dataset"), lh_str_of(q->query ? q->query : "x")};
    struct memory memory = {lh_str_of(q->body)};
    struct lh_request req = {
        .method = LH_POST,
        .path = LH_STR("/v1/ingest"),
        .headers = &header,
        .header_count = q->key != NULL,
        .query = &query,
        .query_count = 1,
        .body_bytes = lh_str_bytes(lh_str_of(q->body)),
    };

    lh_call_init(&call);
    call.principal.name = q->who ? q->who : "ann";
    if (q->is_streamed)
        req.body = (struct lh_source){memory_read, &memory, -1};
    struct lh_response res = {
        .sink = {.begin = outcome_begin, .write = outcome_write, .self = &o},
        .arena = &call.arena,
    };
    o.status = gateway_idempotency_run(q->i, &call, &req, &res, q->is_streamed, handle, h, &err);
    memcpy(o.reason, err.reason, sizeof(o.reason));
    lh_call_fini(&call);
    return o;
}

/* ---- promises ---- */

static void
the_same_request_is_carried_out_once(void **state)
{
    struct lake *l = *state;

    for (int streamed = 0; streamed < 2; streamed++) {
        struct handler h = {.reads_body = streamed};
        struct question q = {
            .i = l->i, .key = streamed ? "s" : "w", .body = "1234567890", .is_streamed = streamed};
        struct outcome first = ask(&q, &h), second = ask(&q, &h);

        assert_int_equal(h.runs, 1);
        assert_int_equal(first.http, 201);
        assert_false(first.is_replayed);
        assert_int_equal(second.http, 201);
        assert_true(second.is_replayed);
        assert_string_equal(second.body, first.body);
    }
}

static void
another_body_or_query_under_a_used_key_is_refused(void **state)
{
    struct lake *l = *state;
    struct handler h = {.reads_body = true};
    struct question q = {.i = l->i, .key = "k", .body = "one", .is_streamed = true};

    assert_int_equal(ask(&q, &h).http, 201);
    q.body = "two";
    assert_string_equal(ask(&q, &h).reason, "idempotency.mismatch");
    q.body = "one";
    q.query = "y";
    assert_string_equal(ask(&q, &h).reason, "idempotency.mismatch");
    assert_int_equal(h.runs, 1);
}

static void
a_body_that_the_handler_did_not_read_counts_too(void **state)
{
    struct lake *l = *state;
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "unread", .is_streamed = true};

    assert_int_equal(ask(&q, &h).http, 201);
    assert_true(ask(&q, &h).is_replayed);
    q.body = "unreal";
    assert_string_equal(ask(&q, &h).reason, "idempotency.mismatch");
}

static void
keys_belong_to_their_principal(void **state)
{
    struct lake *l = *state;
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "b"};

    assert_string_equal(ask(&q, &h).body, "run 1");
    q.who = "bob";
    assert_string_equal(ask(&q, &h).body, "run 2");
}

static void
without_a_key_every_request_runs(void **state)
{
    struct lake *l = *state;
    struct handler h = {0};
    struct question q = {.i = l->i, .body = "b"};

    assert_string_equal(ask(&q, &h).body, "run 1");
    assert_string_equal(ask(&q, &h).body, "run 2");
}

static void
a_key_is_short_printable_text(void **state)
{
    struct lake *l = *state;
    struct handler h = {0};
    char long_key[300] = "";
    const char *const bad[] = {"", "caf\xc3\xa9", "a\x01", long_key};

    memset(long_key, 'a', sizeof(long_key) - 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct question q = {.i = l->i, .key = bad[i], .body = "b"};

        assert_string_equal(ask(&q, &h).reason, "idempotency.key");
    }
    assert_int_equal(h.runs, 0);
}

static void
a_failure_is_not_remembered(void **state)
{
    struct lake *l = *state;
    struct handler h = {.fail = LH_CONFLICT};
    struct question q = {.i = l->i, .key = "k", .body = "b"};

    assert_int_equal(ask(&q, &h).status, LH_CONFLICT);
    h.fail = LH_OK;
    h.http = 404;
    assert_int_equal(ask(&q, &h).http, 404);
    h.http = 200;
    q.body = "another";
    assert_string_equal(ask(&q, &h).body, "run 3");
}

static void
an_answer_that_is_too_long_reaches_its_caller_but_is_not_kept(void **state)
{
    struct lake *l = *state;
    struct handler h = {.pad = 1000};
    struct question q = {.i = l->i, .key = "k", .body = "b"};
    struct outcome first = ask(&q, &h);

    assert_int_equal(first.http, 201);
    assert_int_equal(first.body_len, 1005);
    assert_string_equal(ask(&q, &h).reason, "idempotency.answer_not_kept");
    assert_int_equal(h.runs, 1);
}

static struct outcome
ask_meanwhile(struct lake *l)
{
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "b"};
    struct outcome o = ask(&q, &h);

    assert_int_equal(h.runs, 0);
    return o;
}

static void
a_second_request_while_the_first_runs_is_told_so(void **state)
{
    struct lake *l = *state;
    struct handler h = {.meanwhile = ask_meanwhile, .lake = l};
    struct question q = {.i = l->i, .key = "k", .body = "b"};

    assert_int_equal(ask(&q, &h).http, 201);
    assert_int_equal(h.inner.status, LH_CONFLICT);
    assert_string_equal(h.inner.reason, "idempotency.in_progress");
}

static struct outcome
ask_other_gateway(struct lake *l)
{
    struct gateway_idempotency *other = gateway_start(l, 60000, 60000);
    struct handler h = {0};
    struct question q = {.i = other, .key = "k", .body = "b"};
    struct outcome o = ask(&q, &h);

    gateway_idempotency_close(other);
    return o;
}

static void
another_gateway_sees_the_claim_and_then_the_answer(void **state)
{
    struct lake *l = *state;
    struct handler h = {.meanwhile = ask_other_gateway, .lake = l};
    struct question q = {.i = l->i, .key = "k", .body = "b"};
    struct outcome after;

    assert_int_equal(ask(&q, &h).http, 201);
    assert_string_equal(h.inner.reason, "idempotency.in_progress");
    after = ask_other_gateway(l);
    assert_true(after.is_replayed);
    assert_string_equal(after.body, "run 1");
}

static void
a_caller_that_went_away_finds_its_answer_later(void **state)
{
    struct lake *l = *state;
    struct handler h = {.cancels = true};
    struct question q = {.i = l->i, .key = "k", .body = "b"};

    (void)ask(&q, &h);
    assert_true(ask(&q, &h).is_replayed);
    assert_int_equal(h.runs, 1);
}

/* ---- claims of others ---- */

/* Puts this text where the record of ann's key "k" is. */
static void
record_leave(struct lake *l, lh_str text)
{
    LH_AUTO(lh_object_list) *list = NULL;
    struct lh_bucket *b = lh_store_primary(l->store);
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "b"};
    struct lh_put_options options = {0};
    struct lh_object_info info;
    struct lh_call call;

    /* A run of the same request tells the object's name. */
    assert_int_equal(ask(&q, &h).http, 201);
    lh_call_init(&call);
    assert_int_equal(
        lh_object_list(b, &call, LH_STR("_gateway/idempotency/"), LH_STR(""), 10, &list, NULL),
        LH_OK);
    assert_int_equal(list->count, 1);
    assert_int_equal(lh_object_put(b, &call, lh_str_of(list->items[0].key), lh_str_bytes(text),
                                   &options, &info, NULL),
                     LH_OK);
    lh_call_fini(&call);
}

/* A claim as another gateway would have left it. */
static void
claim_leave(struct lake *l, struct gateway_owner owner, int64_t age_ms)
{
    LH_AUTO_BUF(text, 1 << 16);
    struct gateway_record r = {
        .owner = owner, .time_us = lh_time_now_us() - age_ms * 1000, .lease_ms = 60000};

    gateway_record_encode(&r, &text);
    record_leave(l, lh_buf_str(&text));
}

static void
a_claim_from_another_machine_holds_until_its_lease_is_over(void **state)
{
    struct lake *l = *state;
    struct gateway_owner far = {"another", "another machine", 1, 1};
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "b"};

    claim_leave(l, far, 59000);
    assert_string_equal(ask(&q, &h).reason, "idempotency.in_progress");
    assert_int_equal(h.runs, 0);
}

static void
a_claim_whose_lease_is_over_is_taken(void **state)
{
    struct lake *l = *state;
    struct gateway_owner far = {"another", "another machine", 1, 1};
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "b"};

    claim_leave(l, far, 61000);
    assert_string_equal(ask(&q, &h).body, "run 1");
}

static void
a_claim_of_a_dead_process_on_this_machine_is_taken_at_once(void **state)
{
    struct lake *l = *state;
    LH_AUTO_ARENA(arena);
    struct gateway_owner dead = gateway_owner_new(&arena);
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "b"};

    assert_false(gateway_owner_is_gone(&dead, &dead));
    dead.id = "another";
    dead.started--; /* the same pid, used by an earlier process */
    claim_leave(l, dead, 0);
    assert_string_equal(ask(&q, &h).body, "run 1");
}

static void
a_record_that_cannot_be_read_stops_the_request(void **state)
{
    struct lake *l = *state;
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "b"};

    record_leave(l, LH_STR("{\"state\":\"answer\"}"));
    assert_string_equal(ask(&q, &h).reason, "idempotency.record");
    assert_int_equal(h.runs, 0);
}

static void
records_decode_strictly(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"state\":\"answer\"}",
        "{\"state\":\"claim\",\"time_us\":\"x\",\"lease_ms\":1,\"owner\":{}}",
        "{\"state\":\"claim\",\"time_us\":1,\"lease_ms\":1,\"owner\":7}",
    };
    LH_AUTO_ARENA(arena);
    struct gateway_record r;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        LH_AUTO_ERROR(err);

        assert_int_equal(gateway_record_decode(lh_str_of(bad[i]), &arena, &r, &err), LH_CORRUPT);
        assert_string_equal(err.reason, "idempotency.record");
    }
}

/* ---- time ---- */

static void
an_answer_is_forgotten_after_its_time(void **state)
{
    struct lake *l = *state;
    struct gateway_idempotency *brief = gateway_start(l, 0, 60000);
    struct handler h = {0};
    struct question q = {.i = brief, .key = "k", .body = "b"};

    assert_string_equal(ask(&q, &h).body, "run 1");
    q.body = "another";
    assert_string_equal(ask(&q, &h).body, "run 2");
    gateway_idempotency_close(brief);
}

static void
a_sweep_removes_what_is_outdated_and_nothing_else(void **state)
{
    struct lake *l = *state;
    struct gateway_sweep sweep = {.bucket = lh_store_primary(l->store),
                                  .prefix = "_gateway/idempotency/",
                                  .older_than_ms = 60000};
    struct handler h = {0};
    struct question q = {.i = l->i, .key = "k", .body = "b"};
    struct lh_call call;
    size_t removed = 9;

    assert_int_equal(ask(&q, &h).http, 201);
    lh_call_init(&call);
    assert_int_equal(gateway_sweep_run(&sweep, &call, &removed, NULL), LH_OK);
    assert_int_equal(removed, 0);
    assert_true(ask(&q, &h).is_replayed);
    sweep.older_than_ms = 0;
    assert_int_equal(gateway_sweep_run(&sweep, &call, &removed, NULL), LH_OK);
    assert_int_equal(removed, 1);
    assert_string_equal(ask(&q, &h).body, "run 2");
    lh_call_fini(&call);
}

static void
a_sweeper_that_waits_stops_at_once(void **state)
{
    struct lake *l = *state;
    struct gateway_sweep sweep = {.bucket = lh_store_primary(l->store),
                                  .prefix = "_gateway/idempotency/",
                                  .older_than_ms = 0};
    struct gateway_sweeper *s = NULL;

    assert_int_equal(gateway_sweeper_start(&sweep, INT64_C(3600) * 1000, &s, NULL), LH_OK);
    gateway_sweeper_stop(s);
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(the_same_request_is_carried_out_once),
        PROMISE(another_body_or_query_under_a_used_key_is_refused),
        PROMISE(a_body_that_the_handler_did_not_read_counts_too),
        PROMISE(keys_belong_to_their_principal),
        PROMISE(without_a_key_every_request_runs),
        PROMISE(a_key_is_short_printable_text),
        PROMISE(a_failure_is_not_remembered),
        PROMISE(an_answer_that_is_too_long_reaches_its_caller_but_is_not_kept),
        PROMISE(a_second_request_while_the_first_runs_is_told_so),
        PROMISE(another_gateway_sees_the_claim_and_then_the_answer),
        PROMISE(a_caller_that_went_away_finds_its_answer_later),
        PROMISE(a_claim_from_another_machine_holds_until_its_lease_is_over),
        PROMISE(a_claim_whose_lease_is_over_is_taken),
        PROMISE(a_claim_of_a_dead_process_on_this_machine_is_taken_at_once),
        PROMISE(a_record_that_cannot_be_read_stops_the_request),
        PROMISE(records_decode_strictly),
        PROMISE(an_answer_is_forgotten_after_its_time),
        PROMISE(a_sweep_removes_what_is_outdated_and_nothing_else),
        PROMISE(a_sweeper_that_waits_stops_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
