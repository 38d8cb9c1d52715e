#include "store/s3_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/encoding.h"
#include "base/log.h"
#include "base/time.h"
#include "net/sigv4.h"

#define SKEW_MIN_US INT64_C(60000000) /* less is not worth a second look at the clock */
#define EXTRA_FIELDS 8                /* that every request gets */

static const char *const op_names[S3_OP_COUNT] = {"get",    "head", "put",      "delete", "list",
                                                  "create", "part", "complete", "abort"};

/* ---- birth and death ---- */

static void
metrics_init(struct s3_client_metrics *m, const char *bucket)
{
    static const char requests[] = "lakehouse_s3_requests_total";
    static const char what[] = "Requests sent to the store, repeated ones included.";

    for (int i = 0; i < S3_OP_COUNT; i++) {
        m->ok[i] =
            lh_counter(requests, what, "bucket,operation,outcome", bucket, op_names[i], "ok", NULL);
        m->refused[i] = lh_counter(requests, what, "bucket,operation,outcome", bucket, op_names[i],
                                   "refused", NULL);
        m->failed[i] = lh_counter(requests, what, "bucket,operation,outcome", bucket, op_names[i],
                                  "failed", NULL);
        m->seconds[i] =
            lh_histogram("lakehouse_s3_request_seconds", "Duration of one request to the store.",
                         "bucket,operation", bucket, op_names[i], NULL);
    }
    m->retries = lh_counter("lakehouse_s3_retries_total", "Requests that were repeated.", "bucket",
                            bucket, NULL);
    m->sent_bytes = lh_counter("lakehouse_s3_sent_bytes_total", "Bytes of bodies sent.", "bucket",
                               bucket, NULL);
    m->received_bytes = lh_counter("lakehouse_s3_received_bytes_total", "Bytes of bodies received.",
                                   "bucket", bucket, NULL);
    m->out_of_budget = lh_counter("lakehouse_s3_out_of_budget_total",
                                  "Requests not repeated because the retry budget was used up.",
                                  "bucket", bucket, NULL);
    m->read_backs = lh_counter("lakehouse_s3_read_backs_total",
                               "Puts whose answer was lost, found out by asking for the object.",
                               "bucket", bucket, NULL);
    m->clock = lh_gauge("lakehouse_s3_clock_offset_seconds",
                        "How far the clock of the store is ahead of ours, as far as it matters.",
                        "bucket", bucket, NULL);
}

/* Host without the port that the scheme has anyway, as clients send it. */
static lh_str
host_of(const char *endpoint)
{
    lh_str rest = lh_str_of(endpoint), scheme;
    bool is_tls;

    (void)lh_str_cut(&rest, ':', &scheme);
    is_tls = lh_str_eq(scheme, LH_STR("https"));
    rest = lh_str_slice(rest, 2, rest.len);
    if (is_tls && lh_str_ends(rest, LH_STR(":443")))
        rest.len -= 4;
    if (!is_tls && lh_str_ends(rest, LH_STR(":80")))
        rest.len -= 3;
    return rest;
}

static void
place_init(struct s3_client *c, const struct lh_bucket_spec *spec)
{
    const char *slashes = strstr(spec->endpoint, "//");
    int scheme = (int)(slashes - spec->endpoint) + 2;
    lh_str host = host_of(spec->endpoint);

    if (spec->is_path_style) {
        c->origin = lh_strdup(spec->endpoint);
        c->host = lh_str_dup(host);
        c->prefix = lh_asprintf("/%s", spec->bucket);
        return;
    }
    c->origin = lh_asprintf("%.*s%s.%s", scheme, spec->endpoint, spec->bucket, slashes + 2);
    c->host = lh_asprintf("%s.%.*s", spec->bucket, LH_FMT(host));
    c->prefix = lh_strdup("");
}

void
s3_client_init(struct s3_client *c, struct lh_bucket *bucket, struct s3_shared *shared,
               const struct lh_bucket_spec *spec)
{
    c->bucket = bucket;
    c->shared = shared;
    c->region = lh_strdup(spec->region);
    place_init(c, spec);
    s3_keys_init(&c->keys, shared->secrets, spec->credentials);
    s3_budget_init(&c->budget, shared->settings.retry_budget);
    atomic_init(&c->clock_us, 0);
    atomic_init(&c->seen_ms, INT64_MIN);
    metrics_init(&c->metrics, spec->name);
}

