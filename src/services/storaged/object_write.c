/*
 * PUT and DELETE of an object.
 *
 * Conditions of HTTP come as lists of tags; the store knows two: "only if absent" and "only if it
 * has this tag". So a condition is first judged on the object as it is now, and then handed on as
 * the one tag that was found, or as absence: whoever changes the object in between makes the put
 * fail, as the condition demands.
 *
 * The answer goes out when the object and its event are durable. When the event cannot be written
 * the caller is told of the failure although the object is there; repeating the request is
 * harmless.
 */
#include "base/alloc.h"
#include "net/condition.h"
#include "services/storaged/storage.h"

#define STEP_BYTES ((size_t)256 << 10)

struct write_condition {
    struct lh_object_info old;
    bool has_old;
    bool if_absent;
    const char *if_match; /* NULL: none */
};

static lh_status
may_write(lh_str key, struct lh_error *err)
{
    const char *owner = lh_key_owner(key);

    if (!*owner)
        return LH_OK;
    return lh_fail(
        err, LH_DENIED, "store.prefix_owned",
        "'%.*s' begins with '_': such keys are written by the services only, this one by %s",
        LH_FMT(lh_str_fit(key, 200)), owner);
}

static lh_status
fail_precondition(lh_str key, struct lh_error *err)
{
    return lh_fail(err, LH_CONFLICT, "store.precondition",
                   "object '%.*s' does not meet the condition of the request",
                   LH_FMT(lh_str_fit(key, 200)));
}

lh_status
storage_old_look(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *old,
                 bool *has_old, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = lh_object_head(b, call, key, old, &why);

    *has_old = status == LH_OK;
    if (status == LH_OK || status == LH_NOT_FOUND || status == LH_CORRUPT)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

static lh_status
write_condition_read(const struct lh_request *req, struct lh_bucket *b, struct lh_call *call,
                     struct write_condition *c, struct lh_error *err)
{
    lh_str key = lh_request_param(req, "key");
    lh_str if_match = lh_request_header(req, "If-Match");
    lh_str if_none_match = lh_request_header(req, "If-None-Match");
    char tag[STORAGE_TAG_MAX];
    lh_str current;

    *c = (struct write_condition){0};
    LH_TRY(storage_old_look(b, call, key, &c->old, &c->has_old, err));
    if (!if_match.ptr && !if_none_match.ptr)
        return LH_OK;
    current = c->has_old ? storage_tag(&c->old, tag) : LH_STR("");
    if (lh_condition_check(if_match, if_none_match, current, false) != LH_CONDITION_NONE)
        return fail_precondition(key, err);
    c->if_absent = !c->has_old;
    c->if_match = c->has_old ? c->old.etag : NULL;
    return LH_OK;
}

/* ---- PUT ---- */

static lh_status
put_headers_check(const struct lh_request *req, struct lh_error *err)
{
    /* RFC 9110 14.5: taking a part for the whole would destroy the rest. */
    if (lh_request_header(req, "Content-Range").ptr)
        return lh_fail(err, LH_INVALID, "request.content_range",
                       "a part of an object cannot be put, only the whole");
    if (lh_request_header(req, "Content-Encoding").ptr)
        return lh_fail(err, LH_INVALID, "request.content_encoding",
                       "an object is put as it is, without Content-Encoding");
    return LH_OK;
}

static lh_status
body_take(struct lh_request *req, struct lh_upload *u, struct lh_error *err)
{
    LH_AUTO_CHARS buffer = lh_alloc(STEP_BYTES);
    size_t got;

    for (;;) {
        LH_TRY(lh_request_read(req, buffer, STEP_BYTES, &got, err));
        if (got == 0)
            return LH_OK;
        LH_TRY(lh_upload_write(u, lh_bytes_of(buffer, got), err));
    }
}

static const char *
header_or_none(const struct lh_request *req, struct lh_arena *arena, const char *name)
{
    lh_str value = lh_request_header(req, name);

    return value.len > 0 ? lh_arena_cstr(arena, lh_str_trim(value)) : NULL;
}

static lh_status
upload_all(struct lh_bucket *b, struct lh_call *call, struct lh_request *req,
           const struct write_condition *c, struct lh_object_info *info, struct lh_error *err)
{
    LH_AUTO(lh_upload) *u = NULL;
    const struct lh_put_options o = {
        .if_absent = c->if_absent,
        .if_match = c->if_match,
        .content_type = header_or_none(req, &call->arena, "Content-Type"),
        .expected_sha256 = header_or_none(req, &call->arena, "X-Lakehouse-Checksum-SHA256"),
        .size_hint = req->body.length > 0 ? (uint64_t)req->body.length : 0,
    };

    LH_TRY(lh_upload_begin(b, call, lh_request_param(req, "key"), &o, &u, err));
    LH_TRY(body_take(req, u, err));
    return lh_upload_commit(u, info, err);
}

static void
answer_print(const struct lh_bucket *b, lh_str key, const struct lh_object_info *info,
             struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "bucket", lh_bucket_name(b));
    lh_json_set_str(&w, "key", key);
    lh_json_set_u64(&w, "size_bytes", info->size_bytes);
    lh_json_set_cstr(&w, "etag", info->etag);
    lh_json_set_cstr(&w, "sha256", info->sha256);
    lh_json_set_cstr(&w, "content_type", info->content_type);
    lh_json_set_time(&w, "modified_at", info->modified_us);
    lh_json_object_end(&w);
}

