/*
 * sigv4: AWS Signature Version 4 as pure functions, for whoever signs and for whoever checks.
 *
 * A request is described as it is on the wire: the path and the query still percent-encoded, header
 * fields as sent. The canonical form follows the rules of S3: one round of encoding, no
 * normalisation of the path, "+" is a plus.
 *
 * Signing    lh_sigv4_authorize gives the value of Authorization, lh_sigv4_presign a query.
 * Checking   lh_sigv4_claim_parse reads what a request says about itself, so that the caller can
 *            look up the secret and compare region and service; lh_sigv4_claim_check computes the
 *            signature again and compares in constant time.
 * Chunks     of `Content-Encoding: aws-chunked`: each has a signature over the one before it, the
 *            first over that of the request. STREAMING-UNSIGNED-PAYLOAD-TRAILER has none.
 * Owns       nothing; views of a claim point into the request and into the claim itself, so that a
 *            claim is not copied.
 * Fails      INVALID "sigv4.malformed"; DENIED "sigv4.missing" | "sigv4.signature" |
 *            "sigv4.skewed" | "sigv4.expired" | "sigv4.unsigned_header".
 * Source     https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html,
 *            the pages below it, and the test suite published with them.
 */
#ifndef LH_NET_SIGV4_H
#define LH_NET_SIGV4_H

#include "base/hash.h"
#include "net/http.h"

#define LH_SIGV4_TIME 17    /* "20130524T000000Z" with NUL */
#define LH_SIGV4_SCOPE 128  /* with NUL */
#define LH_SIGV4_HEADERS 64 /* fields and parameters of one request; more is malformed */
#define LH_SIGV4_SKEW_S 900 /* how far the clocks of both sides may differ */
#define LH_SIGV4_EXPIRES_MAX_S 604800
#define LH_SIGV4_TEXT_MAX ((size_t)64 << 10) /* of a canonical request */

#define LH_SIGV4_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define LH_SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
#define LH_SIGV4_STREAMING "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#define LH_SIGV4_STREAMING_TRAILER "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
#define LH_SIGV4_STREAMING_UNSIGNED "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

struct lh_sigv4_request {
    lh_str method;
    lh_str path;  /* "" stands for "/" */
    lh_str query; /* without '?' */
    const struct lh_header *headers;
    size_t header_count;
    lh_str payload_hash; /* hex, or one of the words above */
};

/* Who signs, when and for what. */
struct lh_sigv4_signer {
    lh_str access_key_id;
    lh_str secret_access_key;
    lh_str region, service;
    char time[LH_SIGV4_TIME]; /* also the value of x-amz-date */
};

char *lh_sigv4_time_format(int64_t us, char text[LH_SIGV4_TIME]);
bool lh_sigv4_time_parse(lh_str text, int64_t *us);

/* ---- the steps ---- */

/* "host;x-amz-date": the names of all fields, in lower case, sorted, each once. */
void lh_sigv4_header_names(const struct lh_header *headers, size_t count, struct lh_buf *out);
/* False when a field of `signed_headers` is missing or there are too many. The parameter
 * X-Amz-Signature is left out. */
bool lh_sigv4_canonical_request(const struct lh_sigv4_request *r, lh_str signed_headers,
                                struct lh_buf *out);
/* "20130524/us-east-1/s3/aws4_request" */
char *lh_sigv4_scope(lh_str date, lh_str region, lh_str service, char scope[LH_SIGV4_SCOPE]);
void
lh_sigv4_string_to_sign(lh_str time, lh_str scope, lh_str canonical_request, struct lh_buf *out);
/* `date` is the first eight characters of the time. */
void lh_sigv4_key(lh_str secret_access_key, lh_str date, lh_str region, lh_str service,
                  uint8_t key[LH_SHA256_BYTES]);
void lh_sigv4_sign(const uint8_t key[LH_SHA256_BYTES], lh_str string_to_sign,
                   char signature[LH_SHA256_HEX]);

/* ---- signing ---- */

/* Signs every field given (host among them) and appends the value of Authorization to `out`, which
 * is failed when the request has too many fields. `signature` may be NULL; chunks begin with it. */
void lh_sigv4_authorize(const struct lh_sigv4_signer *s, const struct lh_sigv4_request *r,
                        struct lh_buf *out, char signature[LH_SHA256_HEX]);
/* Appends the whole query: the one of the request, X-Amz-…, the signature. The payload is not
 * signed. `session_token` may be empty. */
void lh_sigv4_presign(const struct lh_sigv4_signer *s, const struct lh_sigv4_request *r,
                      lh_str session_token, int64_t expires_s, struct lh_buf *out);

/* ---- checking ---- */

struct lh_sigv4_claim {
    bool is_presigned;
    lh_str access_key_id, date, region, service; /* of the credential */
    lh_str signed_headers, signature;
    lh_str time;
    int64_t time_us;
    int64_t expires_s;    /* of a presigned one */
    lh_str session_token; /* of a presigned one: still encoded */
    lh_str payload_hash;  /* x-amz-content-sha256, or UNSIGNED-PAYLOAD of a presigned one */
    char text[1024];      /* decoded parameters */
};

/* True when the request claims to be signed at all, whether well or badly. */
bool lh_sigv4_is_claimed(const struct lh_sigv4_request *r);
/* `r->payload_hash` is not looked at. */
lh_status lh_sigv4_claim_parse(const struct lh_sigv4_request *r, struct lh_sigv4_claim *out,
                               struct lh_error *err);
/* Also checks the time, and that host and every x-amz- field are signed. `signing_key` may be NULL;
 * chunks need it. */
lh_status lh_sigv4_claim_check(const struct lh_sigv4_claim *claim, const struct lh_sigv4_request *r,
                               lh_str secret_access_key, int64_t now_us,
                               uint8_t signing_key[LH_SHA256_BYTES], struct lh_error *err);

/* ---- chunks ---- */

struct lh_sigv4_chunks {
    uint8_t key[LH_SHA256_BYTES];
    char time[LH_SIGV4_TIME];
    char scope[LH_SIGV4_SCOPE];
    char previous[LH_SHA256_HEX];
};

/* `seed` is the signature of the request. False when it or the scope is not of the right form. */
bool lh_sigv4_chunks_init(struct lh_sigv4_chunks *c, const uint8_t key[LH_SHA256_BYTES],
                          lh_str time, lh_str scope, lh_str seed);
void lh_sigv4_chunks_fini(struct lh_sigv4_chunks *c); /* clears the key */
/* The signature of the next chunk, from the SHA-256 of its data; the last chunk has none. */
void lh_sigv4_chunk_sign(struct lh_sigv4_chunks *c, const uint8_t sha256[LH_SHA256_BYTES],
                         char signature[LH_SHA256_HEX]);
/* Trailing fields as "name:value\n" each, sorted, names in lower case. */
void lh_sigv4_trailer_sign(struct lh_sigv4_chunks *c, lh_str fields, char signature[LH_SHA256_HEX]);
/* The same for whoever checks; constant time, and false ends the body. */
bool lh_sigv4_chunk_check(struct lh_sigv4_chunks *c, const uint8_t sha256[LH_SHA256_BYTES],
                          lh_str signature);
bool lh_sigv4_trailer_check(struct lh_sigv4_chunks *c, lh_str fields, lh_str signature);

#endif
