#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define BUF_FIRST_CAP 64

void
lh_buf_init(struct lh_buf *b, size_t max)
{
    *b = (struct lh_buf){.max = max};
}

void
lh_buf_fini(struct lh_buf *b)
{
    free(b->data);
    *b = (struct lh_buf){.max = b->max};
}

void
lh_buf_clear(struct lh_buf *b)
{
    b->len = 0;
    b->is_failed = false;
}

/* Doubles, but not past the limit; one byte more than `cap` is kept for the NUL of lh_buf_cstr. */
static bool
grow(struct lh_buf *b, size_t need)
{
    size_t cap = b->cap < BUF_FIRST_CAP ? BUF_FIRST_CAP : b->cap;

    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    if (cap > b->max)
        cap = b->max;
    uint8_t *data = realloc(b->data, cap + 1);
    if (data == NULL)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

uint8_t *
lh_buf_reserve(struct lh_buf *b, size_t n)
{
    if (b->is_failed)
        return NULL;
    bool fits = n <= b->max && b->len <= b->max - n;
    if (fits && b->data != NULL && b->len + n <= b->cap)
        return b->data + b->len;
    if (!fits || !grow(b, b->len + n)) {
        b->is_failed = true;
        return NULL;
    }
    return b->data + b->len;
}

void
lh_buf_advance(struct lh_buf *b, size_t n)
{
    b->len += n;
}

void
lh_buf_add(struct lh_buf *b, const void *ptr, size_t n)
{
    if (n == 0)
        return;
    uint8_t *to = lh_buf_reserve(b, n);
    if (to == NULL)
        return;
    memcpy(to, ptr, n);
    b->len += n;
}

void
lh_buf_add_str(struct lh_buf *b, lh_str s)
{
    lh_buf_add(b, s.ptr, s.len);
}

void
lh_buf_add_cstr(struct lh_buf *b, const char *s)
{
    lh_buf_add(b, s, strlen(s));
}

void
lh_buf_add_char(struct lh_buf *b, char c)
{
    lh_buf_add(b, &c, 1);
}

void
lh_buf_add_u64(struct lh_buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    lh_buf_add(b, digits + at, sizeof(digits) - at);
}

void
lh_buf_add_i64(struct lh_buf *b, int64_t v)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRId64, v);

    lh_buf_add(b, text, (size_t)len);
}

void
lh_buf_printf(struct lh_buf *b, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    lh_buf_vprintf(b, fmt, args);
    va_end(args);
}

void
lh_buf_vprintf(struct lh_buf *b, const char *fmt, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    /* vsnprintf writes its NUL into the byte that grow() keeps beyond the capacity. */
    char *to = len < 0 ? NULL : (char *)lh_buf_reserve(b, (size_t)len);
    if (to == NULL) {
        b->is_failed = true;
        return;
    }
    vsnprintf(to, (size_t)len + 1, fmt, args);
    b->len += (size_t)len;
}

void
lh_buf_drop_front(struct lh_buf *b, size_t n)
{
    if (n > b->len)
        n = b->len;
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

lh_status
lh_buf_check(const struct lh_buf *b, const char *what, struct lh_error *err)
{
    if (!b->is_failed)
        return LH_OK;
    return lh_fail(err, LH_TOO_BIG, "limit.size", "%s is larger than the limit of %zu bytes", what,
                   b->max);
}

lh_bytes
lh_buf_bytes(const struct lh_buf *b)
{
    return lh_bytes_of(b->data, b->len);
}

lh_str
lh_buf_str(const struct lh_buf *b)
{
    return lh_bytes_str(lh_buf_bytes(b));
}

const char *
lh_buf_cstr(struct lh_buf *b)
{
    if (b->is_failed || b->len == 0)
        return "";
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

char *
lh_buf_take_cstr(struct lh_buf *b)
{
    char *text;

    if (b->is_failed || b->len == 0) {
        lh_buf_fini(b);
        return lh_strdup("");
    }
    b->data[b->len] = '\0';
    text = (char *)b->data;
    *b = (struct lh_buf){.max = b->max};
    return text;
}
