#include "services/gateway/capture.h"

#include <stdlib.h>
#include "base/alloc.h"

#define DRAIN_BYTES ((size_t)64 << 10)

/* ---- body ---- */

/* 0x1F and 0x1E, as everywhere in this system, keep neighbours from running into each other. */
static void
field_add(struct lh_sha256 *h, lh_str name, lh_str value)
{
    lh_sha256_add(h, name.ptr, name.len);
    lh_sha256_add(h, "\x1f", 1);
    lh_sha256_add(h, value.ptr, value.len);
    lh_sha256_add(h, "\x1e", 1);
}

static lh_status
hashing_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct gateway_body_hash *b = self;

    LH_TRY(b->from.read(b->from.self, to, size, got, err));
    if (*got == 0)
        b->is_at_end = true;
    else
        lh_sha256_add(&b->hash, to, *got);
    return LH_OK;
}

/* Header fields that change what a mutation does. */
static const char *const meaning[] = {"Content-Type", "X-Lakehouse-Bucket"};

void
gateway_body_hash_begin(struct gateway_body_hash *b, struct lh_request *req, bool is_streamed)
{
    *b = (struct gateway_body_hash){.from = req->body};
    lh_sha256_init(&b->hash);
    for (size_t i = 0; i < req->query_count; i++)
        field_add(&b->hash, req->query[i].name, req->query[i].value);
    for (size_t i = 0; i < sizeof(meaning) / sizeof(meaning[0]); i++)
        field_add(&b->hash, lh_str_of(meaning[i]), lh_request_header(req, meaning[i]));
    if (is_streamed) {
        req->body.read = hashing_read;
        req->body.self = b;
        return;
    }
    lh_sha256_add(&b->hash, req->body_bytes.ptr, req->body_bytes.len);
    b->is_at_end = true;
}

lh_status
gateway_body_hash_end(struct gateway_body_hash *b, struct lh_request *req, char hex[LH_SHA256_HEX],
                      struct lh_error *err)
{
    uint8_t digest[LH_SHA256_BYTES];
    LH_AUTO_CHARS scratch = b->is_at_end ? NULL : lh_alloc(DRAIN_BYTES);
    size_t got;

    while (!b->is_at_end)
        LH_TRY(lh_request_read(req, scratch, DRAIN_BYTES, &got, err));
    req->body = b->from;
    lh_sha256_final(&b->hash, digest);
    lh_sha256_hex(digest, hex);
    return LH_OK;
}

void
gateway_body_hash_fini(struct gateway_body_hash *b)
{
    lh_sha256_fini(&b->hash);
}

/* ---- answer ---- */

static lh_status
capture_sink_begin(void *self, int status, const struct lh_header *headers, size_t count,
                   int64_t length, struct lh_error *err)
{
    struct gateway_capture *c = self;

    (void)err;
    c->status = status;
    c->header_count = count;
    c->length = length;
    memcpy(c->headers, headers, count * sizeof(*headers));
    return LH_OK;
}

static lh_status
held_send(struct gateway_capture *c, struct lh_error *err)
{
    LH_TRY(c->to.begin(c->to.self, c->status, c->headers, c->header_count, c->length, err));
    if (c->body.len > 0)
        LH_TRY(c->to.write(c->to.self, lh_buf_bytes(&c->body), err));
    return LH_OK;
}

static lh_status
capture_sink_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct gateway_capture *c = self;

    if (!c->is_through && bytes.len <= c->body.max - c->body.len) {
        lh_buf_add(&c->body, bytes.ptr, bytes.len);
        return LH_OK;
    }
    if (!c->is_through) {
        c->is_through = true;
        LH_TRY(held_send(c, err));
    }
    return c->to.write(c->to.self, bytes, err);
}

/* The owner of the real sink ends it. */
static void
capture_sink_end(void *self, bool is_complete)
{
    (void)self;
    (void)is_complete;
}

void
gateway_capture_begin(struct gateway_capture *c, struct lh_response *res, size_t body_max)
{
    *c = (struct gateway_capture){.res = res, .to = res->sink};
    lh_buf_init(&c->body, body_max);
    res->sink = (struct lh_sink){
        .begin = capture_sink_begin,
        .write = capture_sink_write,
        .end = capture_sink_end,
        .self = c,
    };
}

lh_status
gateway_capture_release(struct gateway_capture *c, struct lh_error *err)
{
    lh_status status;

    c->res->sink = c->to;
    if (c->is_through || c->status == 0)
        return LH_OK;
    status = held_send(c, err);
    if (status != LH_OK)
        c->res->is_broken = true;
    return status;
}

void
gateway_capture_drop(struct gateway_capture *c)
{
    c->res->sink = c->to;
    if (c->is_through)
        return;
    c->res->status = 0;
    c->res->sent_bytes = 0;
    c->res->is_broken = false;
}

void
gateway_capture_fini(struct gateway_capture *c)
{
    lh_buf_fini(&c->body);
}
