#include "store/s3_error.h"

#include <stdio.h>
#include "store/s3_xml.h"

struct meaning {
    const char *code;
    enum s3_class class;
    lh_status status;
    const char *reason;
    const char *text; /* for people, behind "bucket 'x': " */
};

#define KEYS "the store does not know these credentials, or the secret is not theirs"
#define TOKEN "the session token of the credentials has expired or is not good"
#define REGION "the bucket is in another region or at another endpoint"

/* https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and the words of Ceph
 * (rgw_common.cc) and others for the same. */
static const struct meaning by_code[] = {
    {"NoSuchBucket", S3_FINAL, LH_UNAVAILABLE, "s3.no_such_bucket",
     "the store has no such bucket (any more)"},
    {"PreconditionFailed", S3_FINAL, LH_CONFLICT, "store.precondition", "the condition is not met"},
    {"ConditionalRequestConflict", S3_AGAIN, LH_BUSY, "s3.busy",
     "another put of the same object was under way"},
    {"OperationAborted", S3_AGAIN, LH_BUSY, "s3.busy",
     "another operation on the same thing was under way"},
    {"AccessDenied", S3_FINAL, LH_UNAVAILABLE, "s3.access_denied",
     "the store denies this to the credentials"},
    {"AllAccessDisabled", S3_FINAL, LH_UNAVAILABLE, "s3.access_denied",
     "the store denies this to everybody"},
    {"AccountProblem", S3_FINAL, LH_UNAVAILABLE, "s3.access_denied",
     "there is a problem with the account"},
    {"UserSuspended", S3_FINAL, LH_UNAVAILABLE, "s3.access_denied", "the account is suspended"},
    {"InvalidAccessKeyId", S3_REFRESH, LH_UNAVAILABLE, "s3.credentials", KEYS},
    {"SignatureDoesNotMatch", S3_REFRESH, LH_UNAVAILABLE, "s3.credentials", KEYS},
    {"InvalidSecurity", S3_FINAL, LH_UNAVAILABLE, "s3.credentials", KEYS},
    {"NotSignedUp", S3_FINAL, LH_UNAVAILABLE, "s3.credentials", KEYS},
    {"ExpiredToken", S3_REFRESH, LH_UNAVAILABLE, "s3.expired_token", TOKEN},
    {"InvalidToken", S3_REFRESH, LH_UNAVAILABLE, "s3.expired_token", TOKEN},
    {"TokenRefreshRequired", S3_REFRESH, LH_UNAVAILABLE, "s3.expired_token", TOKEN},
    {"InvalidIdentityToken", S3_REFRESH, LH_UNAVAILABLE, "s3.expired_token", TOKEN},
    {"RequestTimeTooSkewed", S3_SKEWED, LH_UNAVAILABLE, "s3.clock_skew",
     "the clock here and that of the store are too far apart"},
    {"RequestExpired", S3_SKEWED, LH_UNAVAILABLE, "s3.clock_skew",
     "the clock here and that of the store are too far apart"},
    {"EntityTooLarge", S3_FINAL, LH_TOO_BIG, "store.object_too_big",
     "the object is bigger than the store allows"},
    {"QuotaExceeded", S3_FINAL, LH_NO_SPACE, "store.no_space", "the quota is used up"},
    {"InsufficientStorage", S3_FINAL, LH_NO_SPACE, "store.no_space", "the store is full"},
    {"XMinioStorageFull", S3_FINAL, LH_NO_SPACE, "store.no_space", "the store is full"},
    {"InsufficientCapacity", S3_AGAIN, LH_BUSY, "s3.slow_down", "the store has no capacity now"},
    {"SlowDown", S3_UNKNOWN, LH_BUSY, "s3.slow_down", "the store asks for fewer requests"},
    {"TooManyRequests", S3_AGAIN, LH_BUSY, "s3.slow_down", "the store asks for fewer requests"},
    {"RequestTimeout", S3_AGAIN, LH_UNAVAILABLE, "s3.unavailable",
     "the store waited too long for the rest of the request"},
    {"RequestTimeoutException", S3_AGAIN, LH_UNAVAILABLE, "s3.unavailable",
     "the store waited too long for the rest of the request"},
    {"IncompleteBody", S3_AGAIN, LH_UNAVAILABLE, "s3.unavailable",
     "the store did not get all of the request"},
    {"BadDigest", S3_AGAIN, LH_IO, "s3.bad_digest", "the bytes changed on their way to the store"},
    {"InvalidDigest", S3_FINAL, LH_IO, "s3.bad_digest", "the store does not accept the digest"},
    {"XAmzContentSHA256Mismatch", S3_AGAIN, LH_IO, "s3.bad_digest",
     "the bytes changed on their way to the store"},
    {"XAmzContentChecksumMismatch", S3_AGAIN, LH_IO, "s3.bad_digest",
     "the bytes changed on their way to the store"},
    {"NoSuchUpload", S3_FINAL, LH_NOT_FOUND, "s3.no_such_upload",
     "the upload in parts was aborted or completed"},
    {"NotImplemented", S3_FINAL, LH_UNSUPPORTED, "s3.not_implemented",
     "the store does not do what was asked"},
    {"PermanentRedirect", S3_FINAL, LH_UNAVAILABLE, "s3.wrong_region", REGION},
    {"TemporaryRedirect", S3_FINAL, LH_UNAVAILABLE, "s3.wrong_region", REGION},
    {"AuthorizationHeaderMalformed", S3_FINAL, LH_UNAVAILABLE, "s3.wrong_region", REGION},
    {"IllegalLocationConstraintException", S3_FINAL, LH_UNAVAILABLE, "s3.wrong_region", REGION},
};

