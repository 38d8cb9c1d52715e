#include "net/http.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include "base/file.h"
#include "net/header.h"

#define FILE_STEP_BYTES ((size_t)128 << 10)

static struct lh_header *
header_slot(struct lh_response *r, lh_str name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (lh_str_eq_nocase(r->headers[i].name, name))
            return &r->headers[i];
    }
    if (r->header_count == LH_RESPONSE_HEADERS_MAX)
        return NULL;
    return &r->headers[r->header_count++];
}

void
lh_response_header(struct lh_response *r, const char *name, lh_str value)
{
    lh_str field = lh_str_of(name);
    struct lh_header *slot;

    assert(r->status == 0 && net_header_is_token(field));
    slot = header_slot(r, field);
    assert(slot);
    if (slot)
        *slot = (struct lh_header){field, net_header_value_safe(r->arena, value)};
}

void
lh_response_headerf(struct lh_response *r, const char *name, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0)
        n = 0;
    if ((size_t)n >= sizeof(text))
        n = (int)sizeof(text) - 1;
    lh_response_header(r, name, (lh_str){text, (size_t)n});
}

static bool
status_has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

lh_status
lh_response_begin(struct lh_response *r, int status, const char *content_type, int64_t length,
                  struct lh_error *err)
{
    if (r->status)
        return lh_fail(err, LH_BUG, "response.begun", "an answer was begun twice");
    if (content_type)
        lh_response_header(r, "Content-Type", lh_str_of(content_type));
    r->length = status_has_no_body(status) ? 0 : length;
    r->status = status;
    lh_status begun =
        r->sink.begin(r->sink.self, status, r->headers, r->header_count, r->length, err);
    r->is_broken = begun != LH_OK;
    return begun;
}

static lh_status
write_check(const struct lh_response *r, uint64_t more, struct lh_error *err)
{
    if (!r->status)
        return lh_fail(err, LH_BUG, "response.not_begun", "bytes were written before begin");
    if (r->length >= 0 && !r->is_head && more > (uint64_t)r->length - r->sent_bytes)
        return lh_fail(err, LH_BUG, "response.length", "more bytes were written than announced");
    return LH_OK;
}

lh_status
lh_response_write(struct lh_response *r, lh_bytes bytes, struct lh_error *err)
{
    lh_status status = write_check(r, bytes.len, err);

    if (status == LH_OK && !r->is_head && bytes.len > 0) {
        status = r->sink.write(r->sink.self, bytes, err);
        if (status == LH_OK)
            r->sent_bytes += bytes.len;
    }
    if (status != LH_OK)
        r->is_broken = true;
    return status;
}

static lh_status
file_copy(struct lh_response *r, int fd, uint64_t offset, uint64_t length, struct lh_error *err)
{
    LH_AUTO_BUF(step, FILE_STEP_BYTES);
    uint8_t *to = lh_buf_reserve(&step, FILE_STEP_BYTES);

    if (!to)
        return lh_fail(err, LH_BUG, "response.buffer", "no memory for a file step");
    while (length > 0) {
        size_t n = length < FILE_STEP_BYTES ? (size_t)length : FILE_STEP_BYTES;

        LH_TRY(lh_file_pread_all(fd, to, n, offset, err));
        LH_TRY(lh_response_write(r, lh_bytes_of(to, n), err));
        offset += n;
        length -= n;
    }
    return LH_OK;
}

lh_status
lh_response_send_file(struct lh_response *r, int fd, uint64_t offset, uint64_t length,
                      struct lh_error *err)
{
    LH_AUTO_FD owned = fd;
    lh_status status = write_check(r, length, err);

    if (status == LH_OK && !r->is_head && length > 0) {
        if (r->sink.send_file) {
            status = r->sink.send_file(r->sink.self, owned, offset, length, err);
            owned = -1; /* NOLINT(clang-analyzer-deadcode.DeadStores): the cleanup reads it */
            if (status == LH_OK)
                r->sent_bytes += length;
        } else {
            status = file_copy(r, owned, offset, length, err);
        }
    }
    if (status != LH_OK)
        r->is_broken = true;
    return status;
}

lh_status
lh_response_bytes(struct lh_response *r, int status, const char *content_type, lh_bytes body,
                  struct lh_error *err)
{
    LH_TRY(lh_response_begin(r, status, content_type, (int64_t)body.len, err));
    return lh_response_write(r, body, err);
}

lh_status
lh_response_json(struct lh_response *r, int status, const struct lh_buf *body, struct lh_error *err)
{
    if (body->is_failed)
        return lh_fail(err, LH_BUG, "response.buffer",
                       "the answer does not fit the %zu bytes of its buffer", body->max);
    return lh_response_bytes(r, status, "application/json", lh_buf_bytes(body), err);
}

lh_status
lh_response_empty(struct lh_response *r, int status, struct lh_error *err)
{
    return lh_response_begin(r, status, NULL, 0, err);
}

bool
lh_response_is_complete(const struct lh_response *r)
{
    if (!r->status || r->is_broken)
        return false;
    return r->is_head || r->length < 0 || r->sent_bytes == (uint64_t)r->length;
}

void
lh_response_end(struct lh_response *r)
{
    r->sink.end(r->sink.self, lh_response_is_complete(r));
}
