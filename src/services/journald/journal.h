/*
 * journal: the two append logs of the house, events and failures, and how they are read back.
 *
 * Owns     everything under `_journal/` of the primary bucket, and its threads.
 * Threads  all functions may be called from any thread.
 */
#ifndef LH_SERVICES_JOURNALD_JOURNAL_H
#define LH_SERVICES_JOURNALD_JOURNAL_H

#include "services/journald/page.h"
#include "services/service.h"

struct journal {
    const struct lh_env *env;
    struct lh_append_log *event_log, *error_log;
    struct journal_shelf *events, *errors;
    struct journal_failures *failures;
    struct journal_archivist *archivist; /* NULL: switched off */
};

extern const struct lh_config_key journal_config[];
extern const struct lh_route journal_routes[];

lh_status journal_open(const struct lh_env *env, struct journal **out, struct lh_error *err);
void journal_free(struct journal *j);

/* Returns when the event is in the bucket. */
lh_status
journal_add(struct journal *j, struct lh_call *call, const json_t *body, struct lh_error *err);
/* Which of the ids no event of the log has: one walk from the newest row until all are found. */
lh_status journal_missing(struct journal *j, struct lh_call *call, const lh_uuid *ids, size_t count,
                          bool *is_missing, struct lh_error *err);

#endif
