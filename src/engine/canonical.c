#include "engine/canonical.h"

#define DIGITS_EXACT 15  /* DBL_DIG: every decimal of this length survives a double */
#define FRACTION_MAX 100 /* far from where doubles become subnormal */
#define POWER_EXACT 22   /* 10^22 is the last power of ten that a double holds exactly */
#define DAY_US INT64_C(86400000000)

static bool
is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* ---- numbers ---- */

/* Digits without a superfluous zero in front; 0 when there are none. */
static size_t
integer_digits(const char *p, size_t len)
{
    size_t n = 0;

    while (n < len && is_digit(p[n]))
        n++;
    return n > 1 && p[0] == '0' ? 0 : n;
}

bool
canonical_i64(lh_str s, int64_t *out)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    const char *p = s.ptr + is_negative;
    size_t len = s.len - is_negative;
    uint64_t v = 0;

    if (len == 0 || len > 19 || (p[0] == '0' && (len > 1 || is_negative)))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(p[i]))
            return false;
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    if (v > (uint64_t)INT64_MAX + is_negative)
        return false;
    *out = is_negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* mantissa × 10^-scale; both are exact in a double up to 10^22, so one division rounds correctly.
 */
static double
decimal_value(uint64_t mantissa, size_t scale)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    return (double)mantissa / power[scale];
}

/* Significant digits of "int.frac" without the zeros at either end of it. */
static size_t
significant_digits(const char *p, size_t int_len, size_t frac_len)
{
    const char *frac = p + int_len + 1;

    if (p[0] != '0')
        return int_len + frac_len;
    while (frac_len > 0 && *frac == '0') {
        frac++;
        frac_len--;
    }
    return frac_len;
}

static bool
fraction_value(lh_str whole, const char *p, size_t int_len, size_t frac_len, double *out)
{
    uint64_t mantissa = 0;

    while (frac_len > 0 && p[int_len + frac_len] == '0')
        frac_len--;
    if (significant_digits(p, int_len, frac_len) > DIGITS_EXACT || frac_len > FRACTION_MAX)
        return false;
    for (size_t i = 0; i < int_len; i++)
        mantissa = mantissa * 10 + (uint64_t)(p[i] - '0');
    for (size_t i = 0; i < frac_len; i++)
        mantissa = mantissa * 10 + (uint64_t)(p[int_len + 1 + i] - '0');
    if (mantissa == 0 && whole.ptr[0] == '-')
        return false; /* minus zero */
    if (frac_len > POWER_EXACT)
        return lh_str_f64(whole, out);
    *out = decimal_value(mantissa, frac_len);
    if (whole.ptr[0] == '-')
        *out = -*out;
    return true;
}

bool
canonical_f64(lh_str s, double *out)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    const char *p = s.ptr + is_negative;
    size_t len = s.len - is_negative, int_len = integer_digits(p, len), frac_len;
    int64_t v;

    if (int_len == 0)
        return false;
    if (int_len == len) {
        if (len > DIGITS_EXACT || !canonical_i64(s, &v))
            return false;
        *out = (double)v;
        return true;
    }
    if (p[int_len] != '.')
        return false;
    frac_len = len - int_len - 1;
    if (frac_len == 0)
        return false;
    for (size_t i = 0; i < frac_len; i++)
        if (!is_digit(p[int_len + 1 + i]))
            return false;
    return fraction_value(s, p, int_len, frac_len, out);
}

bool
canonical_json_f64(lh_str s, double *out)
{
    size_t digits = 0, zeros = 0;
    bool is_leading = true;

    if (canonical_f64(s, out))
        return true;
    if (memchr(s.ptr, 'e', s.len) == NULL && memchr(s.ptr, 'E', s.len) == NULL)
        return false;
    for (size_t i = 0; i < s.len && s.ptr[i] != 'e' && s.ptr[i] != 'E'; i++) {
        if (!is_digit(s.ptr[i]) || (is_leading && s.ptr[i] == '0'))
            continue;
        is_leading = false;
        digits++;
        zeros = s.ptr[i] == '0' ? zeros + 1 : 0;
    }
    if (digits == 0 || digits - zeros > DIGITS_EXACT || !lh_str_f64(s, out))
        return false;
    /* Near the end of the range digits are lost: those stay text. */
    return (*out > 1e-290 || *out < -1e-290) && *out < 1e290 && *out > -1e290;
}

/* ---- booleans ---- */

unsigned
canonical_bool(lh_str s, bool *out)
{
    static const struct {
        lh_str text;
        unsigned spelling;
        bool value;
    } table[] = {
        {LH_STR("true"), CANONICAL_BOOL_LOWER, true},
        {LH_STR("false"), CANONICAL_BOOL_LOWER, false},
        {LH_STR("True"), CANONICAL_BOOL_TITLE, true},
        {LH_STR("False"), CANONICAL_BOOL_TITLE, false},
        {LH_STR("TRUE"), CANONICAL_BOOL_UPPER, true},
        {LH_STR("FALSE"), CANONICAL_BOOL_UPPER, false},
    };

    if (s.len < 4 || s.len > 5)
        return 0;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (lh_str_eq(s, table[i].text)) {
            *out = table[i].value;
            return table[i].spelling;
        }
    }
    return 0;
}

