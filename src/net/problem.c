/*
 * The one table from a failure to HTTP, in both directions (RFC 9457).
 *
 * Several failures share an HTTP status (404 aside, most do), so the document carries the status by
 * name in `type`; a peer that reads it back gets the failure it would have got in its own process.
 */
#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>

#define TYPE_PREFIX "urn:lakehouse:problem:"
#define PROBLEM_BYTES_MAX ((size_t)1 << 20)
#define PROBLEM_TYPE "application/problem+json"

static const struct {
    const char *reason;
    int http;
} reason_rows[] = {
    {"auth.required", 401},
    {"auth.invalid", 401},
    {"auth.rate", 429},
    {"mesh.token", 401},
    {"request.method", 405},
    {"request.not_acceptable", 406},
    {"request.content_type", 415},
    {"request.headers_too_big", 431},
    {"request.target_too_long", 414},
    {"request.precondition_required", 428},
    {"request.range", 416},
    {"store.range", 416},
    {"ingest.unknown_format", 415},
    {"ingest.unreadable", 422},
    {"idempotency.mismatch", 422},
    {"bridge.bad_answer", 502},
    {"bridge.provider_denied", 502},
    {"catalog.version_collected", 410},
};

static const struct {
    int http;
    bool is_retryable;
    const char *title;
} status_rows[LH_STATUS_COUNT] = {
    [LH_OK] = {500, false, "Failed without a failure"},
    [LH_INVALID] = {400, false, "The request is wrong"},
    [LH_NOT_FOUND] = {404, false, "Not found"},
    [LH_EXISTS] = {409, false, "Already there"},
    [LH_CONFLICT] = {409, false, "Somebody else was first"},
    [LH_DENIED] = {403, false, "Not allowed"},
    [LH_BUSY] = {503, true, "Too busy"},
    [LH_TOO_BIG] = {413, false, "Too big"},
    [LH_NO_SPACE] = {507, false, "No space left"},
    [LH_TIMEOUT] = {408, true, "Out of time"},
    [LH_CANCELED] = {499, false, "Cancelled"},
    [LH_UNAVAILABLE] = {503, true, "Not available"},
    [LH_CORRUPT] = {500, false, "Stored bytes are damaged"},
    [LH_IO] = {500, false, "The operating system refused"},
    [LH_UNSUPPORTED] = {501, false, "Not supported"},
    [LH_BUG] = {500, false, "A bug"},
};

static const char *const own_members[] = {
    "type", "title", "status", "detail", "code", "trace_id", "retryable", NULL,
};

static bool
member_is_own(const char *key)
{
    for (size_t i = 0; own_members[i]; i++) {
        if (strcmp(own_members[i], key) == 0)
            return true;
    }
    return false;
}

static lh_status
status_known(lh_status status)
{
    return (unsigned)status < LH_STATUS_COUNT ? status : LH_BUG;
}

int
lh_problem_status(const struct lh_error *err)
{
    for (size_t i = 0; i < sizeof(reason_rows) / sizeof(reason_rows[0]); i++) {
        if (strcmp(err->reason, reason_rows[i].reason) == 0)
            return reason_rows[i].http;
    }
    /* Whatever the room: store.precondition, catalog.precondition. */
    if (lh_str_ends(lh_str_of(err->reason), LH_STR(".precondition")))
        return 412;
    return status_rows[status_known(err->status)].http;
}

/* Members of the document keep their meaning, whatever a handler attached. */
static void
extra_print(const char *extra, struct lh_json_writer *w)
{
    LH_AUTO_JSON value = NULL;
    const char *key;
    json_t *member;

    if (!extra || lh_json_parse(lh_str_of(extra), &value, NULL) != LH_OK || !json_is_object(value))
        return;
    json_object_foreach (value, key, member) {
        if (member_is_own(key))
            continue;
        lh_json_key(w, key);
        lh_json_put_value(w, member);
    }
}

static void
document_print(const struct lh_error *err, const struct lh_trace *trace, const char *extra,
               struct lh_buf *out)
{
    lh_status status = status_known(err->status);
    int http = lh_problem_status(err);
    struct lh_json_writer w = lh_json_writer_over(out);
    char type[64];

