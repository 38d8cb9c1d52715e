/*
 * One transfer runs on the caller's thread: curl_multi with a single easy handle, polled in steps
 * short enough that a cancelled call ends at once. Callbacks that fail leave their error in the
 * transfer and make curl stop; that error is what the caller gets.
 *
 * curl repeats a request by itself when a kept connection turns out to be dead and nothing was
 * received. A GET may be repeated; a POST, or whatever its caller wants sent once, may have been
 * executed. So a POST sends its body through
 * a source that cannot be rewound, and one without a body never uses a kept connection.
 */
#include "net/client.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "net/header.h"
#include "net/pool.h"

#define POLL_STEP_MS 20
#define CONNECT_MS 5000
/* Below the idle time of our own servers, so that a request does not meet a connection just being
 * closed. */
#define KEPT_SECONDS 30L
#define ANSWER_MAX ((size_t)64 << 20)
#define HEADERS_MAX 128
#define BUFFER_BYTES (256L << 10)

struct lh_client {
    struct net_pool *pool;
    char *ca_file; /* NULL: the system's */
};

struct transfer {
    const char *ca_file;
    struct lh_call *call;
    const struct lh_client_request *request;
    struct lh_client_answer *answer;
    struct net_handle *handle;
    struct curl_slist *fields;
    size_t body_at; /* of request->body, sent so far */
    lh_str connection;
    bool is_begun;      /* the sink was */
    bool is_head_whole; /* the final status and its header fields are there */
    struct lh_error err;
    char detail[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void
curl_start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct lh_client *
lh_client_new(size_t max_per_origin)
{
    struct lh_client *c = LH_NEW(struct lh_client);

    pthread_once(&curl_once, curl_start);
    c->pool = net_pool_new(max_per_origin);
    return c;
}

void
lh_client_free(struct lh_client *c)
{
    if (!c)
        return;
    net_pool_free(c->pool);
    free(c->ca_file);
    free(c);
}

void
lh_client_ca_file_set(struct lh_client *c, const char *path)
{
    free(c->ca_file);
    c->ca_file = path && *path ? lh_strdup(path) : NULL;
}

void
lh_client_answer_fini(struct lh_client_answer *a)
{
    lh_buf_fini(&a->body);
}

lh_str
lh_client_answer_header(const struct lh_client_answer *a, const char *name)
{
    return net_header_find(a->headers, a->header_count, name);
}

/* ---- what comes back ---- */

static lh_status
head_begin(struct transfer *t)
{
    const struct lh_sink *sink = t->request->answer_sink;
    lh_str text = lh_client_answer_header(t->answer, "Content-Length");
    uint64_t length;

    t->is_head_whole = true;
    if (!sink)
        return LH_OK;
    if (!text.ptr || !lh_str_u64(text, &length) || length > INT64_MAX)
        length = UINT64_MAX; /* -1 */
    t->is_begun = true;
    return sink->begin(sink->self, t->answer->status, t->answer->headers, t->answer->header_count,
                       (int64_t)length, &t->err);
}

static void
head_reset(struct transfer *t, lh_str line)
{
    lh_str version, code;
    uint64_t status = 0;

    lh_str_cut(&line, ' ', &version);
    lh_str_cut(&line, ' ', &code);
    lh_str_u64(code, &status);
    t->answer->status = (int)(status < 1000 ? status : 0);
    t->answer->header_count = 0;
    t->connection = LH_STR_NONE;
}

static lh_status
field_add(struct transfer *t, lh_str line)
{
    struct lh_client_answer *a = t->answer;
    struct lh_arena *arena = &t->call->arena;
    lh_str name;

    if (!lh_str_cut(&line, ':', &name))
        return LH_OK;
    if (a->header_count == HEADERS_MAX)
        return lh_fail(&t->err, LH_TOO_BIG, "net.headers_too_big",
                       "the answer has more than %d header fields", HEADERS_MAX);
    if (!a->headers)
        a->headers = lh_arena_array(arena, HEADERS_MAX, sizeof(*a->headers));
    line = lh_arena_str(arena, lh_str_trim(line));
    if (lh_str_eq_nocase(name, LH_STR("Connection")))
        t->connection = line;
    a->headers[a->header_count++] = (struct lh_header){lh_arena_str(arena, name), line};
    return LH_OK;
}

static void
hop_by_hop_drop(struct transfer *t)
{
    struct lh_client_answer *a = t->answer;
    size_t kept = 0;

    for (size_t i = 0; i < a->header_count; i++) {
        if (!net_header_is_hop_by_hop(a->headers[i].name, t->connection))
            a->headers[kept++] = a->headers[i];
    }
    a->header_count = kept;
}

static size_t
on_header(char *ptr, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    lh_str line = lh_str_trim((lh_str){ptr, size * count});
    lh_status status = LH_OK;

    if (t->is_head_whole)
        return size * count; /* trailers */
    if (lh_str_starts(line, LH_STR("HTTP/"))) {
        head_reset(t, line);
    } else if (line.len > 0) {
        status = field_add(t, line);
    } else if (t->answer->status >= 200) {
        /* Not 1xx: those are followed by the real one. */
        hop_by_hop_drop(t);
        status = head_begin(t);
    }
    return status == LH_OK ? size * count : 0;
}

static size_t
on_body(char *ptr, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    const struct lh_sink *sink = t->request->answer_sink;
    lh_bytes bytes = lh_bytes_of(ptr, size * count);
    lh_status status;

    if (sink) {
        status = sink->write(sink->self, bytes, &t->err);
    } else {
        lh_buf_add(&t->answer->body, bytes.ptr, bytes.len);
        status = lh_buf_check(&t->answer->body, "the answer", &t->err);
    }
    return status == LH_OK ? bytes.len : 0;
}

/* ---- what goes out ---- */

static size_t
on_read(char *to, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct lh_source *source = t->request->body_source;
    lh_bytes body = t->request->body;
    size_t room = size * count, got = 0;

    if (source) {
        if (source->read(source->self, to, room, &got, &t->err) != LH_OK)
            return CURL_READFUNC_ABORT;
        return got;
    }
    got = body.len - t->body_at < room ? body.len - t->body_at : room;
    memcpy(to, body.ptr + t->body_at, got);
    t->body_at += got;
    return got;
}

static bool
is_repeatable(const struct lh_client_request *r)
{
    return r->method != LH_POST && r->method != LH_PATCH && !r->is_sent_once;
}

static int
on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;

    if (t->request->body_source || !is_repeatable(t->request) || origin != SEEK_SET || offset < 0 ||
        (size_t)offset > t->request->body.len)
        return CURL_SEEKFUNC_FAIL;
    t->body_at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool
request_has_body(const struct lh_client_request *r)
{
    return r->body_source || r->body.len > 0;
}

static void
body_set(struct transfer *t)
{
    const struct lh_client_request *r = t->request;
    CURL *easy = t->handle->easy;
    curl_off_t length = (curl_off_t)r->body.len;

    if (r->body_source)
        length = r->body_source->length;
    if (!request_has_body(r)) {
        if (r->method == LH_POST || r->method == LH_PUT || r->method == LH_PATCH) {
            curl_easy_setopt(easy, CURLOPT_POST, 1L);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
        }
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)!is_repeatable(r));
        return;
    }
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, t);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, length);
}