/* ---- dates and times ---- */

/* Two digits, or a number past every limit. */
static unsigned
two_digits(const char *p)
{
    return is_digit(p[0]) && is_digit(p[1]) ? (unsigned)((p[0] - '0') * 10 + (p[1] - '0')) : 100;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible
 * low-level date algorithms"). */
static int32_t
days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year - (month <= 2), era = y / 400, yoe = y % 400;
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return (int32_t)(era * 146097 + doe) - 719468;
}

static unsigned
month_days(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && is_leap ? 29 : days[month - 1];
}

bool
canonical_date(lh_str s, int32_t *days)
{
    unsigned high, low, year, month, day;

    if (s.len != 10 || s.ptr[4] != '-' || s.ptr[7] != '-')
        return false;
    high = two_digits(s.ptr);
    low = two_digits(s.ptr + 2);
    month = two_digits(s.ptr + 5);
    day = two_digits(s.ptr + 8);
    if (high > 99 || low > 99 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    year = high * 100 + low;
    if (year == 0 || day > month_days(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

/* HH:MM:SS[.ffffff] at the front of `s`; returns its length, 0 when there is none. */
static size_t
clock_of(lh_str s, int64_t *us)
{
    unsigned hour, minute, second;
    int64_t micros = 0, unit = 100000;
    size_t n = 8;

    if (s.len < 8 || s.ptr[2] != ':' || s.ptr[5] != ':')
        return 0;
    hour = two_digits(s.ptr);
    minute = two_digits(s.ptr + 3);
    second = two_digits(s.ptr + 6);
    if (hour > 23 || minute > 59 || second > 59)
        return 0;
    if (n < s.len && s.ptr[n] == '.') {
        for (n++; n < s.len && is_digit(s.ptr[n]); n++, unit /= 10) {
            if (unit == 0)
                return 0;
            micros += (s.ptr[n] - '0') * unit;
        }
        if (n == 9)
            return 0;
    }
    *us = ((int64_t)hour * 3600 + minute * 60 + second) * 1000000 + micros;
    return n;
}

/* Date and clock at the front of `s`; returns their length, 0 when there is none. */
static size_t
moment_of(lh_str s, int64_t *us)
{
    int32_t days;
    int64_t clock;
    size_t n;

    if (s.len < 19 || (s.ptr[10] != 'T' && s.ptr[10] != ' '))
        return 0;
    if (!canonical_date(lh_str_slice(s, 0, 10), &days))
        return 0;
    n = clock_of(lh_str_slice(s, 11, s.len), &clock);
    if (n == 0)
        return 0;
    *us = days * DAY_US + clock;
    return 11 + n;
}

bool
canonical_timestamp(lh_str s, int64_t *us)
{
    int64_t v;

    if (s.len < 19 || moment_of(s, &v) != s.len)
        return false;
    *us = v;
    return true;
}

/* 'Z', +HH:MM or +HH; "-00:00" says that the zone is unknown (RFC 3339 4.3) and is none. */
static bool
zone_of(lh_str s, int32_t *minutes, int32_t *spelling)
{
    unsigned hour, minute;

    if (s.len == 1 && s.ptr[0] == 'Z') {
        *minutes = 0;
        *spelling = 100000;
        return true;
    }
    if ((s.len != 6 && s.len != 3) || (s.ptr[0] != '+' && s.ptr[0] != '-'))
        return false;
    hour = two_digits(s.ptr + 1);
    minute = s.len == 6 && s.ptr[3] == ':' ? two_digits(s.ptr + 4) : s.len == 3 ? 0 : 100;
    if (hour > 15 || minute > 59 || (s.ptr[0] == '-' && hour == 0 && minute == 0))
        return false;
    *minutes = (int32_t)(hour * 60 + minute);
    if (s.ptr[0] == '-')
        *minutes = -*minutes;
    *spelling = *minutes + (s.len == 3 ? 10000 : 0);
    return true;
}

bool
canonical_timestamptz(lh_str s, int64_t *us, int32_t *zone)
{
    int64_t local = 0;
    int32_t minutes = 0;
    size_t n = s.len < 20 ? 0 : moment_of(s, &local);

    if (n == 0 || !zone_of(lh_str_slice(s, n, s.len), &minutes, zone))
        return false;
    *us = local - minutes * INT64_C(60000000);
    return true;
}

/* ---- guessing ---- */

unsigned
canonical_classify(lh_str s, int32_t *zone)
{
    int64_t i64;
    double f64;
    bool flag;
    int32_t days;
    char c = s.len > 0 ? s.ptr[0] : 'x';

    if (!is_digit(c) && c != '-')
        return canonical_bool(s, &flag);
    if (canonical_i64(s, &i64))
        return CANONICAL_I64 | (canonical_f64(s, &f64) ? CANONICAL_F64 : 0u);
    if (canonical_f64(s, &f64))
        return CANONICAL_F64;
    if (canonical_date(s, &days))
        return CANONICAL_DATE;
    if (canonical_timestamp(s, &i64))
        return CANONICAL_TIMESTAMP;
    return canonical_timestamptz(s, &i64, zone) ? CANONICAL_TIMESTAMPTZ : 0u;
}
