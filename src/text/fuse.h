/*
 * fuse: one ranking out of several, by reciprocal rank.
 *
 *     score(id) = Σ over legs  weight / (60 + rank of id in the leg)
 *
 * Only ranks count, so legs whose scores mean different things (BM25, cosine) need no scaling. A
 * leg that did not find an id gives it nothing.
 *
 * Threads  pure.
 * Source   Cormack, Clarke and Büttcher, Reciprocal Rank Fusion, SIGIR 2009. Weights and depth are
 *          measured on Cranfield, docs/decisions/retrieval-quality.md.
 */
#ifndef LH_TEXT_FUSE_H
#define LH_TEXT_FUSE_H

#include "base/str.h"

#define LH_FUSE_LEGS_MAX 8

struct lh_fuse_leg {
    const uint64_t *ids; /* best first, without repetition */
    size_t count;
    double weight; /* above 0 */
};

struct lh_fuse_hit {
    uint64_t id;
    double score;
    uint32_t rank[LH_FUSE_LEGS_MAX]; /* from 1; 0: not in that leg */
};

/* Writes the best `k` and returns how many there were to write; equal scores ascending by id.
 * `rank_constant` 0 is the default. At most LH_FUSE_LEGS_MAX legs are looked at. */
size_t lh_fuse(const struct lh_fuse_leg *legs, size_t leg_count, double rank_constant, size_t k,
               struct lh_fuse_hit *hits);

#endif