static bool
field_append(struct transfer *t, const char *text)
{
    struct curl_slist *longer = curl_slist_append(t->fields, text);

    if (longer)
        t->fields = longer;
    return longer != NULL;
}

static lh_status
fields_set(struct transfer *t, struct lh_error *err)
{
    const struct lh_client_request *r = t->request;
    /* Fields of curl's own that nobody asked for. */
    bool is_ok = field_append(t, "Expect:") && field_append(t, "Accept:");

    if (request_has_body(r) && !net_header_find(r->headers, r->header_count, "Content-Type").ptr)
        is_ok = is_ok && field_append(t, "Content-Type:");
    for (size_t i = 0; i < r->header_count && is_ok; i++) {
        const struct lh_header *h = &r->headers[i];
        lh_str value = net_header_value_safe(&t->call->arena, h->value);

        if (!net_header_is_token(h->name))
            return lh_fail(err, LH_BUG, "net.header", "\"%.*s\" is no name of a header field",
                           LH_FMT(lh_str_fit(h->name, 64)));
        /* curl's notation for a field without a value ends with a semicolon. */
        is_ok = field_append(t, lh_arena_printf(&t->call->arena, value.len ? "%.*s: %.*s" : "%.*s;",
                                                LH_FMT(h->name), LH_FMT(value)));
    }
    if (!is_ok)
        return lh_fail(err, LH_UNAVAILABLE, "net.connect", "no memory for header fields");
    curl_easy_setopt(t->handle->easy, CURLOPT_HTTPHEADER, t->fields);
    return LH_OK;
}

static void
options_set(struct transfer *t)
{
    CURL *easy = t->handle->easy;
    const struct lh_client_request *r = t->request;
    int64_t connect_ms = r->connect_timeout_ms ? r->connect_timeout_ms : CONNECT_MS;

    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, r->url);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (t->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, t->ca_file);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, KEPT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    body_set(t);
    /* After body_set, which chooses a method of its own. */
    if (r->method == LH_HEAD)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, lh_method_name(r->method));
}

