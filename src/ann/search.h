/*
 * search: what ann.h promises of searches, and a search as if one vector were not there.
 */
#ifndef LH_ANN_SEARCH_H
#define LH_ANN_SEARCH_H

#include <stdint.h>
#include "ann/ann.h"

/* As lh_ann_search, but the walk keeps away from the node `avoid`, which a query that is the node's
 * own vector would else begin at, all its neighbours linked to it. It may still be an answer of the
 * exact plan. */
lh_status ann_search_avoiding(const struct lh_ann *ann, uint32_t avoid, const float *vector,
                              size_t dim, const struct lh_ann_query *query, struct lh_ann_hit *hits,
                              struct lh_ann_report *report, struct lh_error *err);

#endif
