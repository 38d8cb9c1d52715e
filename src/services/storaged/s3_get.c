/* GET and HEAD of an object. */
#include "net/condition.h"
#include "base/encoding.h"
#include "base/time.h"
#include "services/storaged/object_send.h"
#include "services/storaged/s3.h"

struct got {
    struct s3_request *r;
    struct lh_reader_at *reader;
    struct lh_object_info info;
    uint64_t from, length;
    bool is_part;
};

static lh_status
fail_precondition(const struct s3_request *r, struct lh_error *err)
{
    return lh_fail(err, LH_CONFLICT, "store.precondition",
                   "at least one of the preconditions did not hold for '%.*s'",
                   LH_FMT(lh_str_fit(r->key, 200)));
}

/* response-content-type and its like: what a signed address says the answer should claim. */
static const struct {
    const char *query, *field;
} overrides[] = {
    {"response-cache-control", "Cache-Control"},
    {"response-content-disposition", "Content-Disposition"},
    {"response-content-encoding", "Content-Encoding"},
    {"response-content-language", "Content-Language"},
    {"response-expires", "Expires"},
};

static void
overrides_apply(const struct s3_request *r)
{
    for (size_t i = 0; i < sizeof(overrides) / sizeof(overrides[0]); i++) {
        lh_str value = door_request_query(r, overrides[i].query);

        if (value.ptr)
            lh_response_header(r->res, overrides[i].field, value);
    }
}

/* The SHA-256 of the whole is always known; a client that wants a checksum gets that one. */
static void
checksum_header(const struct got *g)
{
    LH_AUTO_BUF(sha, LH_SHA256_BYTES);
    LH_AUTO_BUF(text, 64);

    if (g->is_part || !g->info.sha256[0] ||
        !lh_str_eq_nocase(door_request_field(g->r, "x-amz-checksum-mode"), LH_STR("ENABLED")) ||
        !lh_hex_decode(&sha, lh_str_of(g->info.sha256)))
        return;
    lh_base64_encode(&text, lh_buf_bytes(&sha));
    lh_response_header(g->r->res, "x-amz-checksum-sha256", lh_buf_str(&text));
    lh_response_header(g->r->res, "x-amz-checksum-type", LH_STR("FULL_OBJECT"));
}

static void
headers(const struct got *g)
{
    struct lh_response *res = g->r->res;
    char modified[LH_TIME_HTTP_MAX];
    const char *rescued_by = atomic_load(&g->r->call->rescued_by);

    door_metadata_answer(res, &g->r->call->arena, lh_reader_at_metadata(g->reader));
    door_etag_header(res, &g->info);
    lh_response_header(res, "Last-Modified",
                       lh_str_of(lh_time_format_http(g->info.modified_us, modified)));
    lh_response_header(res, "Accept-Ranges", LH_STR("bytes"));
    if (rescued_by)
        lh_response_header(res, "X-Lakehouse-Rescue-Used", lh_str_of(rescued_by));
    checksum_header(g);
    overrides_apply(g->r);
}

static lh_status
begin(void *self, struct lh_response *res, struct lh_error *err)
{
    const struct got *g = self;
    lh_str type = door_request_query(g->r, "response-content-type");

    headers(g);
    if (g->is_part)
        lh_response_headerf(
            res, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)g->from,
            (unsigned long long)(g->from + g->length - 1), (unsigned long long)g->info.size_bytes);
    return lh_response_begin(res, g->is_part ? 206 : 200,
                             type.ptr ? lh_arena_cstr(&g->r->call->arena, type)
                                      : g->info.content_type,
                             (int64_t)g->length, err);
}

static lh_status
range_read(struct got *g, struct lh_error *err)
{
    struct s3_request *r = g->r;
    lh_str range = lh_request_header(r->req, "Range");
    bool is_satisfiable;

    g->length = g->info.size_bytes;
    if (!lh_if_range_holds(
            lh_request_header(r->req, "If-Range"),
            lh_str_of(lh_arena_printf(&r->call->arena, "\"%.*s\"", LH_FMT(door_etag(&g->info))))))
        return LH_OK;
    if (!lh_range_parse(range, g->info.size_bytes, &g->from, &g->length, &is_satisfiable)) {
        g->from = 0;
        g->length = g->info.size_bytes;
        return LH_OK;
    }
    g->is_part = true;
    if (is_satisfiable)
        return LH_OK;
    lh_response_headerf(r->res, "Content-Range", "bytes */%llu",
                        (unsigned long long)g->info.size_bytes);
    return lh_fail(err, LH_INVALID, "s3.InvalidRange",
                   "the object has %llu bytes, none of them in '%.*s'",
                   (unsigned long long)g->info.size_bytes, LH_FMT(lh_str_fit(range, 100)));
}

static lh_status
not_modified(const struct got *g, struct lh_error *err)
{
    headers(g);
    return lh_response_empty(g->r->res, 304, err);
}

/* An object has one part here however it came; the number of another is out of range. */
static lh_status
part_number_check(const struct s3_request *r, struct lh_error *err)
{
    int64_t number = 1;

    LH_TRY(door_request_number(r, "partNumber", 1, 10000, &number, err));
    if (number == 1)
        return LH_OK;
    return lh_fail(err, LH_UNSUPPORTED, "s3.NotImplemented",
                   "single parts of a complete object are not kept apart");
}

static lh_status
send(struct got *g, struct lh_error *err)
{
    struct s3_request *r = g->r;
    enum lh_condition c = door_condition_judge(r, "", &g->info);

    if (c == LH_CONDITION_FAILED)
        return fail_precondition(r, err);
    if (c == LH_CONDITION_NOT_MODIFIED)
        return not_modified(g, err);
    LH_TRY(range_read(g, err));
    if (r->req->method == LH_HEAD)
        return begin(g, r->res, err);
    return storage_object_send(
        r->door->storage, r->call,
        &(struct storage_sending){
            .reader = g->reader, .from = g->from, .length = g->length, .begin = begin, .self = g},
        r->res, err);
}

lh_status
door_object_get(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *reader = NULL;
    struct got g = {.r = r};

    LH_TRY(door_key_check_read(r->key, err));
    LH_TRY(part_number_check(r, err));
    LH_TRY(lh_object_open(r->b, r->call, r->key, &reader, &g.info, err));
    g.reader = reader;
    return send(&g, err);
}
