#include "services/storaged/s3_body.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/encoding.h"

/* ---- opening: what is promised ---- */

static lh_status
fail_malformed(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_INVALID, "s3.InvalidRequest", "the body: %s", what);
}

static bool
is_hex_64(lh_str s)
{
    if (s.len != LH_SHA256_HEX - 1)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!strchr("0123456789abcdef", s.ptr[i]))
            return false;
    }
    return true;
}

static lh_status
framing_open(struct s3_body *b, lh_str word, struct lh_error *err)
{
    if (lh_str_eq(word, LH_STR(LH_SIGV4_UNSIGNED)) || word.len == 0)
        return LH_OK;
    if (is_hex_64(word)) {
        b->sha256 = word;
        b->checks_sha256 = true;
        return LH_OK;
    }
    b->state = S3_BODY_HEAD;
    b->is_signed = true;
    if (lh_str_eq(word, LH_STR(LH_SIGV4_STREAMING)))
        return LH_OK;
    b->has_trailer = true;
    if (lh_str_eq(word, LH_STR(LH_SIGV4_STREAMING_TRAILER)))
        return LH_OK;
    b->is_signed = false;
    if (lh_str_eq(word, LH_STR(LH_SIGV4_STREAMING_UNSIGNED)))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.InvalidArgument",
                   "x-amz-content-sha256 is neither a SHA-256 nor a word this door knows");
}

static lh_status
chunks_open(struct s3_body *b, const struct lh_sigv4_claim *claim,
            const uint8_t key[LH_SHA256_BYTES], struct lh_error *err)
{
    char scope[LH_SIGV4_SCOPE];

    if (!b->is_signed || b->state == S3_BODY_PLAIN)
        return LH_OK;
    lh_sigv4_scope(claim->date, claim->region, claim->service, scope);
    if (!lh_sigv4_chunks_init(&b->chunks, key, claim->time, lh_str_of(scope), claim->signature))
        return fail_malformed(err, "its chunks cannot follow this signature");
    return LH_OK;
}

static lh_status
length_open(struct s3_body *b, struct lh_error *err)
{
    lh_str text = lh_request_header(b->req, "x-amz-decoded-content-length");
    int64_t length;

    b->expected_length = b->state == S3_BODY_PLAIN ? b->req->body.length : -1;
    if (b->state == S3_BODY_PLAIN || !text.ptr)
        return LH_OK;
    if (!lh_str_i64(lh_str_trim(text), &length) || length < 0)
        return fail_malformed(err, "x-amz-decoded-content-length is not a number");
    b->expected_length = length;
    return LH_OK;
}

/* "x-amz-checksum-crc32" is a sum; "x-amz-checksum-type" and -algorithm say something about one. */
static bool
sum_kind(lh_str field, enum lh_checksum_kind *kind)
{
    lh_str prefix = LH_STR("x-amz-checksum-");

    if (field.len <= prefix.len || !lh_str_eq_nocase(lh_str_slice(field, 0, prefix.len), prefix))
        return false;
    return lh_checksum_find(lh_str_slice(field, prefix.len, field.len), kind);
}

static void
sum_begin(struct s3_body *b, enum lh_checksum_kind kind, lh_str promised)
{
    lh_checksum_init(&b->sum, kind);
    b->has_sum = true;
    b->sum_promised = promised;
}

static lh_status
sum_open(struct s3_body *b, struct lh_error *err)
{
    lh_str trailer = lh_str_trim(lh_request_header(b->req, "x-amz-trailer"));
    enum lh_checksum_kind kind;

    for (size_t i = 0; i < b->req->header_count; i++) {
        const struct lh_header *h = &b->req->headers[i];

        if (!sum_kind(h->name, &kind))
            continue;
        if (b->has_sum)
            return fail_malformed(err, "two checksums are promised, one is possible");
        sum_begin(b, kind, lh_str_trim(h->value));
    }
    if (!trailer.ptr || trailer.len == 0)
        return LH_OK;
    if (!b->has_trailer || b->has_sum || !sum_kind(trailer, &kind))
        return fail_malformed(err, "x-amz-trailer does not name one known checksum");
    sum_begin(b, kind, LH_STR(""));
    return LH_OK;
}

