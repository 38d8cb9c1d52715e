/*
 * merge: small batches become larger ones, without their dead rows.
 *
 * Only whole blocks of 8, 64, 512 … batches that begin at multiples of their size are merged, so
 * that whatever two processes do at once, ranges are nested or apart (batches.h relies on it). The
 * new batch is put, read back and counted before the old ones are removed; a crash in between
 * leaves batches that are covered, which the next pass removes.
 */
#ifndef LH_SERVICES_VECTORD_MERGE_H
#define LH_SERVICES_VECTORD_MERGE_H

#include "services/vectord/generation.h"

/* At most a few merges. Takes write_lock for moments. */
lh_status vector_merge(struct vector_generation *g, struct lh_call *call, struct lh_error *err);

#endif
