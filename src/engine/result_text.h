/*
 * result_text: values of DuckDB as text, without printf and without a locale.
 *
 * Each function writes at `to` without NUL and returns the length; RESULT_TEXT_MAX bytes are always
 * enough. Dates are ISO 8601 in the proleptic Gregorian calendar; years outside 0 to 9999 have a
 * sign and six digits or more, as ISO 8601 expands them. The infinite dates of DuckDB are
 * "infinity" and "-infinity".
 */
#ifndef LH_ENGINE_RESULT_TEXT_H
#define LH_ENGINE_RESULT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define RESULT_TEXT_MAX 96

__extension__ typedef __int128 result_i128;
__extension__ typedef unsigned __int128 result_u128;

size_t result_u64_text(uint64_t v, char *to);
size_t result_i64_text(int64_t v, char *to);
size_t result_i128_text(result_i128 v, char *to);
size_t result_u128_text(result_u128 v, char *to);
/* `*is_exact`: a double keeps the digits, so it may be a JSON number. */
size_t result_decimal_text(result_i128 unscaled, unsigned scale, char *to, bool *is_exact);
/* Finite values only. */
size_t result_f32_text(float v, char *to);
size_t result_f64_text(double v, char *to);

size_t result_date_text(int32_t days, char *to);
size_t result_time_text(int64_t ns, char *to);
size_t result_time_tz_text(uint64_t bits, char *to);
/* `units_per_second`: 1, 1,000, 1,000,000 or 1,000,000,000. */
size_t result_timestamp_text(int64_t v, int64_t units_per_second, char *to);
size_t result_interval_text(int32_t months, int32_t days, int64_t us, char *to);
size_t result_uuid_text(uint64_t lower, int64_t upper, char *to); /* as a DuckDB vector holds it */

/* lh_buf_add for the inner loops: no call while there is room. */
static inline char *
result_room(struct lh_buf *out, size_t n)
{
    if (__builtin_expect(out->cap - out->len > n && out->data && !out->is_failed, 1))
        return (char *)out->data + out->len;
    return (char *)lh_buf_reserve(out, n);
}

static inline void
result_put_char(struct lh_buf *out, char c)
{
    char *to = result_room(out, 1);

    if (to) {
        *to = c;
        out->len++;
    }
}

static inline void
result_put(struct lh_buf *out, const char *ptr, size_t n)
{
    char *to = result_room(out, n);

    if (to && n > 0) {
        memcpy(to, ptr, n);
        out->len += n;
    }
}

void result_json_string(struct lh_buf *out, lh_str s); /* UTF-8, quoted and escaped */
void result_csv_field(struct lh_buf *out, lh_str s);   /* quoted where RFC 4180 asks for it */
void result_bits_text(struct lh_buf *out, lh_bytes bit);
/* DuckDB's BIGNUM; false when it is broken. */
bool result_bignum_text(struct lh_buf *out, lh_bytes bignum);
bool result_json_is_valid(lh_str text);

#endif
