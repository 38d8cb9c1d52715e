#include "base/str.h"

#include "base/alloc.h"
#include "base/f64.h"

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
lh_str_eq(lh_str a, lh_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
lh_str_eq_nocase(lh_str a, lh_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int
lh_str_cmp(lh_str a, lh_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool
lh_str_starts(lh_str s, lh_str prefix)
{
    return s.len >= prefix.len && lh_str_eq(lh_str_slice(s, 0, prefix.len), prefix);
}

bool
lh_str_ends(lh_str s, lh_str suffix)
{
    return s.len >= suffix.len && lh_str_eq(lh_str_slice(s, s.len - suffix.len, s.len), suffix);
}

lh_str
lh_str_trim(lh_str s)
{
    size_t from = 0, to = s.len;

    while (from < to && is_blank(s.ptr[from]))
        from++;
    while (to > from && is_blank(s.ptr[to - 1]))
        to--;
    return lh_str_slice(s, from, to);
}

lh_str
lh_str_slice(lh_str s, size_t from, size_t to)
{
    /* Adding even zero to a NULL pointer is undefined. */
    if (s.ptr == NULL)
        return LH_STR_NONE;
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return (lh_str){s.ptr + from, to - from};
}

bool
lh_str_find(lh_str s, lh_str needle, size_t *at)
{
    if (needle.len == 0) {
        *at = 0;
        return true;
    }
    if (s.len < needle.len)
        return false;
    const char *hit = memmem(s.ptr, s.len, needle.ptr, needle.len);
    if (hit == NULL)
        return false;
    *at = (size_t)(hit - s.ptr);
    return true;
}

bool
lh_str_find_char(lh_str s, char c, size_t *at)
{
    const char *hit = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;

    if (hit == NULL)
        return false;
    *at = (size_t)(hit - s.ptr);
    return true;
}

bool
lh_str_cut(lh_str *s, char sep, lh_str *head)
{
    lh_str whole = *s;
    size_t at;

    if (!lh_str_find_char(whole, sep, &at)) {
        *head = whole;
        *s = lh_str_slice(whole, whole.len, whole.len);
        return false;
    }
    *head = lh_str_slice(whole, 0, at);
    *s = lh_str_slice(whole, at + 1, whole.len);
    return true;
}

/* A NULL pointer stands for "nothing left"; an empty view that points somewhere is one empty part.
 */
bool
lh_str_next(lh_str *rest, char sep, lh_str *part)
{
    if (rest->ptr == NULL)
        return false;
    if (!lh_str_cut(rest, sep, part))
        *rest = LH_STR_NONE;
    return true;
}

/* Length of the well-formed sequence at p by table 3-7 of the Unicode Standard, 0 when there is
 * none. */
static size_t
utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xBF;
    size_t len;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (left < len)
        return 0;
    if (p[0] == 0xE0)
        low = 0xA0; /* shorter forms exist */
    else if (p[0] == 0xED)
        high = 0x9F; /* surrogates */
    else if (p[0] == 0xF0)
        low = 0x90; /* shorter forms exist */
    else if (p[0] == 0xF4)
        high = 0x8F; /* past U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

/* Most text is ASCII: eight bytes a step until something else turns up. */
static size_t
ascii_run(const uint8_t *p, size_t left)
{
    size_t n = 0;
    uint64_t word;

    for (; left - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, p + n, sizeof(word));
        if ((word & 0x8080808080808080u) != 0)
            break;
    }
    while (n < left && p[n] < 0x80)
        n++;
    return n;
}

bool
lh_str_is_utf8(lh_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t i = 0;

    while (i < s.len) {
        i += ascii_run(p + i, s.len - i);
        if (i == s.len)
            break;
        size_t len = utf8_sequence(p + i, s.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

lh_str
lh_str_fit(lh_str s, size_t max)
{
    if (s.len <= max)
        return s;
    size_t to = max;
    while (to > 0 && max - to < 3 && ((uint8_t)s.ptr[to] & 0xC0) == 0x80)
        to--;
    /* Four continuation bytes in a row are not UTF-8: then there is no sequence to protect. */
    if (((uint8_t)s.ptr[to] & 0xC0) == 0x80)
        to = max;
    return lh_str_slice(s, 0, to);
}

char *
lh_str_dup(lh_str s)
{
    char *copy = lh_alloc(s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

bool
lh_str_copy(char *to, size_t to_size, lh_str s)
{
    if (to_size == 0)
        return false;
    size_t n = s.len < to_size ? s.len : to_size - 1;
    if (n > 0)
        memcpy(to, s.ptr, n);
    to[n] = '\0';
    return n == s.len;
}

bool
lh_str_u64(lh_str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

bool
lh_str_i64(lh_str s, int64_t *out)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t v;

    if (!lh_str_u64(is_negative ? lh_str_slice(s, 1, s.len) : s, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + is_negative)
        return false;
    *out = (int64_t)(is_negative ? 0 - v : v);
    return true;
}

bool
lh_str_f64(lh_str s, double *out)
{
    return s.len > 0 && base_f64_parse(s.ptr, s.len, out);
}