void
s3_client_fini(struct s3_client *c)
{
    s3_keys_fini(&c->keys);
    free(c->origin);
    free(c->host);
    free(c->prefix);
    free(c->region);
}

/* ---- answers ---- */

void
s3_answer_fini(struct s3_answer *a)
{
    lh_client_answer_fini(&a->http);
    lh_call_fini(&a->call);
}

lh_str
s3_answer_field(const struct s3_answer *a, const char *name)
{
    return lh_client_answer_header(&a->http, name);
}

void
s3_request_field(struct s3_request *r, const char *name, lh_str value)
{
    r->headers[r->header_count++] = (struct lh_header){lh_str_of(name), value};
}

static lh_str
field_find(const struct lh_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (lh_str_eq_nocase(headers[i].name, lh_str_of(name)))
            return headers[i].value;
    }
    return LH_STR_NONE;
}

static bool
etag_read(lh_str field, char etag[LH_ETAG_MAX])
{
    field = lh_str_trim(field);
    if (field.len >= 2 && field.ptr[0] == '"' && field.ptr[field.len - 1] == '"')
        field = lh_str_slice(field, 1, field.len - 1);
    return field.len > 0 && lh_str_copy(etag, LH_ETAG_MAX, field);
}

static void
sha256_read(lh_str field, char sha256[LH_SHA256_HEX])
{
    bool is_hex = field.len == LH_SHA256_HEX - 1;

    for (size_t i = 0; i < field.len && is_hex; i++)
        is_hex = lh_hex_value(field.ptr[i]) >= 0;
    sha256[0] = '\0';
    if (is_hex)
        (void)lh_str_copy(sha256, LH_SHA256_HEX, field);
}

/* Of a part, Content-Range has the size of the whole. */
static bool
size_read(const struct lh_header *headers, size_t count, uint64_t *size)
{
    lh_str range = field_find(headers, count, "Content-Range"), head;

    if (!range.ptr)
        return lh_str_u64(field_find(headers, count, "Content-Length"), size);
    return lh_str_cut(&range, '/', &head) && lh_str_u64(range, size);
}

lh_status
s3_info_read(const struct s3_client *c, lh_str key, const struct lh_header *headers, size_t count,
             struct lh_object_info *info, struct lh_error *err)
{
    lh_str type = field_find(headers, count, "Content-Type");

    *info = (struct lh_object_info){0};
    if (!etag_read(field_find(headers, count, "ETag"), info->etag) ||
        !size_read(headers, count, &info->size_bytes)) {
        (void)lh_fail(err, LH_CORRUPT, "s3.answer",
                      "bucket '%s': the store told of an object without its ETag or size",
                      c->bucket->name);
        bucket_error_subject(c->bucket, key, err);
        return LH_CORRUPT;
    }
    (void)lh_str_copy(info->md5_etag, sizeof(info->md5_etag), lh_str_of(info->etag));
    (void)lh_str_copy(info->content_type, sizeof(info->content_type),
                      type.len ? type : LH_STR("application/octet-stream"));
    sha256_read(field_find(headers, count, "x-amz-meta-lakehouse-sha256"), info->sha256);
    if (!lh_time_parse_http(field_find(headers, count, "Last-Modified"), &info->modified_us))
        info->modified_us = 0;
    return LH_OK;
}

/* ---- what comes back into memory ---- */

struct receiver {
    struct s3_client *client;
    struct s3_request *request;
    struct lh_client_answer *answer;
    bool is_object; /* and not the text of a failure */
};

static lh_status
fail_answer(struct receiver *v, const char *why, struct lh_error *err)
{
    (void)lh_fail(err, LH_CORRUPT, "s3.answer", "bucket '%s': the store answered a read with %s",
                  v->client->bucket->name, why);
    bucket_error_subject(v->client->bucket, v->request->key, err);
    return LH_CORRUPT;
}

static lh_status
fail_changed(struct receiver *v, struct lh_error *err)
{
    (void)lh_fail(err, LH_CONFLICT, "store.object_changed",
                  "object '%.*s' of bucket '%s' was replaced while it was read",
                  LH_FMT(lh_str_fit(v->request->key, 200)), v->client->bucket->name);
    bucket_error_subject(v->client->bucket, v->request->key, err);
    return LH_CONFLICT;
}

/* "bytes 0-9/100" of a 206; a 200 begins at 0. */
static bool
range_begin(const struct lh_header *headers, size_t count, int status, uint64_t *from)
{
    lh_str range = field_find(headers, count, "Content-Range"), head;

    *from = 0;
    if (status == 200)
        return true;
    return lh_str_cut(&range, ' ', &head) && lh_str_eq(head, LH_STR("bytes")) &&
           lh_str_cut(&range, '-', &head) && lh_str_u64(head, from);
}

