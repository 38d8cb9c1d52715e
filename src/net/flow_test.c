#include "net/flow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "base/thread.h"
#include "net/testing.h"

#define MIB ((int64_t)1 << 20)
#define STREAM_BYTES (80 * MIB)
/* What may lie between the two ends: the window and the sockets' buffers. */
#define BETWEEN_MAX (16 * MIB)

static struct {
    _Atomic int64_t produced, consumed;
    atomic_int started, ended;
    _Atomic int last_status; /* lh_status of the last handler that cared */
    char last_reason[64];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool may_read;
} shop = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static uint8_t
byte_at(int64_t position)
{
    return (uint8_t)(position * 31 + (position >> 8));
}

static void
pattern_fill(uint8_t *to, size_t n, int64_t position)
{
    for (size_t i = 0; i < n; i++)
        to[i] = byte_at(position + (int64_t)i);
}

static bool
pattern_holds(const uint8_t *at, size_t n, int64_t position)
{
    for (size_t i = 0; i < n; i++) {
        if (at[i] != byte_at(position + (int64_t)i))
            return false;
    }
    return true;
}

static lh_status
ended(lh_status status, const struct lh_error *err)
{
    snprintf(shop.last_reason, sizeof(shop.last_reason), "%s", err ? err->reason : "");
    atomic_store(&shop.last_status, (int)status);
    atomic_fetch_add(&shop.ended, 1);
    return status;
}

/* Produces `bytes` bytes of the pattern. */
static lh_status
produce(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    static _Thread_local uint8_t step[50000];
    int64_t bytes = STREAM_BYTES;
    lh_status status = LH_OK;

    (void)service;
    (void)call;
    LH_TRY(lh_request_query_i64(req, "bytes", 0, INT64_MAX, &bytes, err));
    LH_TRY(lh_response_begin(res, 200, "application/octet-stream",
                             lh_request_has_query(req, "sized") ? bytes : -1, err));
    for (int64_t at = 0; at < bytes && status == LH_OK;) {
        size_t n =
            (size_t)(bytes - at < (int64_t)sizeof(step) ? bytes - at : (int64_t)sizeof(step));

        pattern_fill(step, n, at);
        status = lh_response_write(res, lh_bytes_of(step, n), err);
        at += (int64_t)n;
        atomic_store(&shop.produced, at);
    }
    return ended(status, err);
}

static lh_status
consume_all(struct lh_request *req, int64_t *total, struct lh_error *err)
{
    static _Thread_local uint8_t step[70000];
    size_t got = 1;

    while (got > 0) {
        LH_TRY(lh_request_read(req, step, sizeof(step), &got, err));
        if (!pattern_holds(step, got, *total))
            return lh_fail(err, LH_CORRUPT, "test.pattern", "wrong bytes near %lld",
                           (long long)*total);
        *total += (int64_t)got;
        atomic_store(&shop.consumed, *total);
    }
    return LH_OK;
}

static lh_status
answer_count(struct lh_response *res, int64_t total, struct lh_error *err)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%lld", (long long)total);

    return lh_response_bytes(res, 200, "text/plain", lh_bytes_of(text, (size_t)n), err);
}

static lh_status
consume(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    int64_t total = 0;
    lh_status status;

    (void)service;
    (void)call;
    atomic_fetch_add(&shop.started, 1);
    pthread_mutex_lock(&shop.lock);
    while (!shop.may_read)
        pthread_cond_wait(&shop.changed, &shop.lock);
    pthread_mutex_unlock(&shop.lock);
    status = consume_all(req, &total, err);
    ended(status, err);
    LH_TRY(status);
    return answer_count(res, total, err);
}

/* Reads a little, then refuses. */
static lh_status
refuse_midway(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    uint8_t step[1000];
    size_t got;

    (void)service;
    (void)call;
    (void)res;
    LH_TRY(lh_request_read(req, step, sizeof(step), &got, err));
    return lh_fail(err, LH_INVALID, "ingest.unreadable", "line 3 has too many columns");
}

static lh_status
refuse_at_once(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
               struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    (void)res;
    return lh_fail(err, LH_DENIED, "auth.required", "no token");
}

