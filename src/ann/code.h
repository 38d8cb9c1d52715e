/*
 * code: how a vector becomes a row of small integers, and how distances are estimated from them.
 *
 * A vector (of unit length for cosine) has the mean of the first batch taken off and is rotated by
 * random signs and Hadamard transforms, so that its values look Gaussian whatever the data: one
 * step size per vector then serves every dimension. INT4 keeps 8 bits a dimension in two planes:
 * the upper halves, on which the walk runs, and the lower halves, which are read for re-ranking
 * only. The factor of a row makes the estimate of an inner product unbiased (RaBitQ, arXiv
 * 2405.12497 and 2409.09913; two levels as in LVQ, arXiv 2304.04759).
 *
 * With y the rotated vector and t = scale × (dot of codes - shift), the squared distance to a query
 * is estimated as |y|² + |q|² + mul × t, mul being -2 × the row's factor.
 *
 * Threads  a model never changes once rows depend on it; all functions are pure otherwise.
 */
#ifndef LH_ANN_CODE_H
#define LH_ANN_CODE_H

#include <stdbool.h>
#include "ann/ann.h"
#include "ann/kernel.h"

#define ANN_ROUNDS 4 /* of signs and Hadamard; two windows of a power of two overlap */

struct ann_model {
    uint32_t dim, padded; /* padded: a multiple of the dimensions of a block */
    enum lh_ann_metric metric;
    bool is_nibble, is_float; /* neither: bytes */
    size_t stride;            /* bytes of a row of a plane; 0 without codes */
    size_t window;            /* the largest power of two within dim */
    float *mean;              /* before rotation; zeros until trained, always for inner product */
    float *signs;             /* ANN_ROUNDS × window, ±1/√window */
    const struct ann_kernels *kernels;
};

/* Per row, read at every step of the walk. */
struct ann_factor {
    float add; /* |y|² */
    float mul;
};

/* A query ready for the walk. `code` is aligned to a block and belongs to whoever prepared it. */
struct ann_target {
    const int8_t *code;
    const float
        *vector; /* as it was given, and its squared norm; whoever makes the target sets them */
    float norm;
    float scale;
    float shift, shift_fine; /* sums that make the codes' midpoint zero */
    float weight_add;        /* 0 when the search is by inner product alone */
    float base;
    float lift; /* of the query, for inner product while building: see lift in link.h */
    bool is_lifted;
};

void ann_model_init(struct ann_model *m, const struct lh_ann_options *options,
                    const struct ann_kernels *kernels);
void ann_model_fini(struct ann_model *m);
enum lh_ann_code ann_model_code(const struct ann_model *m);
/* Sets the mean from `count` rows, by at most some thousands of them. */
void ann_model_train(struct ann_model *m, const float *vectors, size_t count);

/* `rotated` has room for m->padded floats. The norm is that of the raw vector, squared. */
void ann_model_rotate(const struct ann_model *m, const float *vector, float norm, float *rotated);

/* False unless every value is finite and so is the squared norm, which is given. */
bool ann_norm_check(const struct ann_model *m, const float *vector, float *norm);

/* Writes one row of both planes (`fine` NULL without nibbles) and its factors. `is_zero`: a zero
 * vector under cosine, which is as far from everything as a right angle. */
void ann_code_encode(const struct ann_model *m, const float *rotated, bool is_zero, uint8_t *walk,
                     uint8_t *fine, struct ann_factor *factor, float *fine_mul);

/* Makes a search target from a rotated query; `code` has room for m->padded bytes. */
void ann_target_from_query(const struct ann_model *m, const float *rotated, int8_t *code,
                           struct ann_target *out);
/* Makes a target of a row, to estimate its distances to other rows. */
void
ann_target_from_row(const struct ann_model *m, const uint8_t *walk, const uint8_t *fine,
                    struct ann_factor factor, float fine_mul, int8_t *code, struct ann_target *out);

/* The exact distance as answers give it; norms are squared. */
float
ann_distance(const struct ann_model *m, const float *query, float query_norm, const float *vector);

#endif
