/* Uploads in parts: making one, its parts, lists, giving up. */
#include "services/storaged/s3_upload.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/json.h"
#include "base/time.h"

#define INFO_BYTES_MAX ((size_t)64 << 10)

/* ---- names ---- */

lh_str
door_upload_folder(struct lh_arena *arena, lh_str id)
{
    return lh_str_of(lh_arena_printf(arena, S3_UPLOADS_PREFIX "%.*s/", LH_FMT(id)));
}

lh_str
door_part_key(struct lh_arena *arena, lh_str id, int64_t number)
{
    return lh_str_of(lh_arena_printf(arena, S3_UPLOADS_PREFIX "%.*s/part.%05lld", LH_FMT(id),
                                     (long long)number));
}

static lh_str
info_key(struct lh_arena *arena, lh_str id)
{
    return lh_str_of(lh_arena_printf(arena, S3_UPLOADS_PREFIX "%.*s/info.json", LH_FMT(id)));
}

bool
door_part_number(lh_str key, int64_t *number)
{
    size_t at;

    return lh_str_find(key, LH_STR("/part."), &at) &&
           lh_str_i64(lh_str_slice(key, at + 6, key.len), number);
}

static bool
is_id(lh_str text)
{
    lh_uuid id;

    return text.len == LH_UUID_TEXT - 1 && lh_uuid_parse(text, &id);
}

/* ---- info ---- */

static lh_status
fail_no_upload(lh_str id, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "s3.NoSuchUpload",
                   "the upload '%.*s' does not exist; it may have been completed or aborted",
                   LH_FMT(lh_str_fit(id, 64)));
}

static lh_status
info_store(struct s3_request *r, const struct s3_upload_info *u, struct lh_error *err)
{
    LH_AUTO_BUF(text, INFO_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&text);
    const struct lh_put_options o = {.if_absent = true, .content_type = "application/json"};

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "key", u->key);
    lh_json_set_str(&w, "content_type", u->content_type);
    lh_json_set_str(&w, "metadata", u->metadata);
    lh_json_set_i64(&w, "created_us", u->created_us);
    lh_json_object_end(&w);
    LH_TRY(lh_buf_check(&text, "the upload", err));
    return lh_object_put(r->b, r->call, info_key(&r->call->arena, u->id), lh_buf_bytes(&text), &o,
                         NULL, err);
}

static lh_status
info_decode(lh_str text, struct lh_arena *arena, struct s3_upload_info *out, struct lh_error *err)
{
    LH_AUTO_JSON v = NULL;

    LH_TRY(lh_json_parse(text, &v, err));
    LH_TRY(lh_json_str(v, "key", &out->key, err));
    LH_TRY(lh_json_str(v, "content_type", &out->content_type, err));
    LH_TRY(lh_json_str(v, "metadata", &out->metadata, err));
    if (!lh_json_int_value(json_object_get(v, "created_us"), &out->created_us))
        return lh_fail(err, LH_CORRUPT, "s3.upload_info", "created_us is not a number");
    out->key = lh_arena_str(arena, out->key);
    out->content_type = lh_arena_str(arena, out->content_type);
    out->metadata = lh_arena_str(arena, out->metadata);
    return LH_OK;
}

lh_status
door_upload_info_load(struct lh_bucket *b, struct lh_call *call, lh_str id,
                      struct s3_upload_info *out, struct lh_error *err)
{
    LH_AUTO_BUF(text, INFO_BYTES_MAX);
    LH_AUTO_ERROR(why);
    lh_status status;

    if (!is_id(id))
        return fail_no_upload(id, err);
    status = lh_object_get(b, call, info_key(&call->arena, id), &text, NULL, &why);
    if (status == LH_NOT_FOUND)
        return fail_no_upload(id, err);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    out->id = lh_arena_str(&call->arena, id);
    if (info_decode(lh_buf_str(&text), &call->arena, out, &why) != LH_OK)
        return lh_fail(err, LH_CORRUPT, "s3.upload_info", "the record of upload '%.*s': %s",
                       LH_FMT(id), why.text);
    return LH_OK;
}

