/* GET and HEAD of an object, and lists. */
#include "base/encoding.h"
#include "base/time.h"
#include "net/condition.h"
#include "services/storaged/object_send.h"

#define LIST_LIMIT_MAX 1000
#define LIST_BYTES_MAX ((size_t)64 << 20)

struct object_range {
    uint64_t from, length;
    bool is_part;
};

lh_status
storage_may_read(const struct lh_call *call, lh_str key, struct lh_error *err)
{
    const char *profile = call->principal.profile;
    const char *owner = lh_key_owner(key);

    if (!profile || !*profile || !*owner)
        return LH_OK;
    return lh_fail(err, LH_DENIED, "store.prefix_owned",
                   "'%.*s' belongs to %s, and the profile '%.80s' reads datasets, not their files",
                   LH_FMT(lh_str_fit(key, 200)), owner, profile);
}

lh_str
storage_tag(const struct lh_object_info *info, char text[STORAGE_TAG_MAX])
{
    size_t n = strlen(info->etag);

    text[0] = text[n + 1] = '"';
    memcpy(text + 1, info->etag, n);
    return (lh_str){text, n + 2};
}

/* ---- headers ---- */

static void
object_headers(struct lh_response *res, const struct lh_call *call,
               const struct lh_object_info *info)
{
    char tag[STORAGE_TAG_MAX], modified[LH_TIME_HTTP_MAX];
    const char *rescued_by = atomic_load(&call->rescued_by);

    lh_response_header(res, "ETag", storage_tag(info, tag));
    lh_response_header(res, "Last-Modified",
                       lh_str_of(lh_time_format_http(info->modified_us, modified)));
    lh_response_header(res, "Accept-Ranges", LH_STR("bytes"));
    lh_response_header(res, "Cache-Control", LH_STR("private, no-cache"));
    if (info->sha256[0])
        lh_response_header(res, "X-Lakehouse-Checksum-SHA256", lh_str_of(info->sha256));
    if (rescued_by)
        lh_response_header(res, "X-Lakehouse-Rescue-Used", lh_str_of(rescued_by));
    /* Anybody's bytes come from the address of the pages: a browser must not run them as one of
     * these. */
    lh_response_header(res, "X-Content-Type-Options", LH_STR("nosniff"));
    lh_response_header(res, "Content-Security-Policy", LH_STR("sandbox; default-src 'none'"));
}

/* HTTP dates have whole seconds. */
static bool
is_newer_than(const struct lh_object_info *info, lh_str date, bool *is_date)
{
    int64_t us;

    *is_date = date.ptr && lh_time_parse_http(date, &us);
    return *is_date && info->modified_us / 1000000 > us / 1000000;
}

/* RFC 9110 13.2.2: tags first, dates where no tag was given. */
static enum lh_condition
read_condition(const struct lh_request *req, const struct lh_object_info *info)
{
    lh_str if_match = lh_request_header(req, "If-Match");
    lh_str if_none_match = lh_request_header(req, "If-None-Match");
    char tag[STORAGE_TAG_MAX];
    bool is_date, is_newer;
    enum lh_condition c = lh_condition_check(if_match, if_none_match, storage_tag(info, tag), true);

    if (c == LH_CONDITION_FAILED)
        return c;
    is_newer = is_newer_than(info, lh_request_header(req, "If-Unmodified-Since"), &is_date);
    if (!if_match.ptr && is_date && is_newer)
        return LH_CONDITION_FAILED;
    is_newer = is_newer_than(info, lh_request_header(req, "If-Modified-Since"), &is_date);
    if (!if_none_match.ptr && is_date && !is_newer)
        return LH_CONDITION_NOT_MODIFIED;
    return c;
}

static lh_status
fail_precondition(const struct lh_request *req, struct lh_error *err)
{
    return lh_fail(err, LH_CONFLICT, "store.precondition",
                   "object '%.*s' does not meet the condition of the request",
                   LH_FMT(lh_str_fit(lh_request_param(req, "key"), 200)));
}

static lh_status
range_read(const struct lh_request *req, struct lh_response *res, const struct lh_object_info *info,
           struct object_range *out, struct lh_error *err)
{
    lh_str range = lh_request_header(req, "Range");
    char tag[STORAGE_TAG_MAX];
    bool is_satisfiable;

    *out = (struct object_range){.from = 0, .length = info->size_bytes};
    if (req->method != LH_GET ||
        !lh_if_range_holds(lh_request_header(req, "If-Range"), storage_tag(info, tag)))
        return LH_OK;
    if (!lh_range_parse(range, info->size_bytes, &out->from, &out->length, &is_satisfiable)) {
        *out = (struct object_range){.from = 0, .length = info->size_bytes};
        return LH_OK;
    }
    out->is_part = true;
    if (is_satisfiable)
        return LH_OK;
    lh_response_headerf(res, "Content-Range", "bytes */%llu", (unsigned long long)info->size_bytes);
    return lh_fail(err, LH_INVALID, "store.range",
                   "the object has %llu bytes, none of them in '%.*s'",
                   (unsigned long long)info->size_bytes, LH_FMT(lh_str_fit(range, 100)));
}

/* ---- bytes ---- */

static lh_status
answer_begin(struct lh_response *res, const struct lh_call *call, const struct lh_object_info *info,
             const struct object_range *range, struct lh_error *err)
{
    object_headers(res, call, info);
    if (range->is_part)
        lh_response_headerf(res, "Content-Range", "bytes %llu-%llu/%llu",
                            (unsigned long long)range->from,
                            (unsigned long long)(range->from + range->length - 1),
                            (unsigned long long)info->size_bytes);
    return lh_response_begin(res, range->is_part ? 206 : 200, info->content_type,
                             (int64_t)range->length, err);
}

