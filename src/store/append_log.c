/*
 * Group commit. Adders put their record into the batch that is *filling* and wait on it. The writer
 * thread takes the oldest batch, puts it as one object without holding the lock, and wakes
 * everybody who waits on it; meanwhile the next batch fills. So under load the batches are as large
 * as a put is long, and alone a record pays for one put.
 *
 * A batch is counted: each waiter and the queue hold it. When a put fails, the waiters are told,
 * and records that nobody waits for go to the front of the next batch while there is room, since
 * there is nobody to repeat them.
 */
#include "store/append_log.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/append_log_name.h"
#include "store/append_log_scan.h"

#define BATCH_BYTES_DEFAULT ((size_t)4 << 20)
#define QUEUE_DEFAULT ((size_t)10000)
#define RETRY_MS 1000       /* before records that nobody waits for are tried again */
#define CANCEL_CHECK_MS 100 /* how long a waiter may not notice that its call was cancelled */

struct batch {
    struct batch *next; /* in the queue, oldest first */
    struct lh_buf bytes;
    size_t count;
    size_t refs;
    struct record {
        size_t end; /* in bytes, behind the line end */
        bool is_awaited;
    } * records;
    size_t records_allocated;
    bool is_done;
    lh_status status; /* once done */
    struct lh_error failure;
};

struct lh_append_log {
    struct lh_bucket *bucket;
    char *prefix;
    size_t batch_bytes_max, queue_max;
    int64_t linger_ms;
    pthread_t writer;
    struct log_metrics {
        struct lh_metric *seconds, *records, *failed_puts, *waiting;
    } metrics;
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t work, done;
        struct batch *first, *last; /* waiting; the last one is filling */
        int64_t not_before_ms;      /* after a failure */
        bool is_stopping;
        struct lh_append_log_stats stats;
    } lock;
};

/* ---- batches; all under the lock unless said otherwise ---- */

static struct batch *
batch_new(const struct lh_append_log *log)
{
    struct batch *b = LH_NEW(struct batch);

    lh_buf_init(&b->bytes, log->batch_bytes_max);
    b->refs = 1;
    return b;
}

static void
batch_unref(struct batch *b)
{
    if (--b->refs > 0)
        return;
    lh_buf_fini(&b->bytes);
    lh_error_clear(&b->failure);
    free(b->records);
    free(b);
}

static void
batch_add(struct batch *b, lh_str line, bool is_awaited)
{
    if (b->count == b->records_allocated) {
        b->records_allocated = b->records_allocated == 0 ? 16 : b->records_allocated * 2;
        b->records = lh_realloc_array(b->records, b->records_allocated, sizeof(b->records[0]));
    }
    lh_buf_add_str(&b->bytes, line);
    lh_buf_add_char(&b->bytes, '\n');
    b->records[b->count++] = (struct record){.end = b->bytes.len, .is_awaited = is_awaited};
}

static bool
batch_has_room(const struct batch *b, lh_str record)
{
    return record.len < b->bytes.max - b->bytes.len;
}

static void
queue_push(struct lh_append_log *log, struct batch *b)
{
    *(log->lock.last ? &log->lock.last->next : &log->lock.first) = b;
    log->lock.last = b;
}

static struct batch *
queue_pop(struct lh_append_log *log)
{
    struct batch *b = log->lock.first;

    log->lock.first = b->next;
    if (!log->lock.first)
        log->lock.last = NULL;
    b->next = NULL;
    return b;
}

static void
queue_push_front(struct lh_append_log *log, struct batch *b)
{
    b->next = log->lock.first;
    log->lock.first = b;
    if (!log->lock.last)
        log->lock.last = b;
}

static void
waiting_change(struct lh_append_log *log, int64_t by)
{
    log->lock.stats.waiting += (uint64_t)by;
    lh_metric_add(log->metrics.waiting, by);
}

/* ---- adding ---- */

static lh_status
record_check(const struct lh_append_log *log, lh_str record, struct lh_error *err)
{
    size_t at;

    if (record.len + 1 > log->batch_bytes_max)
        return lh_fail(err, LH_TOO_BIG, "log.record_too_big",
                       "a record of %zu bytes does not fit a batch of %zu in %s", record.len,
                       log->batch_bytes_max, log->prefix);
    if (record.len == 0 || lh_str_find_char(record, '\n', &at))
        return lh_fail(err, LH_INVALID, "log.record", "a record is one line, and not an empty one");
    return LH_OK;
}

/* Takes the record into the batch that is filling; NULL when too many wait. Under the lock. */
static struct batch *
record_enter(struct lh_append_log *log, lh_str record, bool is_awaited)
{
    if (log->lock.stats.waiting >= log->queue_max)
        return NULL;
    if (!log->lock.last || !batch_has_room(log->lock.last, record))
        queue_push(log, batch_new(log));
    batch_add(log->lock.last, record, is_awaited);
    waiting_change(log, 1);
    pthread_cond_signal(&log->lock.work);
    return log->lock.last;
}