lh_status
door_upload_find(struct s3_request *r, struct s3_upload_info *out, struct lh_error *err)
{
    lh_str id = door_request_query(r, "uploadId");

    *out = (struct s3_upload_info){0};
    LH_TRY(door_upload_info_load(r->b, r->call, id, out, err));
    return lh_str_eq(out->key, r->key) ? LH_OK : fail_no_upload(id, err);
}

/* ---- making one ---- */

static lh_status
create_answer(struct s3_request *r, lh_str id, struct lh_error *err)
{
    LH_AUTO_BUF(out, (size_t)16 << 10);

    lh_buf_add_cstr(&out, S3_XML_HEAD "<InitiateMultipartUploadResult xmlns=\"" S3_NAMESPACE "\">");
    door_xml_put(&out, "Bucket", r->bucket_name);
    door_xml_put(&out, "Key", r->key);
    door_xml_put(&out, "UploadId", id);
    lh_buf_add_cstr(&out, "</InitiateMultipartUploadResult>");
    return door_answer_xml(r, 200, &out, err);
}

static lh_status
drain(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO_BUF(body, S3_BODY_MAX);

    return door_body_take(&r->body, &body, err);
}

/* What the store will refuse at the end is refused now. */
static lh_status
content_type_check(const char *type, struct lh_error *err)
{
    if (strlen(type) < LH_CONTENT_TYPE_MAX)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.InvalidArgument",
                   "the content type has %zu bytes, %d are allowed", strlen(type),
                   LH_CONTENT_TYPE_MAX - 1);
}

lh_status
door_upload_create(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO_BUF(metadata, LH_OBJECT_METADATA_MAX - 64);
    char id[LH_UUID_TEXT];
    struct s3_upload_info u;

    LH_TRY(door_key_check_write(r, r->key, err));
    LH_TRY(door_request_promises_check(r, err));
    LH_TRY(content_type_check(door_content_type(r), err));
    LH_TRY(drain(r, err));
    LH_TRY(door_metadata_read(r, &metadata, err));
    lh_uuid_format(lh_uuid_v7(), id);
    u = (struct s3_upload_info){.id = lh_str_of(id),
                                .key = r->key,
                                .content_type = lh_str_of(door_content_type(r)),
                                .metadata = lh_buf_str(&metadata),
                                .created_us = lh_time_now_us()};
    if (!u.metadata.ptr)
        u.metadata = LH_STR("");
    LH_TRY(info_store(r, &u, err));
    return create_answer(r, u.id, err);
}

/* ---- a part ---- */

static lh_status
part_number_read(const struct s3_request *r, int64_t *number, struct lh_error *err)
{
    *number = 0;
    LH_TRY(door_request_number(r, "partNumber", 1, S3_PARTS_MAX, number, err));
    if (*number > 0)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.InvalidArgument",
                   "partNumber must be a whole number from 1 to %d", S3_PARTS_MAX);
}

static lh_status
part_begin(struct s3_request *r, struct lh_put_options *o, struct lh_upload **out,
           struct lh_error *err)
{
    struct s3_upload_info u;
    int64_t number;

    LH_TRY(part_number_read(r, &number, err));
    LH_TRY(door_upload_find(r, &u, err));
    return lh_upload_begin(r->b, r->call, door_part_key(&r->call->arena, u.id, number), o, out,
                           err);
}

lh_status
door_upload_part(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO(lh_upload) *u = NULL;
    struct lh_object_info info;
    struct lh_put_options o = {
        .expected_sha256 =
            r->body.sha256.len > 0 ? lh_arena_cstr(&r->call->arena, r->body.sha256) : NULL,
        .size_hint = door_body_size_hint(&r->body),
    };

    LH_TRY(door_request_promises_check(r, err));
    door_body_sha256_delegate(&r->body);
    LH_TRY(part_begin(r, &o, &u, err));
    LH_TRY(door_body_store(r, u, err));
    LH_TRY(lh_upload_commit(u, &info, err));
    door_etag_header(r->res, &info);
    door_body_checksum_answer(&r->body, r->res);
    return lh_response_empty(r->res, 200, err);
}

