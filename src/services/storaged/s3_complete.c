/*
 * Completing an upload in parts.
 *
 *   1. the list of parts is read, its order and ETags are checked     nothing has happened
 *   2. has it been done already? the object says so itself            the same answer again
 *   3. parts are looked up, sizes checked, the condition judged       nothing has happened
 *   4. parts are copied into an upload of the store, which publishes  the object is there, whole
 *   5. the event                                                      acknowledged from here on
 *   6. the record and the parts go                                    left ones are collected later
 *
 * Whoever asks again after a crash or a lost answer behind step 4 finds at step 2 that the object
 * bears the id of this upload, and goes on from there.
 *
 * Copying takes as long as it takes. So that nobody gives up meanwhile, the answer begins after a
 * while and holds blanks until the outcome is known, as S3 does; a failure is then told in the
 * body of a 200.
 */
#include <stdlib.h>
#include "base/alloc.h"
#include "base/encoding.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/time.h"
#include "services/storaged/s3_upload.h"

#define PART_ETAG_MAX LH_ETAG_MAX

struct part {
    int64_t number;
    char etag[PART_ETAG_MAX]; /* as shown, without quotes */
};

struct completion {
    struct s3_request *r;
    struct s3_upload_info upload;
    struct part *parts;
    size_t count, capacity;
    struct part open;
    bool has_md5;
    uint8_t md5[LH_CHECKSUM_BYTES_MAX]; /* of the MD5s of the parts */
    char etag[LH_MD5_ETAG_MAX];
    struct s3_condition condition;
    struct lh_object_info info;
    uint64_t size_bytes;
    bool has_sum;
    struct lh_checksum sum; /* of the whole object, when one was promised */
    lh_str sum_promised;
    int64_t said_ms;
    bool has_begun;
};

/* ---- the list ---- */

static lh_status
part_end(struct completion *c, struct lh_error *err)
{
    if (c->open.number == 0 || !c->open.etag[0])
        return lh_fail(err, LH_INVALID, "s3.MalformedXML",
                       "a Part has no PartNumber from 1 to %d or no ETag", S3_PARTS_MAX);
    if (c->count == S3_PARTS_MAX)
        return lh_fail(err, LH_INVALID, "s3.MalformedXML", "more than %d parts", S3_PARTS_MAX);
    if (c->count > 0 && c->open.number <= c->parts[c->count - 1].number)
        return lh_fail(err, LH_INVALID, "s3.InvalidPartOrder",
                       "the parts are not listed in the order of their numbers");
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 64;
        c->parts = lh_realloc_array(c->parts, c->capacity, sizeof(c->parts[0]));
    }
    c->parts[c->count++] = c->open;
    c->open = (struct part){0};
    return LH_OK;
}

static lh_str
unquoted(lh_str tag)
{
    tag = lh_str_trim(tag);
    if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"')
        return lh_str_slice(tag, 1, tag.len - 1);
    return tag;
}

static lh_status
part_element(void *self, int depth, lh_str name, lh_str text, struct lh_error *err)
{
    struct completion *c = self;
    int64_t number;

    if (depth == 0 && !lh_str_eq(name, LH_STR("CompleteMultipartUpload")))
        return lh_fail(err, LH_INVALID, "s3.MalformedXML",
                       "the document is not a CompleteMultipartUpload");
    if (depth == 1 && lh_str_eq(name, LH_STR("Part")))
        return part_end(c, err);
    if (depth == 2 && lh_str_eq(name, LH_STR("PartNumber")) &&
        lh_str_i64(lh_str_trim(text), &number) && number > 0 && number <= S3_PARTS_MAX)
        c->open.number = number;
    /* One that is too long is cut, and is then nobody's. */
    if (depth == 2 && lh_str_eq(name, LH_STR("ETag")))
        (void)lh_str_copy(c->open.etag, sizeof(c->open.etag), unquoted(text));
    return LH_OK;
}

static lh_status
list_read(struct completion *c, struct lh_error *err)
{
    const struct s3_xml_visitor visitor = {.element = part_element, .self = c};
    LH_AUTO_BUF(body, S3_BODY_MAX);

    LH_TRY(door_body_take(&c->r->body, &body, err));
    LH_TRY(door_xml_read(lh_buf_str(&body), &visitor, err));
    if (c->count > 0)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.MalformedXML", "no part is listed");
}

