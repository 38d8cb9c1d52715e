/*
 * svd: the largest singular values of a sparse matrix and their right singular vectors; for this
 * folder.
 *
 * Sources  Halko, Martinsson and Tropp, arXiv 0909.4061, algorithms 4.4 and 5.1; Stathopoulos and
 *          Wu, A Block Orthogonalization Procedure with Constant Synchronization Requirements, 2002
 *          (orthonormal columns by way of their products).
 */
#ifndef LH_TEXT_SVD_H
#define LH_TEXT_SVD_H

#include "base/status.h"
#include "text/sparse.h"

struct text_svd_options {
    size_t rank;
    uint64_t seed;
    unsigned threads;
    lh_status (*check)(void *ctx, struct lh_error *err);
    void *check_ctx;
};

/*
 * Fills `values` (rank, descending) and `vectors` (columns × rank, row-major: a row for each column
 * of the matrix). What lies beyond the rank of the matrix is 0. The sign of each vector is the one
 * that makes its largest component positive.
 */
lh_status text_svd(const struct text_sparse *m, const struct text_svd_options *options,
                   float *values, float *vectors, struct lh_error *err);

#endif
