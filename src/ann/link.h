/*
 * link: which neighbours a node keeps.
 *
 * Candidates are taken nearest first; one is dropped when a neighbour that is kept already is
 * nearer to it, by the factor alpha, than the node is (HNSW, algorithm 4; alpha as in DiskANN's
 * RobustPrune). Equal distances drop too, or copies of one vector would link only to each other.
 * Should that leave half the places empty, the nearest candidates fill them up to the half: a
 * vector that one neighbour stands before on all sides would else have a single link, and as links
 * are made both ways, a single one to be found by.
 */
#ifndef LH_ANN_LINK_H
#define LH_ANN_LINK_H

#include "ann/walk.h"

/* The target for distances between `node` and others; `code` has room for the padded dimensions. */
void ann_target_of(const struct ann_walk *w, uint32_t node, int8_t *code, struct ann_target *out);

/* Chooses up to `max` of the sorted candidates as links of the walk's target; returns how many.
 * The candidates are used up. */
size_t ann_links_choose(const struct ann_walk *w, struct ann_pool *candidates, size_t max,
                        uint32_t *links);

void ann_links_write(struct ann_list list, const uint32_t *links, size_t count);

/* Makes `to` a neighbour of `node`, pruning a full list. */
void ann_link_add(const struct ann_walk *w, uint32_t node, unsigned level, uint32_t to);

void ann_spin_lock(const struct ann_view *v, uint32_t node);
void ann_spin_unlock(const struct ann_view *v, uint32_t node);

#endif