/* S3's ETag of such an object: MD5 of the MD5s, and how many. */
static void
etag_compute(struct completion *c)
{
    struct lh_checksum md5;

    lh_checksum_init(&md5, LH_CHECKSUM_MD5);
    c->has_md5 = true;
    for (size_t i = 0; i < c->count; i++) {
        LH_AUTO_BUF(bytes, 64);

        if (!lh_hex_decode(&bytes, lh_str_of(c->parts[i].etag)) || bytes.len != 16)
            c->has_md5 = false;
        lh_checksum_add(&md5, bytes.data, bytes.len);
    }
    lh_checksum_final(&md5, c->md5);
    if (c->has_md5) {
        LH_AUTO_BUF(text, LH_MD5_ETAG_MAX);

        lh_hex_encode(&text, lh_bytes_of(c->md5, 16));
        lh_buf_printf(&text, "-%zu", c->count);
        (void)lh_str_copy(c->etag, sizeof(c->etag), lh_buf_str(&text));
    }
}

/* ---- done already? ---- */

static lh_status
done_look(struct completion *c, bool *is_done, struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *reader = NULL;
    LH_AUTO_ERROR(why);
    struct s3_request *r = c->r;
    lh_status status = lh_object_open(r->b, r->call, r->key, &reader, &c->info, &why);
    lh_str id = door_request_query(r, "uploadId");

    *is_done =
        status == LH_OK && id.len > 0 &&
        lh_str_eq(door_metadata_find(lh_reader_at_metadata(reader), LH_STR(S3_UPLOAD_LINE)), id) &&
        (!c->has_md5 || strcmp(c->info.md5_etag, c->etag) == 0);
    if (status == LH_OK || status == LH_NOT_FOUND || status == LH_CORRUPT)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

/* ---- the parts ---- */

static const struct lh_object_entry *
entry_find(const struct lh_object_list *list, int64_t number, size_t *at)
{
    for (; *at < list->count; (*at)++) {
        int64_t found;

        if (door_part_number(lh_str_of(list->items[*at].key), &found) && found == number)
            return &list->items[*at];
    }
    return NULL;
}

static lh_status
fail_part(int64_t number, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "s3.InvalidPart",
                   "part %lld was not uploaded, or has another ETag", (long long)number);
}

static lh_status
parts_check(struct completion *c, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *list = NULL;
    struct s3_request *r = c->r;
    size_t at = 0;

    LH_TRY(lh_object_list(r->b, r->call, door_upload_folder(&r->call->arena, c->upload.id),
                          LH_STR(""), S3_PARTS_MAX + 1, &list, err));
    for (size_t i = 0; i < c->count; i++) {
        const struct lh_object_entry *e = entry_find(list, c->parts[i].number, &at);

        if (!e || !lh_str_eq(door_etag(&e->info), lh_str_of(c->parts[i].etag)))
            return fail_part(c->parts[i].number, err);
        if (i + 1 < c->count && e->info.size_bytes < S3_PART_BYTES_MIN)
            return lh_fail(err, LH_INVALID, "s3.EntityTooSmall",
                           "part %lld has %llu bytes; all but the last need %llu",
                           (long long)c->parts[i].number, (unsigned long long)e->info.size_bytes,
                           (unsigned long long)S3_PART_BYTES_MIN);
        c->size_bytes += e->info.size_bytes;
    }
    return LH_OK;
}

/* A checksum of the whole, as against one of checksums of parts ("…-3"), is checked. */
static void
sum_open(struct completion *c)
{
    static const enum lh_checksum_kind kinds[] = {LH_CHECKSUM_CRC32, LH_CHECKSUM_CRC32C,
                                                  LH_CHECKSUM_CRC64NVME, LH_CHECKSUM_SHA1,
                                                  LH_CHECKSUM_SHA256};
    size_t at;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !c->has_sum; i++) {
        char name[40];
        lh_str value;

        (void)snprintf(name, sizeof(name), "x-amz-checksum-%s", lh_checksum_name(kinds[i]));
        value = door_request_field(c->r, name);
        if (!value.ptr || lh_str_find_char(value, '-', &at))
            continue;
        c->has_sum = true;
        c->sum_promised = value;
        lh_checksum_init(&c->sum, kinds[i]);
    }
}

