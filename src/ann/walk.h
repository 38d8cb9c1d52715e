/*
 * walk: greedy and beam search on codes over one level of the graph.
 */
#ifndef LH_ANN_WALK_H
#define LH_ANN_WALK_H

#include "ann/parts.h"

/* What one walk looks at: the columns and how many nodes there were when it began. */
struct ann_walk {
    const struct lh_ann *ann;
    const struct ann_view *view;
    struct ann_seat *seat;
    const struct ann_target *target;
    uint32_t limit;
    const float *exact_query; /* for scans of floats */
    float exact_norm;         /* squared */
    const uint32_t *avoid;    /* a node that beams keep away from, or NULL */
};

struct ann_gate;

/* The coordinate that lifts a row of this squared norm to the largest norm; inner product only. */
float ann_lift_of(const struct ann_walk *w, float norm);

/* Estimated squared distances of the walk's target to nodes; by the walk's codes or by all 8 bits.
 */
void ann_estimate(const struct ann_walk *w, const uint32_t *nodes, size_t count, float *distances);
void
ann_estimate_fine(const struct ann_walk *w, const uint32_t *nodes, size_t count, float *distances);

/* Asks for what an estimate will read. */
void ann_walk_prefetch(const struct ann_walk *w, uint32_t node);

/* From `node` down to level `to`, to the nearest node there that greedy steps find. */
struct ann_candidate ann_walk_descend(const struct ann_walk *w, struct ann_candidate from,
                                      unsigned from_level, unsigned to_level);

/* Fills the seat's pool with the `ef` nearest to the target that a walk from the `count` nodes of
 * `from` finds on a level. */
void ann_walk_beam(const struct ann_walk *w, const struct ann_candidate *from, size_t count,
                   unsigned level, size_t ef);

struct ann_filtered_width {
    size_t matches;     /* that are collected */
    size_t candidates;  /* that are kept to go on from, matching or not */
    size_t comparisons; /* after which the walk gives up */
};

/* The nearest that the gate allows, into the seat's `chosen`, on the lowest level. What it does not
 * allow is walked through like the rest. False when the walk gave up. */
bool ann_walk_filtered(const struct ann_walk *w, const struct ann_gate *gate,
                       const struct ann_candidate *from, size_t count,
                       const struct ann_filtered_width *width);

#endif
