/*
 * Requests to a store that answers as it is told, one answer after the other: how failures are
 * named, what is repeated, and what is put right on the way.
 */
#include "net/testing.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "store/s3_client.h"
#include "store/store.h"

#define ANSWERS_MAX 12

struct told {
    int status;
    const char *code; /* of an error document; NULL: the body is "0123456789" */
    int64_t date_off_s;
    const char *retry_after;
    bool breaks; /* in the middle of the body */
};

struct shop {
    pthread_mutex_t lock;
    struct told answers[ANSWERS_MAX];
    int count, at;
    char ranges[ANSWERS_MAX][64], keys[ANSWERS_MAX][64], times[ANSWERS_MAX][32];
};

static struct shop shop = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
note(char to[64], lh_str from)
{
    (void)lh_str_copy(to, 64, lh_str_slice(from, 0, 63));
}

/* Which access key, at what time, and for which range. */
static int
request_note(const struct lh_request *req)
{
    lh_str authorization = lh_request_header(req, "authorization");
    size_t at = 0;
    int n = shop.at < ANSWERS_MAX ? shop.at : ANSWERS_MAX - 1;

    note(shop.ranges[n], lh_request_header(req, "range"));
    if (lh_str_find(authorization, LH_STR("Credential="), &at))
        note(shop.keys[n], lh_str_slice(authorization, at + 11, at + 15));
    (void)lh_str_copy(shop.times[n], 32, lh_request_header(req, "x-amz-date"));
    shop.at++;
    return n;
}

static lh_status
object_answer(const struct told *t, struct lh_response *res, uint64_t from, struct lh_error *err)
{
    static const char text[] = "0123456789";
    size_t n = 10 - (size_t)from;

    lh_response_header(res, "ETag", LH_STR("\"abc\""));
    if (from > 0)
        lh_response_headerf(res, "Content-Range", "bytes %d-9/10", (int)from);
    LH_TRY(lh_response_begin(res, from > 0 ? 206 : t->status, "text/plain", (int64_t)n, err));
    LH_TRY(lh_response_write(res, lh_bytes_of(text + from, t->breaks ? n / 2 : n), err));
    return t->breaks ? lh_fail(err, LH_IO, "test.break", "it breaks") : LH_OK;
}

static lh_status
serve(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
      struct lh_error *err)
{
    struct told t;
    char date[LH_TIME_HTTP_MAX];
    uint64_t from = 0;
    lh_str range;
    int n;

    (void)self;
    (void)call;
    pthread_mutex_lock(&shop.lock);
    n = request_note(req);
    t = shop.answers[n < shop.count ? n : shop.count - 1];
    pthread_mutex_unlock(&shop.lock);
    lh_response_header(
        res, "Date",
        lh_str_of(lh_time_format_http(lh_time_now_us() + t.date_off_s * 1000000, date)));
    if (t.retry_after)
        lh_response_header(res, "Retry-After", lh_str_of(t.retry_after));
    if (t.code) {
        LH_AUTO_BUF(body, 1000);
        lh_buf_printf(&body,
                      "<Error><Code>%s</Code><Message>misleading: NoSuchKey</Message></Error>",
                      t.code);
        return lh_response_bytes(res, t.status, "application/xml", lh_buf_bytes(&body), err);
    }
    range = lh_request_header(req, "range");
    if (range.ptr && lh_str_starts(range, LH_STR("bytes=")))
        (void)lh_str_u64(lh_str_slice(range, 6, 7), &from);
    return object_answer(&t, res, from, err);
}

static const struct lh_route routes[] = {
    {LH_GET, "/{rest...}", serve, LH_ROUTE_LONG, 0},
    {LH_PUT, "/{rest...}", serve, LH_ROUTE_LONG, 1 << 20},
    {0},
};

struct bench {
    struct lab lab;
    char folder[64];
    struct lh_config *config;
    struct lh_secrets *secrets;
    struct lh_store *store;
    struct lh_bucket *bucket;
    struct lh_call call;
    struct lh_error err;
};

