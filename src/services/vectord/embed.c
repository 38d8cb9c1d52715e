#include "services/vectord/embed.h"

lh_status
vector_embed(const struct vector_generation *g, struct lh_call *call, const lh_str *texts,
             size_t count, float *out, struct lh_bridge_embedding *report, struct lh_error *err)
{
    (void)call;
    (void)texts;
    (void)count;
    (void)out;
    (void)report;
    if (g->spec.model[0] == '\0')
        return lh_fail(err, LH_INVALID, "vectors.no_model",
                       "index '%s' has no model that could embed a text: give vectors",
                       g->log.index);
    return lh_fail(err, LH_UNSUPPORTED, "not_implemented",
                   "models are not part of this build: give vectors");
}

bool
vector_is_zero(const float *vector, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        if (vector[i] != 0)
            return false;
    }
    return true;
}
