/*
 * sparse: a matrix of mostly zeros, row by row, and its product with a dense block; for this
 * folder.
 *
 * Dense blocks are row-major. A row of the product is computed by one thread in one order, so that
 * the result does not depend on how many threads there are.
 *
 * Owns     its arrays.
 */
#ifndef LH_TEXT_SPARSE_H
#define LH_TEXT_SPARSE_H

#include "base/str.h"

/* Products are quickest for blocks of a multiple of so many columns. */
#define TEXT_SPARSE_TILE 96

struct text_sparse {
    size_t rows, columns;
    size_t *starts; /* of row i among the entries; rows + 1 of them */
    uint32_t *column;
    float *value;
};

void text_sparse_fini(struct text_sparse *m);
void text_sparse_transpose(const struct text_sparse *m, struct text_sparse *out);
/* out (rows × width) = m · dense (columns × width) */
void text_sparse_multiply(const struct text_sparse *m, const float *dense, size_t width,
                          unsigned threads, float *out);

#endif
