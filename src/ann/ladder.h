/*
 * ladder: which width of the walk serves which recall.
 *
 * Measured on the index itself by lh_ann_calibrate; before that, steps that served the sets of
 * docs/benchmarks-vectors.md.
 */
#ifndef LH_ANN_LADDER_H
#define LH_ANN_LADDER_H

#include "ann/ann.h"

#define ANN_LADDER_STEPS 12
#define ANN_LADDER_K 10 /* neighbours that recall is measured on */

struct ann_ladder {
    float recall[ANN_LADDER_STEPS]; /* with ann_ladder_width(i) */
};

/* The i-th width that is measured. */
size_t ann_ladder_width(size_t i);

/* For `min_recall` (0: the default) of k neighbours. */
size_t ann_ladder_ef(const struct lh_ann *ann, float min_recall, size_t k);

#endif
