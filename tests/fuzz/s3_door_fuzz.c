/*
 * Any bytes as what a client sends to the S3 door: the XML of a batch, a body in chunks, and
 * metadata lines on their way back into header fields.
 *
 * The chunks are unsigned, since nobody guesses a signature; how the body is cut into reads must
 * make no difference to what comes out of it.
 */
#include <stdlib.h>
#include <string.h>

#include "services/storaged/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lh_status
element_take(void *self, int depth, lh_str name, lh_str text, struct lh_error *err)
{
    size_t *sum = self;

    (void)err;
    if (depth < 0 || depth >= S3_XML_DEPTH_MAX || text.len > S3_XML_TEXT_MAX ||
        !lh_str_is_utf8(text))
        abort();
    *sum += name.len + text.len;
    return LH_OK;
}

static void
try_xml(lh_str document)
{
    size_t sum = 0;
    const struct s3_xml_visitor visitor = {.element = element_take, .self = &sum};

    (void)door_xml_read(document, &visitor, NULL);
    /* Every byte of text stands in the document, as itself or as a longer reference. */
    if (sum > 2 * document.len)
        abort();
}

struct pieces {
    lh_bytes rest;
    size_t step;
};

static lh_status
piece_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct pieces *p = self;
    size_t n = p->rest.len < p->step ? p->rest.len : p->step;

    (void)err;
    n = n < size ? n : size;
    if (n > 0)
        memcpy(to, p->rest.ptr, n);
    p->rest = lh_bytes_of(p->rest.ptr + n, p->rest.len - n);
    *got = n;
    return LH_OK;
}

static lh_status
body_decode(lh_bytes in, size_t step, struct lh_buf *out)
{
    static const struct lh_header headers[] = {
        {LH_STR("x-amz-trailer"), LH_STR("x-amz-checksum-crc32")}};
    const struct lh_sigv4_claim claim = {.payload_hash = LH_STR(LH_SIGV4_STREAMING_UNSIGNED)};
    const uint8_t key[LH_SHA256_BYTES] = {0};
    struct pieces p = {in, step};
    struct lh_request req = {.headers = headers,
                             .header_count = 1,
                             .body = {.read = piece_read, .self = &p, .length = -1}};
    LH_AUTO_ARENA(arena);
    struct s3_body body = {0};
    lh_status status = door_body_open(&body, &req, &claim, key, &arena, NULL);

    if (status == LH_OK)
        status = door_body_take(&body, out, NULL);
    door_body_fini(&body);
    return status;
}

static void
try_body(lh_bytes in)
{
    LH_AUTO_BUF(whole, (size_t)1 << 20);
    LH_AUTO_BUF(pieces, (size_t)1 << 20);
    lh_status a = body_decode(in, SIZE_MAX, &whole), b = body_decode(in, 3, &pieces);

    if (a != b || !lh_str_eq(lh_buf_str(&whole), lh_buf_str(&pieces)) || whole.len > in.len)
        abort();
}

static void
try_metadata(lh_str lines)
{
    LH_AUTO_ARENA(arena);
    struct lh_response *res = calloc(1, sizeof(*res));

    res->arena = &arena;
    door_metadata_answer(res, &arena, lines);
    if (res->header_count > LH_RESPONSE_HEADERS_MAX - 16)
        abort();
    free(res);
    (void)door_metadata_find(lines, LH_STR("!upload"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy =
        malloc(size ? size : 1); /* of its own, so that a read past the end is noticed */
    lh_str text;

    if (size > 0)
        memcpy(copy, data, size);
    text = lh_bytes_str(lh_bytes_of(copy, size));
    try_xml(text);
    try_body(lh_bytes_of(copy, size));
    try_metadata(text);
    free(copy);
    return 0;
}
