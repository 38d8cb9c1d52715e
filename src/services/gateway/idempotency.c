/*
 * One request's walk:
 *
 *     enter    the key is noted in this process, or somebody here is already at it: 409
 *     claim    create-if-absent in the bucket. Found something instead: an answer is compared and
 * replayed; a living claim is 409; a dead one is replaced with compare-and-swap, so that of two who
 * take it over one wins run      the handler, its body hashed on the way in, its answer held back
 * on the way out seal     on success the answer replaces the claim, and then the caller gets it; on
 * failure the claim is deleted
 *
 * When the bucket fails while sealing, the caller still gets the answer, for the work is done; the
 * claim then stays until its lease is over, which is the safe side.
 */
#include "services/gateway/idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/gateway/capture.h"
#include "services/gateway/record.h"
#include "services/gateway/sweep.h"

#define PREFIX "_gateway/idempotency/"
#define KEY_CHARS_MAX 255
#define RUNNING_MAX 4096
#define CLAIM_ROUNDS 3
#define SEAL_MS 30000
#define RECORD_EXTRA ((size_t)64 << 10) /* owner, headers, JSON around the body */

struct gateway_idempotency {
    struct gateway_idempotency_options options;
    struct lh_arena arena; /* of `self` */
    struct gateway_owner self;
    struct lh_metric *replays;
    struct gateway_sweeper *sweeper;
    struct idempotency_state {
        pthread_mutex_t lock;
        char (*running)[LH_SHA256_HEX]; /* keys this process is at */
        size_t running_count, running_cap;
    } state;
};

/* One guarded request. */
struct attempt {
    struct gateway_idempotency *i;
    struct lh_call *call;
    struct lh_request *req;
    struct lh_response *res;
    bool is_streamed;
    char id[LH_SHA256_HEX];
    char object[sizeof(PREFIX) + LH_SHA256_HEX + 5];
    char etag[LH_ETAG_MAX]; /* of our claim */
    struct gateway_record found;
    bool is_answered; /* `found` is what to replay */
};

/* ---- the key ---- */

static lh_status
key_check(lh_str key, struct lh_error *err)
{
    bool is_good = key.len >= 1 && key.len <= KEY_CHARS_MAX;

    for (size_t i = 0; is_good && i < key.len; i++)
        is_good = key.ptr[i] >= 0x20 && key.ptr[i] < 0x7f;
    if (is_good)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "idempotency.key",
                   "an Idempotency-Key is 1 to %d printable ASCII characters", KEY_CHARS_MAX);
}

static void
part_add(struct lh_sha256 *h, lh_str part)
{
    lh_sha256_add(h, part.ptr, part.len);
    lh_sha256_add(h, "\x1f", 1);
}

static void
attempt_name(struct attempt *a, lh_str key)
{
    uint8_t digest[LH_SHA256_BYTES];
    struct lh_sha256 h;

    lh_sha256_init(&h);
    part_add(&h, lh_str_of(a->call->principal.name));
    part_add(&h, lh_str_of(lh_method_name(a->req->method)));
    part_add(&h, a->req->path);
    part_add(&h, key);
    lh_sha256_final(&h, digest);
    lh_sha256_hex(digest, a->id);
    snprintf(a->object, sizeof(a->object), PREFIX "%s.json", a->id);
}

/* ---- who is at it in this process ---- */

static size_t
running_find(const struct idempotency_state *s, const char *id)
{
    size_t n = 0;

    while (n < s->running_count && strcmp(s->running[n], id) != 0)
        n++;
    return n;
}

static lh_status
in_progress(struct attempt *a, struct lh_error *err)
{
    lh_response_header(a->res, "Retry-After", LH_STR("1"));
    return lh_fail(err, LH_CONFLICT, "idempotency.in_progress",
                   "a request with this Idempotency-Key is still running");
}

