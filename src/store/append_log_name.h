/*
 * append_log_name: names of batches, and what a scan needs of a log it does not want to open.
 *
 * A batch's folder is the day of its UUID's own time, so both sort by time.
 */
#ifndef LH_STORE_APPEND_LOG_NAME_H
#define LH_STORE_APPEND_LOG_NAME_H

#include "base/id.h"
#include "store/append_log.h"

#define APPEND_LOG_DAY_BYTES 10                         /* YYYY-MM-DD */
#define APPEND_LOG_NAME_BYTES (10 + 1 + 36 + 7)         /* behind the prefix */
#define APPEND_LOG_TIME_MS_MAX INT64_C(253402300799999) /* the end of the year 9999 */
#define APPEND_LOG_DAY_MS ((int64_t)86400 * 1000)

void append_log_name(const char *prefix, lh_uuid id, char key[LH_KEY_MAX + 1]);
/* Milliseconds since 1970 of a UUIDv7. */
int64_t append_log_time_ms(lh_uuid id);
/* The smallest text that any batch name of that time or later is greater than: "<day>/<first 13
 * digits>". */
void append_log_name_from(const char *prefix, int64_t time_ms, char key[LH_KEY_MAX + 1]);
/* False for a key that is not a batch of this log. */
bool append_log_name_parse(const char *prefix, lh_str key, int64_t *time_ms);

#endif