static void
secret_write(const char *folder, const char *key_id)
{
    LH_AUTO_CHARS path = lh_asprintf("%s/secrets", folder);
    LH_AUTO_CHARS text =
        lh_asprintf("[KEYS]\naccess_key_id = \"%s\"\nsecret_access_key = \"secret\"\n", key_id);

    assert_int_equal(lh_file_write_atomic(path, lh_str_bytes(lh_str_of(text)), 0600, NULL), LH_OK);
}

static int
setup(void **state)
{
    static const struct lh_config_key *const tables[] = {lh_secret_config, lh_store_config,
                                                         lh_s3_config, NULL};
    static struct bench b;

    b = (struct bench){0};
    shop.at = 0;
    strcpy(b.folder, "/tmp/s3_client_test_XXXXXX");
    assert_non_null(mkdtemp(b.folder));
    secret_write(b.folder, "OLD1");
    lab_start(&b.lab, routes, NULL, NULL);
    LH_AUTO_CHARS toml = lh_asprintf(
        "[secrets]\nfile = \"%s/secrets\"\n[s3]\nbackoff_first = \"1ms\"\nbackoff_max = \"2ms\"\n"
        "retry_budget = 20\nattempts_max = 4\nattempt_timeout = \"20s\"\n[[bucket]]\nname = "
        "\"far\"\n"
        "backend = \"s3\"\nendpoint = \"http://127.0.0.1:%d\"\ncredentials = \"KEYS\"\n",
        b.folder, b.lab.port);
    assert_ok(lh_config_parse(tables, lh_str_of(toml), "test", &b.config, &b.err), b.err);
    b.secrets = lh_secrets_open(b.config);
    assert_ok(lh_store_open(b.config, b.folder, b.secrets, &b.store, &b.err), b.err);
    lh_call_init(&b.call);
    b.call.deadline_ms = lh_time_mono_ms() + 60000;
    assert_ok(lh_store_bucket(b.store, &b.call, LH_STR("far"), &b.bucket, &b.err), b.err);
    *state = &b;
    return 0;
}

static int
teardown(void **state)
{
    struct bench *b = *state;

    lh_store_free(b->store);
    lh_secrets_free(b->secrets);
    lh_config_free(b->config);
    lh_error_clear(&b->err);
    lh_call_fini(&b->call);
    lab_stop(&b->lab);
    (void)lh_dir_remove_tree(b->folder, NULL);
    return 0;
}

static void
tell(const struct told *answers, int count)
{
    memcpy(shop.answers, answers, (size_t)count * sizeof(*answers));
    shop.count = count;
    shop.at = 0;
}

#define TELL(...)                                                                                  \
    do {                                                                                           \
        const struct told told_[] = {__VA_ARGS__};                                                 \
        tell(told_, (int)(sizeof(told_) / sizeof(told_[0])));                                      \
    } while (0)

static lh_status
get(struct bench *b)
{
    LH_AUTO_BUF(out, 1000);

    lh_error_clear(&b->err);
    LH_TRY(lh_object_get(b->bucket, &b->call, LH_STR("key"), &out, NULL, &b->err));
    assert_string_equal(lh_buf_cstr(&out), "0123456789");
    return LH_OK;
}

static void
failures_are_named_by_their_code_and_status(void **state)
{
    static const struct {
        struct told told;
        lh_status status;
        const char *reason;
    } cases[] = {
        {{404, "NoSuchKey"}, LH_NOT_FOUND, "store.no_object"},
        {{404, "NoSuchBucket"}, LH_UNAVAILABLE, "s3.no_such_bucket"},
        {{403, "AccessDenied"}, LH_UNAVAILABLE, "s3.access_denied"},
        {{403, "InvalidAccessKeyId"}, LH_UNAVAILABLE, "s3.credentials"},
        {{403, "SignatureDoesNotMatch"}, LH_UNAVAILABLE, "s3.credentials"},
        {{400, "ExpiredToken"}, LH_UNAVAILABLE, "s3.expired_token"},
        {{301, "PermanentRedirect"}, LH_UNAVAILABLE, "s3.wrong_region"},
        {{507, "InsufficientStorage"}, LH_NO_SPACE, "store.no_space"},
        {{403, "QuotaExceeded"}, LH_NO_SPACE, "store.no_space"},
        {{501, "NotImplemented"}, LH_UNSUPPORTED, "s3.not_implemented"},
        {{418, "Teapot"}, LH_IO, "s3.refused"},
        {{503, "SlowDown"}, LH_BUSY, "s3.slow_down"},
        {{500, "InternalError"}, LH_UNAVAILABLE, "s3.unavailable"},
        {{502, "<br/>"}, LH_UNAVAILABLE, "s3.unavailable"},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tell(&cases[i].told, 1);
        if (get(b) != cases[i].status || strcmp(b->err.reason, cases[i].reason) != 0)
            fail_msg("%s: %s", cases[i].told.code, b->err.reason);
        assert_null(strstr(b->err.text, "misleading"));
    }
}

