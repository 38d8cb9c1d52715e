/*
 * trial: one candidate graph over the vectors of a generation, built and measured.
 *
 * Recall@k is against an exact search, with vectors of the index itself as queries, each without
 * itself; latencies are of one thread. The candidate lives in memory only.
 */
#ifndef LH_SERVICES_VECTORD_TRIAL_H
#define LH_SERVICES_VECTORD_TRIAL_H

#include "services/vectord/generation.h"

/* The vectors that trials are made with. */
struct vector_sample {
    struct vector_generation *g; /* borrowed */
    float *vectors;              /* count × dimension */
    size_t count;
    size_t *queries; /* rows that are asked with */
    size_t query_count, k;
    struct lh_ann_hit *truth; /* query_count × k; fewer than k are marked by an id of UINT64_MAX */
};

lh_status vector_sample_make(struct vector_generation *g, struct lh_call *call, size_t k,
                             size_t queries, struct vector_sample *out, struct lh_error *err);
void vector_sample_fini(struct vector_sample *s);

struct vector_trial {
    struct vector_parameters parameters;
    double recall;
    double p50_us, p95_us, p99_us, build_ms;
    uint64_t memory_bytes, items;
};

/* The first one also finds the truth. Built anew unless *ann is one with the same construction;
 * *ann is kept for the next trial and freed by the caller in the end. */
lh_status
vector_trial_run(struct vector_sample *s, struct lh_call *call, const struct vector_parameters *p,
                 struct lh_ann **ann, struct vector_parameters *built, struct vector_trial *out,
                 struct lh_error *err);

#endif
