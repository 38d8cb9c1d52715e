/*
 * repair: takes removed nodes out of the graph and gives their slots back.
 *
 * A removed node stays as a bridge. When enough of them have gathered they are *swept* together:
 * they are marked; once every call that began before the mark has ended nothing new links to them;
 * one pass over all nodes replaces links to them by links to what they linked to (FreshDiskANN,
 * arXiv 2105.09613, algorithm 4); once every call that may have met them has ended, their slots are
 * free. Each write carries the pass on by a few nodes, so that no call pays for it all and no
 * thread is needed.
 */
#ifndef LH_ANN_REPAIR_H
#define LH_ANN_REPAIR_H

#include "ann/parts.h"

/* Marks a node that no id names any more; under ids_lock. */
void ann_node_kill(struct lh_ann *ann, uint32_t node);

/* Carries repair on a little, if it is due and nobody else is at it. The caller holds the gate
 * shared and no seat. */
void ann_repair_step(struct lh_ann *ann);

/* Repairs all that is removed by now. */
void ann_repair_all(struct lh_ann *ann);

#endif
