/*
 * cache_file: a generation as it stands in memory, as one file that is opened by mmap.
 *
 * Speed, not truth: everything in it can be made from the batches in the bucket, and a file that is
 * missing, damaged, of another generation, or behind costs time and nothing else. It lies on the
 * disk of the process, not in the bucket, because it is mapped where it lies.
 *
 * Name     <data>/cache/vectors/<uid>-<generation>.cache
 * Format   docs/formats/vectors.md
 */
#ifndef LH_SERVICES_VECTORD_CACHE_FILE_H
#define LH_SERVICES_VECTORD_CACHE_FILE_H

#include "services/vectord/generation.h"

/* True: graph, records and position are there, and catching up does the rest. False: nothing was
 * changed; what could not be used has been removed. Before the generation is shared. */
bool vector_cache_load(struct vector_generation *g);
/* With write_lock. Written aside and renamed. Does nothing while a search still sees the dead. */
lh_status vector_cache_save(struct vector_generation *g, struct lh_error *err);
void vector_cache_remove(const struct vectord *v, const char *uid, uint64_t generation);

#endif
