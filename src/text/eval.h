/*
 * eval: how good a ranking is, by the definitions of trec_eval.
 *
 * Relevance is binary: every judgement above 0 counts as 1 (trec_eval's -l 1). Documents that
 * nobody judged are not relevant. A query without a relevant document has no measures and is left
 * out of means.
 *
 *     ndcg_cut_k   Σ_{i ≤ k} rel_i / log2(i + 1), over the same sum of the ideal ranking
 *     recall_k     relevant among the first k, over all relevant
 *     recip_rank   1 / rank of the first relevant one, 0 when there is none
 *     map          mean over all relevant of the precision at its rank, 0 for one not ranked
 *
 * Threads  pure.
 * Source   trec_eval 9.0: m_ndcg_cut.c, m_recall.c, m_recip_rank.c, m_map.c.
 */
#ifndef LH_TEXT_EVAL_H
#define LH_TEXT_EVAL_H

#include "base/str.h"

struct lh_eval_ranking {
    const bool *is_relevant; /* rank 1 first */
    size_t count;
    size_t relevant_count; /* judged relevant in all, ranked or not */
};

double lh_eval_ndcg(const struct lh_eval_ranking *r, size_t k);
double lh_eval_recall(const struct lh_eval_ranking *r, size_t k);
double lh_eval_reciprocal_rank(const struct lh_eval_ranking *r);
double lh_eval_average_precision(const struct lh_eval_ranking *r);

struct lh_eval_mean {
    size_t queries;
    double ndcg_10, recall_100, mrr, map;
};

/* Adds one query; lh_eval_mean_of divides. */
void lh_eval_mean_add(struct lh_eval_mean *sum, const struct lh_eval_ranking *r);
struct lh_eval_mean lh_eval_mean_of(const struct lh_eval_mean *sum);

#endif
