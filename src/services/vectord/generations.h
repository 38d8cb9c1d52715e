/*
 * generations: side by side, one of them answering; making another one answer is one pointer swap.
 *
 * Fails    as definition.h; CONFLICT "vectors.dimension_differs" for a merge of unlike indexes.
 */
#ifndef LH_SERVICES_VECTORD_GENERATIONS_H
#define LH_SERVICES_VECTORD_GENERATIONS_H

#include "services/vectord/registry.h"

lh_status vector_generations_list(struct vectord *v, struct lh_call *call, lh_str name,
                                  struct lh_buf *answer, struct lh_error *err);
/* Opens it, then swaps: no search waits, fails or sees both. */
lh_status vector_promote(struct vectord *v, struct lh_call *call, lh_str name, uint64_t number,
                         struct lh_buf *answer, struct lh_error *err);
lh_status vector_rollback(struct vectord *v, struct lh_call *call, lh_str name,
                          struct lh_buf *answer, struct lh_error *err);
/* {"source","clear_source"?}: copies the items of another index into this one. */
lh_status vector_merge_indexes(struct vectord *v, struct lh_call *call, lh_str name,
                               const json_t *body, struct lh_buf *answer, struct lh_error *err);

/* A new generation in the state BUILDING, on behalf of a job. Those whose job is over and which
 * never became ready are removed first, and so are the oldest ready ones beyond
 * `vectors.generations_keep`. */
lh_status vector_generation_begin(struct vectord *v, struct lh_call *call, lh_str name,
                                  const struct vector_generation_spec *spec,
                                  struct vector_generation_spec *made, struct lh_error *err);
/* What follows is of a generation that vector_generation_begin made, or of a copy with its uid:
 * NOT_FOUND "vectors.unknown_index" when its index was removed, also when there is another of the
 * name now. */

/* Notes which job builds it. */
lh_status vector_generation_job_set(struct vectord *v, struct lh_call *call, lh_str name,
                                    const struct vector_generation_spec *made, const char *job_id,
                                    struct lh_error *err);
lh_status vector_generation_finish(struct vectord *v, struct lh_call *call, lh_str name,
                                   const struct vector_generation_spec *made, const char *source,
                                   bool promotes, struct lh_error *err);
/* Removes it with everything that no other generation needs, also when its index is gone. The
 * current one stays. */
lh_status vector_generation_drop(struct vectord *v, struct lh_call *call, lh_str name,
                                 const struct vector_generation_spec *made, struct lh_error *err);
/* Whether the index is still the one that it was made in, as far as this process knows. */
lh_status vector_generation_check(struct vectord *v, struct lh_call *call, lh_str name,
                                  const struct vector_generation_spec *made, struct lh_error *err);

#endif