/* The first answer says what is read; later ones go on with the same. */
static lh_status
into_begin(struct receiver *v, const struct lh_object_info *found, struct lh_error *err)
{
    struct s3_into *into = v->request->into;

    if (into->etag[0] && strcmp(into->etag, found->etag) != 0)
        return fail_changed(v, err);
    memcpy(into->etag, found->etag, sizeof(into->etag));
    if (into->info && into->got == 0)
        *into->info = *found;
    if (into->is_up_to && found->size_bytes - into->offset < into->length)
        into->length = found->size_bytes - into->offset;
    if (into->length != UINT64_MAX)
        return LH_OK;
    into->length = found->size_bytes;
    if (into->buf && into->buf->max - into->buf->len < into->length)
        return lh_fail(err, LH_TOO_BIG, "store.object_too_big",
                       "object '%.*s' has %llu bytes, the reader takes %zu",
                       LH_FMT(lh_str_fit(v->request->key, 200)), (unsigned long long)into->length,
                       into->buf->max);
    return LH_OK;
}

static lh_status
on_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
         struct lh_error *err)
{
    struct receiver *v = self;
    struct s3_into *into = v->request->into;
    struct lh_object_info found;
    uint64_t from;

    v->is_object = status == 200 || status == 206;
    if (!v->is_object)
        return LH_OK;
    LH_TRY(s3_info_read(v->client, v->request->key, headers, count, &found, err));
    LH_TRY(into_begin(v, &found, err));
    if (!range_begin(headers, count, status, &from) || from != into->offset + into->got)
        return fail_answer(v, "another range than it was asked for", err);
    if (length >= 0 && (uint64_t)length != into->length - into->got)
        return fail_answer(v, "another number of bytes than it was asked for", err);
    return LH_OK;
}

static lh_status
on_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct receiver *v = self;
    struct s3_into *into = v->request->into;

    lh_metric_add(v->client->metrics.received_bytes, (int64_t)bytes.len);
    if (!v->is_object) {
        lh_buf_add(&v->answer->body, bytes.ptr, bytes.len);
        return lh_buf_check(&v->answer->body, "the answer of the store", err);
    }
    if (bytes.len > into->length - into->got)
        return fail_answer(v, "more bytes than it was asked for", err);
    if (into->to)
        memcpy(into->to + into->got, bytes.ptr, bytes.len);
    if (into->buf)
        lh_buf_add(into->buf, bytes.ptr, bytes.len);
    if (into->sha)
        lh_sha256_add(into->sha, bytes.ptr, bytes.len);
    into->got += bytes.len;
    return into->buf ? lh_buf_check(into->buf, "the object", err) : LH_OK;
}

static void
on_end(void *self, bool complete)
{
    (void)self;
    (void)complete;
}

/* ---- what goes out ---- */

struct file_source {
    const struct s3_file_part *part;
    uint64_t at;
};

static lh_status
file_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct file_source *s = self;
    uint64_t left = s->part->length - s->at;
    ssize_t n;

    if (size > left)
        size = (size_t)left;
    do
        n = pread(s->part->fd, to, size, (off_t)(s->part->offset + s->at));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return lh_fail_errno(err, errno, "cannot read the file that is put");
    if (n == 0 && size > 0)
        return lh_fail(err, LH_INVALID, "store.file_changed",
                       "the file was cut while it was being put");
    s->at += (uint64_t)n;
    *got = (size_t)n;
    return LH_OK;
}

struct attempt {
    struct s3_client *client;
    struct s3_request *request;
    struct s3_answer *answer;
    struct s3_key_set *keys;
    struct lh_header headers[S3_FIELDS_MAX + EXTRA_FIELDS];
    size_t header_count;
    char time[LH_SIGV4_TIME];
    char payload[LH_SHA256_HEX];
};

static void
attempt_field(struct attempt *t, const char *name, lh_str value)
{
    t->headers[t->header_count++] = (struct lh_header){lh_str_of(name), value};
}

static void
range_fields(struct attempt *t, struct lh_arena *arena)
{
    const struct s3_into *into = t->request->into;
    uint64_t from = into->offset + into->got;

    if (into->length != UINT64_MAX && into->length > 0)
        attempt_field(
            t, "range",
            lh_str_of(lh_arena_printf(arena, "bytes=%llu-%llu", (unsigned long long)from,
                                      (unsigned long long)(into->offset + into->length - 1))));
    if (into->etag[0])
        attempt_field(t, "if-match", lh_str_of(lh_arena_printf(arena, "\"%s\"", into->etag)));
}

