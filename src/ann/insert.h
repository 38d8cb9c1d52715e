/*
 * insert: adds one vector to the graph.
 */
#ifndef LH_ANN_INSERT_H
#define LH_ANN_INSERT_H

#include "ann/parts.h"

/* A checked vector on its way in. */
struct ann_newcomer {
    uint64_t id;
    const float *vector;
    float norm; /* squared */
    bool is_borrowed;
};

/* The gate is held shared, the index is writable and has been trained. */
lh_status ann_insert(struct lh_ann *ann, const struct ann_newcomer *new, struct lh_error *err);

/* Shares the gate with other writers, after what a first write needs: columns of its own, and a
 * mean from `vectors` (NULL: none) if the index never had a vector. The caller unlocks the gate. */
lh_status
ann_write_begin(struct lh_ann *ann, const float *vectors, size_t count, struct lh_error *err);

#endif