/* Answers at length before it has read its body; reading on then fails. */
static lh_status
answer_early(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    static _Thread_local uint8_t step[100000];
    int64_t total;
    size_t got;

    (void)service;
    (void)call;
    LH_TRY(lh_request_read(req, step, 10, &got, err));
    total = (int64_t)got;
    LH_TRY(lh_response_begin(res, 200, "text/plain", -1, err));
    for (int i = 0; i < 20; i++)
        LH_TRY(lh_response_write(res, lh_bytes_of(step, sizeof(step)), err));
    ended(consume_all(req, &total, err), err);
    return LH_OK;
}

static int
pattern_file(int64_t bytes)
{
    int fd = memfd_create("pattern", MFD_CLOEXEC);
    uint8_t step[4096];

    for (int64_t at = 0; at < bytes; at += (int64_t)sizeof(step)) {
        pattern_fill(step, sizeof(step), at);
        if (write(fd, step, sizeof(step)) != sizeof(step))
            abort();
    }
    return fd;
}

static lh_status
send_file(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    int64_t bytes = 4 * MIB, from = 0;

    (void)service;
    (void)call;
    LH_TRY(lh_request_query_i64(req, "bytes", 0, INT64_MAX, &bytes, err));
    LH_TRY(lh_request_query_i64(req, "from", 0, INT64_MAX, &from, err));
    if (lh_request_has_query(req, "preface")) {
        LH_TRY(lh_response_begin(res, 200, NULL, bytes + 7, err));
        LH_TRY(lh_response_write(res, lh_str_bytes(LH_STR("preface")), err));
    } else {
        LH_TRY(lh_response_begin(res, 200, NULL, bytes, err));
    }
    return lh_response_send_file(res, pattern_file(from + bytes), (uint64_t)from, (uint64_t)bytes,
                                 err);
}

/* Answers one byte, then waits to be told to go on. */
static lh_status
trickle(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    lh_status status;

    (void)service;
    (void)req;
    LH_TRY(lh_response_begin(res, 200, "text/event-stream", -1, err));
    do {
        status = lh_response_write(res, lh_str_bytes(LH_STR("x")), err);
        atomic_fetch_add(&shop.started, 1);
        while (status == LH_OK && lh_call_check(call, NULL) == LH_OK && !shop.may_read)
            sched_yield();
    } while (status == LH_OK);
    return ended(status, err);
}

static const struct lh_route routes[] = {
    {LH_GET, "/produce", produce, LH_ROUTE_LONG, 0},
    {LH_PUT, "/consume", consume, LH_ROUTE_STREAMS_BODY | LH_ROUTE_LONG, 0},
    {LH_PUT, "/consume-short", consume, LH_ROUTE_STREAMS_BODY, 0},
    {LH_PUT, "/consume-little", consume, LH_ROUTE_STREAMS_BODY, 100000},
    {LH_PUT, "/refuse-midway", refuse_midway, LH_ROUTE_STREAMS_BODY, 0},
    {LH_PUT, "/refuse-at-once", refuse_at_once, LH_ROUTE_STREAMS_BODY, 0},
    {LH_PUT, "/answer-early", answer_early, LH_ROUTE_STREAMS_BODY, 0},
    {LH_GET, "/file", send_file, LH_ROUTE_LONG, 0},
    {LH_GET, "/trickle", trickle, LH_ROUTE_LONG, 0},
    {0},
};

static void
shop_reset(bool may_read)
{
    shop.produced = shop.consumed = 0;
    shop.started = shop.ended = 0;
    shop.last_status = -1;
    shop.may_read = may_read;
}

static void
shop_open(void)
{
    pthread_mutex_lock(&shop.lock);
    shop.may_read = true;
    pthread_cond_broadcast(&shop.changed);
    pthread_mutex_unlock(&shop.lock);
}

static int
setup(void **state)
{
    static struct lab lab;

    shop_reset(true);
    lab_start(&lab, routes, NULL, NULL);
    *state = &lab;
    return 0;
}

static int
teardown(void **state)
{
    shop_open();
    lab_stop(*state);
    return 0;
}

/* ---- answers ---- */

static int
get(struct lab *lab, const char *target)
{
    char request[256];
    int fd = dial(lab->port);

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
             target);
    say(fd, request);
    return fd;
}

