/*
 * What failed, in the words of S3: one table from reasons of all rooms to S3's codes and statuses,
 * and the XML that clients read them from. A reason that is in no row gets the code of its status.
 */
#include <stdio.h>
#include "base/time.h"
#include "services/storaged/s3.h"

static const struct {
    const char *reason, *code;
    int http;
} reason_rows[] = {
    {"s3.AccessDenied", "AccessDenied", 403},
    {"s3.AuthorizationHeaderMalformed", "AuthorizationHeaderMalformed", 400},
    {"s3.AuthorizationQueryParametersError", "AuthorizationQueryParametersError", 400},
    {"s3.BadDigest", "BadDigest", 400},
    {"s3.BucketNotEmpty", "BucketNotEmpty", 409},
    {"s3.EntityTooSmall", "EntityTooSmall", 400},
    {"s3.IncompleteBody", "IncompleteBody", 400},
    {"s3.InvalidAccessKeyId", "InvalidAccessKeyId", 403},
    {"s3.InvalidArgument", "InvalidArgument", 400},
    {"s3.InvalidDigest", "InvalidDigest", 400},
    {"s3.InvalidPart", "InvalidPart", 400},
    {"s3.InvalidPartOrder", "InvalidPartOrder", 400},
    {"s3.InvalidRange", "InvalidRange", 416},
    {"s3.InvalidRequest", "InvalidRequest", 400},
    {"s3.InvalidToken", "InvalidToken", 400},
    {"s3.KeyTooLongError", "KeyTooLongError", 400},
    {"s3.MalformedXML", "MalformedXML", 400},
    {"s3.MetadataTooLarge", "MetadataTooLarge", 400},
    {"s3.MethodNotAllowed", "MethodNotAllowed", 405},
    {"s3.NoSuchBucketPolicy", "NoSuchBucketPolicy", 404},
    {"s3.NoSuchCORSConfiguration", "NoSuchCORSConfiguration", 404},
    {"s3.NoSuchKey", "NoSuchKey", 404},
    {"s3.NoSuchLifecycleConfiguration", "NoSuchLifecycleConfiguration", 404},
    {"s3.NoSuchPublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration", 404},
    {"s3.NoSuchTagSet", "NoSuchTagSet", 404},
    {"s3.NoSuchUpload", "NoSuchUpload", 404},
    {"s3.NoSuchVersion", "NoSuchVersion", 404},
    {"s3.NoSuchWebsiteConfiguration", "NoSuchWebsiteConfiguration", 404},
    {"s3.NotImplemented", "NotImplemented", 501},
    {"s3.ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFoundError", 404},
    {"s3.OwnershipControlsNotFoundError", "OwnershipControlsNotFoundError", 404},
    {"s3.ReplicationConfigurationNotFoundError", "ReplicationConfigurationNotFoundError", 404},
    {"s3.ServerSideEncryptionConfigurationNotFoundError",
     "ServerSideEncryptionConfigurationNotFoundError", 404},
    {"s3.SignatureDoesNotMatch", "SignatureDoesNotMatch", 403},
    {"s3.XAmzContentSHA256Mismatch", "XAmzContentSHA256Mismatch", 400},
    {"sigv4.malformed", "AuthorizationHeaderMalformed", 400},
    {"sigv4.missing", "AccessDenied", 403},
    {"sigv4.signature", "SignatureDoesNotMatch", 403},
    {"sigv4.skewed", "RequestTimeTooSkewed", 403},
    {"sigv4.expired", "AccessDenied", 403},
    {"sigv4.unsigned_header", "AccessDenied", 403},
    {"store.no_object", "NoSuchKey", 404},
    {"store.no_bucket", "NoSuchBucket", 404},
    {"store.precondition", "PreconditionFailed", 412},
    {"store.key", "InvalidArgument", 400},
    {"store.key_is_prefix", "InvalidRequest", 409},
    {"store.content_type", "InvalidArgument", 400},
    {"store.prefix_owned", "AccessDenied", 403},
    {"store.range", "InvalidRange", 416},
    {"store.object_too_big", "EntityTooLarge", 400},
    {"store.metadata_too_big", "MetadataTooLarge", 400},
    {"store.checksum_mismatch", "XAmzContentSHA256Mismatch", 400},
    {"store.checksum_form", "InvalidDigest", 400},
    {"store.bucket_name", "InvalidBucketName", 400},
    {"store.bucket_exists", "BucketAlreadyOwnedByYou", 409},
    {"store.no_space", "InsufficientStorage", 507},
    {"request.route", "InvalidURI", 400},
    {"request.target", "InvalidURI", 400},
    {"request.method", "MethodNotAllowed", 405},
    {"request.headers_too_big", "RequestHeaderSectionTooLarge", 400},
    {"request.too_big", "MaxMessageLengthExceeded", 400},
    {"auth.rate", "SlowDown", 503},
};