/* "bytes=0-9": both ends, and both within the source. */
static lh_status
source_range_read(const struct s3_request *r, const struct s3_source *s, uint64_t *from,
                  uint64_t *length, struct lh_error *err)
{
    lh_str rest = door_request_field(r, "x-amz-copy-source-range"), first;
    uint64_t last;

    *from = 0;
    *length = s->info.size_bytes;
    if (!rest.ptr)
        return LH_OK;
    if (lh_str_starts(rest, LH_STR("bytes=")) &&
        (rest = lh_str_slice(rest, 6, rest.len), lh_str_cut(&rest, '-', &first)) &&
        lh_str_u64(first, from) && lh_str_u64(rest, &last) && *from <= last &&
        last < s->info.size_bytes) {
        *length = last - *from + 1;
        return LH_OK;
    }
    return lh_fail(err, LH_INVALID, "s3.InvalidArgument",
                   "x-amz-copy-source-range must be bytes=first-last within the %llu bytes of the "
                   "source",
                   (unsigned long long)s->info.size_bytes);
}

static lh_status
part_copy_bytes(struct s3_request *r, const struct s3_source *s, struct lh_object_info *info,
                struct lh_error *err)
{
    LH_AUTO(lh_upload) *u = NULL;
    struct lh_put_options o = {0};
    uint8_t md5[LH_CHECKSUM_BYTES_MAX];
    struct lh_checksum sum;
    uint64_t from, length;
    lh_status status;

    LH_TRY(source_range_read(r, s, &from, &length, err));
    o.size_hint = length;
    LH_TRY(part_begin(r, &o, &u, err));
    lh_checksum_init(&sum, LH_CHECKSUM_MD5);
    status = door_bytes_copy(r->call, s->reader, from, length, u, &sum, err);
    lh_checksum_final(&sum, md5);
    LH_TRY(status);
    lh_upload_md5_set(u, md5, 0);
    return lh_upload_commit(u, info, err);
}

static lh_status
part_copy_answer(struct s3_request *r, const struct lh_object_info *info, struct lh_error *err)
{
    LH_AUTO_BUF(out, 4096);

    lh_buf_add_cstr(&out, S3_XML_HEAD "<CopyPartResult xmlns=\"" S3_NAMESPACE "\">");
    door_xml_put_time(&out, "LastModified", info->modified_us);
    door_xml_put_etag(&out, info);
    lh_buf_add_cstr(&out, "</CopyPartResult>");
    return door_answer_xml(r, 200, &out, err);
}

lh_status
door_upload_part_copy(struct s3_request *r, struct lh_error *err)
{
    struct s3_source s = {0};
    struct lh_object_info info;
    lh_status status;

    LH_TRY(door_request_promises_check(r, err));
    status = door_source_open(r, &s, err);
    if (status == LH_OK)
        status = part_copy_bytes(r, &s, &info, err);
    door_source_fini(&s);
    LH_TRY(status);
    return part_copy_answer(r, &info, err);
}

/* ---- giving up ---- */