/* The answer's body, taken out of its chunks, is the pattern. Returns its length. */
static int64_t
hear_pattern(int fd, bool is_chunked, void (*between)(int64_t heard))
{
    LH_AUTO_BUF(in, 1 << 20);
    uint8_t step[60000];
    int64_t heard = 0;
    ssize_t n = 1;
    size_t at = 0, left = is_chunked ? 0 : SIZE_MAX;

    hear_until(fd, &in, "\r\n\r\n");
    lh_str_find(lh_buf_str(&in), LH_STR("\r\n\r\n"), &at);
    lh_buf_drop_front(&in, at + 4);
    while (true) {
        size_t take;

        while (left == 0 && lh_str_find(lh_buf_str(&in), LH_STR("\r\n"), &at)) {
            if (at > 0) {
                left = strtoull(lh_buf_cstr(&in), NULL, 16);
                if (left == 0)
                    return heard;
            }
            lh_buf_drop_front(&in, at + 2);
        }
        take = left < in.len ? left : in.len;
        if (!pattern_holds(in.data, take, heard))
            fail_msg("wrong bytes near %lld", (long long)heard);
        heard += (int64_t)take;
        left -= left == SIZE_MAX ? 0 : take;
        lh_buf_drop_front(&in, take);
        if (between)
            between(heard);
        if (take > 0)
            continue;
        n = hear(fd, step, sizeof(step));
        if (n <= 0)
            return heard;
        lh_buf_add(&in, step, (size_t)n);
    }
}

static void
check_distance(int64_t heard)
{
    int64_t ahead = atomic_load(&shop.produced) - heard;

    if (ahead > BETWEEN_MAX)
        fail_msg("%lld bytes are on their way", (long long)ahead);
}

static void
a_long_answer_needs_no_more_than_a_window(void **state)
{
    static const char *const targets[] = {"/produce", "/produce?sized"};

    for (int i = 0; i < 2; i++) {
        int fd;

        shop_reset(true);
        fd = get(*state, targets[i]);
        assert_int_equal(hear_pattern(fd, i == 0, check_distance), STREAM_BYTES);
        close(fd);
    }
}

static void
a_slow_reader_holds_the_producer_back(void **state)
{
    int fd = get(*state, "/produce");
    int64_t before, after;

    /* Nobody reads: the producer must come to a stand. */
    wait_for(atomic_load(&shop.produced) > 0);
    do {
        before = atomic_load(&shop.produced);
        poll(NULL, 0, 20);
        after = atomic_load(&shop.produced);
    } while (before != after);
    assert_true(after < BETWEEN_MAX);
    assert_int_equal(hear_pattern(fd, true, NULL), STREAM_BYTES);
    close(fd);
}

static void
answers_of_every_length_arrive(void **state)
{
    static const int64_t lengths[] = {0,      1,      4095,   65536,   262143,
                                      262144, 262145, 524288, 1000003, 3000000};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char target[64];
        int fd;

        snprintf(target, sizeof(target), "/produce?bytes=%lld", (long long)lengths[i]);
        fd = get(*state, target);
        assert_int_equal(hear_pattern(fd, true, NULL), lengths[i]);
        close(fd);
        snprintf(target, sizeof(target), "/produce?bytes=%lld&sized", (long long)lengths[i]);
        fd = get(*state, target);
        assert_int_equal(hear_pattern(fd, false, NULL), lengths[i]);
        close(fd);
    }
}

static void
a_reader_that_leaves_stops_the_producer(void **state)
{
    char some[1000];
    int fd = get(*state, "/produce?bytes=100000000000");

    assert_true(hear(fd, some, sizeof(some)) > 0);
    close(fd);
    wait_for(atomic_load(&shop.ended) == 1);
    assert_int_equal(atomic_load(&shop.last_status), LH_CANCELED);
}

static void
every_write_leaves_at_once(void **state)
{
    LH_AUTO_BUF(heard, 1 << 16);
    int fd;

    shop_reset(false);
    fd = get(*state, "/trickle");
    hear_until(fd, &heard, "\r\n1\r\nx\r\n");
    close(fd);
    wait_for(atomic_load(&shop.ended) == 1);
    assert_int_equal(atomic_load(&shop.last_status), LH_CANCELED);
}