static const struct {
    const char *code;
    int http;
} status_rows[LH_STATUS_COUNT] = {
    [LH_OK] = {"InternalError", 500},
    [LH_INVALID] = {"InvalidRequest", 400},
    [LH_NOT_FOUND] = {"NoSuchKey", 404},
    [LH_EXISTS] = {"OperationAborted", 409},
    [LH_CONFLICT] = {"OperationAborted", 409},
    [LH_DENIED] = {"AccessDenied", 403},
    [LH_BUSY] = {"SlowDown", 503},
    [LH_TOO_BIG] = {"EntityTooLarge", 400},
    [LH_NO_SPACE] = {"InsufficientStorage", 507},
    [LH_TIMEOUT] = {"RequestTimeout", 400},
    [LH_CANCELED] = {"RequestTimeout", 400},
    [LH_UNAVAILABLE] = {"ServiceUnavailable", 503},
    [LH_CORRUPT] = {"InternalError", 500},
    [LH_IO] = {"InternalError", 500},
    [LH_UNSUPPORTED] = {"NotImplemented", 501},
    [LH_BUG] = {"InternalError", 500},
};

const char *
door_error_code(const struct lh_error *err, int *http)
{
    unsigned status = (unsigned)err->status < LH_STATUS_COUNT ? (unsigned)err->status : LH_BUG;

    for (size_t i = 0; i < sizeof(reason_rows) / sizeof(reason_rows[0]); i++) {
        if (strcmp(err->reason, reason_rows[i].reason) == 0) {
            *http = reason_rows[i].http;
            return reason_rows[i].code;
        }
    }
    *http = status_rows[status].http;
    return status_rows[status].code;
}

/* ---- XML ---- */

static const char *
entity_of(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

/* The longest well-formed UTF-8 sequence at `i`; 0 for none. */
static size_t
sequence_length(lh_str text, size_t i)
{
    for (size_t n = 1; n <= 4 && i + n <= text.len; n++) {
        if (lh_str_is_utf8(lh_str_slice(text, i, i + n)))
            return n;
    }
    return 0;
}

static size_t
character_put(struct lh_buf *out, lh_str text, size_t i)
{
    size_t n = sequence_length(text, i);

    if (n == 0) {
        lh_buf_add_cstr(out, "\xef\xbf\xbd"); /* U+FFFD */
        return 1;
    }
    lh_buf_add(out, text.ptr + i, n);
    return n;
}

/* XML 1.0 has no way to write most control characters; S3 writes them as references all the same,
 * and its clients read them, or ask for encoding-type=url. */
void
door_xml_escape(struct lh_buf *out, lh_str text)
{
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.ptr[i];
        const char *entity = entity_of(c);

        if (entity)
            lh_buf_add_cstr(out, entity);
        else if (c < 0x20 || c == 0x7f)
            lh_buf_printf(out, "&#x%x;", c);
        else if (c < 0x80)
            lh_buf_add_char(out, (char)c);
        else
            i += character_put(out, text, i) - 1;
        i++;
    }
}