    snprintf(type, sizeof(type), TYPE_PREFIX "%s", lh_status_name(status));
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "type", type);
    lh_json_set_cstr(&w, "title", status_rows[status].title);
    lh_json_set_i64(&w, "status", http);
    lh_json_set_cstr(&w, "detail", err->text);
    lh_json_set_cstr(&w, "code", err->reason[0] ? err->reason : lh_status_name(status));
    lh_json_set_cstr(&w, "trace_id", trace->trace_id);
    lh_json_set_bool(&w, "retryable", status_rows[status].is_retryable || http == 429);
    extra_print(extra, &w);
    lh_json_object_end(&w);
}

void
lh_problem_print(const struct lh_error *err, const struct lh_trace *trace, struct lh_buf *out)
{
    LH_AUTO_BUF(text, PROBLEM_BYTES_MAX);

    document_print(err, trace, err->extra, &text);
    if (text.is_failed) {
        lh_buf_clear(&text);
        document_print(err, trace, NULL, &text);
    }
    lh_buf_add_str(out, lh_buf_str(&text));
}

void
lh_response_problem(struct lh_response *r, const struct lh_error *err, const struct lh_trace *trace)
{
    LH_AUTO_BUF(text, PROBLEM_BYTES_MAX);
    int http = lh_problem_status(err);

    if (r->status) {
        r->is_broken = true;
        return;
    }
    lh_problem_print(err, trace, &text);
    if (http == 503 || http == 429)
        lh_response_header(r, "Retry-After", LH_STR("1"));
    if (http == 401 && !lh_str_starts(lh_str_of(err->reason), LH_STR("mesh.")))
        lh_response_header(r, "WWW-Authenticate", LH_STR("Bearer"));
    /* Nobody is left to tell when this fails too; the sink remembers that it did. */
    (void)lh_response_bytes(r, http, PROBLEM_TYPE, lh_buf_bytes(&text), NULL);
}

/* ---- back ---- */

static lh_status
status_from_http(int http)
{
    switch (http) {
    case 400:
    case 405:
    case 411:
    case 412:
    case 414:
    case 415:
    case 416:
    case 422:
    case 428:
    case 431:
        return LH_INVALID;
    case 401:
    case 403:
        return LH_DENIED;
    case 404:
    case 410:
        return LH_NOT_FOUND;
    case 408:
    case 504:
        return LH_TIMEOUT;
    case 409:
        return LH_CONFLICT;
    case 413:
        return LH_TOO_BIG;
    case 429:
        return LH_BUSY;
    case 499:
        return LH_CANCELED;
    case 501:
        return LH_UNSUPPORTED;
    case 502:
    case 503:
        return LH_UNAVAILABLE;
    case 507:
        return LH_NO_SPACE;
    default:
        return http >= 400 && http < 500 ? LH_INVALID : LH_BUG;
    }
}

static bool
status_from_type(const char *type, lh_status *out)
{
    size_t prefix = strlen(TYPE_PREFIX);

    if (!type || strncmp(type, TYPE_PREFIX, prefix) != 0)
        return false;
    for (int s = LH_OK + 1; s < LH_STATUS_COUNT; s++) {
        if (strcmp(type + prefix, lh_status_name((lh_status)s)) == 0) {
            *out = (lh_status)s;
            return true;
        }
    }
    return false;
}

static void
extra_restore(json_t *document, struct lh_error *err)
{
    char *text;

    for (size_t i = 0; own_members[i]; i++)
        json_object_del(document, own_members[i]);
    if (json_object_size(document) == 0)
        return;
    text = json_dumps(document, JSON_COMPACT);
    if (text)
        lh_error_extra_set(err, text);
    free(text);
}

static const char *
member_text(const json_t *document, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(document, key));

    return text ? text : otherwise;
}

lh_status
lh_problem_decode(int http_status, lh_bytes body, struct lh_error *err)
{
    LH_AUTO_JSON document = NULL;
    lh_status status = status_from_http(http_status);
    char reason[LH_ERROR_REASON_MAX];

    snprintf(reason, sizeof(reason), "http.%d", http_status);
    if (lh_json_parse(lh_bytes_str(body), &document, NULL) != LH_OK || !json_is_object(document)) {
        lh_str text = lh_str_fit(lh_str_trim(lh_bytes_str(body)), 200);

        return lh_fail(err, status, reason, "HTTP status %d: %.*s", http_status, LH_FMT(text));
    }
    status_from_type(member_text(document, "type", NULL), &status);
    lh_fail(err, status, member_text(document, "code", reason), "%s",
            member_text(document, "detail", "no detail was given"));
    if (err)
        extra_restore(document, err);
    return status;
}