static lh_status
running_enter(struct attempt *a, struct lh_error *err)
{
    struct idempotency_state *s = &a->i->state;

    LH_AUTO_LOCK(&s->lock);
    if (running_find(s, a->id) < s->running_count)
        return in_progress(a, err);
    if (s->running_count == RUNNING_MAX)
        return lh_fail(err, LH_BUSY, "idempotency.too_many",
                       "%d requests with an Idempotency-Key are running", RUNNING_MAX);
    if (s->running_count == s->running_cap) {
        s->running_cap = s->running_cap ? 2 * s->running_cap : 16;
        s->running = lh_realloc_array(s->running, s->running_cap, sizeof(*s->running));
    }
    memcpy(s->running[s->running_count++], a->id, sizeof(a->id));
    return LH_OK;
}

static void
running_leave(struct attempt *a)
{
    struct idempotency_state *s = &a->i->state;
    size_t at;

    LH_AUTO_LOCK(&s->lock);
    at = running_find(s, a->id);
    memcpy(s->running[at], s->running[--s->running_count], sizeof(a->id));
}

/* ---- claim ---- */

static lh_status
record_put(struct attempt *a, const struct gateway_record *r, const struct lh_put_options *options,
           struct lh_error *err)
{
    LH_AUTO_BUF(text, 2 * a->i->options.answer_max + RECORD_EXTRA);
    struct lh_object_info info = {0};

    gateway_record_encode(r, &text);
    LH_TRY(lh_buf_check(&text, "the record of an idempotency key", err));
    LH_TRY(lh_object_put(a->i->options.bucket, a->call, lh_str_of(a->object), lh_buf_bytes(&text),
                         options, &info, err));
    memcpy(a->etag, info.etag, sizeof(a->etag));
    return LH_OK;
}

static lh_status
claim_put(struct attempt *a, const char *instead_of, struct lh_error *err)
{
    struct gateway_record claim = {
        .owner = a->i->self,
        .time_us = lh_time_now_us(),
        .lease_ms = a->i->options.lease_ms,
    };
    struct lh_put_options options = {
        .if_absent = instead_of == NULL,
        .if_match = instead_of,
        .content_type = "application/json",
    };

    return record_put(a, &claim, &options, err);
}

static bool
record_is_over(const struct gateway_record *r, int64_t life_ms)
{
    return lh_time_now_us() - r->time_us > life_ms * 1000;
}

/* Our own claim is a dead one too: running_enter has made sure that nobody here is at it. */
static bool
record_may_be_replaced(const struct gateway_idempotency *i, const struct gateway_record *r)
{
    if (r->is_answer)
        return record_is_over(r, i->options.ttl_ms);
    return strcmp(r->owner.id, i->self.id) == 0 || gateway_owner_is_gone(&r->owner, &i->self) ||
           record_is_over(r, r->lease_ms);
}

static lh_status
record_find(struct attempt *a, char etag[LH_ETAG_MAX], struct lh_error *err)
{
    LH_AUTO_BUF(text, 2 * a->i->options.answer_max + RECORD_EXTRA);
    struct lh_object_info info = {0};

    LH_TRY(lh_object_get(a->i->options.bucket, a->call, lh_str_of(a->object), &text, &info, err));
    LH_TRY(gateway_record_decode(lh_buf_str(&text), &a->call->arena, &a->found, err));
    memcpy(etag, info.etag, LH_ETAG_MAX);
    return LH_OK;
}

/* The record may appear, change or vanish between two looks; a few rounds settle it. */
static lh_status
claim_take(struct attempt *a, struct lh_error *err)
{
    char etag[LH_ETAG_MAX];
    lh_status status = LH_OK;

    for (int round = 0; round < CLAIM_ROUNDS; round++) {
        status = claim_put(a, NULL, err);
        if (status != LH_CONFLICT)
            return status;
        status = record_find(a, etag, err);
        if (status == LH_NOT_FOUND)
            continue;
        if (status != LH_OK)
            return status;
        if (!record_may_be_replaced(a->i, &a->found)) {
            a->is_answered = a->found.is_answer;
            return a->is_answered ? LH_OK : in_progress(a, err);
        }
        status = claim_put(a, etag, err);
        if (status != LH_CONFLICT && status != LH_NOT_FOUND)
            return status;
    }
    return in_progress(a, err);
}