static void
a_reader_that_stalls_is_cut_off(void **state)
{
    struct lab lab;
    int fd;

    (void)state;
    shop_reset(true);
    lab_start(&lab, routes, NULL, "[http]\nstall_timeout = \"100ms\"\n");
    fd = get(&lab, "/produce?bytes=100000000000");
    wait_for(atomic_load(&shop.ended) == 1);
    assert_int_equal(atomic_load(&shop.last_status), LH_TIMEOUT);
    assert_string_equal(shop.last_reason, "net.stalled");
    close(fd);
    lab_stop(&lab);
}

static void
files_arrive_by_any_way(void **state)
{
    static const struct {
        const char *target;
        int64_t length;
        int64_t from;
    } cases[] = {
        {"/file", 4 * MIB, 0},
        {"/file?bytes=10", 10, 0},
        {"/file?bytes=0", 0, 0},
        {"/file?bytes=1000000&from=8192", 1000000, 8192},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        LH_AUTO_BUF(out, 1 << 26);
        int fd = get(*state, cases[i].target);
        const char *body;
        size_t at;

        hear_all(fd, &out);
        close(fd);
        assert_true(lh_str_find(lh_buf_str(&out), LH_STR("\r\n\r\n"), &at));
        body = (const char *)out.data + at + 4;
        assert_int_equal(out.len - at - 4, cases[i].length);
        assert_true(pattern_holds((const uint8_t *)body, (size_t)cases[i].length, cases[i].from));
    }
}

static void
a_file_may_follow_other_bytes(void **state)
{
    static const int64_t lengths[] = {1000, 4 * MIB};

    for (int i = 0; i < 2; i++) {
        LH_AUTO_BUF(out, 1 << 26);
        char target[64];
        size_t at;
        int fd;

        snprintf(target, sizeof(target), "/file?preface&bytes=%lld", (long long)lengths[i]);
        fd = get(*state, target);
        hear_all(fd, &out);
        close(fd);
        assert_true(lh_str_find(lh_buf_str(&out), LH_STR("\r\n\r\npreface"), &at));
        assert_int_equal(out.len - at - 11, lengths[i]);
        assert_true(pattern_holds(out.data + at + 11, (size_t)lengths[i], 0));
    }
}

/* ---- bodies ---- */

static int
put_begin(struct lab *lab, const char *target, int64_t length, const char *more)
{
    char request[512], framing[64] = "Transfer-Encoding: chunked";
    int fd = dial(lab->port);

    if (length >= 0)
        snprintf(framing, sizeof(framing), "Content-Length: %lld", (long long)length);
    snprintf(request, sizeof(request),
             "PUT %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n%s\r\n", target, framing,
             more);
    say(fd, request);
    return fd;
}

/* False when the server stopped listening. */
static bool
say_pattern(int fd, int64_t from, int64_t bytes, bool is_chunked)
{
    uint8_t step[65536];

    for (int64_t at = from; at < from + bytes;) {
        int64_t left = from + bytes - at;
        size_t n = left < (int64_t)sizeof(step) ? (size_t)left : sizeof(step);
        char head[32];

        pattern_fill(step, n, at);
        snprintf(head, sizeof(head), "%zx\r\n", n);
        if ((is_chunked && !say(fd, head)) || !say_bytes(fd, step, n) ||
            (is_chunked && !say(fd, "\r\n")))
            return false;
        at += (int64_t)n;
    }
    return !is_chunked || say(fd, "0\r\n\r\n");
}

static char *
hear_answer(int fd)
{
    LH_AUTO_BUF(out, 1 << 26);

    hear_all(fd, &out);
    close(fd);
    return lh_buf_take_cstr(&out);
}

static void
a_long_body_streams_to_its_handler(void **state)
{
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        int fd = put_begin(*state, "/consume", is_chunked ? -1 : STREAM_BYTES, "");

        assert_true(say_pattern(fd, 0, STREAM_BYTES, is_chunked));
        LH_AUTO_CHARS answer = hear_answer(fd);
        assert_answer(answer, 200);
        assert_string_equal(body_of(answer), "83886080");
    }
}