static const struct {
    int from, to; /* statuses, both included */
    struct meaning meaning;
} by_status[] = {
    {301, 308, {"", S3_FINAL, LH_UNAVAILABLE, "s3.wrong_region", REGION}},
    {401, 401, {"", S3_REFRESH, LH_UNAVAILABLE, "s3.credentials", KEYS}},
    {403,
     403,
     {"", S3_REFRESH, LH_UNAVAILABLE, "s3.access_denied",
      "the store denies this to the credentials"}},
    {404,
     404,
     {"", S3_FINAL, LH_UNAVAILABLE, "s3.no_such_bucket",
      "the store has no such bucket (any more)"}},
    {408, 408, {"", S3_AGAIN, LH_UNAVAILABLE, "s3.unavailable", "the store gave up waiting"}},
    {412, 412, {"", S3_FINAL, LH_CONFLICT, "store.precondition", "the condition is not met"}},
    {413,
     413,
     {"", S3_FINAL, LH_TOO_BIG, "store.object_too_big",
      "the object is bigger than the store allows"}},
    {429, 429, {"", S3_AGAIN, LH_BUSY, "s3.slow_down", "the store asks for fewer requests"}},
    {501,
     501,
     {"", S3_FINAL, LH_UNSUPPORTED, "s3.not_implemented", "the store does not do what was asked"}},
    {507, 507, {"", S3_FINAL, LH_NO_SPACE, "store.no_space", "the store is full"}},
    {500, 599, {"", S3_UNKNOWN, LH_UNAVAILABLE, "s3.unavailable", "the store failed"}},
    {0, 999, {"", S3_FINAL, LH_IO, "s3.refused", "the store refused"}},
};

static lh_status
code_take(void *self, const char *path, lh_str text, struct lh_error *err)
{
    struct s3_failure *f = self;

    (void)err;
    if (strcmp(path, "Error/Code") == 0)
        (void)lh_str_copy(f->code, sizeof(f->code), lh_str_trim(text));
    return LH_OK;
}

static const struct meaning *
meaning_find(const struct s3_failure *f)
{
    size_t i = 0;

    for (i = 0; i < sizeof(by_code) / sizeof(by_code[0]); i++) {
        if (strcmp(by_code[i].code, f->code) == 0)
            return &by_code[i];
    }
    for (i = 0; f->http_status < by_status[i].from || f->http_status > by_status[i].to; i++)
        continue;
    return &by_status[i].meaning;
}

/* Codes are letters and digits; whatever else comes is not repeated to people. */
static void
code_clean(struct s3_failure *f)
{
    for (const char *c = f->code; *c; c++) {
        if (!((*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')))
            f->code[0] = '\0';
    }
}

lh_status
s3_error_read(const struct lh_bucket *b, lh_str key, int http_status, lh_str body,
              struct s3_failure *out, struct lh_error *err)
{
    const struct meaning *m;

    *out = (struct s3_failure){.http_status = http_status};
    if (body.len > 0)
        (void)s3_xml_walk(body, code_take, out, NULL);
    code_clean(out);
    if (strcmp(out->code, "NoSuchKey") == 0 || strcmp(out->code, "NoSuchVersion") == 0 ||
        (http_status == 404 && !out->code[0] && key.len > 0)) {
        out->class = S3_FINAL;
        return bucket_fail_no_object(b, key, err);
    }
    m = meaning_find(out);
    out->class = m->class;
    (void)lh_fail(err, m->status, m->reason, "bucket '%s': %s (%d%s%s)", b->name, m->text,
                  http_status, out->code[0] ? " " : "", out->code);
    bucket_error_subject(b, key, err);
    return m->status;
}
