/*
 * log: one JSON object a line on standard error.
 *
 *     {"time":"…Z","level":"info","service":"queryd","event":"query done","trace_id":"…","rows":3}
 *
 * A line is built in memory and leaves by one write(2), so lines of many threads never mix. Below
 * the set level a call costs one load. On a terminal the form is short text instead, unless
 * LAKEHOUSE_LOG=json. A failure is logged once, where it is handled; libraries return, they do not
 * log.
 */
#ifndef LH_BASE_LOG_H
#define LH_BASE_LOG_H

#include "base/status.h"
#include "base/str.h"

enum lh_log_level { LH_LOG_DEBUG, LH_LOG_INFO, LH_LOG_WARN, LH_LOG_ERROR };

struct lh_log_field {
    const char *key;
    enum { LH_LOG_FIELD_STR, LH_LOG_FIELD_I64, LH_LOG_FIELD_F64, LH_LOG_FIELD_BOOL } kind;
    lh_str str;
    int64_t i64;
    double f64;
};

#define LH_LOG_S(k, v)                                                                             \
    ((struct lh_log_field){.key = (k), .kind = LH_LOG_FIELD_STR, .str = lh_str_of(v)})
#define LH_LOG_V(k, v) ((struct lh_log_field){.key = (k), .kind = LH_LOG_FIELD_STR, .str = (v)})
#define LH_LOG_I(k, v)                                                                             \
    ((struct lh_log_field){.key = (k), .kind = LH_LOG_FIELD_I64, .i64 = (int64_t)(v)})
#define LH_LOG_F(k, v) ((struct lh_log_field){.key = (k), .kind = LH_LOG_FIELD_F64, .f64 = (v)})
#define LH_LOG_B(k, v) ((struct lh_log_field){.key = (k), .kind = LH_LOG_FIELD_BOOL, .i64 = (v)})

void lh_log_level_set(enum lh_log_level level);
bool lh_log_level_parse(lh_str name, enum lh_log_level *out);
bool lh_log_is_on(enum lh_log_level level);

void lh_log_write(enum lh_log_level level, const char *service, const char *event,
                  const struct lh_log_field *fields, size_t count);

/* lh_log(LH_LOG_INFO, "queryd", "query done", LH_LOG_I("rows", n), LH_LOG_S("id", id)); */
#define lh_log(level, service, event, ...)                                                         \
    do {                                                                                           \
        if (lh_log_is_on(level)) {                                                                 \
            const struct lh_log_field lh_fields_[] = {{0}, ##__VA_ARGS__};                         \
            lh_log_write((level), (service), (event), lh_fields_ + 1,                              \
                         sizeof(lh_fields_) / sizeof(lh_fields_[0]) - 1);                          \
        }                                                                                          \
    } while (0)

/* An error with its status, reason and text as fields. */
void lh_log_error(enum lh_log_level level, const char *service, const char *event,
                  const struct lh_error *err);

#endif