static void
claim_drop(struct attempt *a)
{
    LH_AUTO_ERROR(err);

    if (lh_object_delete(a->i->options.bucket, a->call, lh_str_of(a->object), a->etag, &err) !=
        LH_OK)
        lh_log_error(LH_LOG_WARN, "gateway", "a claim stays until its lease is over", &err);
}

/* ---- replay ---- */

static lh_status
replay_compare(struct attempt *a, struct lh_error *err)
{
    __attribute__((cleanup(gateway_body_hash_fini))) struct gateway_body_hash hash;
    char hex[LH_SHA256_HEX];

    gateway_body_hash_begin(&hash, a->req, a->is_streamed);
    LH_TRY(gateway_body_hash_end(&hash, a->req, hex, err));
    if (strcmp(hex, a->found.request_sha256) != 0)
        return lh_fail(err, LH_INVALID, "idempotency.mismatch",
                       "this Idempotency-Key was used for a request with another body or query");
    if (!a->found.is_kept)
        return lh_fail(err, LH_CONFLICT, "idempotency.answer_not_kept",
                       "the request was carried out before, but its answer was longer than the %zu "
                       "bytes that are kept",
                       a->i->options.answer_max);
    return LH_OK;
}

static lh_status
replay(struct attempt *a, struct lh_error *err)
{
    const struct gateway_record *r = &a->found;

    LH_TRY(replay_compare(a, err));
    for (size_t i = 0; i < r->header_count; i++) {
        const char *name = lh_arena_cstr(&a->call->arena, r->headers[i].name);

        lh_response_header(a->res, name, r->headers[i].value);
    }
    lh_response_header(a->res, "Idempotent-Replayed", LH_STR("true"));
    lh_metric_add(a->i->replays, 1);
    return lh_response_bytes(a->res, r->status, NULL, r->body, err);
}

/* ---- run and seal ---- */

/* Fields of this exchange rather than of the answer. */
static bool
header_is_kept(lh_str name)
{
    return !lh_str_eq_nocase(name, LH_STR("X-Trace-Id")) &&
           !lh_str_eq_nocase(name, LH_STR("Vary")) &&
           !lh_str_starts(name, LH_STR("Access-Control-"));
}

static lh_status
answer_put(struct attempt *a, const struct gateway_capture *answer, const char *request_sha256,
           struct lh_error *err)
{
    struct gateway_record r = {
        .owner = a->i->self,
        .time_us = lh_time_now_us(),
        .is_answer = true,
        .request_sha256 = request_sha256,
        .status = answer->status,
        .is_kept = !answer->is_through,
        .body = answer->is_through ? lh_bytes_of(NULL, 0) : lh_buf_bytes(&answer->body),
    };
    struct lh_put_options options = {.if_match = a->etag, .content_type = "application/json"};

    for (size_t i = 0; i < answer->header_count; i++) {
        if (header_is_kept(answer->headers[i].name))
            r.headers[r.header_count++] = answer->headers[i];
    }
    return record_put(a, &r, &options, err);
}

static bool
answer_is_success(const struct gateway_capture *answer, lh_status status)
{
    return status == LH_OK && answer->status >= 200 && answer->status < 300 &&
           !answer->res->is_broken;
}

static void
answer_keep(struct attempt *a, struct gateway_body_hash *hash, const struct gateway_capture *answer)
{
    LH_AUTO_ERROR(err);
    char hex[LH_SHA256_HEX];

    if (gateway_body_hash_end(hash, a->req, hex, &err) == LH_OK &&
        answer_put(a, answer, hex, &err) == LH_OK)
        return;
    lh_log_error(LH_LOG_WARN, "gateway", "an answer could not be kept for its idempotency key",
                 &err);
}

