/*
 * buf: owned bytes that grow up to a limit given at birth.
 *
 * Appending past the limit, or running out of memory, makes the buffer *failed*: it keeps what it
 * had and refuses everything after, so that a writer may append freely and check once at the end.
 *
 * Owns     `data`. One thread at a time.
 */
#ifndef LH_BASE_BUF_H
#define LH_BASE_BUF_H

#include <stdarg.h>
#include "base/status.h"
#include "base/str.h"

struct lh_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
    bool is_failed;
};

#define LH_BUF_UNLIMITED ((size_t)1 << 46)

void lh_buf_init(struct lh_buf *b, size_t max);
void lh_buf_fini(struct lh_buf *b);
void lh_buf_clear(struct lh_buf *b); /* keeps the memory; no longer failed */

/* Room for `n` more bytes, to be written at data + len and taken with lh_buf_advance; NULL if
 * failed. */
uint8_t *lh_buf_reserve(struct lh_buf *b, size_t n);
void lh_buf_advance(struct lh_buf *b, size_t n);

void lh_buf_add(struct lh_buf *b, const void *ptr, size_t n);
void lh_buf_add_str(struct lh_buf *b, lh_str s);
void lh_buf_add_cstr(struct lh_buf *b, const char *s);
void lh_buf_add_char(struct lh_buf *b, char c);
void lh_buf_add_u64(struct lh_buf *b, uint64_t v); /* decimal */
void lh_buf_add_i64(struct lh_buf *b, int64_t v);
void lh_buf_printf(struct lh_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lh_buf_vprintf(struct lh_buf *b, const char *fmt, va_list args);
void lh_buf_drop_front(struct lh_buf *b, size_t n);

/* OK, or TOO_BIG with the limit in the text. `what` names the thing: "the request body". */
lh_status lh_buf_check(const struct lh_buf *b, const char *what, struct lh_error *err);

lh_bytes lh_buf_bytes(const struct lh_buf *b);
lh_str lh_buf_str(const struct lh_buf *b);
/* NUL-terminated without counting the NUL; "" for an empty or failed buffer. Borrowed. */
const char *lh_buf_cstr(struct lh_buf *b);
/* Moves the memory out (NUL-terminated), leaving an empty buffer. The caller frees it. */
char *lh_buf_take_cstr(struct lh_buf *b);

#define LH_AUTO_BUF(name, limit)                                                                   \
    __attribute__((cleanup(lh_buf_fini))) struct lh_buf name = {.max = (limit)}

#endif
