/*
 * failure: operational failures, equal ones gathered for a minute into one row with a count.
 *
 * The first of its kind is handed to the log at once, so that a crash loses no kind of failure;
 * those that follow within the minute only count. When the minute is over a second record with the
 * same error_id and the final count goes to the log, and readers keep the newer one. While a window
 * is open its row is answered from here, so that a failure is visible the moment it is reported.
 *
 * Limits   JOURNAL_WINDOWS_MAX open windows; one more closes the oldest early.
 * Threads  all functions may be called from any thread; one thread of its own closes windows.
 */
#ifndef LH_SERVICES_JOURNALD_FAILURE_H
#define LH_SERVICES_JOURNALD_FAILURE_H

#include "base/json.h"
#include "net/call.h"
#include "services/journald/row.h"
#include "store/append_log.h"

#define JOURNAL_WINDOWS_MAX 1024

struct journal_failures;

lh_status journal_failures_open(struct lh_append_log *log, int64_t window_ms,
                                struct journal_failures **out, struct lh_error *err);
/* Writes the final counts. */
void journal_failures_free(struct journal_failures *f);

/* Texts are copied and cut to what a row may hold. */
struct journal_failure {
    lh_str service, code, detail, object, bucket, trace_id;
};
lh_status
journal_failure_read(const json_t *body, struct journal_failure *out, struct lh_error *err);
/* Never waits for the bucket. */
void journal_failures_add(struct journal_failures *f, const struct journal_failure *failure);

/* Rows of the open windows, newest first, in the arena. */
size_t
journal_failures_rows(struct journal_failures *f, struct lh_arena *arena, struct journal_row **out);

#endif
