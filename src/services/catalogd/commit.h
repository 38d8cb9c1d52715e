/*
 * commit: one conditional put makes one version.
 *
 * Order    checks, the objects are there, manifest put as version head + 1 if absent, event in the
 *          journal, answer. A crash before the put leaves orphan objects, one after it a version
 *          whose event is written later (event.h): never half a version.
 * Races    whoever puts first has the version; the others get CONFLICT "catalog.version_taken". A
 *          put whose answer was lost is read back: the manifest carries the id of its commit, so a
 *          process knows its own.
 * Stale    a process that has slept may know an old head, and its writer may have expired. So the
 *          parent must still be in the bucket when the writer is known to live, and when the put
 *          took so long that the writer may have expired meanwhile, the version counts only if the
 *          writer can still be renewed or the parent is still there.
 * Fails    CONFLICT "catalog.version_taken" | "catalog.schema_drift" | "catalog.writer_expired";
 *          INVALID "catalog.snapshot" | "catalog.object" for objects that are not there as stated;
 *          UNAVAILABLE "catalog.commit_unknown": the version may or may not come about, so nothing
 *          that it names may be taken back; "catalog.event_pending": it stands.
 */
#ifndef LH_SERVICES_CATALOGD_COMMIT_H
#define LH_SERVICES_CATALOGD_COMMIT_H

#include "services/catalogd/catalog.h"

struct catalog_commit {
    struct lh_catalog_commit wish;
    lh_uuid commit_id; /* drawn by who wishes it, the same when it repeats */
    /* Of this service's own commits only. */
    const char *tombstones; /* key of those in force from now on, "": none; NULL: as before */
    const char *reason, *requested_by;
    bool is_fence; /* under the lease of a collection: no writer is announced */
};

/* The body of /internal/catalog/commit; texts go into the arena. */
lh_status catalog_commit_read(const json_t *body, struct lh_arena *arena,
                              struct catalog_commit *out, struct lh_error *err);
lh_status
catalog_commit_run(struct catalog *c, struct lh_call *call, const struct catalog_commit *commit,
                   struct catalog_snapshot **out, struct lh_error *err);

#endif
