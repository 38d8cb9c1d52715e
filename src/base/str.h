/*
 * str: borrowed views of text and bytes, passed by value.
 *
 * A view never owns: it is valid as long as what it points to. Text is UTF-8 unless said otherwise
 * and need not end with NUL. Print one with "%.*s", LH_FMT(s).
 */
#ifndef LH_BASE_STR_H
#define LH_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct lh_str {
    const char *ptr;
    size_t len;
} lh_str;

typedef struct lh_bytes {
    const uint8_t *ptr;
    size_t len;
} lh_bytes;

#define LH_STR(literal) ((lh_str){"" literal, sizeof(literal) - 1})
#define LH_FMT(s) (int)(s).len, (s).ptr
#define LH_STR_NONE ((lh_str){NULL, 0})

static inline lh_str
lh_str_of(const char *cstr)
{
    return (lh_str){cstr, cstr ? strlen(cstr) : 0};
}

static inline lh_bytes
lh_bytes_of(const void *ptr, size_t len)
{
    return (lh_bytes){(const uint8_t *)ptr, len};
}

static inline lh_bytes
lh_str_bytes(lh_str s)
{
    return (lh_bytes){(const uint8_t *)s.ptr, s.len};
}

static inline lh_str
lh_bytes_str(lh_bytes b)
{
    return (lh_str){(const char *)b.ptr, b.len};
}

bool lh_str_eq(lh_str a, lh_str b);
bool lh_str_eq_nocase(lh_str a, lh_str b); /* ASCII case only */
int lh_str_cmp(lh_str a, lh_str b);        /* bytewise, as memcmp then length */
bool lh_str_starts(lh_str s, lh_str prefix);
bool lh_str_ends(lh_str s, lh_str suffix);
lh_str lh_str_trim(lh_str s);                          /* ASCII blanks, tabs and line ends */
lh_str lh_str_slice(lh_str s, size_t from, size_t to); /* clamped to the view */
bool lh_str_find(lh_str s, lh_str needle, size_t *at); /* first occurrence */
bool lh_str_find_char(lh_str s, char c, size_t *at);
/* Cuts at the first `sep`: `*head` before it, `*s` after it. False, and `*head` all of it, at the
 * end. */
bool lh_str_cut(lh_str *s, char sep, lh_str *head);
/* Takes the next `sep`-separated part off `*rest`; false when there is none left. Empty parts
 * count, and "" is one of them; only LH_STR_NONE is none. */
bool lh_str_next(lh_str *rest, char sep, lh_str *part);
bool lh_str_is_utf8(lh_str s);
/* The longest prefix of at most `max` bytes that does not split a UTF-8 sequence. */
lh_str lh_str_fit(lh_str s, size_t max);
char *lh_str_dup(lh_str s); /* heap, NUL-terminated; aborts when memory is out */
/* Copies with NUL into a fixed array; false, and a cut copy, when it does not fit. */
bool lh_str_copy(char *to, size_t to_size, lh_str s);

/* Whole-string decimal numbers, no sign for u64, no blanks; false on anything else or overflow. */
bool lh_str_u64(lh_str s, uint64_t *out);
bool lh_str_i64(lh_str s, int64_t *out);
bool lh_str_f64(lh_str s, double *out); /* locale-independent */

#endif