static lh_status
put_answer(const struct lh_bucket *b, lh_str key, const struct lh_object_info *info, bool is_new,
           struct lh_response *res, struct lh_error *err)
{
    LH_AUTO_BUF(body, (size_t)64 << 10);
    char tag[STORAGE_TAG_MAX];

    lh_response_header(res, "ETag", storage_tag(info, tag));
    lh_response_header(res, "X-Lakehouse-Checksum-SHA256", lh_str_of(info->sha256));
    answer_print(b, key, info, &body);
    return lh_response_json(res, is_new ? 201 : 200, &body, err);
}

lh_status
storage_object_put(struct storage *s, struct lh_call *call, struct lh_request *req,
                   struct lh_response *res, struct lh_error *err)
{
    lh_str key = lh_request_param(req, "key");
    struct lh_object_info info;
    struct write_condition c;
    struct lh_bucket *b;

    LH_TRY(lh_key_check(key, err));
    LH_TRY(may_write(key, err));
    LH_TRY(put_headers_check(req, err));
    LH_TRY(storage_bucket_find(s, call, req, &b, err));
    LH_TRY(write_condition_read(req, b, call, &c, err));
    LH_TRY(upload_all(b, call, req, &c, &info, err));
    LH_TRY(storage_event_add(s, call,
                             &(struct storage_event){.entity_type = "object",
                                                     .action = "object.put",
                                                     .bucket = lh_str_of(lh_bucket_name(b)),
                                                     .key = key,
                                                     .old_info = c.has_old ? &c.old : NULL,
                                                     .new_info = &info},
                             err));
    return put_answer(b, key, &info, !c.has_old, res, err);
}

/* ---- DELETE ---- */

lh_status
storage_object_delete(struct storage *s, struct lh_call *call, const struct lh_request *req,
                      struct lh_response *res, struct lh_error *err)
{
    lh_str key = lh_request_param(req, "key");
    struct write_condition c;
    struct lh_bucket *b;

    LH_TRY(lh_key_check(key, err));
    LH_TRY(may_write(key, err));
    LH_TRY(storage_bucket_find(s, call, req, &b, err));
    LH_TRY(write_condition_read(req, b, call, &c, err));
    LH_TRY(lh_object_delete(b, call, key, c.if_match, err));
    LH_TRY(storage_event_add(s, call,
                             &(struct storage_event){.entity_type = "object",
                                                     .action = "object.deleted",
                                                     .bucket = lh_str_of(lh_bucket_name(b)),
                                                     .key = key,
                                                     .old_info = c.has_old ? &c.old : NULL},
                             err));
    return lh_response_empty(res, 204, err);
}
