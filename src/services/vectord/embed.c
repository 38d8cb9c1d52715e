#include "services/vectord/embed.h"

#include "services/vectord/model.h"

static lh_status
model_name(const struct vector_generation *g, lh_str *out, struct lh_error *err)
{
    if (g->spec.model[0] == '\0')
        return lh_fail(err, LH_INVALID, "vectors.no_model",
                       "index '%s' has no model that could embed a text: give vectors",
                       g->log.index);
    if (vector_model_is_fitted(lh_str_of(g->spec.model)) && g->model_name == NULL)
        return lh_fail(err, LH_CONFLICT, "vectors.model_not_fitted",
                       "model \"%s\" is learned from the texts of an index: build '%s' from a "
                       "dataset first",
                       g->spec.model, g->log.index);
    *out = lh_str_of(g->model_name ? g->model_name : g->spec.model);
    return LH_OK;
}

lh_status
vector_embed(const struct vector_generation *g, struct lh_call *call, const lh_str *texts,
             size_t count, float *out, struct lh_bridge_embedding *report, struct lh_error *err)
{
    size_t dim = 0;
    lh_str model;

    LH_TRY(model_name(g, &model, err));
    LH_TRY(lh_bridge_dim(g->v->bridge, call, model, &dim, err));
    if (dim != g->spec.dimension)
        return lh_fail(err, LH_INVALID, "vectors.model_dimension",
                       "model \"%s\" makes %zu dimensions, index '%s' has %u", g->spec.model, dim,
                       g->log.index, g->spec.dimension);
    for (size_t from = 0; from < count; from += VECTOR_EMBED_MAX) {
        size_t n = count - from < VECTOR_EMBED_MAX ? count - from : VECTOR_EMBED_MAX;

        LH_TRY(lh_bridge_embed(g->v->bridge, call, model, texts + from, n, out + from * dim, dim,
                               report, err));
    }
    return LH_OK;
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
