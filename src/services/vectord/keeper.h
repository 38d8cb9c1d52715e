/*
 * keeper: the background of vectord: what other processes did, merging of small batches, cache
 * files.
 *
 * One thread, a pass every `vectors.refresh`. Nothing open, nothing done.
 */
#ifndef LH_SERVICES_VECTORD_KEEPER_H
#define LH_SERVICES_VECTORD_KEEPER_H

#include "services/vectord/registry.h"

lh_status vector_keeper_start(struct vectord *v, struct vector_keeper **out, struct lh_error *err);
/* Saves the caches of what has changed. */
void vector_keeper_stop(struct vector_keeper *k);

#endif