struct range_answer {
    const struct lh_call *call;
    const struct lh_object_info *info;
    const struct object_range *range;
};

static lh_status
range_begin(void *self, struct lh_response *res, struct lh_error *err)
{
    const struct range_answer *a = self;

    return answer_begin(res, a->call, a->info, a->range, err);
}

static lh_status
send_range(const struct storage *s, struct lh_reader_at *r, struct lh_call *call,
           const struct lh_object_info *info, const struct object_range *range,
           struct lh_response *res, struct lh_error *err)
{
    struct range_answer answer = {.call = call, .info = info, .range = range};

    return storage_object_send(s, call,
                               &(struct storage_sending){.reader = r,
                                                         .from = range->from,
                                                         .length = range->length,
                                                         .begin = range_begin,
                                                         .self = &answer},
                               res, err);
}

static lh_status
not_modified(struct lh_response *res, const struct lh_call *call, const struct lh_object_info *info,
             struct lh_error *err)
{
    object_headers(res, call, info);
    return lh_response_empty(res, 304, err);
}

static lh_status
object_head(struct lh_bucket *b, struct lh_call *call, const struct lh_request *req,
            struct lh_response *res, struct lh_error *err)
{
    struct lh_object_info info;
    struct object_range whole = {0};
    enum lh_condition c;

    LH_TRY(lh_object_head(b, call, lh_request_param(req, "key"), &info, err));
    c = read_condition(req, &info);
    if (c == LH_CONDITION_FAILED)
        return fail_precondition(req, err);
    if (c == LH_CONDITION_NOT_MODIFIED)
        return not_modified(res, call, &info, err);
    whole.length = info.size_bytes;
    return answer_begin(res, call, &info, &whole, err);
}

lh_status
storage_object_get(struct storage *s, struct lh_call *call, const struct lh_request *req,
                   struct lh_response *res, struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *r = NULL;
    struct lh_object_info info;
    struct object_range range;
    struct lh_bucket *b;
    enum lh_condition c;

    LH_TRY(storage_may_read(call, lh_request_param(req, "key"), err));
    LH_TRY(storage_bucket_find(s, call, req, &b, err));
    if (req->method == LH_HEAD)
        return object_head(b, call, req, res, err);
    LH_TRY(lh_object_open(b, call, lh_request_param(req, "key"), &r, &info, err));
    c = read_condition(req, &info);
    if (c == LH_CONDITION_FAILED)
        return fail_precondition(req, err);
    if (c == LH_CONDITION_NOT_MODIFIED)
        return not_modified(res, call, &info, err);
    LH_TRY(range_read(req, res, &info, &range, err));
    return send_range(s, r, call, &info, &range, res, err);
}

/* ---- lists ---- */

struct list_query {
    lh_str prefix;
    char after[LH_KEY_MAX + 1];
    int64_t limit;
};

/* A cursor is the last key of a page in hexadecimal: any key survives any way of quoting it. */
static lh_status
cursor_read(const struct lh_request *req, struct list_query *q, struct lh_error *err)
{
    lh_str cursor = lh_request_query(req, "cursor");
    LH_AUTO_BUF(after, LH_KEY_MAX);

    if (!lh_hex_decode(&after, cursor) ||
        !lh_str_copy(q->after, sizeof(q->after), lh_buf_str(&after)))
        return lh_fail(err, LH_INVALID, "request.query", "cursor '%.*s' is not one of this list",
                       LH_FMT(lh_str_fit(cursor, 80)));
    return LH_OK;
}

static lh_status
list_query_read(const struct lh_call *call, const struct lh_request *req, struct list_query *q,
                struct lh_error *err)
{
    static const char *const names[] = {"prefix", "limit", "cursor", NULL};

    LH_TRY(lh_request_query_only(req, names, err));
    q->prefix = lh_request_query(req, "prefix");
    q->limit = LIST_LIMIT_MAX;
    LH_TRY(lh_request_query_i64(req, "limit", 1, LIST_LIMIT_MAX, &q->limit, err));
    LH_TRY(cursor_read(req, q, err));
    /* A list of everything names the services' objects as well. */
    return storage_may_read(call, q->prefix.len > 0 ? q->prefix : LH_STR("_"), err);
}

static void
entry_print(struct lh_json_writer *w, const struct lh_object_entry *e)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "key", e->key);
    lh_json_set_u64(w, "size_bytes", e->info.size_bytes);
    lh_json_set_cstr(w, "etag", e->info.etag);
    lh_json_set_time(w, "modified_at", e->info.modified_us);
    lh_json_object_end(w);
}

static void
page_print(const struct lh_object_list *page, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_key(&w, "objects");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < page->count; i++)
        entry_print(&w, &page->items[i]);
    lh_json_array_end(&w);
    if (page->has_more) {
        LH_AUTO_BUF(cursor, (size_t)2 * LH_KEY_MAX);
        lh_hex_encode(&cursor, lh_str_bytes(lh_str_of(page->items[page->count - 1].key)));
        lh_json_set_str(&w, "next_cursor", lh_buf_str(&cursor));
    }
    lh_json_object_end(&w);
}

lh_status
storage_objects_list(struct storage *s, struct lh_call *call, const struct lh_request *req,
                     struct lh_response *res, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_BUF(body, LIST_BYTES_MAX);
    struct list_query q;
    struct lh_bucket *b;

    LH_TRY(list_query_read(call, req, &q, err));
    LH_TRY(storage_bucket_find(s, call, req, &b, err));
    LH_TRY(lh_object_list(b, call, q.prefix, lh_str_of(q.after), (size_t)q.limit, &page, err));
    page_print(page, &body);
    return lh_response_json(res, 200, &body, err);
}
