/*
 * Every signature below is published: in the AWS Signature Version 4 test suite (service
 * "service"), or in the examples of the Amazon S3 API reference (service "s3").
 */
#include "base/testing.h"

#include "base/time.h"
#include "net/sigv4.h"

#define SUITE_SECRET LH_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
#define S3_SECRET LH_STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
#define S3_TIME "20130524T000000Z"
#define STS_TOKEN                                                                                  \
    "AQoDYXdzEPT//////////"                                                                        \
    "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfI"                    \
    "eoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"                                                          \
    "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0"                                  \
    "wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"            \
    "scqKmlzm8FDry"                                                                                \
    "pNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define HEADER(name, value)                                                                        \
    {                                                                                              \
        {name, sizeof(name) - 1},                                                                  \
        {                                                                                          \
            value, sizeof(value) - 1                                                               \
        }                                                                                          \
    }
#define HOST HEADER("Host", "example.amazonaws.com")
#define DATE HEADER("X-Amz-Date", "20150830T123600Z")
#define S3_HOST HEADER("Host", "examplebucket.s3.amazonaws.com")
#define S3_DATE HEADER("x-amz-date", S3_TIME)
#define S3_EMPTY HEADER("x-amz-content-sha256", LH_SIGV4_EMPTY)

struct vector {
    const char *name, *method, *path, *query, *body;
    struct lh_header headers[8];
    const char *signed_headers, *signature;
};

