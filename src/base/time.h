/*
 * time: clocks and ISO 8601.
 *
 * Two clocks: wall time in microseconds since 1970 UTC, for records; monotonic milliseconds or
 * nanoseconds, for durations and deadlines. Formats as RFC 3339 in UTC with six fraction digits:
 * 2026-01-31T12:00:00.123456Z
 */
#ifndef LH_BASE_TIME_H
#define LH_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

#define LH_TIME_TEXT_MAX 28 /* with NUL */

int64_t lh_time_now_us(void);  /* wall */
int64_t lh_time_mono_ms(void); /* monotonic */
int64_t lh_time_mono_ns(void);
void lh_time_nap_ms(int64_t ms); /* lets time pass, for polling what tells nobody */

/* Years 1 to 9999. Returns `text`. */
char *lh_time_format(int64_t us, char text[LH_TIME_TEXT_MAX]);
/* Date alone, or date and time with 'T' or blank, optional fraction, and 'Z', an offset or nothing
 * (UTC). */
bool lh_time_parse(lh_str s, int64_t *us);
/* IMF-fixdate of RFC 9110: "Sun, 06 Nov 1994 08:49:37 GMT". */
#define LH_TIME_HTTP_MAX 32
char *lh_time_format_http(int64_t us, char text[LH_TIME_HTTP_MAX]);
bool lh_time_parse_http(lh_str s, int64_t *us);
/* "250ms", "30s", "5m", "2h", "7d"; a bare number is milliseconds. False on anything else or
 * overflow. */
bool lh_duration_parse_ms(lh_str s, int64_t *ms);

#endif
