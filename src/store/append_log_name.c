#include "store/append_log_name.h"

#include <inttypes.h>
#include <stdio.h>
#include "base/time.h"

#define SUFFIX ".ndjson"

static void
day_format(int64_t time_ms, char day[APPEND_LOG_DAY_BYTES + 1])
{
    char text[LH_TIME_TEXT_MAX];

    lh_time_format(time_ms * 1000, text);
    (void)lh_str_copy(day, APPEND_LOG_DAY_BYTES + 1, (lh_str){text, APPEND_LOG_DAY_BYTES});
}

int64_t
append_log_time_ms(lh_uuid id)
{
    int64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms;
}

void
append_log_name(const char *prefix, lh_uuid id, char key[LH_KEY_MAX + 1])
{
    char day[APPEND_LOG_DAY_BYTES + 1], text[LH_UUID_TEXT];

    day_format(append_log_time_ms(id), day);
    (void)snprintf(key, LH_KEY_MAX + 1, "%s%s/%s" SUFFIX, prefix, day, lh_uuid_format(id, text));
}

void
append_log_name_from(const char *prefix, int64_t time_ms, char key[LH_KEY_MAX + 1])
{
    char day[APPEND_LOG_DAY_BYTES + 1];

    day_format(time_ms, day);
    (void)snprintf(key, LH_KEY_MAX + 1, "%s%s/%08" PRIx64 "-%04" PRIx64, prefix, day,
                   (uint64_t)time_ms >> 16, (uint64_t)time_ms & 0xffff);
}

bool
append_log_name_parse(const char *prefix, lh_str key, int64_t *time_ms)
{
    char expected[LH_KEY_MAX + 1];
    lh_str start = lh_str_of(prefix);
    lh_uuid id;

    if (key.len != start.len + APPEND_LOG_NAME_BYTES || !lh_str_starts(key, start))
        return false;
    if (!lh_uuid_parse(
            lh_str_slice(key, start.len + APPEND_LOG_DAY_BYTES + 1, key.len - strlen(SUFFIX)), &id))
        return false;
    if (append_log_time_ms(id) >= APPEND_LOG_TIME_MS_MAX)
        return false;
    append_log_name(prefix, id, expected);
    *time_ms = append_log_time_ms(id);
    return lh_str_eq(key, lh_str_of(expected));
}