static const struct vector suite[] = {
    {"get-vanilla",
     "GET",
     "/",
     "",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-header-key-duplicate",
     "GET",
     "/",
     "",
     "",
     {HOST, HEADER("My-Header1", "value2"), HEADER("My-Header1", "value2"),
      HEADER("My-Header1", "value1"), DATE},
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-multiline",
     "GET",
     "/",
     "",
     "",
     {HOST, HEADER("My-Header1", "value1,value2,value3"), DATE},
     "host;my-header1;x-amz-date",
     "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"},
    {"get-header-value-order",
     "GET",
     "/",
     "",
     "",
     {HOST, HEADER("My-Header1", "value4"), HEADER("My-Header1", "value1"),
      HEADER("My-Header1", "value3"), HEADER("My-Header1", "value2"), DATE},
     "host;my-header1;x-amz-date",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim",
     "GET",
     "/",
     "",
     "",
     {HOST, HEADER("My-Header1", " value1"), HEADER("My-Header2", " \"a   b   c\""), DATE},
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-unreserved",
     "GET",
     "/" UNRESERVED,
     "",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8",
     "GET",
     "/\xE1\x88\xB4",
     "",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-vanilla-empty-query-key",
     "GET",
     "/",
     "Param1=value1",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-key",
     "GET",
     "/",
     "Param1=value2&Param1=Value1",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     "Param2=value2&Param1=value1",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-value",
     "GET",
     "/",
     "Param1=value2&Param1=value1",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
    {"get-vanilla-query-unreserved",
     "GET",
     "/",
     UNRESERVED "=" UNRESERVED,
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     "\xE1\x88\xB4=bar",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"post-header-key-sort",
     "POST",
     "/",
     "",
     "",
     {HOST, HEADER("My-Header1", "value1"), DATE},
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case",
     "POST",
     "/",
     "",
     "",
     {HOST, HEADER("My-Header1", "VALUE1"), DATE},
     "host;my-header1;x-amz-date",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-sts-header-before",
     "POST",
     "/",
     "",
     "",
     {HOST, DATE, HEADER("X-Amz-Security-Token", STS_TOKEN)},
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
    {"post-sts-header-after",
     "POST",
     "/",
     "",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-vanilla-query",
     "POST",
     "/",
     "Param1=value1",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {"post-vanilla-query-nonunreserved",
     "POST",
     "/",
     "%40%23%24%25%5E=&+=/,%3F%3E%3C%60%22;:%5C%7C%5D%5B%7B%7D",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e"},
    {"post-vanilla-query-space",
     "POST",
     "/",
     "p=",
     "",
     {HOST, DATE},
     "host;x-amz-date",
     "e71688addb58a26418614085fb730ba3faa623b461c17f48f2fbdb9361b94a9b"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     "",
     "Param1=value1",
     {HEADER("Content-Type", "application/x-www-form-urlencoded"), HOST, DATE},
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-x-www-form-urlencoded-parameters",
     "POST",
     "/",
     "",
     "Param1=value1",
     {HEADER("Content-Type", "application/x-www-form-urlencoded; charset=utf8"), HOST, DATE},
     "content-type;host;x-amz-date",
     "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
};

static const struct vector s3[] = {
    {"GET object",
     "GET",
     "/test.txt",
     "",
     "",
     {S3_HOST, HEADER("Range", "bytes=0-9"), S3_EMPTY, S3_DATE},
     "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT object",
     "PUT",
     "/test$file.text",
     "",
     "Welcome to Amazon S3.",
     {S3_HOST, HEADER("Date", "Fri, 24 May 2013 00:00:00 GMT"), S3_DATE,
      HEADER("x-amz-storage-class", "REDUCED_REDUNDANCY"),
      HEADER("x-amz-content-sha256",
             "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")},
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET bucket lifecycle",
     "GET",
     "/",
     "lifecycle",
     "",
     {S3_HOST, S3_DATE, S3_EMPTY},
     "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"GET bucket",
     "GET",
     "",
     "max-keys=2&prefix=J",
     "",
     {S3_HOST, S3_DATE, S3_EMPTY},
     "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static const struct lh_header chunked[] = {
    HEADER("Host", "s3.amazonaws.com"),
    S3_DATE,
    HEADER("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    HEADER("x-amz-content-sha256", LH_SIGV4_STREAMING),
    HEADER("Content-Encoding", "aws-chunked"),
    HEADER("x-amz-decoded-content-length", "66560"),
    HEADER("Content-Length", "66824"),
};

static const struct lh_header trailed[] = {
    HEADER("Host", "s3.amazonaws.com"),
    S3_DATE,
    HEADER("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    HEADER("x-amz-content-sha256", LH_SIGV4_STREAMING_TRAILER),
    HEADER("Content-Encoding", "aws-chunked"),
    HEADER("x-amz-decoded-content-length", "66560"),
    HEADER("x-amz-trailer", "x-amz-checksum-crc32c"),
};

static struct lh_sigv4_request
request_of(const struct vector *v, char payload[LH_SHA256_HEX])
{
    struct lh_sigv4_request r = {.method = lh_str_of(v->method),
                                 .path = lh_str_of(v->path),
                                 .query = lh_str_of(v->query),
                                 .headers = v->headers};
    uint8_t digest[LH_SHA256_BYTES];

    while (r.header_count < 8 && v->headers[r.header_count].name.ptr)
        r.header_count++;
    lh_sha256_of(lh_str_bytes(lh_str_of(v->body)), digest);
    r.payload_hash = lh_str_of(lh_sha256_hex(digest, payload));
    return r;
}

static struct lh_sigv4_request
put_chunks(const struct lh_header *headers, size_t count, const char *payload)
{
    return (struct lh_sigv4_request){.method = LH_STR("PUT"),
                                     .path = LH_STR("/examplebucket/chunkObject.txt"),
                                     .headers = headers,
                                     .header_count = count,
                                     .payload_hash = lh_str_of(payload)};
}

static struct lh_sigv4_signer
suite_signer(void)
{
    return (struct lh_sigv4_signer){LH_STR("AKIDEXAMPLE"), SUITE_SECRET, LH_STR("us-east-1"),
                                    LH_STR("service"), "20150830T123600Z"};
}

static struct lh_sigv4_signer
s3_signer(void)
{
    return (struct lh_sigv4_signer){LH_STR("AKIAIOSFODNN7EXAMPLE"), S3_SECRET, LH_STR("us-east-1"),
                                    LH_STR("s3"), S3_TIME};
}

static int64_t
s3_now(void)
{
    int64_t us = 0;

    assert_true(lh_sigv4_time_parse(LH_STR(S3_TIME), &us));
    return us;
}

static void
check_vector(const struct lh_sigv4_signer *signer, const char *scope, const struct vector *v)
{
    char payload[LH_SHA256_HEX], signature[LH_SHA256_HEX];
    struct lh_sigv4_request r = request_of(v, payload);
    LH_AUTO_BUF(authorization, 4096);
    LH_AUTO_BUF(expected, 4096);

    lh_sigv4_authorize(signer, &r, &authorization, signature);
    lh_buf_printf(&expected, "AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=%s, Signature=%s",
                  LH_FMT(signer->access_key_id), scope, v->signed_headers, v->signature);
    if (!lh_str_eq(lh_buf_str(&authorization), lh_buf_str(&expected)))
        fail_msg("%s: %s", v->name, lh_buf_cstr(&authorization));
    assert_string_equal(signature, v->signature);
}

static void
signatures_are_those_of_the_published_suite(void **state)
{
    struct lh_sigv4_signer signer = suite_signer();

    (void)state;
    for (size_t i = 0; i < sizeof(suite) / sizeof(suite[0]); i++)
        check_vector(&signer, "20150830/us-east-1/service/aws4_request", &suite[i]);
}

static void
signatures_are_those_of_the_s3_reference(void **state)
{
    struct lh_sigv4_signer signer = s3_signer();

    (void)state;
    for (size_t i = 0; i < sizeof(s3) / sizeof(s3[0]); i++)
        check_vector(&signer, "20130524/us-east-1/s3/aws4_request", &s3[i]);
}

static void
the_canonical_request_and_the_string_to_sign_are_the_published_ones(void **state)
{
    char payload[LH_SHA256_HEX];
    struct lh_sigv4_request r = request_of(&s3[0], payload);
    LH_AUTO_BUF(canonical, 4096);
    LH_AUTO_BUF(text, 4096);

    (void)state;
    assert_true(lh_sigv4_canonical_request(&r, lh_str_of(s3[0].signed_headers), &canonical));
    assert_str(lh_buf_str(&canonical),
               "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
               "x-amz-content-sha256:" LH_SIGV4_EMPTY "\nx-amz-date:20130524T000000Z\n\n"
               "host;range;x-amz-content-sha256;x-amz-date\n" LH_SIGV4_EMPTY);
    lh_sigv4_string_to_sign(LH_STR(S3_TIME), LH_STR("20130524/us-east-1/s3/aws4_request"),
                            lh_buf_str(&canonical), &text);
    assert_str(lh_buf_str(&text),
               "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
               "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
}

/* The key of the suite's documentation: secret, 20150830, us-east-1, iam. */
static void
the_signing_key_is_the_published_one(void **state)
{
    uint8_t key[LH_SHA256_BYTES];
    char text[LH_SHA256_HEX];

    (void)state;
    lh_sigv4_key(SUITE_SECRET, LH_STR("20150830"), LH_STR("us-east-1"), LH_STR("iam"), key);
    assert_string_equal(lh_sha256_hex(key, text),
                        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

#define PRESIGNED                                                                                  \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-" \
    "1"                                                                                            \
    "%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders="    \
    "host"                                                                                         \
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

static const struct lh_header presigned_headers[] = {S3_HOST};

static struct lh_sigv4_request
presigned_request(const char *query)
{
    return (struct lh_sigv4_request){.method = LH_STR("GET"),
                                     .path = LH_STR("/test.txt"),
                                     .query = lh_str_of(query),
                                     .headers = presigned_headers,
                                     .header_count = 1};
}

static void
a_presigned_query_is_the_published_one(void **state)
{
    struct lh_sigv4_signer signer = s3_signer();
    struct lh_sigv4_request r = presigned_request("");
    LH_AUTO_BUF(query, 4096);

    (void)state;
    lh_sigv4_presign(&signer, &r, LH_STR_NONE, 86400, &query);
    assert_str(lh_buf_str(&query), PRESIGNED);
}

static void
a_presigned_query_is_good_until_it_expires(void **state)
{
    struct lh_sigv4_request r = presigned_request(PRESIGNED);
    int64_t now = s3_now();
    struct lh_sigv4_claim claim;
    LH_AUTO_ERROR(err);

    (void)state;
    assert_true(lh_sigv4_is_claimed(&r));
    assert_ok(lh_sigv4_claim_parse(&r, &claim, &err), err);
    assert_true(claim.is_presigned);
    assert_str(claim.access_key_id, "AKIAIOSFODNN7EXAMPLE");
    assert_ok(lh_sigv4_claim_check(&claim, &r, S3_SECRET, now, NULL, &err), err);
    assert_ok(
        lh_sigv4_claim_check(&claim, &r, S3_SECRET, now + 86399 * INT64_C(1000000), NULL, &err),
        err);
    assert_fails(
        lh_sigv4_claim_check(&claim, &r, S3_SECRET, now + 86400 * INT64_C(1000000), NULL, &err),
        LH_DENIED, "sigv4.expired", err);
    assert_fails(
        lh_sigv4_claim_check(&claim, &r, S3_SECRET, now - 901 * INT64_C(1000000), NULL, &err),
        LH_DENIED, "sigv4.skewed", err);
    r.path = LH_STR("/other.txt");
    assert_fails(lh_sigv4_claim_check(&claim, &r, S3_SECRET, now, NULL, &err), LH_DENIED,
                 "sigv4.signature", err);
}

static void
a_presigned_query_of_ours_with_a_token_and_parameters_is_accepted(void **state)
{
    struct lh_sigv4_signer signer = s3_signer();
    struct lh_sigv4_request r = presigned_request("versionId=a%20b&partNumber=2");
    struct lh_sigv4_claim claim;
    LH_AUTO_BUF(query, 4096);
    LH_AUTO_ERROR(err);

    (void)state;
    lh_sigv4_presign(&signer, &r, LH_STR(STS_TOKEN), 60, &query);
    r.query = lh_buf_str(&query);
    assert_ok(lh_sigv4_claim_parse(&r, &claim, &err), err);
    assert_ok(lh_sigv4_claim_check(&claim, &r, S3_SECRET, s3_now(), NULL, &err), err);
}

static lh_status
check_signed(const struct vector *v, lh_str secret, int64_t now, struct lh_error *err)
{
    char payload[LH_SHA256_HEX];
    struct lh_sigv4_request r = request_of(v, payload);
    struct lh_sigv4_signer signer = s3_signer();
    LH_AUTO_BUF(authorization, 4096);
    struct lh_header headers[9];
    struct lh_sigv4_claim claim;

    lh_sigv4_authorize(&signer, &r, &authorization, NULL);
    memcpy(headers, r.headers, r.header_count * sizeof(headers[0]));
    headers[r.header_count++] =
        (struct lh_header){LH_STR("authorization"), lh_buf_str(&authorization)};
    r.headers = headers;
    LH_TRY(lh_sigv4_claim_parse(&r, &claim, err));
    return lh_sigv4_claim_check(&claim, &r, secret, now, NULL, err);
}

static void
a_signed_request_is_accepted_with_the_right_key_at_the_right_time_only(void **state)
{
    int64_t now = s3_now();
    LH_AUTO_ERROR(err);

    (void)state;
    for (size_t i = 0; i < sizeof(s3) / sizeof(s3[0]); i++)
        assert_ok(check_signed(&s3[i], S3_SECRET, now, &err), err);
    assert_fails(check_signed(&s3[0], SUITE_SECRET, now, &err), LH_DENIED, "sigv4.signature", err);
    assert_ok(check_signed(&s3[0], S3_SECRET, now + 900 * INT64_C(1000000), &err), err);
    assert_fails(check_signed(&s3[0], S3_SECRET, now + 901 * INT64_C(1000000), &err), LH_DENIED,
                 "sigv4.skewed", err);
}

static lh_status
parse_header(const char *authorization, struct lh_error *err)
{
    struct lh_header headers[] = {
        S3_HOST,
        S3_DATE,
        S3_EMPTY,
        {LH_STR("Authorization"), lh_str_of(authorization)},
    };
    struct lh_sigv4_request r = {.method = LH_STR("GET"), .headers = headers, .header_count = 4};
    struct lh_sigv4_claim claim;

    return lh_sigv4_claim_parse(&r, &claim, err);
}

#define CREDENTIAL "AWS4-HMAC-SHA256 Credential=KEY/20130524/us-east-1/s3/aws4_request"
#define SIGNATURE ",Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"

static void
what_is_not_well_formed_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "AWS4-HMAC-SHA256",
        "AWS KEY:signature",
        "Bearer abc",
        CREDENTIAL,
        CREDENTIAL ",SignedHeaders=host;x-amz-date,Signature=abc",
        CREDENTIAL ",SignedHeaders=x-amz-date;host" SIGNATURE,
        CREDENTIAL ",SignedHeaders=host;host" SIGNATURE,
        CREDENTIAL ",SignedHeaders=Host" SIGNATURE,
        CREDENTIAL ",SignedHeaders=" SIGNATURE,
        CREDENTIAL ",Surprise=1,SignedHeaders=host" SIGNATURE,
        "AWS4-HMAC-SHA256 "
        "Credential=20130524/us-east-1/s3/aws4_request,SignedHeaders=host" SIGNATURE,
        "AWS4-HMAC-SHA256 "
        "Credential=KEY/20130525/us-east-1/s3/aws4_request,SignedHeaders=host" SIGNATURE,
        "AWS4-HMAC-SHA256 "
        "Credential=KEY/20130524/us-east-1/s3/aws5_request,SignedHeaders=host" SIGNATURE,
    };
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(parse_header(CREDENTIAL ",SignedHeaders=host" SIGNATURE, &err), err);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(parse_header(bad[i], &err), LH_INVALID, "sigv4.malformed", err);
}

static void
a_request_without_a_signature_is_told_so(void **state)
{
    struct lh_sigv4_request r = presigned_request("versionId=1");
    struct lh_sigv4_claim claim;
    LH_AUTO_ERROR(err);

    (void)state;
    assert_false(lh_sigv4_is_claimed(&r));
    assert_fails(lh_sigv4_claim_parse(&r, &claim, &err), LH_DENIED, "sigv4.missing", err);
}

static void
an_amz_field_that_was_added_behind_the_signer_is_refused(void **state)
{
    struct lh_sigv4_request r = presigned_request(PRESIGNED);
    const struct lh_header added[] = {S3_HOST, HEADER("X-Amz-Copy-Source", "/other/secret")};
    struct lh_sigv4_claim claim;
    LH_AUTO_ERROR(err);

    (void)state;
    r.headers = added;
    r.header_count = 2;
    assert_ok(lh_sigv4_claim_parse(&r, &claim, &err), err);
    assert_fails(lh_sigv4_claim_check(&claim, &r, S3_SECRET, s3_now(), NULL, &err), LH_DENIED,
                 "sigv4.unsigned_header", err);
}

static void
chunks_begin(struct lh_sigv4_chunks *c, const char *seed)
{
    uint8_t key[LH_SHA256_BYTES];

    lh_sigv4_key(S3_SECRET, LH_STR("20130524"), LH_STR("us-east-1"), LH_STR("s3"), key);
    assert_true(lh_sigv4_chunks_init(
        c, key, LH_STR(S3_TIME), LH_STR("20130524/us-east-1/s3/aws4_request"), lh_str_of(seed)));
}

static void
check_chunks(struct lh_sigv4_chunks *c, const char *const signatures[3])
{
    static const size_t sizes[] = {65536, 1024, 0};
    uint8_t data[65536], digest[LH_SHA256_BYTES];

    memset(data, 'a', sizeof(data));
    for (size_t i = 0; i < 3; i++) {
        char signature[LH_SHA256_HEX];
        struct lh_sigv4_chunks copy = *c;

        lh_sha256_of(lh_bytes_of(data, sizes[i]), digest);
        assert_true(lh_sigv4_chunk_check(&copy, digest, lh_str_of(signatures[i])));
        lh_sigv4_chunk_sign(c, digest, signature);
        assert_string_equal(signature, signatures[i]);
    }
}

static void
signatures_of_chunks_are_the_published_ones(void **state)
{
    static const char *const signatures[] = {
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    };
    struct lh_sigv4_request r = put_chunks(chunked, 7, LH_SIGV4_STREAMING);
    struct lh_sigv4_signer signer = s3_signer();
    struct lh_sigv4_chunks c;
    char seed[LH_SHA256_HEX];
    LH_AUTO_BUF(authorization, 4096);

    (void)state;
    lh_sigv4_authorize(&signer, &r, &authorization, seed);
    assert_string_equal(seed, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
    chunks_begin(&c, seed);
    check_chunks(&c, signatures);
    lh_sigv4_chunks_fini(&c);
}

static void
the_signature_of_a_trailer_is_the_published_one(void **state)
{
    static const char *const signatures[] = {
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    };
    struct lh_sigv4_request r = put_chunks(trailed, 7, LH_SIGV4_STREAMING_TRAILER);
    struct lh_sigv4_signer signer = s3_signer();
    struct lh_sigv4_chunks c;
    char seed[LH_SHA256_HEX];
    LH_AUTO_BUF(authorization, 4096);

    (void)state;
    lh_sigv4_authorize(&signer, &r, &authorization, seed);
    assert_string_equal(seed, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
    chunks_begin(&c, seed);
    check_chunks(&c, signatures);
    assert_true(lh_sigv4_trailer_check(
        &c, LH_STR("x-amz-checksum-crc32c:sOO8/Q==\n"),
        LH_STR("d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435")));
    lh_sigv4_chunks_fini(&c);
}

static void
a_chunk_that_was_changed_ends_the_chain(void **state)
{
    struct lh_sigv4_chunks c;
    uint8_t digest[LH_SHA256_BYTES];

    (void)state;
    chunks_begin(&c, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
    lh_sha256_of(lh_bytes_of("b", 1), digest);
    assert_false(lh_sigv4_chunk_check(
        &c, digest, LH_STR("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")));
    assert_false(lh_sigv4_chunks_init(&c, c.key, LH_STR(S3_TIME), LH_STR("s"), LH_STR("short")));
}

static void
too_many_parameters_or_fields_are_refused(void **state)
{
    struct lh_sigv4_signer signer = s3_signer();
    struct lh_header headers[LH_SIGV4_HEADERS + 1];
    struct lh_sigv4_request r = {.method = LH_STR("GET"), .headers = headers};
    LH_AUTO_BUF(query, 4096);
    LH_AUTO_BUF(out, 65536);

    (void)state;
    for (size_t i = 0; i < LH_SIGV4_HEADERS + 1; i++) {
        headers[i] = (struct lh_header){LH_STR("host"), LH_STR("a")};
        lh_buf_printf(&query, "a%zu=1&", i);
    }
    r.header_count = LH_SIGV4_HEADERS + 1;
    lh_sigv4_authorize(&signer, &r, &out, NULL);
    assert_true(out.is_failed);
    lh_buf_clear(&out);
    r.header_count = 1;
    r.query = lh_buf_str(&query);
    lh_sigv4_authorize(&signer, &r, &out, NULL);
    assert_true(out.is_failed);
}

static void
times_are_read_and_written_in_one_form(void **state)
{
    char text[LH_SIGV4_TIME];
    int64_t us;

    (void)state;
    assert_string_equal(lh_sigv4_time_format(s3_now(), text), S3_TIME);
    assert_false(lh_sigv4_time_parse(LH_STR("20130524T000000"), &us));
    assert_false(lh_sigv4_time_parse(LH_STR("20131324T000000Z"), &us));
    assert_false(lh_sigv4_time_parse(LH_STR("2013-05-24T00:00"), &us));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_of_the_published_suite),
        cmocka_unit_test(signatures_are_those_of_the_s3_reference),
        cmocka_unit_test(the_canonical_request_and_the_string_to_sign_are_the_published_ones),
        cmocka_unit_test(the_signing_key_is_the_published_one),
        cmocka_unit_test(a_presigned_query_is_the_published_one),
        cmocka_unit_test(a_presigned_query_is_good_until_it_expires),
        cmocka_unit_test(a_presigned_query_of_ours_with_a_token_and_parameters_is_accepted),
        cmocka_unit_test(a_signed_request_is_accepted_with_the_right_key_at_the_right_time_only),
        cmocka_unit_test(what_is_not_well_formed_is_refused),
        cmocka_unit_test(a_request_without_a_signature_is_told_so),
        cmocka_unit_test(an_amz_field_that_was_added_behind_the_signer_is_refused),
        cmocka_unit_test(signatures_of_chunks_are_the_published_ones),
        cmocka_unit_test(the_signature_of_a_trailer_is_the_published_one),
        cmocka_unit_test(a_chunk_that_was_changed_ends_the_chain),
        cmocka_unit_test(too_many_parameters_or_fields_are_refused),
        cmocka_unit_test(times_are_read_and_written_in_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