static lh_status
promises_check(struct completion *c, struct lh_error *err)
{
    lh_str text = door_request_field(c->r, "x-amz-mp-object-size");
    uint64_t size;

    if (text.ptr && (!lh_str_u64(text, &size) || size != c->size_bytes))
        return lh_fail(err, LH_INVALID, "s3.InvalidRequest",
                       "x-amz-mp-object-size is not the size of the parts together, %llu",
                       (unsigned long long)c->size_bytes);
    return LH_OK;
}

static lh_status
sum_check(struct completion *c, struct lh_error *err)
{
    uint8_t value[LH_CHECKSUM_BYTES_MAX];
    LH_AUTO_BUF(text, 64);

    if (!c->has_sum)
        return LH_OK;
    lh_checksum_final(&c->sum, value);
    lh_base64_encode(&text, lh_bytes_of(value, lh_checksum_size(c->sum.kind)));
    if (lh_str_eq(lh_buf_str(&text), c->sum_promised))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.BadDigest",
                   "the %s of the object is %s, not the one that was promised",
                   lh_checksum_name(c->sum.kind), lh_buf_cstr(&text));
}

/* ---- copying ---- */

/* A sign of life, when there was none for a while. */
static lh_status
sign_of_life(struct completion *c, struct lh_error *err)
{
    int64_t now_ms = lh_time_mono_ms();

    if (now_ms - c->said_ms < c->r->door->keepalive_ms)
        return LH_OK;
    c->said_ms = now_ms;
    if (c->has_begun)
        return lh_response_write(c->r->res, lh_str_bytes(LH_STR(" ")), err);
    c->has_begun = true;
    LH_TRY(lh_response_begin(c->r->res, 200, S3_XML_TYPE, -1, err));
    return lh_response_write(c->r->res, lh_str_bytes(LH_STR(S3_XML_HEAD)), err);
}

static lh_status
part_copy(struct completion *c, const struct part *p, struct lh_upload *u, struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *reader = NULL;
    struct s3_request *r = c->r;
    struct lh_object_info info;

    LH_FAULT("s3.complete.part", err);
    LH_TRY(lh_object_open(r->b, r->call, door_part_key(&r->call->arena, c->upload.id, p->number),
                          &reader, &info, err));
    /* It may have been sent again since it was looked at. */
    if (!lh_str_eq(door_etag(&info), lh_str_of(p->etag)))
        return fail_part(p->number, err);
    LH_TRY(
        door_bytes_copy(r->call, reader, 0, info.size_bytes, u, c->has_sum ? &c->sum : NULL, err));
    return sign_of_life(c, err);
}

/* In a bucket that keeps no metadata an upload that is complete is forgotten: completing it again
 * fails there. */
static void
lines_make(const struct completion *c, struct lh_buf *out)
{
    lh_buf_add_str(out, c->upload.metadata);
    if (lh_bucket_keeps_metadata(c->r->b))
        lh_buf_printf(out, S3_UPLOAD_LINE ":%.*s\n", LH_FMT(c->upload.id));
}

static lh_status
object_make(struct completion *c, struct lh_error *err)
{
    LH_AUTO_BUF(metadata, LH_OBJECT_METADATA_MAX);
    LH_AUTO(lh_upload) *u = NULL;
    struct s3_request *r = c->r;
    struct lh_put_options o = {
        .if_absent = c->condition.if_absent,
        .if_match = c->condition.if_match,
        .content_type = lh_arena_cstr(&r->call->arena, c->upload.content_type),
        .size_hint = c->size_bytes,
    };

    lines_make(c, &metadata);
    o.metadata = lh_buf_str(&metadata);
    LH_TRY(lh_upload_begin(r->b, r->call, r->key, &o, &u, err));
    for (size_t i = 0; i < c->count; i++)
        LH_TRY(part_copy(c, &c->parts[i], u, err));
    LH_TRY(sum_check(c, err));
    if (c->has_md5)
        lh_upload_md5_set(u, c->md5, (unsigned)c->count);
    LH_FAULT("s3.complete.before_commit", err);
    LH_TRY(lh_upload_commit(u, &c->info, err));
    LH_FAULT("s3.complete.after_commit", err);
    return LH_OK;
}

/* ---- in order ---- */