static void
payload_hash(struct attempt *t)
{
    uint8_t digest[LH_SHA256_BYTES];

    if (t->request->payload_sha256) {
        (void)lh_str_copy(t->payload, sizeof(t->payload), lh_str_of(t->request->payload_sha256));
        return;
    }
    lh_sha256_of(t->request->body, digest);
    (void)lh_sha256_hex(digest, t->payload);
}

static void
fields_fill(struct attempt *t, struct lh_arena *arena)
{
    const struct s3_request *r = t->request;
    int64_t now_us = lh_time_now_us() + atomic_load(&t->client->clock_us);

    attempt_field(t, "host", lh_str_of(t->client->host));
    attempt_field(t, "x-amz-date", lh_str_of(lh_sigv4_time_format(now_us, t->time)));
    payload_hash(t);
    attempt_field(t, "x-amz-content-sha256", lh_str_of(t->payload));
    if (t->keys->session_token.len > 0)
        attempt_field(t, "x-amz-security-token", t->keys->session_token);
    for (size_t i = 0; i < r->header_count; i++)
        t->headers[t->header_count++] = r->headers[i];
    if (r->into)
        range_fields(t, arena);
}

static lh_status
attempt_sign(struct attempt *t, lh_str path, struct lh_arena *arena, struct lh_error *err)
{
    struct lh_sigv4_signer signer = {.access_key_id = t->keys->access_key_id,
                                     .secret_access_key = t->keys->secret_access_key,
                                     .region = lh_str_of(t->client->region),
                                     .service = LH_STR("s3")};
    const struct lh_sigv4_request r = {.method = lh_str_of(lh_method_name(t->request->method)),
                                       .path = path,
                                       .query = lh_str_of(t->request->query),
                                       .headers = t->headers,
                                       .header_count = t->header_count,
                                       .payload_hash = lh_str_of(t->payload)};
    LH_AUTO_BUF(authorization, LH_SIGV4_TEXT_MAX);

    memcpy(signer.time, t->time, sizeof(signer.time));
    lh_sigv4_authorize(&signer, &r, &authorization, NULL);
    LH_TRY(lh_buf_check(&authorization, "the signature", err));
    attempt_field(t, "authorization", lh_arena_str(arena, lh_buf_str(&authorization)));
    attempt_field(t, "user-agent", LH_STR("lakehouse/" LH_VERSION));
    return LH_OK;
}

static uint64_t
body_bytes(const struct s3_request *r)
{
    return r->file ? r->file->length : r->body.len;
}

static int64_t
attempt_deadline(const struct s3_client *c, const struct s3_request *r)
{
    const struct s3_settings *s = &c->shared->settings;
    uint64_t bytes = body_bytes(r);

    if (r->into && r->into->length != UINT64_MAX)
        bytes += r->into->length - r->into->got;
    return lh_time_mono_ms() + s->attempt_timeout_ms +
           (int64_t)(bytes / s->rate_min < 86400 ? bytes * 1000 / s->rate_min : 86400000);
}

static lh_status
attempt_send(struct attempt *t, const char *url, struct lh_error *err)
{
    const struct s3_request *r = t->request;
    struct receiver receiver = {.client = t->client, .request = t->request};
    struct lh_sink sink = {.begin = on_begin, .write = on_write, .end = on_end, .self = &receiver};
    struct file_source file = {.part = r->file};
    struct lh_source source = {
        .read = file_read, .self = &file, .length = r->file ? (int64_t)r->file->length : 0};
    const struct lh_client_request http = {
        .method = r->method,
        .url = url,
        .headers = t->headers,
        .header_count = t->header_count,
        .body = r->body,
        .body_source = r->file ? &source : NULL,
        .answer_max = S3_ANSWER_MAX,
        .answer_sink = r->into ? &sink : NULL,
        .connect_timeout_ms = t->client->shared->settings.connect_timeout_ms,
        .is_sent_once = r->is_sent_once,
    };

    receiver.answer = &t->answer->http;
    LH_TRY(lh_client_send(t->client->shared->http, &t->answer->call, &http, &t->answer->http, err));
    /* A length that was not announced cannot be missed by the client. */
    if (receiver.is_object && r->into->got < r->into->length)
        return lh_fail(err, LH_UNAVAILABLE, "net.reset", "the answer of %s ended early", url);
    return LH_OK;
}

