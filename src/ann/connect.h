/*
 * connect: makes what stands on the upper levels findable from the top.
 *
 * A cluster far from all others, like the places of an island, keeps the few links that led to it
 * at nodes that were near it once. What is added later and comes nearer does not know of it, and a
 * walk that ends there never meets those nodes. So after larger additions every node above the
 * lowest level is looked for as a query would be, on the level above the lowest; where that fails,
 * the node that the walk ended at and the node that it missed are linked. One vector in sixteen
 * stands there, and a cluster of some dozens has one.
 */
#ifndef LH_ANN_CONNECT_H
#define LH_ANN_CONNECT_H

#include "ann/ann.h"

/* Checks all when an eighth of the nodes or more were added since the last time. The caller holds
 * the gate as a writer does. */
void ann_connect(struct lh_ann *ann);

#endif
