#include "base/time.h"

#include <stdio.h>
#include <time.h>

#define US_PER_SECOND INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)
/* 0001-01-01T00:00:00Z and the last microsecond of the year 9999. */
#define TIME_FIRST_US (INT64_C(-62135596800) * US_PER_SECOND)
#define TIME_LAST_US (INT64_C(253402300800) * US_PER_SECOND - 1)

static const char *const weekdays[7] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
    int micros;
    int weekday; /* 0 is Sunday */
};

static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool
is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
days_in_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/*
 * Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March so that
 * the leap day is the last of its year; then the days before a month are (153 m + 2) / 5, and
 * 719468 days lie between 0000-03-01 and 1970.
 */
static int64_t
days_of_date(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = (month + 9) % 12;

    return y * 365 + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) + (153 * m + 2) / 5 +
           day - 1 - 719468;
}

/* The inverse of days_of_date, by cutting off whole cycles of 400, 100, 4 and 1 years. */
static void
date_of_days(int64_t days, struct civil *c)
{
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, 146097);
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t m = (5 * of_year + 2) / 153;

    c->day = (int)(of_year - (153 * m + 2) / 5 + 1);
    c->month = (int)(m < 10 ? m + 3 : m - 9);
    c->year = (int)(era * 400 + year + (c->month <= 2));
}

static int64_t
us_of_civil(const struct civil *c)
{
    int64_t seconds = days_of_date(c->year, c->month, c->day) * SECONDS_PER_DAY + c->hour * 3600 +
                      c->minute * 60 + c->second;

    return seconds * US_PER_SECOND + c->micros;
}

static struct civil
civil_of_us(int64_t us)
{
    struct civil c;

    /* Out of range means a broken clock; a wrong but well-formed text is better than none. */
    us = us < TIME_FIRST_US ? TIME_FIRST_US : us > TIME_LAST_US ? TIME_LAST_US : us;
    int64_t seconds = floor_div(us, US_PER_SECOND);
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    int of_day = (int)(seconds - days * SECONDS_PER_DAY);
    date_of_days(days, &c);
    c.hour = of_day / 3600;
    c.minute = of_day / 60 % 60;
    c.second = of_day % 60;
    c.micros = (int)(us - seconds * US_PER_SECOND);
    c.weekday = (int)(((days + 4) % 7 + 7) % 7);
    return c;
}

static int64_t
clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t
lh_time_now_us(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000;
}

int64_t
lh_time_mono_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t
lh_time_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void
lh_time_nap_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static char *
put_digits(char *to, int v, int width)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + width;
}

static char *
put_char(char *to, char c)
{
    *to = c;
    return to + 1;
}

static char *
put_clock(char *to, const struct civil *c)
{
    to = put_char(put_digits(to, c->hour, 2), ':');
    to = put_char(put_digits(to, c->minute, 2), ':');
    return put_digits(to, c->second, 2);
}

char *
lh_time_format(int64_t us, char text[LH_TIME_TEXT_MAX])
{
    struct civil c = civil_of_us(us);
    char *to = text;

    to = put_char(put_digits(to, c.year, 4), '-');
    to = put_char(put_digits(to, c.month, 2), '-');
    to = put_char(put_digits(to, c.day, 2), 'T');
    to = put_char(put_clock(to, &c), '.');
    to = put_char(put_digits(to, c.micros, 6), 'Z');
    *to = '\0';
    return text;
}

/* ---- parsing: each taker eats from the front of *s, or is false ---- */

static bool
take_digits(lh_str *s, size_t width, int *out)
{
    int v = 0;

    if (s->len < width)
        return false;
    for (size_t i = 0; i < width; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return false;
        v = v * 10 + (s->ptr[i] - '0');
    }
    *out = v;
    *s = lh_str_slice(*s, width, s->len);
    return true;
}

static bool
take_any(lh_str *s, const char *chars, char *found)
{
    if (s->len == 0 || s->ptr[0] == '\0' || strchr(chars, s->ptr[0]) == NULL)
        return false;
    *found = s->ptr[0];
    *s = lh_str_slice(*s, 1, s->len);
    return true;
}

static bool
take_char(lh_str *s, char c)
{
    char found;

    return take_any(s, (const char[]){c, '\0'}, &found);
}

static bool
take_date(lh_str *s, struct civil *c)
{
    return take_digits(s, 4, &c->year) && take_char(s, '-') && take_digits(s, 2, &c->month) &&
           take_char(s, '-') && take_digits(s, 2, &c->day) && c->year >= 1 && c->month >= 1 &&
           c->month <= 12 && c->day >= 1 && c->day <= days_in_month(c->year, c->month);
}

