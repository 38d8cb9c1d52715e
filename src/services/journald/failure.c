#include "services/journald/failure.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"

enum { DETAIL_MAX = 2048, TEXT_MAX = 1024, LINE_MAX_BYTES = 32768 };

static const char *const fields[] = {"service", "code",     "detail", "object",
                                     "bucket",  "trace_id", NULL};

struct window {
    lh_uuid id;
    char *service, *code, *object, *bucket;
    char *detail, *trace_id; /* of the newest one */
    int64_t first_us, last_us;
    int64_t opened_ms;
    uint64_t count, logged; /* `logged`: the count that the log was last given */
};

struct journal_failures {
    struct lh_append_log *log;
    int64_t window_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        struct window items[JOURNAL_WINDOWS_MAX];
        size_t count;
        bool is_stopping;
    } locked;
};

static void
window_fini(struct window *w)
{
    free(w->service);
    free(w->code);
    free(w->object);
    free(w->bucket);
    free(w->detail);
    free(w->trace_id);
}

static void
window_print(const struct window *win, struct lh_buf *line)
{
    struct lh_json_writer w = lh_json_writer_over(line);
    char id[LH_UUID_TEXT];

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "error_id", lh_uuid_format(win->id, id));
    lh_json_set_time(&w, "time", win->last_us);
    lh_json_set_time(&w, "first_time", win->first_us);
    lh_json_set_cstr(&w, "service", win->service);
    lh_json_set_cstr(&w, "code", win->code);
    lh_json_set_cstr(&w, "detail", win->detail);
    lh_json_set_cstr(&w, "object", win->object);
    lh_json_set_cstr(&w, "bucket", win->bucket);
    lh_json_set_cstr(&w, "trace_id", win->trace_id);
    lh_json_set_u64(&w, "count", win->count);
    lh_json_object_end(&w);
}

/* The log may be full or its bucket away; then this process's own log is the last place to say so.
 */
static void
line_hand_over(struct lh_append_log *log, lh_str line)
{
    LH_AUTO_ERROR(err);

    if (lh_append_log_add_async(log, line, &err) != LH_OK)
        lh_log(LH_LOG_ERROR, "journald", "failure outside the journal", LH_LOG_V("record", line),
               LH_LOG_S("why", err.text));
}

/* Under the lock: the log's hand-over only queues. */
static void
window_log(struct journal_failures *f, struct window *w)
{
    LH_AUTO_BUF(line, LINE_MAX_BYTES);

    if (w->logged == w->count)
        return;
    window_print(w, &line);
    line_hand_over(f->log, lh_buf_str(&line));
    w->logged = w->count;
}

static void
window_close(struct journal_failures *f, size_t at)
{
    window_log(f, &f->locked.items[at]);
    window_fini(&f->locked.items[at]);
    f->locked.items[at] = f->locked.items[--f->locked.count];
}

static struct window *
window_find(struct journal_failures *f, const struct journal_failure *failure)
{
    for (size_t i = 0; i < f->locked.count; i++) {
        struct window *w = &f->locked.items[i];

        if (lh_str_eq(lh_str_of(w->code), failure->code) &&
            lh_str_eq(lh_str_of(w->object), failure->object) &&
            lh_str_eq(lh_str_of(w->service), failure->service) &&
            lh_str_eq(lh_str_of(w->bucket), failure->bucket))
            return w;
    }
    return NULL;
}

static size_t
window_oldest(const struct journal_failures *f)
{
    size_t oldest = 0;

    for (size_t i = 1; i < f->locked.count; i++)
        if (f->locked.items[i].opened_ms < f->locked.items[oldest].opened_ms)
            oldest = i;
    return oldest;
}

static struct window *
window_open(struct journal_failures *f, const struct journal_failure *failure)
{
    struct window *w;

    if (f->locked.count == JOURNAL_WINDOWS_MAX)
        window_close(f, window_oldest(f));
    w = &f->locked.items[f->locked.count++];
    *w = (struct window){.id = lh_uuid_v7(),
                         .service = lh_str_dup(failure->service),
                         .code = lh_str_dup(failure->code),
                         .object = lh_str_dup(failure->object),
                         .bucket = lh_str_dup(failure->bucket),
                         .first_us = lh_time_now_us(),
                         .opened_ms = lh_time_mono_ms()};
    return w;
}

static void
window_count(struct window *w, const struct journal_failure *failure)
{
    free(w->detail);
    free(w->trace_id);
    w->detail = lh_str_dup(failure->detail);
    w->trace_id = lh_str_dup(failure->trace_id);
    w->last_us = lh_time_now_us();
    w->count++;
}