/* One exchange: OK means that there is an answer, of whatever status. */
static lh_status
attempt_run(struct attempt *t, struct lh_error *err)
{
    struct lh_arena *arena = &t->answer->call.arena;
    LH_AUTO_BUF(path, 4 * LH_KEY_MAX);
    const char *query = t->request->query;

    lh_buf_add_cstr(&path, t->client->prefix);
    lh_buf_add_char(&path, '/');
    lh_percent_encode(&path, t->request->key, true);
    LH_TRY(lh_buf_check(&path, "the path of the request", err));
    LH_TRY(s3_keys_hold(&t->client->keys, &t->keys, err));
    fields_fill(t, arena);
    LH_TRY(attempt_sign(t, lh_buf_str(&path), arena, err));
    return attempt_send(t,
                        lh_arena_printf(arena, "%s%s%s%s", t->client->origin, lh_buf_cstr(&path),
                                        query ? "?" : "", query ? query : ""),
                        err);
}

/* ---- deciding ---- */

struct verdict {
    enum s3_class class;
    bool may_have_acted;
    int64_t retry_after_ms;
};

/* No answer at all. */
static struct verdict
network_verdict(struct attempt *t, struct lh_call *call, const struct lh_error *err)
{
    bool is_ours = lh_call_check(call, NULL) != LH_OK; /* the caller's time, not the attempt's */
    bool is_network = err->status == LH_TIMEOUT || lh_error_is(err, "net.connect") ||
                      lh_error_is(err, "net.reset");

    return (struct verdict){
        .class = is_ours || !is_network     ? S3_FINAL
                 : t->answer->http.was_sent ? S3_UNKNOWN
                                            : S3_AGAIN,
        .may_have_acted = t->answer->http.was_sent,
    };
}

static int64_t
server_clock(const struct attempt *t, int64_t now_us)
{
    int64_t server_us;

    if (!lh_time_parse_http(s3_answer_field(t->answer, "Date"), &server_us))
        return 0;
    return server_us - now_us;
}

/* An answer to HEAD has no code: what it says of the time has to do. */
static void
skew_guess(const struct attempt *t, struct s3_failure *f)
{
    int64_t off_us = server_clock(t, lh_time_now_us()) - atomic_load(&t->client->clock_us);

    if (f->http_status == 403 && !f->code[0] && llabs(off_us) > LH_SIGV4_SKEW_S * INT64_C(1000000))
        f->class = S3_SKEWED;
}

static struct verdict
answer_verdict(struct attempt *t, struct lh_error *err)
{
    struct s3_answer *a = t->answer;

    (void)s3_error_read(t->client->bucket, t->request->key, a->http.status,
                        lh_buf_str(&a->http.body), &a->failure, err);
    skew_guess(t, &a->failure);
    return (struct verdict){
        .class = a->failure.class,
        .may_have_acted = a->failure.class == S3_UNKNOWN,
        .retry_after_ms = s3_retry_after_ms(s3_answer_field(a, "Retry-After"), lh_time_now_us()),
    };
}

/* True when the store's clock is now known better than before. */
static bool
clock_correct(struct attempt *t, struct lh_error *err)
{
    int64_t off_us = server_clock(t, lh_time_now_us());
    int64_t before_us = atomic_exchange(&t->client->clock_us, off_us);
    long long seconds = (long long)(off_us / 1000000);

    lh_metric_set(t->client->metrics.clock, off_us / 1000000);
    if (llabs(off_us - before_us) >= SKEW_MIN_US) {
        lh_log(LH_LOG_WARN, "store", "clock differs from that of the store",
               LH_LOG_S("bucket", t->client->bucket->name), LH_LOG_I("ahead_s", seconds));
        return true;
    }
    (void)lh_fail(err, LH_UNAVAILABLE, "s3.clock_skew",
                  "bucket '%s': the store does not accept the time of requests; by its own answers "
                  "its clock is %lld seconds ahead of the one here",
                  t->client->bucket->name, seconds);
    bucket_error_subject(t->client->bucket, t->request->key, err);
    return false;
}