static lh_status
md5_open(struct s3_body *b, struct lh_error *err)
{
    LH_AUTO_BUF(value, 64);

    b->md5_promised = lh_str_trim(lh_request_header(b->req, "Content-MD5"));
    lh_checksum_init(&b->md5, LH_CHECKSUM_MD5);
    if (!b->md5_promised.ptr)
        return LH_OK;
    if (!lh_base64_decode(&value, b->md5_promised) || value.len != 16)
        return lh_fail(err, LH_INVALID, "s3.InvalidDigest",
                       "Content-MD5 is not the base64 text of 16 bytes");
    return LH_OK;
}

lh_status
door_body_open(struct s3_body *b, struct lh_request *req, const struct lh_sigv4_claim *claim,
               const uint8_t key[LH_SHA256_BYTES], struct lh_arena *arena, struct lh_error *err)
{
    *b = (struct s3_body){.req = req, .is_open = true};
    LH_TRY(framing_open(b, claim->payload_hash, err));
    /* The claim goes when the signature is checked; the body is read after. */
    b->sha256 = lh_arena_str(arena, b->sha256);
    LH_TRY(chunks_open(b, claim, key, err));
    LH_TRY(length_open(b, err));
    LH_TRY(sum_open(b, err));
    LH_TRY(md5_open(b, err));
    if (b->checks_sha256)
        lh_checksum_init(&b->sha, LH_CHECKSUM_SHA256);
    if (b->state != S3_BODY_PLAIN)
        b->buffer = lh_alloc(S3_BODY_BUFFER);
    return LH_OK;
}

void
door_body_fini(struct s3_body *b)
{
    if (!b->is_open)
        return;
    lh_checksum_fini(&b->sha);
    lh_checksum_fini(&b->md5);
    lh_checksum_fini(&b->sum);
    if (b->chunk_sha_is_open)
        lh_sha256_fini(&b->chunk_sha);
    lh_sigv4_chunks_fini(&b->chunks);
    free(b->buffer);
    *b = (struct s3_body){0};
}

void
door_body_sha256_delegate(struct s3_body *b)
{
    if (b->checks_sha256)
        lh_checksum_fini(&b->sha);
    b->checks_sha256 = false;
}

uint64_t
door_body_size_hint(const struct s3_body *b)
{
    return b->expected_length > 0 ? (uint64_t)b->expected_length : 0;
}

/* ---- the framing ---- */

static lh_status
fail_incomplete(struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "s3.IncompleteBody", "the body ends before it is complete");
}

/* At least one byte in the buffer, or *is_end. */
static lh_status
buffer_fill(struct s3_body *b, bool *is_end, struct lh_error *err)
{
    size_t got;

    *is_end = false;
    if (b->at < b->end)
        return LH_OK;
    LH_TRY(lh_request_read(b->req, b->buffer, S3_BODY_BUFFER, &got, err));
    b->at = 0;
    b->end = got;
    *is_end = got == 0;
    return LH_OK;
}

/* One line without its end into `to`; *is_end when nothing at all came. */
static lh_status
line_take(struct s3_body *b, char *to, size_t max, size_t *len, bool *is_end, struct lh_error *err)
{
    *len = 0;
    for (;;) {
        char c;

        LH_TRY(buffer_fill(b, is_end, err));
        if (*is_end)
            return *len == 0 ? LH_OK : fail_incomplete(err);
        c = (char)b->buffer[b->at++];
        if (c == '\n')
            break;
        if (*len == max)
            return fail_malformed(err, "a line of its framing is too long");
        to[(*len)++] = c;
    }
    if (*len > 0 && to[*len - 1] == '\r')
        (*len)--;
    return LH_OK;
}

static bool
hex_u64(lh_str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0 || s.len > 15)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *out = value;
    return true;
}

