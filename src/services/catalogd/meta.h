/*
 * meta: what people say about a dataset: description, owner, tags, a description of each column.
 *
 * One object `_catalog/meta/<name>.json` a dataset, replaced by compare-and-swap. It outlives
 * versions, and the hiding of a dataset. Memory keeps what was seen, for lists; a change always
 * starts from the object itself.
 *
 * Fails    INVALID "request.field_…" | "catalog.meta"; CONFLICT "catalog.precondition" when
 *          If-Match names an older state.
 * Threads  all functions may be called from any thread.
 */
#ifndef LH_SERVICES_CATALOGD_META_H
#define LH_SERVICES_CATALOGD_META_H

#include "base/json.h"
#include "store/bucket.h"

struct catalog_metas;

struct catalog_metas *catalog_metas_new(struct lh_bucket *bucket);
void catalog_metas_free(struct catalog_metas *m);

/* An object of the four members, each present; the caller json_decref. ETag "0" stands for "never
 * written". */
lh_status catalog_meta_load(struct catalog_metas *m, struct lh_call *call, lh_str dataset,
                            json_t **out, char etag[LH_ETAG_MAX], struct lh_error *err);
/* As last seen, for lists; NULL when nothing was. The caller json_decref. */
json_t *catalog_meta_seen(struct catalog_metas *m, lh_str dataset);
/* Takes up everything that is there, unless that has been done before. */
lh_status catalog_metas_ready(struct catalog_metas *m, struct lh_call *call, struct lh_error *err);
/* Takes up what other processes have written. */
lh_status
catalog_metas_refresh(struct catalog_metas *m, struct lh_call *call, struct lh_error *err);

/* Applies the members of `patch` (null removes). `if_match` "" repeats on the newest state until it
 * holds. */
struct catalog_meta_change {
    json_t *old, *now; /* the caller json_decref */
    char etag[LH_ETAG_MAX];
};
lh_status catalog_meta_patch(struct catalog_metas *m, struct lh_call *call, lh_str dataset,
                             const json_t *patch, lh_str if_match, struct catalog_meta_change *out,
                             struct lh_error *err);

#endif
