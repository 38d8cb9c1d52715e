/*
 * PUT of an object, from the body or as a copy of another.
 *
 * The answer goes out when the object and its event are durable. When the event cannot be written
 * the caller is told of the failure although the object is there; repeating the request is
 * harmless.
 */
#include "base/alloc.h"
#include "base/encoding.h"
#include "net/condition.h"
#include "services/storaged/s3.h"

/* ---- bytes ---- */

lh_status
door_body_store(struct s3_request *r, struct lh_upload *u, struct lh_error *err)
{
    LH_AUTO_CHARS buffer = lh_alloc(S3_COPY_STEP);
    size_t got;

    do {
        LH_TRY(door_body_read(&r->body, buffer, S3_COPY_STEP, &got, err));
        LH_TRY(lh_upload_write(u, lh_bytes_of(buffer, got), err));
    } while (got > 0);
    lh_upload_md5_set(u, r->body.md5_value, 0);
    return LH_OK;
}

lh_status
door_bytes_copy(struct lh_call *call, struct lh_reader_at *reader, uint64_t from, uint64_t length,
                struct lh_upload *u, struct lh_checksum *md5, struct lh_error *err)
{
    LH_AUTO_CHARS buffer = lh_alloc(S3_COPY_STEP);

    for (uint64_t done = 0; done < length;) {
        size_t n = length - done < S3_COPY_STEP ? (size_t)(length - done) : S3_COPY_STEP;

        LH_TRY(lh_reader_at_read(reader, call, from + done, buffer, n, err));
        if (md5)
            lh_checksum_add(md5, buffer, n);
        LH_TRY(lh_upload_write(u, lh_bytes_of(buffer, n), err));
        done += n;
    }
    return LH_OK;
}

lh_status
door_event_put(struct s3_request *r, const struct s3_condition *c,
               const struct lh_object_info *info, struct lh_error *err)
{
    return storage_event_add(r->door->storage, r->call,
                             &(struct storage_event){.entity_type = "object",
                                                     .action = "object.put",
                                                     .bucket = r->bucket_name,
                                                     .key = r->key,
                                                     .old_info = c->has_old ? &c->old : NULL,
                                                     .new_info = info},
                             err);
}

/* ---- from the body ---- */

static lh_status
upload_all(struct s3_request *r, const struct s3_condition *c, lh_str metadata,
           struct lh_object_info *info, struct lh_error *err)
{
    LH_AUTO(lh_upload) *u = NULL;
    const struct lh_put_options o = {
        .if_absent = c->if_absent,
        .if_match = c->if_match,
        .content_type = door_content_type(r),
        .expected_sha256 =
            r->body.sha256.len > 0 ? lh_arena_cstr(&r->call->arena, r->body.sha256) : NULL,
        .metadata = metadata,
        .size_hint = door_body_size_hint(&r->body),
    };

    door_body_sha256_delegate(&r->body);
    LH_TRY(lh_upload_begin(r->b, r->call, r->key, &o, &u, err));
    LH_TRY(door_body_store(r, u, err));
    return lh_upload_commit(u, info, err);
}

lh_status
door_object_put(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO_BUF(metadata, LH_OBJECT_METADATA_MAX);
    struct lh_object_info info;
    struct s3_condition c;

    LH_TRY(door_key_check_write(r, r->key, err));
    LH_TRY(door_request_promises_check(r, err));
    LH_TRY(door_metadata_read(r, &metadata, err));
    LH_TRY(door_condition_read(r, &c, err));
    LH_TRY(upload_all(r, &c, lh_buf_str(&metadata), &info, err));
    LH_TRY(door_event_put(r, &c, &info, err));
    door_etag_header(r->res, &info);
    door_body_checksum_answer(&r->body, r->res);
    return lh_response_empty(r->res, 200, err);
}

/* ---- from another object ---- */

static lh_status
fail_source(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_INVALID, "s3.InvalidArgument", "x-amz-copy-source %s", what);
}

/* "/bucket/key", percent-encoded, perhaps with "?versionId=null" behind. */
static lh_status
source_parse(struct s3_request *r, lh_str *bucket, lh_str *key, struct lh_error *err)
{
    LH_AUTO_BUF(decoded, 4 * LH_KEY_MAX);
    lh_str rest = door_request_field(r, "x-amz-copy-source"), text;

    if (lh_str_cut(&rest, '?', &text) && !lh_str_eq(rest, LH_STR("versionId=null")))
        return lh_fail(err, LH_NOT_FOUND, "s3.NoSuchVersion",
                       "the objects of this door have no versions");
    if (!lh_percent_decode(&decoded, text, false))
        return fail_source(err, "is not percent-encoded");
    rest = lh_arena_str(&r->call->arena, lh_buf_str(&decoded));
    if (lh_str_starts(rest, LH_STR("/")))
        rest = lh_str_slice(rest, 1, rest.len);
    if (!lh_str_cut(&rest, '/', bucket) || rest.len == 0)
        return fail_source(err, "names no bucket and key");
    *key = rest;
    return LH_OK;
}