void
door_xml_put(struct lh_buf *out, const char *name, lh_str text)
{
    lh_buf_printf(out, "<%s>", name);
    door_xml_escape(out, text);
    lh_buf_printf(out, "</%s>", name);
}

void
door_xml_put_cstr(struct lh_buf *out, const char *name, const char *text)
{
    door_xml_put(out, name, lh_str_of(text));
}

void
door_xml_put_u64(struct lh_buf *out, const char *name, uint64_t value)
{
    lh_buf_printf(out, "<%s>%llu</%s>", name, (unsigned long long)value, name);
}

/* Milliseconds, as S3 prints times: 2026-01-31T12:00:00.123Z. */
void
door_xml_put_time(struct lh_buf *out, const char *name, int64_t us)
{
    char text[LH_TIME_TEXT_MAX];

    lh_time_format(us, text);
    lh_buf_printf(out, "<%s>%.23sZ</%s>", name, text, name);
}

void
door_xml_put_etag(struct lh_buf *out, const struct lh_object_info *info)
{
    lh_buf_printf(out, "<ETag>&quot;%.*s&quot;</ETag>", LH_FMT(door_etag(info)));
}

lh_str
door_etag(const struct lh_object_info *info)
{
    return lh_str_of(info->md5_etag[0] ? info->md5_etag : info->etag);
}

void
door_etag_header(struct lh_response *res, const struct lh_object_info *info)
{
    lh_response_headerf(res, "ETag", "\"%.*s\"", LH_FMT(door_etag(info)));
}

/* ---- answers ---- */

lh_status
door_answer_xml(struct s3_request *r, int status, struct lh_buf *xml, struct lh_error *err)
{
    LH_TRY(lh_buf_check(xml, "the answer", err));
    return lh_response_bytes(r->res, status, S3_XML_TYPE, lh_buf_bytes(xml), err);
}

static void
request_id_header(struct lh_response *res, const struct lh_call *call)
{
    lh_response_header(res, "x-amz-request-id", lh_str_of(call->trace.trace_id));
}

/* An error document is well-formed whatever the failure is about. */
static void
message_put(struct lh_buf *out, const char *text)
{
    char safe[LH_ERROR_TEXT_MAX];

    (void)lh_str_copy(safe, sizeof(safe), lh_str_of(text));
    for (char *c = safe; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    door_xml_put_cstr(out, "Message", safe);
}

/* The path as it came, without the query, which may hold a signature. */
static lh_str
resource_of(const struct lh_request *req)
{
    lh_str rest = req->target, path;

    lh_str_cut(&rest, '?', &path);
    return lh_str_fit(path, 4096);
}

void
door_refuse(void *door, const struct lh_call *call, const struct lh_request *req,
            const struct lh_error *err, struct lh_response *res)
{
    LH_AUTO_BUF(xml, (size_t)64 << 10);
    int http;
    const char *code = door_error_code(err, &http);
    const struct s3_door *d = door;

    lh_buf_add_cstr(&xml, S3_XML_HEAD "<Error>");
    door_xml_put_cstr(&xml, "Code", code);
    message_put(&xml, err->text);
    door_xml_put(&xml, "Resource", resource_of(req));
    door_xml_put_cstr(&xml, "RequestId", call->trace.trace_id);
    /* Clients sign again for the region they are told. */
    if (strcmp(code, "AuthorizationHeaderMalformed") == 0 && d->region[0])
        door_xml_put_cstr(&xml, "Region", d->region);
    lh_buf_add_cstr(&xml, "</Error>");
    request_id_header(res, call);
    if (http == 503)
        lh_response_header(res, "Retry-After", LH_STR("1"));
    (void)lh_response_bytes(res, http, S3_XML_TYPE, lh_buf_bytes(&xml), NULL);
}
