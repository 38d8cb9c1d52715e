/*
 * restore: versions made of what is there already: rolling back, hiding, and describing.
 *
 * A rollback lists the objects of an older version again; a delete is a version without objects.
 * Both are commits like any other, so a rollback undoes a delete. Whoever asks for one means the
 * dataset and not a certain head, so a lost race is tried again.
 */
#ifndef LH_SERVICES_CATALOGD_RESTORE_H
#define LH_SERVICES_CATALOGD_RESTORE_H

#include "services/catalogd/catalog.h"

/* Rolling back to the head changes nothing. INVALID "catalog.rollback" for a version of mode
 * delete. */
lh_status
catalog_rollback(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                 struct catalog_snapshot **out, bool *is_unchanged, struct lh_error *err);
lh_status catalog_delete(struct catalog *c, struct lh_call *call, lh_str dataset,
                         struct catalog_snapshot **out, struct lh_error *err);
/* For a collection that holds the lease: takes the number after the head with the head's own
 * content, so that a writer which has expired, but may only be asleep, cannot take it any more. */
lh_status
catalog_fence(struct catalog *c, struct lh_call *call, lh_str dataset, struct lh_error *err);
/* Metadata for people (meta.h), with its event. */
lh_status catalog_describe(struct catalog *c, struct lh_call *call, lh_str dataset,
                           const json_t *patch, lh_str if_match, struct lh_error *err);

#endif
