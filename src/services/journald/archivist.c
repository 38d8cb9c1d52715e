#include "services/journald/archivist.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "services/journald/archive.h"
#include "services/rounds.h"

#define DAY_US (INT64_C(86400) * 1000000)

struct journal_archivist {
    struct journal *journal;
    int64_t after_us, grace_us;
    struct lh_metric *archived, *removed, *failures;
    struct lh_rounds *rounds;
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
round_run(void *self, struct lh_call *call)
{
    log_try(self, "_journal/events/", call);
    log_try(self, "_journal/errors/", call);
}

static void
settings_read(struct journal_archivist *a)
{
    const struct lh_config *config = a->journal->env->config;

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
    struct lh_rounds_options options = {
        .name = "journal-archive",
        .interval_ms = lh_config_ms(j->env->config, "journal.archive_interval"),
        .run = round_run,
    };
    struct journal_archivist *a;
    lh_status status;

    *out = NULL;
    if (options.interval_ms == 0)
        return LH_OK;
    a = LH_NEW(struct journal_archivist);
    a->journal = j;
    settings_read(a);
    options.self = a;
    status = lh_rounds_start(&options, &a->rounds, err);
    if (status != LH_OK) {
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
    lh_rounds_stop(a->rounds);
    free(a);
}
