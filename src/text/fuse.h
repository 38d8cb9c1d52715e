/*
 * fuse: one ranking out of several, by reciprocal rank.
 *
 *     score(id) = Σ over legs  weight / (constant + rank of id in the leg)
 *
 * Only ranks count, so legs whose scores mean different things (BM25, cosine) need no scaling. A
 * leg that did not find an id gives it nothing.
 *
 * Threads  pure.
 * Source   Cormack, Clarke and Büttcher, Reciprocal Rank Fusion, SIGIR 2009, who take 60 for the
 *          constant; constant, weights and depth here are measured on Cranfield,
 *          docs/decisions/retrieval-quality.md.
 */
#ifndef LH_TEXT_FUSE_H
#define LH_TEXT_FUSE_H

#include "base/str.h"

#define LH_FUSE_LEGS_MAX 8

/* The default hybrid: so many hits of each leg, weighed so. Vectors of `hash-512`, which know no
 * more than words do, weigh less than those of a model that learned something. */
#define LH_FUSE_DEPTH 200
#define LH_FUSE_RANK_CONSTANT 10.0
#define LH_FUSE_WEIGHT_WORDS 1.0
#define LH_FUSE_WEIGHT_VECTORS 4.0
#define LH_FUSE_WEIGHT_HASH 0.5

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
 * `rank_constant` 0 is LH_FUSE_RANK_CONSTANT. At most LH_FUSE_LEGS_MAX legs are looked at. */
size_t lh_fuse(const struct lh_fuse_leg *legs, size_t leg_count, double rank_constant, size_t k,
               struct lh_fuse_hit *hits);

#endif