static lh_status
object_forget(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = lh_object_delete(b, call, key, NULL, &why);

    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

lh_status
door_upload_remove(struct lh_bucket *b, struct lh_call *call, lh_str id, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *list = NULL;

    LH_TRY(object_forget(b, call, info_key(&call->arena, id), err));
    LH_TRY(lh_object_list(b, call, door_upload_folder(&call->arena, id), LH_STR(""),
                          S3_PARTS_MAX + 1, &list, err));
    for (size_t i = 0; i < list->count; i++)
        LH_TRY(object_forget(b, call, lh_str_of(list->items[i].key), err));
    return LH_OK;
}

lh_status
door_upload_abort(struct s3_request *r, struct lh_error *err)
{
    struct s3_upload_info u;

    LH_TRY(door_upload_find(r, &u, err));
    LH_TRY(door_upload_remove(r->b, r->call, u.id, err));
    return lh_response_empty(r->res, 204, err);
}

/* ---- lists ---- */

struct parts_page {
    int64_t marker, max, last;
    size_t count;
    bool is_truncated;
};

static void
part_put(struct parts_page *p, const struct lh_object_entry *e, struct lh_buf *out)
{
    int64_t number;

    if (!door_part_number(lh_str_of(e->key), &number) || number <= p->marker)
        return;
    if ((int64_t)p->count == p->max) {
        p->is_truncated = true;
        return;
    }
    p->count++;
    p->last = number;
    lh_buf_add_cstr(out, "<Part>");
    door_xml_put_u64(out, "PartNumber", (uint64_t)number);
    door_xml_put_time(out, "LastModified", e->info.modified_us);
    door_xml_put_etag(out, &e->info);
    door_xml_put_u64(out, "Size", e->info.size_bytes);
    lh_buf_add_cstr(out, "</Part>");
}

static void
parts_head_put(const struct s3_request *r, const struct s3_upload_info *u,
               const struct parts_page *p, struct lh_buf *out)
{
    lh_buf_add_cstr(out, S3_XML_HEAD "<ListPartsResult xmlns=\"" S3_NAMESPACE "\">");
    door_xml_put(out, "Bucket", r->bucket_name);
    door_xml_put(out, "Key", r->key);
    door_xml_put(out, "UploadId", u->id);
    door_xml_put_cstr(out, "StorageClass", "STANDARD");
    door_xml_put_u64(out, "PartNumberMarker", (uint64_t)p->marker);
    if (p->is_truncated)
        door_xml_put_u64(out, "NextPartNumberMarker", (uint64_t)p->last);
    door_xml_put_u64(out, "MaxParts", (uint64_t)p->max);
    door_xml_put_cstr(out, "IsTruncated", p->is_truncated ? "true" : "false");
}

lh_status
door_upload_parts_list(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *list = NULL;
    LH_AUTO_BUF(parts, S3_ANSWER_MAX);
    LH_AUTO_BUF(out, S3_ANSWER_MAX);
    struct parts_page p = {.max = 1000};
    struct s3_upload_info u;

    LH_TRY(door_request_number(r, "max-parts", 0, INT32_MAX, &p.max, err));
    p.max = p.max < 1000 ? p.max : 1000;
    LH_TRY(door_request_number(r, "part-number-marker", 0, S3_PARTS_MAX, &p.marker, err));
    LH_TRY(door_upload_find(r, &u, err));
    LH_TRY(lh_object_list(r->b, r->call, door_upload_folder(&r->call->arena, u.id), LH_STR(""),
                          S3_PARTS_MAX + 1, &list, err));
    for (size_t i = 0; i < list->count && !p.is_truncated; i++)
        part_put(&p, &list->items[i], &parts);
    parts_head_put(r, &u, &p, &out);
    lh_buf_add_str(&out, lh_buf_str(&parts));
    lh_buf_add_cstr(&out, "</ListPartsResult>");
    return door_answer_xml(r, 200, &out, err);
}

/* One list of one key for each upload: what is in its folder is jumped over. */
lh_status
door_uploads_walk(struct lh_bucket *b, struct lh_call *call,
                  lh_status (*visit)(void *self, lh_str id, struct lh_error *err), void *self,
                  struct lh_error *err)
{
    LH_AUTO_BUF(after, LH_KEY_MAX);

    for (;;) {
        LH_AUTO(lh_object_list) *list = NULL;
        lh_str rest, id;

        LH_TRY(
            lh_object_list(b, call, LH_STR(S3_UPLOADS_PREFIX), lh_buf_str(&after), 1, &list, err));
        if (list->count == 0)
            return LH_OK;
        rest = lh_str_of(list->items[0].key);
        rest = lh_str_slice(rest, sizeof(S3_UPLOADS_PREFIX) - 1, rest.len);
        lh_str_cut(&rest, '/', &id);
        LH_TRY(visit(self, id, err));
        lh_buf_clear(&after);
        lh_buf_printf(&after, S3_UPLOADS_PREFIX "%.*s/\xf4\x8f\xbf\xbf", LH_FMT(id));
    }
}

#define UPLOADS_SHOWN_MAX 10000

struct uploads {
    struct s3_request *r;
    struct s3_upload_info *items;
    size_t count, capacity;
    lh_str prefix, key_marker, id_marker;
};

static bool
is_behind_markers(const struct uploads *u, const struct s3_upload_info *info)
{
    int order = lh_str_cmp(info->key, u->key_marker);

    if (order != 0 || u->id_marker.len == 0)
        return order > 0;
    return lh_str_cmp(info->id, u->id_marker) > 0;
}

static lh_status
upload_collect(void *self, lh_str id, struct lh_error *err)
{
    struct uploads *u = self;
    struct s3_upload_info info;
    LH_AUTO_ERROR(why);

    /* Gone in the meantime, or parts without a record: nothing that could be completed. */
    if (door_upload_info_load(u->r->b, u->r->call, id, &info, &why) != LH_OK)
        return LH_OK;
    if (!lh_str_starts(info.key, u->prefix) || !is_behind_markers(u, &info))
        return LH_OK;
    if (u->count == UPLOADS_SHOWN_MAX)
        return lh_fail(err, LH_TOO_BIG, "s3.uploads", "more than %d uploads are in progress",
                       UPLOADS_SHOWN_MAX);
    if (u->count == u->capacity) {
        u->capacity = u->capacity ? 2 * u->capacity : 64;
        u->items = lh_realloc_array(u->items, u->capacity, sizeof(u->items[0]));
    }
    u->items[u->count++] = info;
    return LH_OK;
}

static int
upload_compare(const void *a, const void *b)
{
    const struct s3_upload_info *x = a, *y = b;
    int order = lh_str_cmp(x->key, y->key);

    return order ? order : lh_str_cmp(x->id, y->id);
}

static void
upload_put(const struct s3_upload_info *u, struct lh_buf *out)
{
    lh_buf_add_cstr(out, "<Upload>");
    door_xml_put(out, "Key", u->key);
    door_xml_put(out, "UploadId", u->id);
    door_xml_put_cstr(out, "StorageClass", "STANDARD");
    door_xml_put_time(out, "Initiated", u->created_us);
    lh_buf_add_cstr(out, "</Upload>");
}

static lh_status
uploads_answer(struct uploads *u, int64_t max, struct lh_error *err)
{
    LH_AUTO_BUF(out, S3_ANSWER_MAX);
    size_t n = u->count < (size_t)max ? u->count : (size_t)max;
    bool is_truncated = n < u->count;

    lh_buf_add_cstr(&out, S3_XML_HEAD "<ListMultipartUploadsResult xmlns=\"" S3_NAMESPACE "\">");
    door_xml_put(&out, "Bucket", u->r->bucket_name);
    door_xml_put(&out, "KeyMarker", u->key_marker);
    door_xml_put(&out, "UploadIdMarker", u->id_marker);
    door_xml_put(&out, "Prefix", u->prefix);
    if (is_truncated && n > 0) {
        door_xml_put(&out, "NextKeyMarker", u->items[n - 1].key);
        door_xml_put(&out, "NextUploadIdMarker", u->items[n - 1].id);
    }
    door_xml_put_u64(&out, "MaxUploads", (uint64_t)max);
    door_xml_put_cstr(&out, "IsTruncated", is_truncated ? "true" : "false");
    for (size_t i = 0; i < n; i++)
        upload_put(&u->items[i], &out);
    lh_buf_add_cstr(&out, "</ListMultipartUploadsResult>");
    return door_answer_xml(u->r, 200, &out, err);
}

static lh_str
query_or_empty(const struct s3_request *r, const char *name)
{
    lh_str value = door_request_query(r, name);

    return value.ptr ? value : LH_STR("");
}

lh_status
door_uploads_list(struct s3_request *r, struct lh_error *err)
{
    struct uploads u = {.r = r,
                        .prefix = query_or_empty(r, "prefix"),
                        .key_marker = query_or_empty(r, "key-marker"),
                        .id_marker = query_or_empty(r, "upload-id-marker")};
    int64_t max = 1000;
    lh_status status;

    LH_TRY(door_request_number(r, "max-uploads", 0, 1000, &max, err));
    if (query_or_empty(r, "delimiter").len > 0)
        return lh_fail(err, LH_UNSUPPORTED, "s3.NotImplemented",
                       "lists of uploads are not rolled up by a delimiter");
    status = door_uploads_walk(r->b, r->call, upload_collect, &u, err);
    if (status == LH_OK && u.count > 0)
        qsort(u.items, u.count, sizeof(u.items[0]), upload_compare);
    if (status == LH_OK)
        status = uploads_answer(&u, max, err);
    free(u.items);
    return status;
}
