#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/time.h"

#define LOG_LINE_MAX (64 * 1024)
#define LOG_STR_MAX (8 * 1024)

static const char *const level_names[] = {"debug", "info", "warn", "error"};
#define LEVEL_COUNT (sizeof(level_names) / sizeof(level_names[0]))

static atomic_int level_set = LH_LOG_INFO;
static bool is_text;
static pthread_once_t form_once = PTHREAD_ONCE_INIT;

static void
form_choose(void)
{
    const char *asked = getenv("LAKEHOUSE_LOG");

    is_text = isatty(STDERR_FILENO) && !(asked != NULL && strcmp(asked, "json") == 0);
}

void
lh_log_level_set(enum lh_log_level level)
{
    atomic_store_explicit(&level_set, (int)level, memory_order_relaxed);
}

bool
lh_log_level_parse(lh_str name, enum lh_log_level *out)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if (!lh_str_eq(name, lh_str_of(level_names[i])))
            continue;
        *out = (enum lh_log_level)i;
        return true;
    }
    return false;
}

bool
lh_log_is_on(enum lh_log_level level)
{
    return (int)level >= atomic_load_explicit(&level_set, memory_order_relaxed);
}

static void
field_put(struct lh_json_writer *w, const struct lh_log_field *f)
{
    switch (f->kind) {
    case LH_LOG_FIELD_STR:
        if (f->str.ptr == NULL)
            lh_json_put_null(w);
        else
            lh_json_put_str(w, lh_str_fit(f->str, LOG_STR_MAX));
        break;
    case LH_LOG_FIELD_I64:
        lh_json_put_i64(w, f->i64);
        break;
    case LH_LOG_FIELD_F64:
        lh_json_put_f64(w, f->f64);
        break;
    case LH_LOG_FIELD_BOOL:
        lh_json_put_bool(w, f->i64 != 0);
        break;
    }
}

static void
line_json(struct lh_buf *line, enum lh_log_level level, const char *service, const char *event,
          const struct lh_log_field *fields, size_t count)
{
    struct lh_json_writer w = lh_json_writer_over(line);

    lh_json_object_begin(&w);
    lh_json_set_time(&w, "time", lh_time_now_us());
    lh_json_set_cstr(&w, "level", level_names[level]);
    lh_json_set_cstr(&w, "service", service);
    lh_json_set_cstr(&w, "event", event);
    for (size_t i = 0; i < count; i++) {
        lh_json_key(&w, fields[i].key);
        field_put(&w, &fields[i]);
    }
    lh_json_object_end(&w);
    lh_buf_add_char(line, '\n');
}

/* 12:00:00.123 warn  queryd: query slow rows=3 sql="SELECT 1" */
static void
line_text(struct lh_buf *line, enum lh_log_level level, const char *service, const char *event,
          const struct lh_log_field *fields, size_t count)
{
    char time[LH_TIME_TEXT_MAX];
    lh_str clock = lh_str_slice(lh_str_of(lh_time_format(lh_time_now_us(), time)), 11, 23);

    lh_buf_printf(line, "%.*s %-5s %s: %s", LH_FMT(clock), level_names[level], service, event);
    for (size_t i = 0; i < count; i++) {
        struct lh_json_writer w = lh_json_writer_over(line);
        lh_buf_printf(line, " %s=", fields[i].key);
        field_put(&w, &fields[i]);
    }
    lh_buf_add_char(line, '\n');
}

/* Nobody is left to tell when standard error itself fails. */
static void
line_write(const struct lh_buf *line)
{
    lh_bytes left = lh_buf_bytes(line);

    while (left.len > 0) {
        ssize_t put = write(STDERR_FILENO, left.ptr, left.len);
        if (put <= 0)
            return;
        left = lh_bytes_of(left.ptr + put, left.len - (size_t)put);
    }
}

void
lh_log_write(enum lh_log_level level, const char *service, const char *event,
             const struct lh_log_field *fields, size_t count)
{
    LH_AUTO_BUF(line, LOG_LINE_MAX);

    pthread_once(&form_once, form_choose);
    void (*form)(struct lh_buf *, enum lh_log_level, const char *, const char *,
                 const struct lh_log_field *, size_t) = is_text ? line_text : line_json;
    form(&line, level, service, event, fields, count);
    if (line.is_failed) {
        /* Too long even with its strings cut: what happened matters more than with what. */
        lh_buf_clear(&line);
        form(&line, level, service, event, &LH_LOG_B("is_cut", true), 1);
    }
    line_write(&line);
}

void
lh_log_error(enum lh_log_level level, const char *service, const char *event,
             const struct lh_error *err)
{
    lh_log(level, service, event, LH_LOG_S("status", lh_status_name(err->status)),
           LH_LOG_S("reason", err->reason), LH_LOG_S("text", err->text));
}