static lh_status
fail_full(const struct lh_append_log *log, struct lh_error *err)
{
    return lh_fail(err, LH_BUSY, "log.queue_full", "%zu records wait to be written to %s",
                   log->queue_max, log->prefix);
}

/* The call may end before the batch is written; the record may then be in the log or not. */
static lh_status
batch_await(struct lh_append_log *log, struct lh_call *call, struct batch *b, struct lh_error *err)
{
    while (!b->is_done) {
        int64_t until = lh_time_mono_ms() + CANCEL_CHECK_MS;
        LH_TRY(lh_call_check(call, err));
        if (call->deadline_ms < until)
            until = call->deadline_ms;
        (void)lh_cond_wait_until(&log->lock.done, &log->lock.mutex, until);
    }
    if (b->status != LH_OK && err)
        lh_error_copy(err, &b->failure);
    return b->status;
}

lh_status
lh_append_log_add(struct lh_append_log *log, struct lh_call *call, lh_str record,
                  struct lh_error *err)
{
    struct batch *b;
    lh_status status;

    LH_TRY(lh_call_check(call, err));
    LH_TRY(record_check(log, record, err));
    LH_AUTO_LOCK(&log->lock.mutex);
    b = record_enter(log, record, true);
    if (!b)
        return fail_full(log, err);
    b->refs++;
    status = batch_await(log, call, b, err);
    batch_unref(b);
    return status;
}

lh_status
lh_append_log_add_async(struct lh_append_log *log, lh_str record, struct lh_error *err)
{
    LH_TRY(record_check(log, record, err));
    LH_AUTO_LOCK(&log->lock.mutex);
    return record_enter(log, record, false) ? LH_OK : fail_full(log, err);
}

/* ---- writing ---- */

/* The name is drawn for this put alone. So when it is refused because there is such an object,
 * that is what an earlier arrival of the same request has written. */
static bool
batch_is_there(struct lh_append_log *log, struct lh_call *call, const char *key,
               const struct batch *b)
{
    LH_AUTO_BUF(there, b->bytes.len);

    return lh_object_get(log->bucket, call, lh_str_of(key), &there, NULL, NULL) == LH_OK &&
           lh_str_eq(lh_buf_str(&there), lh_buf_str(&b->bytes));
}

/* Without the lock: nobody changes a batch that has left the queue. */
static lh_status
batch_put(struct lh_append_log *log, const struct batch *b, struct lh_error *err)
{
    const struct lh_put_options o = {.if_absent = true, .content_type = "application/x-ndjson"};
    char key[LH_KEY_MAX + 1];
    LH_AUTO_ERROR(why);
    struct lh_call call;
    lh_status status;

    LH_FAULT("log.put.before", err);
    append_log_name(log->prefix, lh_uuid_v7(), key);
    lh_call_init(&call);
    status =
        lh_object_put(log->bucket, &call, lh_str_of(key), lh_buf_bytes(&b->bytes), &o, NULL, &why);
    if (status == LH_CONFLICT && batch_is_there(log, &call, key, b))
        status = LH_OK;
    if (status != LH_OK)
        lh_error_copy(err, &why);
    lh_call_fini(&call);
    return status;
}

/* Records without a waiter, as a batch of their own. NULL when there are none. */
static struct batch *
orphans_of(const struct lh_append_log *log, const struct batch *b)
{
    struct batch *orphans = NULL;
    size_t begin = 0;

    for (size_t i = 0; i < b->count; begin = b->records[i++].end) {
        if (b->records[i].is_awaited)
            continue;
        if (!orphans)
            orphans = batch_new(log);
        batch_add(orphans, lh_str_slice(lh_buf_str(&b->bytes), begin, b->records[i].end - 1),
                  false);
    }
    return orphans;
}

/* At the end there is no later: what could not be written is counted and given up. */
static void
orphans_keep(struct lh_append_log *log, const struct batch *b)
{
    struct batch *orphans = log->lock.is_stopping ? NULL : orphans_of(log, b);

    if (!orphans)
        return;
    waiting_change(log, (int64_t)orphans->count);
    log->lock.not_before_ms = lh_time_mono_ms() + RETRY_MS;
    queue_push_front(log, orphans);
}

static void
batch_finish(struct lh_append_log *log, struct batch *b, lh_status status)
{
    struct lh_append_log_stats *stats = &log->lock.stats;

    waiting_change(log, -(int64_t)b->count);
    b->status = status;
    if (status == LH_OK) {
        lh_metric_add(log->metrics.records, (int64_t)b->count);
        stats->records += b->count;
        stats->bytes += b->bytes.len;
        stats->batches++;
    } else {
        lh_metric_add(log->metrics.failed_puts, 1);
        stats->failed_puts++;
        orphans_keep(log, b);
    }
    b->is_done = true;
    pthread_cond_broadcast(&log->lock.done);
    batch_unref(b);
}

static void
batch_write(struct lh_append_log *log, struct batch *b)
{
    int64_t began_ns = lh_time_mono_ns();
    lh_status status;

    pthread_mutex_unlock(&log->lock.mutex);
    status = batch_put(log, b, &b->failure);
    lh_metric_observe_ns(log->metrics.seconds, lh_time_mono_ns() - began_ns);
    pthread_mutex_lock(&log->lock.mutex);
    batch_finish(log, b, status);
}