/* "10000;chunk-signature=<64 digits>" */
static lh_status
chunk_head(struct s3_body *b, struct lh_error *err)
{
    char line[S3_CHUNK_HEAD_MAX];
    lh_str rest, size, name;
    size_t len;
    bool is_end;

    LH_TRY(line_take(b, line, sizeof(line), &len, &is_end, err));
    if (is_end)
        return fail_incomplete(err);
    rest = (lh_str){line, len};
    lh_str_cut(&rest, ';', &size);
    if (!hex_u64(lh_str_trim(size), &b->chunk_left))
        return fail_malformed(err, "a chunk does not begin with its length");
    b->state = b->chunk_left > 0 ? S3_BODY_DATA : S3_BODY_TRAILER;
    if (!b->is_signed)
        return LH_OK;
    lh_str_cut(&rest, '=', &name);
    if (!lh_str_eq(name, LH_STR("chunk-signature")) || !is_hex_64(rest))
        return fail_malformed(err, "a chunk has no signature");
    (void)lh_str_copy(b->chunk_signature, sizeof(b->chunk_signature), rest);
    lh_sha256_init(&b->chunk_sha);
    b->chunk_sha_is_open = true;
    return LH_OK;
}

static lh_status
chunk_check(struct s3_body *b, struct lh_error *err)
{
    uint8_t sha[LH_SHA256_BYTES];

    if (!b->is_signed)
        return LH_OK;
    lh_sha256_final(&b->chunk_sha, sha);
    b->chunk_sha_is_open = false;
    if (lh_sigv4_chunk_check(&b->chunks, sha, lh_str_of(b->chunk_signature)))
        return LH_OK;
    return lh_fail(err, LH_DENIED, "s3.SignatureDoesNotMatch",
                   "a chunk of the body is not the one that was signed");
}

static lh_status
chunk_data(struct s3_body *b, void *to, size_t size, size_t *got, struct lh_error *err)
{
    size_t n;
    bool is_end;

    LH_TRY(buffer_fill(b, &is_end, err));
    if (is_end)
        return fail_incomplete(err);
    n = b->end - b->at;
    n = n < size ? n : size;
    n = n < b->chunk_left ? n : (size_t)b->chunk_left;
    memcpy(to, b->buffer + b->at, n);
    b->at += n;
    b->chunk_left -= n;
    if (b->is_signed)
        lh_sha256_add(&b->chunk_sha, to, n);
    *got = n;
    if (b->chunk_left > 0)
        return LH_OK;
    b->state = S3_BODY_AFTER;
    return chunk_check(b, err);
}

static lh_status
chunk_after(struct s3_body *b, struct lh_error *err)
{
    char line[2];
    size_t len;
    bool is_end;

    LH_TRY(line_take(b, line, sizeof(line), &len, &is_end, err));
    if (is_end)
        return fail_incomplete(err);
    if (len > 0)
        return fail_malformed(err, "a chunk is longer than its length");
    b->state = S3_BODY_HEAD;
    return LH_OK;
}

/* ---- behind the last chunk ---- */

struct trailer {
    lh_str fields[S3_TRAILER_FIELDS_MAX]; /* whole lines */
    size_t count;
    lh_str signature;
};

static lh_status
trailer_line(struct s3_body *b, struct trailer *t, lh_str line, struct lh_error *err)
{
    lh_str rest = line, name;

    if (!lh_str_cut(&rest, ':', &name))
        return fail_malformed(err, "a trailing field has no value");
    if (lh_str_eq_nocase(name, LH_STR("x-amz-trailer-signature"))) {
        t->signature = lh_str_trim(rest);
        return LH_OK;
    }
    if (t->count == S3_TRAILER_FIELDS_MAX)
        return fail_malformed(err, "there are too many trailing fields");
    t->fields[t->count++] = line;
    (void)b;
    return LH_OK;
}

