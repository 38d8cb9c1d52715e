/*
 * journald client: saying what happened, and what went wrong.
 *
 * An event is a fact about a mutation. lh_journal_event returns when it is in the bucket, so a
 * caller that acknowledges only after it can be believed. An error report is handed over and not
 * waited for.
 */
#ifndef LH_SERVICES_JOURNALD_CLIENT_H
#define LH_SERVICES_JOURNALD_CLIENT_H

#include "net/mesh.h"

struct lh_journal_event {
    const char *event_id;      /* UUID text; NULL: a new UUIDv7. A repeated id is kept once. */
    const char *entity_type;   /* "dataset", "bucket" */
    const char *entity_id;     /* "workers" */
    const char *action;        /* "version.committed", "dataset.deleted", … */
    lh_str old_json, new_json; /* JSON values, or none */
};
/* actor, source, time and trace come from the call. */
lh_status lh_journal_event(struct lh_mesh *mesh, struct lh_call *call,
                           const struct lh_journal_event *event, struct lh_error *err);

struct lh_journal_failure {
    const char *service;
    const char *code; /* the reason */
    const char *detail;
    const char *object; /* key or dataset, "" when none */
    const char *bucket; /* "" when none */
};
/* Never fails and never blocks on the bucket; when the journal is not to be had the failure is in
 * the log. */
void lh_journal_failure(struct lh_mesh *mesh, struct lh_call *call,
                        const struct lh_journal_failure *failure);

#endif
