/*
 * mutation: parts of the protocol that can be taken out, to see that the simulation misses them.
 */
#ifndef LH_SIM_MUTATION_H
#define LH_SIM_MUTATION_H

#include "seams.h"
#include "services/catalogd/event.h"
#include "services/catalogd/restore.h"
#include "services/catalogd/writer.h"
#include "store/append_log.h"

SEAM(lh_status, catalog_writers_live, struct catalog_writers *w, struct lh_call *call,
     lh_str dataset, bool *is_written, struct lh_error *err);
SEAM(lh_status, catalog_writer_begin, struct catalog_writers *w, struct lh_call *call, lh_str id,
     lh_str dataset, struct lh_error *err);
SEAM(lh_status, catalog_writer_check, struct catalog_writers *w, struct lh_call *call, lh_str id,
     lh_str dataset, struct lh_error *err);
SEAM(lh_status, lh_object_put, struct lh_bucket *b, struct lh_call *call, lh_str key,
     lh_bytes bytes, const struct lh_put_options *options, struct lh_object_info *info,
     struct lh_error *err);
SEAM(lh_status, catalog_events_complete, struct catalog *c, struct lh_call *call, int64_t grace_us,
     struct lh_error *err);
SEAM(lh_status, lh_append_log_add, struct lh_append_log *log, struct lh_call *call, lh_str record,
     struct lh_error *err);
SEAM(lh_status, catalog_fence, struct catalog *c, struct lh_call *call, lh_str dataset,
     struct lh_error *err);

#endif
