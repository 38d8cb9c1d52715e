#include "text/eval.h"

#include <math.h>

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static double
gain(size_t rank)
{
    return 1.0 / log2((double)rank + 1.0);
}

double
lh_eval_ndcg(const struct lh_eval_ranking *r, size_t k)
{
    double found = 0, ideal = 0;

    for (size_t i = 0; i < least(k, r->count); i++)
        found += r->is_relevant[i] ? gain(i + 1) : 0;
    for (size_t i = 0; i < least(k, r->relevant_count); i++)
        ideal += gain(i + 1);
    return ideal > 0 ? found / ideal : 0;
}

double
lh_eval_recall(const struct lh_eval_ranking *r, size_t k)
{
    size_t found = 0;

    for (size_t i = 0; i < least(k, r->count); i++)
        found += r->is_relevant[i];
    return r->relevant_count ? (double)found / (double)r->relevant_count : 0;
}

double
lh_eval_reciprocal_rank(const struct lh_eval_ranking *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->is_relevant[i])
            return 1.0 / (double)(i + 1);
    }
    return 0;
}

double
lh_eval_average_precision(const struct lh_eval_ranking *r)
{
    size_t found = 0;
    double sum = 0;

    for (size_t i = 0; i < r->count; i++) {
        if (r->is_relevant[i])
            sum += (double)++found / (double)(i + 1);
    }
    return r->relevant_count ? sum / (double)r->relevant_count : 0;
}

void
lh_eval_mean_add(struct lh_eval_mean *sum, const struct lh_eval_ranking *r)
{
    if (r->relevant_count == 0)
        return;
    sum->queries++;
    sum->ndcg_10 += lh_eval_ndcg(r, 10);
    sum->recall_100 += lh_eval_recall(r, 100);
    sum->mrr += lh_eval_reciprocal_rank(r);
    sum->map += lh_eval_average_precision(r);
}

struct lh_eval_mean
lh_eval_mean_of(const struct lh_eval_mean *sum)
{
    double n = sum->queries ? (double)sum->queries : 1;

    return (struct lh_eval_mean){sum->queries, sum->ndcg_10 / n, sum->recall_100 / n, sum->mrr / n,
                                 sum->map / n};
}