static bool
has_waiters(const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->records[i].is_awaited)
            return true;
    return false;
}

/* Until when the writer leaves the queue alone. A batch that is full, or the end of the log, is
 * never held. */
static int64_t
hold_until_ms(const struct lh_append_log *log, int64_t gathering_until_ms)
{
    if (log->lock.is_stopping || log->lock.first != log->lock.last)
        return 0;
    if (!has_waiters(log->lock.first) && log->lock.not_before_ms > gathering_until_ms)
        return log->lock.not_before_ms;
    return gathering_until_ms;
}

/* Returns when there is a batch to write, or none and the log stops. */
static void
work_await(struct lh_append_log *log)
{
    int64_t gathering_until_ms = 0;

    while (!log->lock.first && !log->lock.is_stopping)
        pthread_cond_wait(&log->lock.work, &log->lock.mutex);
    if (log->linger_ms > 0)
        gathering_until_ms = lh_time_mono_ms() + log->linger_ms;
    while (log->lock.first && lh_time_mono_ms() < hold_until_ms(log, gathering_until_ms))
        (void)lh_cond_wait_until(&log->lock.work, &log->lock.mutex,
                                 hold_until_ms(log, gathering_until_ms));
}

static void *
writer_run(void *arg)
{
    struct lh_append_log *log = arg;

    pthread_mutex_lock(&log->lock.mutex);
    for (;;) {
        work_await(log);
        if (!log->lock.first)
            break;
        batch_write(log, queue_pop(log));
    }
    pthread_mutex_unlock(&log->lock.mutex);
    return NULL;
}

/* ---- life ---- */

static void
metrics_init(struct log_metrics *m, const char *prefix)
{
    m->seconds = lh_histogram("lakehouse_log_put_seconds",
                              "Duration of putting one batch of a log.", "log", prefix, NULL);
    m->records =
        lh_counter("lakehouse_log_records_total", "Records written to a log.", "log", prefix, NULL);
    m->failed_puts = lh_counter("lakehouse_log_failed_puts_total",
                                "Batches of a log that could not be put.", "log", prefix, NULL);
    m->waiting = lh_gauge("lakehouse_log_waiting", "Records that wait to be written to a log.",
                          "log", prefix, NULL);
}

static void
append_log_destroy(struct lh_append_log *log)
{
    pthread_cond_destroy(&log->lock.work);
    pthread_cond_destroy(&log->lock.done);
    pthread_mutex_destroy(&log->lock.mutex);
    free(log->prefix);
    free(log);
}

static lh_status
prefix_check(const char *prefix, struct lh_error *err)
{
    lh_str p = lh_str_of(prefix);

    if (!lh_str_ends(p, LH_STR("/")) || p.len > LH_KEY_MAX - APPEND_LOG_NAME_BYTES)
        return lh_fail(err, LH_INVALID, "log.prefix", "the prefix '%s' of a log must end with '/'",
                       prefix);
    return lh_key_check(lh_str_slice(p, 0, p.len - 1), err);
}

lh_status
lh_append_log_open(const struct lh_append_log_options *o, struct lh_append_log **out,
                   struct lh_error *err)
{
    struct lh_append_log *log;
    lh_status status;

    LH_TRY(prefix_check(o->prefix, err));
    log = LH_NEW(struct lh_append_log);
    log->bucket = o->bucket;
    log->prefix = lh_strdup(o->prefix);
    log->batch_bytes_max = o->batch_bytes_max > 0 ? o->batch_bytes_max : BATCH_BYTES_DEFAULT;
    log->queue_max = o->queue_max > 0 ? o->queue_max : QUEUE_DEFAULT;
    log->linger_ms = o->linger_ms;
    metrics_init(&log->metrics, o->prefix);
    pthread_mutex_init(&log->lock.mutex, NULL);
    lh_cond_init(&log->lock.work);
    lh_cond_init(&log->lock.done);
    status = lh_thread_start(&log->writer, "append-log", writer_run, log, err);
    if (status == LH_OK)
        *out = log;
    else
        append_log_destroy(log);
    return status;
}

void
lh_append_log_free(struct lh_append_log *log)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock.mutex);
    log->lock.is_stopping = true;
    pthread_cond_signal(&log->lock.work);
    pthread_mutex_unlock(&log->lock.mutex);
    lh_thread_join(log->writer);
    append_log_destroy(log);
}

struct lh_append_log_stats
lh_append_log_stats_get(const struct lh_append_log *log)
{
    /* The lock is not part of what the log promises to keep. */
    LH_AUTO_LOCK((pthread_mutex_t *)(uintptr_t)&log->lock.mutex);
    return log->lock.stats;
}

lh_status
lh_append_log_scan(struct lh_append_log *log, struct lh_call *call,
                   const struct lh_append_log_visitor *visitor, struct lh_error *err)
{
    struct append_log_scan s = {
        .bucket = log->bucket, .prefix = log->prefix, .call = call, .visitor = visitor};

    return append_log_scan_run(&s, err);
}