static lh_status
answer(struct completion *c, struct lh_error *err)
{
    LH_AUTO_BUF(out, (size_t)64 << 10);
    LH_AUTO_BUF(encoded, (size_t)4 * LH_KEY_MAX);
    struct s3_request *r = c->r;

    if (!c->has_begun)
        lh_buf_add_cstr(&out, S3_XML_HEAD);
    lh_buf_add_cstr(&out, "<CompleteMultipartUploadResult xmlns=\"" S3_NAMESPACE "\">");
    lh_percent_encode(&encoded, r->key, true);
    lh_buf_printf(&out, "<Location>/%.*s/%s</Location>", LH_FMT(r->bucket_name),
                  lh_buf_cstr(&encoded));
    door_xml_put(&out, "Bucket", r->bucket_name);
    door_xml_put(&out, "Key", r->key);
    door_xml_put_etag(&out, &c->info);
    lh_buf_add_cstr(&out, "</CompleteMultipartUploadResult>");
    if (!c->has_begun)
        return door_answer_xml(r, 200, &out, err);
    return lh_response_write(r->res, lh_buf_bytes(&out), err);
}

static lh_status
finish(struct completion *c, struct lh_error *err)
{
    struct s3_request *r = c->r;
    LH_AUTO_ERROR(why);

    LH_TRY(door_event_put(r, &c->condition, &c->info, err));
    LH_FAULT("s3.complete.after_event", err);
    /* The object is there, and told: what stays behind is collected some day. */
    if (door_upload_remove(r->b, r->call, c->upload.id, &why) != LH_OK)
        lh_log_error(LH_LOG_WARN, "storaged", "parts of a completed upload stay behind", &why);
    return answer(c, err);
}

static lh_status
make(struct completion *c, struct lh_error *err)
{
    LH_TRY(door_condition_read(c->r, &c->condition, err));
    LH_TRY(parts_check(c, err));
    LH_TRY(promises_check(c, err));
    return object_make(c, err);
}

static lh_status
complete(struct completion *c, struct lh_error *err)
{
    bool is_done;
    LH_AUTO_ERROR(why);
    lh_status found;

    LH_TRY(list_read(c, err));
    etag_compute(c);
    LH_TRY(done_look(c, &is_done, err));
    found = door_upload_find(c->r, &c->upload, &why);
    if (is_done && found == LH_NOT_FOUND)
        return answer(c, err);
    if (found != LH_OK) {
        lh_error_copy(err, &why);
        return found;
    }
    if (is_done)
        return finish(c, err);
    LH_TRY(make(c, err));
    return finish(c, err);
}

/* Two that complete the same upload at once: the slower one may find the parts gone. */
static lh_status
complete_or_done(struct completion *c, struct lh_error *err)
{
    lh_status status = complete(c, err);
    bool is_done = false;

    if (status != LH_NOT_FOUND && status != LH_CONFLICT && status != LH_INVALID)
        return status;
    if (c->count == 0 || done_look(c, &is_done, NULL) != LH_OK || !is_done)
        return status;
    lh_error_clear(err);
    return answer(c, err);
}

/* Too late for a status: the body says it. */
static lh_status
late_failure(struct completion *c, struct lh_error *err)
{
    LH_AUTO_BUF(out, (size_t)16 << 10);
    struct s3_request *r = c->r;
    int http;

    storage_failure_report(r->door->storage, r->call, r->req, err);
    lh_buf_add_cstr(&out, "<Error>");
    door_xml_put_cstr(&out, "Code", door_error_code(err, &http));
    door_xml_put_cstr(&out, "Message", err->text);
    door_xml_put_cstr(&out, "RequestId", r->call->trace.trace_id);
    lh_buf_add_cstr(&out, "</Error>");
    lh_error_clear(err);
    return lh_response_write(r->res, lh_buf_bytes(&out), err);
}

lh_status
door_upload_complete(struct s3_request *r, struct lh_error *err)
{
    struct completion c = {.r = r, .said_ms = lh_time_mono_ms()};
    lh_status status;

    LH_TRY(door_key_check_write(r, r->key, err));
    door_body_sum_forget(&r->body);
    sum_open(&c);
    status = complete_or_done(&c, err);
    lh_checksum_fini(&c.sum);
    free(c.parts);
    if (status != LH_OK && c.has_begun)
        return late_failure(&c, err);
    return status;
}