static void *
sender_run(void *arg)
{
    int fd = *(int *)arg;

    say_pattern(fd, 0, STREAM_BYTES, false);
    return NULL;
}

static void
a_slow_handler_holds_the_sender_back(void **state)
{
    LH_AUTO_ERROR(err);
    int fd, queued, before = -1, after = 0;
    pthread_t sender;

    shop_reset(false);
    fd = put_begin(*state, "/consume", STREAM_BYTES, "");
    assert_ok(lh_thread_start(&sender, "sender", sender_run, &fd, &err), err);
    wait_for(atomic_load(&shop.started) == 1);
    /* Bytes that the sender's kernel could not get rid of stand still, since nobody takes them. */
    while (before != after || after == 0) {
        before = after;
        poll(NULL, 0, 20);
        assert_int_equal(ioctl(fd, SIOCOUTQ, &queued), 0);
        after = queued;
    }
    shop_open();
    lh_thread_join(sender);
    LH_AUTO_CHARS answer = hear_answer(fd);
    assert_string_equal(body_of(answer), "83886080");
}

static void
bodies_of_every_length_arrive(void **state)
{
    static const int64_t lengths[] = {0, 1, 65535, 65536, 65537, 262144, 262145, 1000003};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
            int fd = put_begin(*state, "/consume", is_chunked ? -1 : lengths[i], "");
            char expected[32];

            say_pattern(fd, 0, lengths[i], is_chunked);
            snprintf(expected, sizeof(expected), "%lld", (long long)lengths[i]);
            LH_AUTO_CHARS answer = hear_answer(fd);
            assert_answer(answer, 200);
            assert_string_equal(body_of(answer), expected);
        }
    }
}

static void
a_streamed_body_past_its_limit_is_413(void **state)
{
    int sized = put_begin(*state, "/consume-little", 100001, "");
    int chunked;

    LH_AUTO_CHARS at_once = hear_answer(sized);
    assert_answer(at_once, 413);
    chunked = put_begin(*state, "/consume-little", -1, "");
    say_pattern(chunked, 0, 3 * MIB, true);
    LH_AUTO_CHARS midway = hear_answer(chunked);
    assert_answer(midway, 413);
    assert_holds(midway, "request.too_big");
}

static void
a_refusal_reaches_a_sender_that_never_looks_up(void **state)
{
    static const char *const targets[] = {"/refuse-at-once", "/refuse-midway"};
    static const int statuses[] = {401, 422};

    for (int i = 0; i < 2; i++) {
        for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
            int fd = put_begin(*state, targets[i], is_chunked ? -1 : STREAM_BYTES, "");

            assert_true(say_pattern(fd, 0, STREAM_BYTES, is_chunked));
            LH_AUTO_CHARS answer = hear_answer(fd);
            assert_answer(answer, statuses[i]);
            assert_holds(answer, "Connection: close\r\n");
            assert_holds(answer, "X-Trace-Id: ");
            assert_holds(answer, "\"retryable\":false}");
        }
    }
}