static lh_status
trailer_read(struct s3_body *b, struct trailer *t, struct lh_error *err)
{
    for (;;) {
        char *to = b->trailer + b->trailer_len;
        size_t len;
        bool is_end;

        LH_TRY(line_take(b, to, sizeof(b->trailer) - b->trailer_len, &len, &is_end, err));
        if (is_end || len == 0)
            return LH_OK;
        b->trailer_len += len;
        LH_TRY(trailer_line(b, t, (lh_str){to, len}, err));
    }
}

static int
line_compare(const void *a, const void *b)
{
    return lh_str_cmp(*(const lh_str *)a, *(const lh_str *)b);
}

static lh_status
trailer_check(struct s3_body *b, struct trailer *t, struct lh_error *err)
{
    LH_AUTO_BUF(text, 2 * S3_TRAILER_MAX);

    if (!b->is_signed || !b->has_trailer)
        return LH_OK;
    qsort(t->fields, t->count, sizeof(t->fields[0]), line_compare);
    for (size_t i = 0; i < t->count; i++) {
        lh_str rest = t->fields[i], name;

        lh_str_cut(&rest, ':', &name);
        for (size_t c = 0; c < name.len; c++)
            lh_buf_add_char(&text, (char)(name.ptr[c] >= 'A' && name.ptr[c] <= 'Z'
                                              ? name.ptr[c] + 'a' - 'A'
                                              : name.ptr[c]));
        lh_buf_add_char(&text, ':');
        lh_buf_add_str(&text, lh_str_trim(rest));
        lh_buf_add_char(&text, '\n');
    }
    if (t->signature.len > 0 && lh_sigv4_trailer_check(&b->chunks, lh_buf_str(&text), t->signature))
        return LH_OK;
    return lh_fail(err, LH_DENIED, "s3.SignatureDoesNotMatch",
                   "the trailing fields are not the ones that were signed");
}

static void
trailer_sum_find(struct s3_body *b, const struct trailer *t)
{
    for (size_t i = 0; i < t->count; i++) {
        lh_str rest = t->fields[i], name;
        enum lh_checksum_kind kind;

        lh_str_cut(&rest, ':', &name);
        if (b->has_sum && sum_kind(lh_str_trim(name), &kind) && kind == b->sum.kind)
            b->sum_promised = lh_str_trim(rest);
    }
}

static lh_status
chunks_end(struct s3_body *b, struct lh_error *err)
{
    struct trailer t = {0};
    bool is_end;

    LH_TRY(chunk_check(b, err));
    LH_TRY(trailer_read(b, &t, err));
    LH_TRY(trailer_check(b, &t, err));
    trailer_sum_find(b, &t);
    LH_TRY(buffer_fill(b, &is_end, err));
    if (!is_end)
        return fail_malformed(err, "something follows its end");
    b->state = S3_BODY_END;
    return LH_OK;
}

/* ---- the end ---- */

static lh_status
sum_check(struct s3_body *b, struct lh_error *err)
{
    uint8_t value[LH_CHECKSUM_BYTES_MAX];
    LH_AUTO_BUF(text, sizeof(b->sum_text));

    if (!b->has_sum)
        return LH_OK;
    lh_checksum_final(&b->sum, value);
    lh_base64_encode(&text, lh_bytes_of(value, lh_checksum_size(b->sum.kind)));
    (void)lh_str_copy(b->sum_text, sizeof(b->sum_text), lh_buf_str(&text));
    if (lh_str_eq(lh_buf_str(&text), b->sum_promised))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.BadDigest",
                   "the %s of the body is %s, not the one that was promised",
                   lh_checksum_name(b->sum.kind), lh_buf_cstr(&text));
}

static lh_status
md5_check(struct s3_body *b, struct lh_error *err)
{
    LH_AUTO_BUF(text, 64);

    lh_checksum_final(&b->md5, b->md5_value);
    lh_base64_encode(&text, lh_bytes_of(b->md5_value, 16));
    if (!b->md5_promised.ptr || lh_str_eq(lh_buf_str(&text), b->md5_promised))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.BadDigest", "the body does not have the promised MD5");
}