bool
s3_may_repeat(struct s3_client *c, struct lh_call *call, unsigned n, int64_t retry_after_ms)
{
    const struct s3_settings *s = &c->shared->settings;

    if (n > s->attempts_max)
        return false;
    if (!s3_budget_take(&c->budget)) {
        lh_metric_add(c->metrics.out_of_budget, 1);
        return false;
    }
    lh_metric_add(c->metrics.retries, 1);
    return s3_wait(call, s3_backoff_ms(n, s->backoff_first_ms, s->backoff_max_ms, retry_after_ms,
                                       lh_random_u64()));
}

/* Keys and clock are put right once for a request, without waiting. */
struct repairs {
    bool has_keys, has_clock;
};

static bool
repaired(struct attempt *t, enum s3_class class, struct repairs *done, struct lh_error *err)
{
    if (class == S3_REFRESH && !done->has_keys) {
        done->has_keys = true;
        return s3_keys_renew(&t->client->keys, t->keys);
    }
    if (class == S3_SKEWED && !done->has_clock) {
        done->has_clock = true;
        return clock_correct(t, err);
    }
    return false;
}

static void
measured(struct attempt *t, int64_t began_ns, lh_status status)
{
    const struct s3_client_metrics *m = &t->client->metrics;
    enum s3_op op = t->request->op;
    int http = t->answer->http.status;
    struct lh_metric *const *outcome = status != LH_OK || http >= 500 ? m->failed
                                       : http >= 300                  ? m->refused
                                                                      : m->ok;

    lh_metric_add(outcome[op], 1);
    lh_metric_observe_ns(m->seconds[op], lh_time_mono_ns() - began_ns);
    lh_metric_add(m->sent_bytes, (int64_t)body_bytes(t->request));
    if (!t->request->into)
        lh_metric_add(m->received_bytes, (int64_t)t->answer->http.body.len);
}

static bool
is_success(const struct attempt *t, lh_status status)
{
    return status == LH_OK && t->answer->http.status >= 200 && t->answer->http.status < 300;
}

/* An attempt that brought bytes was no failure to be counted. */
static bool
made_progress(const struct s3_request *r, uint64_t got_before)
{
    return r->into && r->into->got > got_before;
}

/* True when the request shall be sent again. */
static bool
decide(struct attempt *t, struct lh_call *call, lh_status status, struct repairs *done, unsigned *n,
       uint64_t got_before, struct lh_error *err)
{
    struct verdict v = status == LH_OK ? answer_verdict(t, err) : network_verdict(t, call, err);

    if (repaired(t, v.class, done, err))
        return true;
    if (v.class != S3_AGAIN && v.class != S3_UNKNOWN)
        return false;
    if (v.may_have_acted && t->request->is_sent_once) {
        t->answer->is_unknown = true;
        return false;
    }
    *n = made_progress(t->request, got_before) ? 2 : *n + 1;
    return s3_may_repeat(t->client, call, *n, v.retry_after_ms);
}

static void
answer_begin(struct s3_client *c, struct lh_call *call, const struct s3_request *r,
             struct s3_answer *a)
{
    lh_call_init_part(&a->call, call, attempt_deadline(c, r));
    a->http = (struct lh_client_answer){0};
    a->failure = (struct s3_failure){0};
    a->is_unknown = false;
}

static void
succeeded(struct s3_client *c, unsigned attempts)
{
    atomic_store(&c->seen_ms, lh_time_mono_ms());
    if (attempts == 1)
        s3_budget_refill(&c->budget);
}

lh_status
s3_send(struct s3_client *c, struct lh_call *call, struct s3_request *r, struct s3_answer *a,
        struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct repairs done = {0};
    bool again = true;

    for (unsigned n = 1; again;) {
        struct attempt t = {.client = c, .request = r, .answer = a};
        uint64_t got_before = r->into ? r->into->got : 0;
        int64_t began_ns = lh_time_mono_ns();
        lh_status status;

        answer_begin(c, call, r, a);
        status = attempt_run(&t, &why);
        measured(&t, began_ns, status);
        if (is_success(&t, status)) {
            s3_keys_release(t.keys);
            succeeded(c, n);
            return LH_OK;
        }
        again = decide(&t, call, status, &done, &n, got_before, &why);
        s3_keys_release(t.keys);
        if (again)
            s3_answer_fini(a);
    }
    if (why.status == LH_TIMEOUT && lh_call_check(call, NULL) == LH_OK)
        (void)lh_fail(&why, LH_UNAVAILABLE, "s3.unavailable",
                      "bucket '%s': the store did not answer in time", c->bucket->name);
    if (!why.extra)
        bucket_error_subject(c->bucket, r->key, &why);
    if (err)
        lh_error_copy(err, &why);
    return why.status;
}