static void
a_short_body_is_read_before_a_refusal_and_keeps_the_connection(void **state)
{
    struct lab *lab = *state;
    int fd = dial(lab->port);

    for (int i = 0; i < 3; i++) {
        LH_AUTO_BUF(answer, 1 << 16);

        say(fd, "PUT /refuse-at-once HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        hear_until(fd, &answer, "auth.required");
        hear_until(fd, &answer, "}");
        lh_buf_clear(&answer);
        say(fd, "PUT /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        hear_until(fd, &answer, "request.route");
        hear_until(fd, &answer, "}");
    }
    close(fd);
}

static void
a_long_answer_before_the_body_gives_up_the_body(void **state)
{
    int fd = put_begin(*state, "/answer-early", 8 * MIB, "");
    char *answer;

    assert_true(say_pattern(fd, 0, 8 * MIB, false));
    answer = hear_answer(fd);
    assert_answer(answer, 200);
    assert_int_equal(atomic_load(&shop.last_status), LH_BUG);
    assert_string_equal(shop.last_reason, "request.body_dropped");
    free(answer);
}

static void
a_sender_that_leaves_fails_the_reader(void **state)
{
    int fd = put_begin(*state, "/consume", 1000000, "");

    say_pattern(fd, 0, 200000, false);
    wait_for(atomic_load(&shop.consumed) == 200000);
    close(fd);
    wait_for(atomic_load(&shop.ended) == 1);
    assert_int_equal(atomic_load(&shop.last_status), LH_CANCELED);
}

static void
a_sender_that_stalls_is_cut_off(void **state)
{
    struct lab lab;
    int fd;

    (void)state;
    shop_reset(true);
    lab_start(&lab, routes, NULL, "[http]\nstall_timeout = \"100ms\"\n");
    fd = put_begin(&lab, "/consume", 1000000, "");
    say_pattern(fd, 0, 100000, false);
    wait_for(atomic_load(&shop.ended) == 1);
    assert_int_equal(atomic_load(&shop.last_status), LH_TIMEOUT);
    assert_string_equal(shop.last_reason, "net.stalled");
    close(fd);
    lab_stop(&lab);
}

static void
reading_heeds_the_deadline(void **state)
{
    struct lab lab;
    int fd;

    (void)state;
    shop_reset(true);
    lab_start(&lab, routes, NULL, "[http]\nrequest_timeout = \"50ms\"\n");
    fd = put_begin(&lab, "/consume-short", 1000000, "");
    wait_for(atomic_load(&shop.ended) == 1);
    assert_int_equal(atomic_load(&shop.last_status), LH_TIMEOUT);
    assert_string_equal(shop.last_reason, "call.deadline");
    close(fd);
    lab_stop(&lab);
}

/* ---- Expect: 100-continue ---- */

static void
an_expecting_client_is_invited_when_the_handler_reads(void **state)
{
    LH_AUTO_BUF(heard, 1 << 16);
    int fd;

    shop_reset(false);
    fd = put_begin(*state, "/consume", 100000, "Expect: 100-continue\r\n");
    wait_for(atomic_load(&shop.started) == 1);
    shop_open();
    hear_until(fd, &heard, "HTTP/1.1 100 Continue\r\n\r\n");
    say_pattern(fd, 0, 100000, false);
    hear_all(fd, &heard);
    assert_holds(lh_buf_cstr(&heard), "HTTP/1.1 200 OK");
    assert_holds(lh_buf_cstr(&heard), "\r\n\r\n100000");
    close(fd);
}

static void
an_expecting_client_may_be_refused_before_it_sends(void **state)
{
    static const char *const targets[] = {"/refuse-at-once", "/consume-little", "/nowhere"};
    static const int statuses[] = {401, 413, 404};

    for (int i = 0; i < 3; i++) {
        int fd = put_begin(*state, targets[i], 500000, "Expect: 100-continue\r\n");
        LH_AUTO_CHARS answer = hear_answer(fd);

        assert_answer(answer, statuses[i]);
        assert_lacks(answer, "100 Continue");
    }
}

#define WITH_LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LAB(a_long_answer_needs_no_more_than_a_window),
        WITH_LAB(a_slow_reader_holds_the_producer_back),
        WITH_LAB(answers_of_every_length_arrive),
        WITH_LAB(a_reader_that_leaves_stops_the_producer),
        WITH_LAB(every_write_leaves_at_once),
        cmocka_unit_test(a_reader_that_stalls_is_cut_off),
        WITH_LAB(files_arrive_by_any_way),
        WITH_LAB(a_file_may_follow_other_bytes),
        WITH_LAB(a_long_body_streams_to_its_handler),
        WITH_LAB(a_slow_handler_holds_the_sender_back),
        WITH_LAB(bodies_of_every_length_arrive),
        WITH_LAB(a_streamed_body_past_its_limit_is_413),
        WITH_LAB(a_refusal_reaches_a_sender_that_never_looks_up),
        WITH_LAB(a_short_body_is_read_before_a_refusal_and_keeps_the_connection),
        WITH_LAB(a_long_answer_before_the_body_gives_up_the_body),
        WITH_LAB(a_sender_that_leaves_fails_the_reader),
        cmocka_unit_test(a_sender_that_stalls_is_cut_off),
        cmocka_unit_test(reading_heeds_the_deadline),
        WITH_LAB(an_expecting_client_is_invited_when_the_handler_reads),
        WITH_LAB(an_expecting_client_may_be_refused_before_it_sends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
