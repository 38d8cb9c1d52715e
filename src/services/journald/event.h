/*
 * event: one fact about a mutation, from the body of a request to a line of the log.
 *
 * Fails    INVALID "request.field_…" | "journal.event".
 */
#ifndef LH_SERVICES_JOURNALD_EVENT_H
#define LH_SERVICES_JOURNALD_EVENT_H

#include "base/json.h"
#include "net/call.h"

/* Actor, trace and time come from the call and the clock; appends one line without a line end. */
lh_status journal_event_encode(const json_t *body, const struct lh_call *call, struct lh_buf *line,
                               struct lh_error *err);

#endif
