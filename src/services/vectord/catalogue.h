/*
 * catalogue: creating, listing, describing and removing indexes.
 *
 * Fails    as definition.h; INVALID "vectors.name" | "vectors.dimension" | "vectors.metric" |
 *          "vectors.parameters"; TOO_BIG "vectors.too_many_indexes".
 */
#ifndef LH_SERVICES_VECTORD_CATALOGUE_H
#define LH_SERVICES_VECTORD_CATALOGUE_H

#include "services/vectord/vectord.h"

lh_status vector_index_create(struct vectord *v, struct lh_call *call, const json_t *body,
                              struct lh_buf *answer, struct lh_error *err);
lh_status vector_index_list(struct vectord *v, struct lh_call *call, lh_str after, size_t limit,
                            struct lh_buf *answer, struct lh_error *err);
/* How many there are; opens none. */
lh_status
vector_index_count(struct vectord *v, struct lh_call *call, size_t *out, struct lh_error *err);
lh_status vector_index_describe(struct vectord *v, struct lh_call *call, lh_str name,
                                struct lh_buf *answer, struct lh_error *err);
/* The definition goes first: from then on the index is not there. Then its objects. */
lh_status
vector_index_delete(struct vectord *v, struct lh_call *call, lh_str name, struct lh_error *err);

#endif
