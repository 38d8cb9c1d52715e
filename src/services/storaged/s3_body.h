/*
 * s3 body: the bytes of a request, freed of their framing and checked.
 *
 * A body comes as it is or as `aws-chunked`: chunks with their length in front, signed one by one
 * or not at all, and perhaps fields behind the last one. Whatever was promised about the bytes — a
 * SHA-256 in the signature, Content-MD5, x-amz-checksum-…, in front or behind, the decoded length —
 * is compared when they end: the read that says "end" is the one that fails. So whoever acts only
 * after the end acts on checked bytes.
 *
 * Limits   a chunk's head 512 bytes, trailing fields 8 of together 4 KiB.
 * Fails    "s3.BadDigest", "s3.InvalidDigest", "s3.XAmzContentSHA256Mismatch",
 *          "s3.SignatureDoesNotMatch", "s3.IncompleteBody", "s3.InvalidRequest".
 * Source   AWS documentation, "Signature Calculations for the Authorization Header: Transferring
 *          Payload in Multiple Chunks", "Checking object integrity".
 */
#ifndef LH_SERVICES_STORAGED_S3_BODY_H
#define LH_SERVICES_STORAGED_S3_BODY_H

#include "base/checksum.h"
#include "net/sigv4.h"

#define S3_CHUNK_HEAD_MAX 512
#define S3_TRAILER_MAX 4096
#define S3_TRAILER_FIELDS_MAX 8
#define S3_BODY_BUFFER ((size_t)64 << 10)

enum s3_body_state {
    S3_BODY_PLAIN,
    S3_BODY_HEAD,
    S3_BODY_DATA,
    S3_BODY_AFTER,
    S3_BODY_TRAILER,
    S3_BODY_END
};

struct s3_body {
    struct lh_request *req;
    enum s3_body_state state;
    bool is_open;
    bool is_signed; /* each chunk */
    bool has_trailer;
    struct lh_sigv4_chunks chunks;
    char chunk_signature[LH_SHA256_HEX];
    struct lh_sha256 chunk_sha;
    bool chunk_sha_is_open;
    uint64_t chunk_left;
    uint8_t *buffer; /* of framing */
    size_t at, end;
    char trailer[S3_TRAILER_MAX];
    size_t trailer_len;
    uint64_t length;         /* decoded, so far */
    int64_t expected_length; /* -1: not said */

    lh_str sha256; /* promised by the signature, hex; "" for none */
    bool checks_sha256;
    struct lh_checksum sha, md5, sum;
    uint8_t md5_value[LH_CHECKSUM_BYTES_MAX]; /* at the end */
    lh_str md5_promised;                      /* base64 */
    bool has_sum;
    lh_str sum_promised; /* base64; "" while it is still to come behind the body */
    char sum_text[64];   /* base64, at the end */
};

/* `claim` and `key` are those of the checked signature. Nothing is read yet. */
lh_status
door_body_open(struct s3_body *b, struct lh_request *req, const struct lh_sigv4_claim *claim,
               const uint8_t key[LH_SHA256_BYTES], struct lh_arena *arena, struct lh_error *err);
void door_body_fini(struct s3_body *b); /* harmless on a zeroed one */
/* Somebody else compares the SHA-256 of the signature: it is not computed twice. */
void door_body_sha256_delegate(struct s3_body *b);
/* The x-amz-checksum- field is about something else than this body. */
void door_body_sum_forget(struct s3_body *b);
/* *got 0 is the end, with everything checked. */
lh_status
door_body_read(struct s3_body *b, void *to, size_t size, size_t *got, struct lh_error *err);
/* All of it. */
lh_status door_body_take(struct s3_body *b, struct lh_buf *out, struct lh_error *err);
/* Bytes to come, when known before they come; 0 when not. */
uint64_t door_body_size_hint(const struct s3_body *b);
/* The checksum that was checked, as header fields of the answer. */
void door_body_checksum_answer(const struct s3_body *b, struct lh_response *res);

#endif
