/*
 * search: the nearest items to a vector or a text.
 *
 * One search uses one generation and one epoch of it from begin to end. Fewer than k hits come back
 * only when fewer items match.
 *
 * Fails    INVALID "vectors.query" | "vectors.vector" | "vectors.dimension" |
 *          "vectors.zero_vector" | "vectors.filter"; as embed.h and queryd's client.
 */
#ifndef LH_SERVICES_VECTORD_SEARCH_H
#define LH_SERVICES_VECTORD_SEARCH_H

#include "services/vectord/allowed.h"
#include "services/vectord/registry.h"

enum { VECTOR_K_DEFAULT = 10, VECTOR_K_MAX = 10000, VECTOR_EXCLUDED_MAX = 10000 };

/* The generation that answers, or with a number another one that is ready: CONFLICT
 * "vectors.generation_not_ready"; NOT_FOUND "vectors.unknown_generation". The caller unrefs it. */
lh_status vector_searched(struct vectord *v, struct lh_call *call, lh_str name, uint64_t number,
                          struct vector_generation **out, struct lh_error *err);

/* `body` as it came. */
lh_status vector_search(struct vectord *v, struct lh_call *call, lh_str name, lh_str body,
                        struct lh_buf *answer, struct lh_error *err);
/* The same in a generation that the caller holds: for several searches that make one answer. */
lh_status vector_search_in(struct vector_generation *g, struct lh_call *call, lh_str body,
                           struct lh_buf *answer, struct lh_error *err);
/* BM25 over the texts of items, best first; the inverted index is made at the first question. */
lh_status vector_words_search_in(struct vector_generation *g, struct lh_call *call, lh_str body,
                                 struct lh_buf *answer, struct lh_error *err);

#endif