static bool
take_clock(lh_str *s, struct civil *c)
{
    return take_digits(s, 2, &c->hour) && take_char(s, ':') && take_digits(s, 2, &c->minute) &&
           take_char(s, ':') && take_digits(s, 2, &c->second) && c->hour <= 23 && c->minute <= 59 &&
           c->second <= 59;
}

/* Digits past the sixth are dropped: time here has microseconds. */
static bool
take_fraction(lh_str *s, struct civil *c)
{
    int digit, count = 0;

    if (!take_char(s, '.'))
        return true;
    for (int unit = 100000; take_digits(s, 1, &digit); unit /= 10, count++)
        c->micros += digit * unit;
    return count > 0;
}

/* "Z", "+02:00", "+0200", "+02" or nothing. */
static bool
take_offset(lh_str *s, int *minutes)
{
    char sign;
    int hour, minute = 0;

    *minutes = 0;
    if (s->len == 0 || take_any(s, "Zz", &sign))
        return true;
    if (!take_any(s, "+-", &sign) || !take_digits(s, 2, &hour))
        return false;
    bool has_colon = take_char(s, ':');
    if ((has_colon || s->len > 0) && !take_digits(s, 2, &minute))
        return false;
    if (hour > 23 || minute > 59)
        return false;
    *minutes = (sign == '-' ? -1 : 1) * (hour * 60 + minute);
    return true;
}

bool
lh_time_parse(lh_str s, int64_t *us)
{
    struct civil c = {0};
    int offset_minutes = 0;
    char sep;

    if (!take_date(&s, &c))
        return false;
    if (s.len > 0 && !(take_any(&s, "Tt ", &sep) && take_clock(&s, &c) && take_fraction(&s, &c) &&
                       take_offset(&s, &offset_minutes) && s.len == 0))
        return false;
    int64_t at = us_of_civil(&c) - offset_minutes * 60 * US_PER_SECOND;
    if (at < TIME_FIRST_US || at > TIME_LAST_US)
        return false;
    *us = at;
    return true;
}

char *
lh_time_format_http(int64_t us, char text[LH_TIME_HTTP_MAX])
{
    struct civil c = civil_of_us(us);
    char *to = text;

    to = stpcpy(stpcpy(to, weekdays[c.weekday]), ", ");
    to = put_char(put_digits(to, c.day, 2), ' ');
    to = put_char(stpcpy(to, months[c.month - 1]), ' ');
    to = put_char(put_digits(to, c.year, 4), ' ');
    strcpy(put_clock(to, &c), " GMT");
    return text;
}

static bool
take_month_name(lh_str *s, int *month)
{
    for (int i = 0; i < 12; i++) {
        if (!lh_str_starts(*s, lh_str_of(months[i])))
            continue;
        *s = lh_str_slice(*s, 3, s->len);
        *month = i + 1;
        return true;
    }
    return false;
}

/* Reads the fields and writes them back: whatever is not exactly the one form, weekday included,
 * differs. */
bool
lh_time_parse_http(lh_str s, int64_t *us)
{
    struct civil c = {0};
    char again[LH_TIME_HTTP_MAX];
    lh_str rest = lh_str_slice(s, sizeof("Sun, ") - 1, s.len);

    if (!(take_digits(&rest, 2, &c.day) && take_char(&rest, ' ') &&
          take_month_name(&rest, &c.month) && take_char(&rest, ' ') &&
          take_digits(&rest, 4, &c.year) && take_char(&rest, ' ') && take_clock(&rest, &c)))
        return false;
    if (c.year < 1 || c.day < 1)
        return false;
    int64_t at = us_of_civil(&c);
    if (!lh_str_eq(s, lh_str_of(lh_time_format_http(at, again))))
        return false;
    *us = at;
    return true;
}

static bool
unit_ms(lh_str unit, int64_t *ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!lh_str_eq(unit, lh_str_of(units[i].name)))
            continue;
        *ms = units[i].ms;
        return true;
    }
    return false;
}

bool
lh_duration_parse_ms(lh_str s, int64_t *ms)
{
    size_t digits = 0;
    uint64_t count;
    int64_t unit, total;

    while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
        digits++;
    if (!lh_str_u64(lh_str_slice(s, 0, digits), &count) ||
        !unit_ms(lh_str_slice(s, digits, s.len), &unit) ||
        __builtin_mul_overflow(count, unit, &total))
        return false;
    *ms = total;
    return true;
}