void
door_source_fini(struct s3_source *s)
{
    lh_reader_at_free(s->reader);
    s->reader = NULL;
}

lh_status
door_source_open(struct s3_request *r, struct s3_source *out, struct lh_error *err)
{
    lh_str bucket;

    LH_TRY(source_parse(r, &bucket, &out->key, err));
    LH_TRY(door_key_check_read(out->key, err));
    LH_TRY(lh_store_bucket(r->door->storage->env->store, r->call, bucket, &out->b, err));
    LH_TRY(lh_object_open(out->b, r->call, out->key, &out->reader, &out->info, err));
    if (door_condition_judge(r, "x-amz-copy-source-", &out->info) == LH_CONDITION_NONE)
        return LH_OK;
    return lh_fail(err, LH_CONFLICT, "store.precondition",
                   "at least one of the preconditions on the source did not hold");
}

/* COPY takes what the source was told, REPLACE what the request says. */
static lh_status
directive_read(const struct s3_request *r, const struct s3_source *s, bool *replaces,
               struct lh_error *err)
{
    lh_str directive = door_request_field(r, "x-amz-metadata-directive");

    *replaces = lh_str_eq(directive, LH_STR("REPLACE"));
    if (directive.len > 0 && !*replaces && !lh_str_eq(directive, LH_STR("COPY")))
        return lh_fail(err, LH_INVALID, "s3.InvalidArgument",
                       "x-amz-metadata-directive is COPY or REPLACE");
    if (!*replaces && s->b == r->b && lh_str_eq(s->key, r->key) &&
        !door_request_field(r, "x-amz-storage-class").ptr)
        return lh_fail(err, LH_INVALID, "s3.InvalidRequest",
                       "an object is copied onto itself only to replace its metadata");
    return LH_OK;
}

/* Without the lines that are about the source alone. */
static void
lines_inherit(struct lh_buf *out, lh_str lines)
{
    lh_str line;

    while (lh_str_next(&lines, '\n', &line)) {
        if (line.len == 0 || line.ptr[0] == '!')
            continue;
        lh_buf_add_str(out, line);
        lh_buf_add_char(out, '\n');
    }
}

struct copying {
    struct s3_source source;
    bool replaces;
    struct s3_condition condition;
    struct lh_object_info info;
};

static lh_status
copy_bytes(struct s3_request *r, struct copying *c, struct lh_upload *u, struct lh_error *err)
{
    uint8_t md5[LH_CHECKSUM_BYTES_MAX];
    struct lh_checksum sum;
    lh_status status;

    lh_checksum_init(&sum, LH_CHECKSUM_MD5);
    status = door_bytes_copy(r->call, c->source.reader, 0, c->source.info.size_bytes, u, &sum, err);
    lh_checksum_final(&sum, md5);
    lh_upload_md5_set(u, md5, 0);
    return status;
}

static lh_status
copy_store(struct s3_request *r, struct copying *c, struct lh_error *err)
{
    LH_AUTO_BUF(metadata, LH_OBJECT_METADATA_MAX);
    LH_AUTO(lh_upload) *u = NULL;
    struct lh_put_options o = {
        .if_absent = c->condition.if_absent,
        .if_match = c->condition.if_match,
        .content_type = c->replaces ? door_content_type(r) : c->source.info.content_type,
        .size_hint = c->source.info.size_bytes,
    };

    if (c->replaces)
        LH_TRY(door_metadata_read(r, &metadata, err));
    else
        lines_inherit(&metadata, lh_reader_at_metadata(c->source.reader));
    o.metadata = lh_buf_str(&metadata);
    LH_TRY(lh_upload_begin(r->b, r->call, r->key, &o, &u, err));
    LH_TRY(copy_bytes(r, c, u, err));
    return lh_upload_commit(u, &c->info, err);
}

static lh_status
copy_answer(struct s3_request *r, const struct lh_object_info *info, struct lh_error *err)
{
    LH_AUTO_BUF(out, 4096);

    lh_buf_add_cstr(&out, S3_XML_HEAD "<CopyObjectResult xmlns=\"" S3_NAMESPACE "\">");
    door_xml_put_time(&out, "LastModified", info->modified_us);
    door_xml_put_etag(&out, info);
    lh_buf_add_cstr(&out, "</CopyObjectResult>");
    return door_answer_xml(r, 200, &out, err);
}

static lh_status
copy_run(struct s3_request *r, struct copying *c, struct lh_error *err)
{
    LH_TRY(door_source_open(r, &c->source, err));
    LH_TRY(directive_read(r, &c->source, &c->replaces, err));
    LH_TRY(door_condition_read(r, &c->condition, err));
    LH_TRY(copy_store(r, c, err));
    LH_TRY(door_event_put(r, &c->condition, &c->info, err));
    return copy_answer(r, &c->info, err);
}

lh_status
door_object_copy(struct s3_request *r, struct lh_error *err)
{
    struct copying c = {0};
    lh_status status;

    LH_TRY(door_key_check_write(r, r->key, err));
    LH_TRY(door_request_promises_check(r, err));
    status = copy_run(r, &c, err);
    door_source_fini(&c.source);
    return status;
}