/* On a call of its own: a caller that has gone away, or whose time is over, is the one that will
 * come back with the same key. */
static void
seal(struct attempt *a, struct gateway_body_hash *hash, const struct gateway_capture *answer,
     lh_status status)
{
    struct lh_call *theirs = a->call, ours;

    lh_call_init(&ours);
    ours.trace = theirs->trace;
    ours.deadline_ms = lh_time_mono_ms() + SEAL_MS;
    a->call = &ours;
    if (answer_is_success(answer, status))
        answer_keep(a, hash, answer);
    else
        claim_drop(a);
    a->call = theirs;
    lh_call_fini(&ours);
}

static lh_status
run_claimed(struct attempt *a, gateway_next next, void *arg, struct lh_error *err)
{
    __attribute__((cleanup(gateway_body_hash_fini))) struct gateway_body_hash hash;
    __attribute__((cleanup(gateway_capture_fini))) struct gateway_capture answer;
    struct lh_source body = a->req->body;
    lh_status status;

    gateway_body_hash_begin(&hash, a->req, a->is_streamed);
    gateway_capture_begin(&answer, a->res, a->i->options.answer_max);
    status = next(arg, a->call, a->req, a->res, err);
    seal(a, &hash, &answer, status);
    a->req->body = body;
    if (status == LH_OK)
        return gateway_capture_release(&answer, err);
    gateway_capture_drop(&answer);
    return status;
}

static lh_status
attempt_run(struct attempt *a, gateway_next next, void *arg, struct lh_error *err)
{
    lh_status status = claim_take(a, err);

    if (status != LH_OK)
        return status;
    return a->is_answered ? replay(a, err) : run_claimed(a, next, arg, err);
}

lh_status
gateway_idempotency_run(struct gateway_idempotency *i, struct lh_call *call, struct lh_request *req,
                        struct lh_response *res, bool is_streamed, gateway_next next, void *arg,
                        struct lh_error *err)
{
    struct attempt a = {.i = i, .call = call, .req = req, .res = res, .is_streamed = is_streamed};
    lh_str key = lh_request_header(req, "Idempotency-Key");
    lh_status status;

    if (!key.ptr)
        return next(arg, call, req, res, err);
    LH_TRY(key_check(key, err));
    attempt_name(&a, key);
    LH_TRY(running_enter(&a, err));
    status = attempt_run(&a, next, arg, err);
    running_leave(&a);
    return status;
}

/* ---- life ---- */

static lh_status
sweeper_start(struct gateway_idempotency *i, struct lh_error *err)
{
    struct gateway_sweep sweep = {
        .bucket = i->options.bucket, .prefix = PREFIX, .older_than_ms = i->options.ttl_ms};

    if (i->options.sweep_every_ms == 0)
        return LH_OK;
    return gateway_sweeper_start(&sweep, i->options.sweep_every_ms, &i->sweeper, err);
}

lh_status
gateway_idempotency_open(const struct gateway_idempotency_options *options,
                         struct gateway_idempotency **out, struct lh_error *err)
{
    struct gateway_idempotency *i = LH_NEW(struct gateway_idempotency);
    lh_status status;

    i->options = *options;
    lh_arena_init(&i->arena);
    i->self = gateway_owner_new(&i->arena);
    i->replays =
        lh_counter("lakehouse_gateway_idempotent_replays_total",
                   "Mutations answered from the record of their Idempotency-Key.", "", NULL);
    pthread_mutex_init(&i->state.lock, NULL);
    status = sweeper_start(i, err);
    if (status != LH_OK) {
        gateway_idempotency_close(i);
        return status;
    }
    *out = i;
    return LH_OK;
}

void
gateway_idempotency_close(struct gateway_idempotency *i)
{
    if (!i)
        return;
    gateway_sweeper_stop(i->sweeper);
    pthread_mutex_destroy(&i->state.lock);
    lh_arena_fini(&i->arena);
    free(i->state.running);
    free(i);
}