static void
what_may_pass_is_tried_again_and_what_will_not_is_not(void **state)
{
    struct bench *b = *state;

    TELL({500, "InternalError"}, {503, "SlowDown"}, {.status = 200});
    assert_ok(get(b), b->err);
    assert_int_equal(shop.at, 3);
    TELL({403, "AccessDenied"});
    assert_int_equal(get(b), LH_UNAVAILABLE);
    assert_int_equal(shop.at, 1);
    TELL({500, "InternalError"});
    assert_int_equal(get(b), LH_UNAVAILABLE);
    assert_int_equal(shop.at, 4);
}

static void
the_budget_of_a_bucket_ends_its_retries(void **state)
{
    struct bench *b = *state;

    TELL({500, "InternalError"});
    for (int i = 0; i < 7; i++)
        assert_int_equal(get(b), LH_UNAVAILABLE);
    shop.at = 0;
    assert_int_equal(get(b), LH_UNAVAILABLE);
    assert_int_equal(shop.at, 1);
}

static void
a_wait_that_is_asked_for_and_is_too_long_ends_the_retries(void **state)
{
    struct bench *b = *state;

    TELL({503, "SlowDown", .retry_after = "3600"}, {.status = 200});
    assert_int_equal(get(b), LH_BUSY);
    assert_int_equal(shop.at, 1);
}

static void
a_read_that_breaks_off_is_finished(void **state)
{
    struct bench *b = *state;

    TELL({.status = 200, .breaks = true}, {.status = 200});
    assert_ok(get(b), b->err);
    assert_int_equal(shop.at, 2);
}

static void
a_clock_that_differs_is_made_up_for(void **state)
{
    struct bench *b = *state;
    int64_t before, after;

    TELL({403, "RequestTimeTooSkewed", .date_off_s = 7200}, {.status = 200, .date_off_s = 7200});
    assert_ok(get(b), b->err);
    assert_int_equal(shop.at, 2);
    assert_string_not_equal(shop.times[0], shop.times[1]);
    before = strtoll(shop.times[0] + 9, NULL, 10);
    after = strtoll(shop.times[1] + 9, NULL, 10);
    assert_int_not_equal(before / 10000, after / 10000);
}

static void
a_clock_that_cannot_be_made_up_for_is_told(void **state)
{
    struct bench *b = *state;

    TELL({403, "RequestTimeTooSkewed"});
    assert_int_equal(get(b), LH_UNAVAILABLE);
    assert_string_equal(b->err.reason, "s3.clock_skew");
    assert_non_null(strstr(b->err.text, "seconds ahead"));
}

static void
keys_that_are_no_longer_taken_are_loaded_anew(void **state)
{
    struct bench *b = *state;

    TELL({.status = 200});
    assert_ok(get(b), b->err);
    assert_string_equal(shop.keys[0], "OLD1");
    secret_write(b->folder, "NEW2");
    TELL({400, "ExpiredToken"}, {.status = 200});
    /* Once a second at most. */
    wait_for((shop.at = 0, get(b)) == LH_OK);
    assert_string_equal(shop.keys[shop.at - 1], "NEW2");
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(failures_are_named_by_their_code_and_status),
        BENCH(what_may_pass_is_tried_again_and_what_will_not_is_not),
        BENCH(the_budget_of_a_bucket_ends_its_retries),
        BENCH(a_wait_that_is_asked_for_and_is_too_long_ends_the_retries),
        BENCH(a_read_that_breaks_off_is_finished),
        BENCH(a_clock_that_differs_is_made_up_for),
        BENCH(a_clock_that_cannot_be_made_up_for_is_told),
        BENCH(keys_that_are_no_longer_taken_are_loaded_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
