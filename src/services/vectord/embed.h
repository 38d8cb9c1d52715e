/*
 * embed: texts of items and questions to vectors of a generation, through the bridge.
 *
 * Fails    as aibridge/bridge.h; INVALID "vectors.no_model" for a generation without one;
 *          CONFLICT "vectors.model_not_fitted" for a model that is learned from the texts of an
 *          index, in an index that was not built yet; INVALID "vectors.model_dimension".
 */
#ifndef LH_SERVICES_VECTORD_EMBED_H
#define LH_SERVICES_VECTORD_EMBED_H

#include "services/vectord/generation.h"

enum { VECTOR_EMBED_MAX = 256 }; /* texts that go to the bridge at once */

/* Writes count × dimension floats. `report` may be NULL, and is of the last VECTOR_EMBED_MAX. */
lh_status
vector_embed(const struct vector_generation *g, struct lh_call *call, const lh_str *texts,
             size_t count, float *out, struct lh_bridge_embedding *report, struct lh_error *err);
bool vector_is_zero(const float *vector, size_t dim);

#endif
