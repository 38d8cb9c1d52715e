#include "services/journald/archivist.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/journald/archive.h"

#define DAY_US (INT64_C(86400) * 1000000)

struct journal_archivist {
    struct journal *journal;
    int64_t interval_ms, after_us, grace_us;
    struct lh_metric *archived, *removed, *failures;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        struct lh_call *call; /* of the running pass */
        bool is_stopping;
    } locked;
};

/* ---- one log ---- */

/* The day after `after` ("" from the start) that has batches and ended long enough ago; "" when
 * there is none. ':' is the byte after '9', so "<day>:" stands behind everything of the day. */
static lh_status
day_next(struct journal_archivist *a, const struct journal_archive_log *log, struct lh_call *call,
         char day[11], struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_CHARS after = lh_asprintf("%s%s:", log->prefix, day);
    int64_t begin_us;

    LH_TRY(lh_object_list(log->bucket, call, lh_str_of(log->prefix),
                          day[0] ? lh_str_of(after) : LH_STR(""), 1, &page, err));
    day[0] = '\0';
    if (page->count == 0)
        return LH_OK;
    snprintf(day, 11, "%.10s", page->items[0].key + strlen(log->prefix));
    if (!lh_time_parse(lh_str_of(day), &begin_us) ||
        begin_us + DAY_US + a->after_us > lh_time_now_us())
        day[0] = '\0';
    return LH_OK;
}

static lh_status
log_archive(struct journal_archivist *a, const char *prefix, struct lh_call *call,
            struct lh_error *err)
{
    struct journal_archive_log log = {.env = a->journal->env,
                                      .bucket = lh_store_primary(a->journal->env->store),
                                      .prefix = prefix};
    char day[11] = "";

    for (;;) {
        struct journal_archive_done done = {0};
        lh_status status;

        LH_TRY(day_next(a, &log, call, day, err));
        if (day[0] == '\0')
            return LH_OK;
        status = journal_archive_day(&log, call, day, a->grace_us, &done, err);
        lh_metric_add(a->archived, (int64_t)done.archived);
        lh_metric_add(a->removed, (int64_t)done.removed);
        LH_TRY(status);
    }
}

/* ---- the thread ---- */

static void
log_try(struct journal_archivist *a, const char *prefix, struct lh_call *call)
{
    LH_AUTO_ERROR(err);

    if (log_archive(a, prefix, call, &err) == LH_OK || lh_call_check(call, NULL) != LH_OK)
        return;
    lh_metric_add(a->failures, 1);
    lh_log_error(LH_LOG_WARN, "journald", "a log was not archived", &err);
    journal_failures_add(a->journal->failures,
                         &(struct journal_failure){.service = LH_STR("journald"),
                                                   .code = lh_str_of(err.reason),
                                                   .detail = lh_str_of(err.text),
                                                   .object = lh_str_of(prefix),
                                                   .bucket = LH_STR("primary")});
}

static void
pass(struct journal_archivist *a)
{
    struct lh_call call;
    bool is_stopping;

    lh_call_init(&call);
    {
        LH_AUTO_LOCK(&a->lock);
        a->locked.call = &call;
        is_stopping = a->locked.is_stopping;
    }
    if (!is_stopping) {
        log_try(a, "_journal/events/", &call);
        log_try(a, "_journal/errors/", &call);
    }
    {
        LH_AUTO_LOCK(&a->lock);
        a->locked.call = NULL;
    }
    lh_call_fini(&call);
}

static bool
wait(struct journal_archivist *a)
{
    int64_t until_ms = lh_time_mono_ms() + a->interval_ms;
    LH_AUTO_LOCK(&a->lock);

    while (!a->locked.is_stopping && lh_cond_wait_until(&a->changed, &a->lock, until_ms))
        ;
    return !a->locked.is_stopping;
}

static void *
archivist_run(void *arg)
{
    struct journal_archivist *a = arg;

    while (wait(a))
        pass(a);
    return NULL;
}

static void
settings_read(struct journal_archivist *a)
{
    const struct lh_config *config = a->journal->env->config;

    a->interval_ms = lh_config_ms(config, "journal.archive_interval");
    a->after_us = lh_config_ms(config, "journal.archive_after") * 1000;
    a->grace_us = lh_config_ms(config, "journal.archive_grace") * 1000;
    a->archived = lh_counter("lakehouse_journal_archived_batches_total",
                             "Batches of the logs that were put into archives.", "", NULL);
    a->removed = lh_counter("lakehouse_journal_removed_batches_total",
                            "Archived batches that were removed.", "", NULL);
    a->failures = lh_counter("lakehouse_journal_archive_failures_total",
                             "Passes over a log that failed.", "", NULL);
}

lh_status
journal_archivist_start(struct journal *j, struct journal_archivist **out, struct lh_error *err)
{
    struct journal_archivist *a;
    lh_status status;

    *out = NULL;
    if (lh_config_ms(j->env->config, "journal.archive_interval") == 0)
        return LH_OK;
    a = LH_NEW(struct journal_archivist);
    a->journal = j;
    settings_read(a);
    pthread_mutex_init(&a->lock, NULL);
    lh_cond_init(&a->changed);
    status = lh_thread_start(&a->thread, "journal-archive", archivist_run, a, err);
    if (status != LH_OK) {
        pthread_cond_destroy(&a->changed);
        pthread_mutex_destroy(&a->lock);
        free(a);
        return status;
    }
    *out = a;
    return LH_OK;
}

void
journal_archivist_stop(struct journal_archivist *a)
{
    if (a == NULL)
        return;
    {
        LH_AUTO_LOCK(&a->lock);
        a->locked.is_stopping = true;
        if (a->locked.call != NULL)
            lh_call_cancel(a->locked.call);
        pthread_cond_signal(&a->changed);
    }
    lh_thread_join(a->thread);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
