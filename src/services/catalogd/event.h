/*
 * event: every version has its event in the journal.
 *
 * A commit puts the manifest, then the event, then answers. A crash in between leaves a version
 * without its event; whoever finds such a version writes it, under the id that follows from dataset
 * and version, so that two finders write one event.
 *
 * What stays true: the event of version n is in the journal before that of n + 1 is written. So it
 * is enough to look whether the head's event is there.
 */
#ifndef LH_SERVICES_CATALOGD_EVENT_H
#define LH_SERVICES_CATALOGD_EVENT_H

#include "services/catalogd/catalog.h"

/* The event of a version this process has just put, after those of earlier versions that may lack
 * theirs. */
lh_status catalog_event_commit(struct catalog *c, struct lh_call *call,
                               const struct catalog_snapshot *s, struct lh_error *err);
/* Writes what is missing, of all datasets, as source "recovered". Versions younger than `grace_us`
 * are left for later: their own commit may be about to write it. */
lh_status catalog_events_complete(struct catalog *c, struct lh_call *call, int64_t grace_us,
                                  struct lh_error *err);

#endif
