#include "engine/result_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/json_token.h"

/* ---- integers ---- */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static size_t
digits_of(uint64_t v)
{
    size_t n = 1;

    for (; v >= 10000; v /= 10000)
        n += 4;
    return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

/* The last `n` digits, zeros in front. */
static void
digits_put(uint64_t v, size_t n, char *to)
{
    for (; n >= 2; n -= 2, v /= 100)
        memcpy(to + n - 2, digit_pairs + v % 100 * 2, 2);
    if (n == 1)
        *to = (char)('0' + v % 10);
}

size_t
result_u64_text(uint64_t v, char *to)
{
    size_t n = digits_of(v);

    digits_put(v, n, to);
    return n;
}

size_t
result_i64_text(int64_t v, char *to)
{
    if (v >= 0)
        return result_u64_text((uint64_t)v, to);
    *to = '-';
    return 1 + result_u64_text(0 - (uint64_t)v, to + 1);
}

#define TEN_TO_19 UINT64_C(10000000000000000000)

size_t
result_u128_text(result_u128 v, char *to)
{
    size_t n;

    if (v < TEN_TO_19)
        return result_u64_text((uint64_t)v, to);
    n = result_u128_text(v / TEN_TO_19, to);
    digits_put((uint64_t)(v % TEN_TO_19), 19, to + n);
    return n + 19;
}

size_t
result_i128_text(result_i128 v, char *to)
{
    if (v >= 0)
        return result_u128_text((result_u128)v, to);
    *to = '-';
    return 1 + result_u128_text(0 - (result_u128)v, to + 1);
}

/* ---- decimals ---- */

/* 15 significant digits always survive a double (IEEE 754 binary64, C's DBL_DIG). */
enum { DOUBLE_DIGITS = 15 };

static size_t
significant_digits(const char *digits, size_t n)
{
    size_t from = 0;

    while (n > 0 && digits[n - 1] == '0')
        n--;
    while (from < n && digits[from] == '0')
        from++;
    return n - from;
}

size_t
result_decimal_text(result_i128 unscaled, unsigned scale, char *to, bool *is_exact)
{
    char digits[48];
    size_t n =
        result_u128_text(unscaled < 0 ? 0 - (result_u128)unscaled : (result_u128)unscaled, digits);
    size_t len = 0, whole;

    *is_exact = n <= DOUBLE_DIGITS || significant_digits(digits, n) <= DOUBLE_DIGITS;
    if (unscaled < 0)
        to[len++] = '-';
    if (n <= scale) { /* zeros in front, one of them before the point */
        memset(to + len, '0', scale + 2 - n);
        to[len + 1] = '.';
        len += scale + 2 - n;
        memcpy(to + len, digits, n);
        return len + n;
    }
    whole = n - scale;
    memcpy(to + len, digits, whole);
    len += whole;
    if (scale == 0)
        return len;
    to[len++] = '.';
    memcpy(to + len, digits + whole, scale);
    return len + scale;
}

/* ---- dates and times ---- */

static size_t
infinity_put(bool is_negative, char *to)
{
    static const char text[] = "-infinity";
    size_t from = is_negative ? 0 : 1;

    memcpy(to, text + from, 9 - from);
    return 9 - from;
}

static size_t
year_put(int64_t year, char *to)
{
    uint64_t size = (uint64_t)(year < 0 ? -year : year);
    size_t n = digits_of(size);

    if (year >= 0 && year <= 9999) {
        digits_put(size, 4, to);
        return 4;
    }
    *to = year < 0 ? '-' : '+';
    n = n < 6 ? 6 : n;
    digits_put(size, n, to + 1);
    return n + 1;
}

static void
two_put(uint64_t v, char *to)
{
    memcpy(to, digit_pairs + v * 2, 2);
}

/* Days since 1970-01-01 to the civil date. Days are counted from 1 March of a year far enough back
 * for all of DuckDB's dates; the divisions by 146097 / 400 and 153 / 5 are multiplications and
 * shifts that are exact for these ranges (C. Neri and L. Schneider, "Euclidean affine functions and
 * their application to calendar algorithms", 2022). */
static size_t
civil_put(int64_t days, char *to)
{
    const int64_t cycles = 15000; /* of 400 years, 146097 days each */
    uint64_t n1 = 4 * (uint64_t)(days + 719468 + cycles * 146097) + 3;
    uint64_t century = n1 / 146097;
    uint64_t p2 = UINT64_C(2939745) * (n1 % 146097 | 3);
    uint64_t day_of_year = (p2 & 0xFFFFFFFF) / 2939745 / 4;
    uint64_t n3 = 2141 * day_of_year + 197913;
    bool is_next_year = day_of_year >= 306; /* January and February */
    uint64_t month = (n3 >> 16) - (is_next_year ? 12 : 0);
    int64_t year = (int64_t)(100 * century + (p2 >> 32)) - cycles * 400 + is_next_year;
    size_t n = year_put(year, to);

    to[n] = '-';
    two_put(month, to + n + 1);
    to[n + 3] = '-';
    two_put((n3 & 0xFFFF) / 2141 + 1, to + n + 4);
    return n + 6;
}

size_t
result_date_text(int32_t days, char *to)
{
    if (days == INT32_MAX || days == -INT32_MAX)
        return infinity_put(days < 0, to);
    return civil_put(days, to);
}

/* ".5" of 500,000,000 ns; nothing of 0. */
static size_t
fraction_put(uint64_t ns, char *to)
{
    size_t n = 9;

    if (ns == 0)
        return 0;
    *to = '.';
    digits_put(ns, 9, to + 1);
    while (to[n] == '0')
        n--;
    return n + 1;
}

#define NS_PER_SECOND INT64_C(1000000000)

size_t
result_time_text(int64_t ns, char *to)
{
    uint64_t seconds = (uint64_t)(ns / NS_PER_SECOND);

    two_put(seconds / 3600, to);
    to[2] = ':';
    two_put(seconds / 60 % 60, to + 3);
    to[5] = ':';
    two_put(seconds % 60, to + 6);
    return 8 + fraction_put((uint64_t)(ns % NS_PER_SECOND), to + 8);
}

/* 40 bits of microseconds, 24 bits of 57599 minus the offset in seconds (dtime_tz_t of DuckDB). */
size_t
result_time_tz_text(uint64_t bits, char *to)
{
    int64_t offset = 57599 - (int64_t)(bits & 0xFFFFFF);
    uint64_t size = (uint64_t)(offset < 0 ? -offset : offset);
    size_t n = result_time_text((int64_t)(bits >> 24) * 1000, to);

    to[n++] = offset < 0 ? '-' : '+';
    two_put(size / 3600, to + n);
    to[n + 2] = ':';
    two_put(size / 60 % 60, to + n + 3);
    n += 5;
    if (size % 60 == 0)
        return n;
    to[n] = ':';
    two_put(size % 60, to + n + 1);
    return n + 3;
}

size_t
result_timestamp_text(int64_t v, int64_t units_per_second, char *to)
{
    const int64_t units_per_day = 86400 * units_per_second;
    int64_t days = v / units_per_day, rest = v % units_per_day;
    size_t n;

    if (v == INT64_MAX || v == -INT64_MAX)
        return infinity_put(v < 0, to);
    if (rest < 0) {
        rest += units_per_day;
        days--;
    }
    n = civil_put(days, to);
    to[n] = 'T';
    return n + 1 + result_time_text(rest * (NS_PER_SECOND / units_per_second), to + n + 1);
}

/* ---- intervals: ISO 8601 durations, each part with its own sign ---- */

static size_t
part_put(int64_t v, char unit, char *to)
{
    size_t n;

    if (v == 0)
        return 0;
    n = result_i64_text(v, to);
    to[n] = unit;
    return n + 1;
}

static size_t
seconds_put(int64_t us, char *to)
{
    uint64_t size = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    size_t n = 0;

    if (us == 0)
        return 0;
    if (us < 0)
        to[n++] = '-';
    n += result_u64_text(size / 1000000, to + n);
    n += fraction_put(size % 1000000 * 1000, to + n);
    to[n] = 'S';
    return n + 1;
}

size_t
result_interval_text(int32_t months, int32_t days, int64_t us, char *to)
{
    size_t n = 0, before;

    to[n++] = 'P';
    n += part_put(months / 12, 'Y', to + n);
    n += part_put(months % 12, 'M', to + n);
    n += part_put(days, 'D', to + n);
    to[n++] = 'T';
    before = n;
    n += part_put(us / INT64_C(3600000000), 'H', to + n);
    n += part_put(us / 60000000 % 60, 'M', to + n);
    n += seconds_put(us % 60000000, to + n);
    if (n > before)
        return n;
    if (n > 2)
        return n - 1; /* days and months only: no 'T' */
    memcpy(to + n, "0S", 2);
    return n + 2;
}

/* ---- UUID ---- */

size_t
result_uuid_text(uint64_t lower, int64_t upper, char *to)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t halves[2] = {(uint64_t)upper ^ ((uint64_t)1 << 63), lower};
    size_t n = 0;

    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            to[n++] = '-';
        to[n++] = hex[halves[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    return n;
}

/* ---- strings ---- */

/* Eight bytes at a time, as one word: the top bit of each byte answers (H. S. Warren, Hacker's
 * Delight, 6-1). */
#define ALL_BYTES(b) ((b)*UINT64_C(0x0101010101010101))
#define TOP_BITS ALL_BYTES(0x80)

static inline uint64_t
bytes_equal(uint64_t w, uint64_t b)
{
    uint64_t x = w ^ ALL_BYTES(b);

    return (x - ALL_BYTES(1)) & ~x & TOP_BITS;
}

static inline uint64_t
word_at(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

static inline bool
word_needs_escape(uint64_t w)
{
    uint64_t is_control = (w - ALL_BYTES(0x20)) & ~w & TOP_BITS;

    return (is_control | bytes_equal(w, '"') | bytes_equal(w, '\\')) != 0;
}

static inline bool
word_needs_quotes(uint64_t w)
{
    return (bytes_equal(w, '"') | bytes_equal(w, ',') | bytes_equal(w, '\n') |
            bytes_equal(w, '\r')) != 0;
}

/* 0: as it is; 'u': \u00XX; else the letter behind the backslash. */
static const char escapes[256] = {'u', 'u', 'u', 'u', 'u', 'u',         'u',          'u', 'b',
                                  't', 'n', 'u', 'f', 'r', 'u',         'u',          'u', 'u',
                                  'u', 'u', 'u', 'u', 'u', 'u',         'u',          'u', 'u',
                                  'u', 'u', 'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\'};

static void
escape_put(struct lh_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', escapes[c], '0', '0', hex[c >> 4], hex[c & 15]};

    result_put(out, text, escapes[c] == 'u' ? 6 : 2);
}

/* How many bytes from `from` on stand for themselves. */
static size_t
plain_run(lh_str s, size_t from)
{
    size_t i = from;

    while (i + 8 <= s.len && !word_needs_escape(word_at(s.ptr + i)))
        i += 8;
    while (i < s.len && escapes[(unsigned char)s.ptr[i]] == 0)
        i++;
    return i - from;
}

void
result_json_string(struct lh_buf *out, lh_str s)
{
    result_put_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        size_t run = plain_run(s, i);

        result_put(out, s.ptr + i, run);
        i += run;
        if (i < s.len)
            escape_put(out, (unsigned char)s.ptr[i]);
    }
    result_put_char(out, '"');
}

static bool
needs_quotes(lh_str s)
{
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8)
        if (word_needs_quotes(word_at(s.ptr + i)))
            return true;
    for (; i < s.len; i++)
        if (s.ptr[i] == '"' || s.ptr[i] == ',' || s.ptr[i] == '\n' || s.ptr[i] == '\r')
            return true;
    return s.len == 0; /* an empty field is NULL */
}

void
result_csv_field(struct lh_buf *out, lh_str s)
{
    size_t from = 0;

    if (!needs_quotes(s)) {
        result_put(out, s.ptr, s.len);
        return;
    }
    result_put_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '"')
            continue;
        result_put(out, s.ptr + from, i + 1 - from);
        from = i; /* the quote once more */
    }
    result_put(out, s.ptr + from, s.len - from);
    result_put_char(out, '"');
}