static lh_status
sha_check(struct s3_body *b, struct lh_error *err)
{
    uint8_t value[LH_CHECKSUM_BYTES_MAX];
    char hex[LH_SHA256_HEX];

    if (!b->checks_sha256)
        return LH_OK;
    lh_checksum_final(&b->sha, value);
    if (lh_str_eq(lh_str_of(lh_sha256_hex(value, hex)), b->sha256))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.XAmzContentSHA256Mismatch",
                   "the body does not have the SHA-256 that was signed");
}

static lh_status
end_check(struct s3_body *b, struct lh_error *err)
{
    if (b->expected_length >= 0 && b->length != (uint64_t)b->expected_length)
        return fail_incomplete(err);
    LH_TRY(sha_check(b, err));
    LH_TRY(md5_check(b, err));
    return sum_check(b, err);
}

static void
bytes_note(struct s3_body *b, const void *ptr, size_t n)
{
    b->length += n;
    lh_checksum_add(&b->md5, ptr, n);
    if (b->has_sum)
        lh_checksum_add(&b->sum, ptr, n);
    if (b->checks_sha256)
        lh_checksum_add(&b->sha, ptr, n);
}

static lh_status
plain_read(struct s3_body *b, void *to, size_t size, size_t *got, struct lh_error *err)
{
    LH_TRY(lh_request_read(b->req, to, size, got, err));
    if (*got == 0)
        b->state = S3_BODY_END;
    return LH_OK;
}

/* Until there are bytes, or no more. */
static lh_status
framed_read(struct s3_body *b, void *to, size_t size, size_t *got, struct lh_error *err)
{
    *got = 0;
    while (*got == 0 && b->state != S3_BODY_END) {
        switch (b->state) {
        case S3_BODY_PLAIN:
            LH_TRY(plain_read(b, to, size, got, err));
            break;
        case S3_BODY_HEAD:
            LH_TRY(chunk_head(b, err));
            break;
        case S3_BODY_DATA:
            LH_TRY(chunk_data(b, to, size, got, err));
            break;
        case S3_BODY_AFTER:
            LH_TRY(chunk_after(b, err));
            break;
        case S3_BODY_TRAILER:
            LH_TRY(chunks_end(b, err));
            break;
        case S3_BODY_END:
            break;
        }
    }
    return LH_OK;
}

lh_status
door_body_read(struct s3_body *b, void *to, size_t size, size_t *got, struct lh_error *err)
{
    bool was_over = b->state == S3_BODY_END;

    LH_TRY(framed_read(b, to, size, got, err));
    if (*got > 0)
        bytes_note(b, to, *got);
    if (*got > 0 || was_over)
        return LH_OK;
    return end_check(b, err);
}

lh_status
door_body_take(struct s3_body *b, struct lh_buf *out, struct lh_error *err)
{
    uint8_t step[16384];
    size_t got;

    do {
        LH_TRY(door_body_read(b, step, sizeof(step), &got, err));
        lh_buf_add(out, step, got);
        LH_TRY(lh_buf_check(out, "the body", err));
    } while (got > 0);
    return LH_OK;
}

void
door_body_checksum_answer(const struct s3_body *b, struct lh_response *res)
{
    static const char *const fields[LH_CHECKSUM_COUNT] = {
        [LH_CHECKSUM_CRC32] = "x-amz-checksum-crc32",
        [LH_CHECKSUM_CRC32C] = "x-amz-checksum-crc32c",
        [LH_CHECKSUM_CRC64NVME] = "x-amz-checksum-crc64nvme",
        [LH_CHECKSUM_SHA1] = "x-amz-checksum-sha1",
        [LH_CHECKSUM_SHA256] = "x-amz-checksum-sha256",
    };

    if (!b->has_sum || !b->sum_text[0] || !fields[b->sum.kind])
        return;
    lh_response_header(res, fields[b->sum.kind], lh_str_of(b->sum_text));
    lh_response_header(res, "x-amz-checksum-type", LH_STR("FULL_OBJECT"));
}

void
door_body_sum_forget(struct s3_body *b)
{
    if (b->has_sum)
        lh_checksum_fini(&b->sum);
    b->has_sum = false;
}
