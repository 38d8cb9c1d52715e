/*
 * model: a fitted lsa-256 model of a generation, as a Parquet object of the index.
 *
 * Rows are terms: id = term, vector, metadata = {"weight"}; what else the model knows is in the
 * key-value metadata. It belongs to a log, like the items that were embedded with it, and never
 * changes: a model that has drifted is fitted anew for a new generation.
 *
 * Name     _vectors/<index>/models/<uid>-<log>.parquet
 * Format   docs/formats/vectors.md
 */
#ifndef LH_SERVICES_VECTORD_MODEL_H
#define LH_SERVICES_VECTORD_MODEL_H

#include "services/vectord/generation.h"
#include "text/lsa.h"

lh_status vector_model_store(struct vectord *v, struct lh_call *call, const struct vector_log *log,
                             const struct lh_lsa *model, struct lh_error *err);
/* Registers the model with the bridge under a name of the generation's own, when it has one that is
 * fitted. Otherwise the generation's model is what its definition says. */
lh_status
vector_model_open(struct vector_generation *g, struct lh_call *call, struct lh_error *err);
void vector_model_close(struct vector_generation *g);
bool vector_model_is_fitted(lh_str name); /* such a model is learned from texts of the index */

#endif