/* ---- bits and big numbers ---- */

/* The first byte counts the unused bits in front of the second (bit_t of DuckDB). */
void
result_bits_text(struct lh_buf *out, lh_bytes bit)
{
    for (size_t i = bit.len > 0 ? 8 + (bit.ptr[0] & 7) : 0; i < bit.len * 8; i++)
        lh_buf_add_char(out, (char)('0' + (bit.ptr[i / 8] >> (7 - i % 8) & 1)));
}

/* limbs = limbs * 256 + byte, in base 10^9, least first; returns the new count. */
static size_t
limbs_push(uint32_t *limbs, size_t count, uint8_t byte)
{
    uint64_t carry = byte;

    for (size_t i = 0; i < count; i++) {
        carry += (uint64_t)limbs[i] << 8;
        limbs[i] = (uint32_t)(carry % 1000000000);
        carry /= 1000000000;
    }
    if (carry > 0)
        limbs[count++] = (uint32_t)carry;
    return count;
}

/* Three bytes of header, whose top bit is set for positive numbers, then the magnitude, most
 * significant byte first; of negative numbers every bit is inverted (bignum.cpp of DuckDB). */
bool
result_bignum_text(struct lh_buf *out, lh_bytes bignum)
{
    uint8_t invert = bignum.len > 3 && (bignum.ptr[0] & 0x80) == 0 ? 0xFF : 0;
    uint32_t *limbs;
    size_t count = 0;
    char text[RESULT_TEXT_MAX];

    if (bignum.len < 4)
        return false;
    limbs = lh_alloc_array(bignum.len / 3 + 2, sizeof(*limbs));
    for (size_t i = 3; i < bignum.len; i++)
        count = limbs_push(limbs, count, bignum.ptr[i] ^ invert);
    if (invert && count > 0)
        lh_buf_add_char(out, '-');
    lh_buf_add(out, text, result_u64_text(count > 0 ? limbs[count - 1] : 0, text));
    for (size_t i = count > 0 ? count - 1 : 0; i > 0; i--) {
        digits_put(limbs[i - 1], 9, text);
        lh_buf_add(out, text, 9);
    }
    free(limbs);
    return true;
}

/* ---- JSON ---- */

bool
result_json_is_valid(lh_str text)
{
    const char *end = text.ptr + text.len, *p = json_blank_skip(text.ptr, end), *why;
    struct record_field ignored;

    if (p == end || text.len > UINT32_MAX)
        return false;
    p = json_value_read(p, end, &ignored, &why);
    return p && json_blank_skip(p, end) == end;
}