static struct journal_failure
failure_cut(const struct journal_failure *f)
{
    return (struct journal_failure){.service = lh_str_fit(f->service, 64),
                                    .code = lh_str_fit(f->code, 64),
                                    .detail = lh_str_fit(f->detail, DETAIL_MAX),
                                    .object = lh_str_fit(f->object, TEXT_MAX),
                                    .bucket = lh_str_fit(f->bucket, 64),
                                    .trace_id = lh_str_fit(f->trace_id, 64)};
}

void
journal_failures_add(struct journal_failures *f, const struct journal_failure *failure)
{
    struct journal_failure cut = failure_cut(failure);
    struct window *w;
    LH_AUTO_LOCK(&f->lock);

    w = window_find(f, &cut);
    if (w == NULL) {
        w = window_open(f, &cut);
        window_count(w, &cut);
        window_log(f, w);
        pthread_cond_signal(&f->changed);
        return;
    }
    window_count(w, &cut);
}

lh_status
journal_failure_read(const json_t *body, struct journal_failure *out, struct lh_error *err)
{
    struct journal_failure f = {0};

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "service", &f.service, err));
    LH_TRY(lh_json_str(body, "code", &f.code, err));
    LH_TRY(lh_json_str_opt(body, "detail", &f.detail, err));
    LH_TRY(lh_json_str_opt(body, "object", &f.object, err));
    LH_TRY(lh_json_str_opt(body, "bucket", &f.bucket, err));
    LH_TRY(lh_json_str_opt(body, "trace_id", &f.trace_id, err));
    if (f.service.len == 0 || f.code.len == 0)
        return lh_fail(err, LH_INVALID, "journal.failure", "service and code must not be empty");
    *out = f;
    return LH_OK;
}

static int
newest_first(const void *a, const void *b)
{
    const struct journal_row *x = a, *y = b;

    return x->time_us < y->time_us ? 1 : x->time_us > y->time_us ? -1 : memcmp(&y->id, &x->id, 16);
}

static struct journal_row
window_row(const struct window *w, struct lh_arena *arena)
{
    LH_AUTO_BUF(line, LINE_MAX_BYTES);

    window_print(w, &line);
    return (struct journal_row){.id = w->id,
                                .time_us = w->last_us,
                                .line = lh_arena_str(arena, lh_buf_str(&line)),
                                .group = lh_arena_str(arena, lh_str_of(w->service)),
                                .topic = lh_arena_str(arena, lh_str_of(w->code))};
}

size_t
journal_failures_rows(struct journal_failures *f, struct lh_arena *arena, struct journal_row **out)
{
    struct journal_row *rows;
    size_t count;

    {
        LH_AUTO_LOCK(&f->lock);
        count = f->locked.count;
        rows = lh_arena_array(arena, count + 1, sizeof(*rows));
        for (size_t i = 0; i < count; i++)
            rows[i] = window_row(&f->locked.items[i], arena);
    }
    qsort(rows, count, sizeof(*rows), newest_first);
    *out = rows;
    return count;
}

/* Closes what is over; how long the next one has to go, or forever. */
static int64_t
windows_close_due(struct journal_failures *f, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    for (size_t i = f->locked.count; i-- > 0;) {
        int64_t due_ms = f->locked.items[i].opened_ms + f->window_ms;

        if (due_ms <= now_ms)
            window_close(f, i);
        else if (due_ms < next_ms)
            next_ms = due_ms;
    }
    return next_ms;
}

static void *
windows_run(void *arg)
{
    struct journal_failures *f = arg;
    LH_AUTO_LOCK(&f->lock);

    while (!f->locked.is_stopping) {
        int64_t next_ms = windows_close_due(f, lh_time_mono_ms());

        if (next_ms == INT64_MAX)
            pthread_cond_wait(&f->changed, &f->lock);
        else
            lh_cond_wait_until(&f->changed, &f->lock, next_ms);
    }
    return NULL;
}

lh_status
journal_failures_open(struct lh_append_log *log, int64_t window_ms, struct journal_failures **out,
                      struct lh_error *err)
{
    struct journal_failures *f = LH_NEW(struct journal_failures);
    lh_status status;

    f->log = log;
    f->window_ms = window_ms;
    pthread_mutex_init(&f->lock, NULL);
    lh_cond_init(&f->changed);
    status = lh_thread_start(&f->thread, "journal-failure", windows_run, f, err);
    if (status != LH_OK) {
        pthread_cond_destroy(&f->changed);
        pthread_mutex_destroy(&f->lock);
        free(f);
        return status;
    }
    *out = f;
    return LH_OK;
}

void
journal_failures_free(struct journal_failures *f)
{
    if (f == NULL)
        return;
    {
        LH_AUTO_LOCK(&f->lock);
        f->locked.is_stopping = true;
        pthread_cond_signal(&f->changed);
    }
    lh_thread_join(f->thread);
    while (f->locked.count > 0)
        window_close(f, f->locked.count - 1);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