/* ---- the transfer ---- */

static lh_status
multi_fail(struct lh_error *err, CURLMcode code)
{
    return lh_fail(err, LH_UNAVAILABLE, "net.reset", "curl: %s", curl_multi_strerror(code));
}

static lh_status
transfer_wait(struct transfer *t, struct lh_error *err)
{
    int64_t left = lh_call_remaining_ms(t->call);
    CURLMcode code;

    LH_TRY(lh_call_check(t->call, err));
    code = curl_multi_poll(t->handle->multi, NULL, 0,
                           left < POLL_STEP_MS ? (int)left + 1 : POLL_STEP_MS, NULL);
    return code == CURLM_OK ? LH_OK : multi_fail(err, code);
}

static lh_status
transfer_run(struct transfer *t, CURLcode *result, struct lh_error *err)
{
    int running = 1, left;
    CURLMsg *message;

    for (;;) {
        CURLMcode code = curl_multi_perform(t->handle->multi, &running);

        if (code != CURLM_OK)
            return multi_fail(err, code);
        if (!running)
            break;
        LH_TRY(transfer_wait(t, err));
    }
    message = curl_multi_info_read(t->handle->multi, &left);
    *result = message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_RECV_ERROR;
    return LH_OK;
}

static bool
code_is_before_connection(CURLcode code)
{
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_SSL_CONNECT_ERROR;
}

static bool
code_is_distrust(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_ISSUER_ERROR;
}

static lh_status
code_fail(struct transfer *t, CURLcode code, struct lh_error *err)
{
    const char *url = t->request->url;
    const char *detail = t->detail[0] ? t->detail : curl_easy_strerror(code);

    if (t->err.status != LH_OK) {
        lh_error_copy(err, &t->err);
        return t->err.status;
    }
    /* curl says "unsupported protocol" also of an answer that is no HTTP. */
    if (!t->answer->was_sent && (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL))
        return lh_fail(err, LH_INVALID, "net.url", "\"%s\" is not an http or https URL", url);
    if (code_is_distrust(code))
        return lh_fail(err, LH_UNAVAILABLE, "net.tls", "%s is not trusted: %s", url, detail);
    if (code_is_before_connection(code) || !t->answer->was_sent)
        return lh_fail(err, LH_UNAVAILABLE, "net.connect", "cannot connect to %s: %s", url, detail);
    return lh_fail(err, LH_UNAVAILABLE, "net.reset", "the connection to %s broke: %s", url, detail);
}

/* Bytes of the request that left this process, by curl's own count. */
static bool
request_was_sent(struct transfer *t)
{
    long bytes = 0;

    curl_easy_getinfo(t->handle->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0;
}

static lh_status
transfer_do(struct transfer *t, struct lh_error *err)
{
    CURLcode result = CURLE_OK;
    lh_status status;

    options_set(t);
    LH_TRY(fields_set(t, err));
    if (curl_multi_add_handle(t->handle->multi, t->handle->easy) != CURLM_OK)
        return lh_fail(err, LH_UNAVAILABLE, "net.connect", "curl refuses the transfer");
    status = transfer_run(t, &result, err);
    t->answer->was_sent = request_was_sent(t);
    curl_multi_remove_handle(t->handle->multi, t->handle->easy);
    /* A connection that ends inside the head is an answer to curl, but not to us. */
    if (status == LH_OK && result == CURLE_OK && !t->is_head_whole)
        result = CURLE_GOT_NOTHING;
    if (status == LH_OK && result != CURLE_OK)
        status = code_fail(t, result, err);
    return status;
}

lh_status
lh_client_send(struct lh_client *c, struct lh_call *call, const struct lh_client_request *request,
               struct lh_client_answer *answer, struct lh_error *err)
{
    struct transfer t = {.ca_file = c->ca_file, .call = call, .request = request, .answer = answer};
    const struct lh_sink *sink = request->answer_sink;
    lh_status status;

    *answer = (struct lh_client_answer){0};
    lh_buf_init(&answer->body, request->answer_max ? request->answer_max : ANSWER_MAX);
    LH_TRY(lh_call_check(call, err));
    LH_TRY(net_pool_take(c->pool, call, request->url, &t.handle, err));
    status = transfer_do(&t, err);
    net_pool_give(c->pool, t.handle, status == LH_OK);
    curl_slist_free_all(t.fields);
    lh_error_clear(&t.err);
    if (t.is_begun)
        sink->end(sink->self, status == LH_OK);
    return status;
}
