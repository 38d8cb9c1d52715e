/*
 * order: new numbers for the live nodes, so that what is walked together lies together.
 *
 * Breadth first from the entry: neighbours of a node get numbers, and so cache lines and pages,
 * close to each other. Twins follow the node that they hang on; where that one is removed, the
 * first living twin takes over its links.
 */
#ifndef LH_ANN_ORDER_H
#define LH_ANN_ORDER_H

#include "ann/parts.h"

struct ann_order {
    uint32_t *node;   /* of each new number: the node whose vector and id it is */
    uint32_t *graph;  /* the node whose links it has; ANN_NODE_NONE for a twin */
    uint32_t *number; /* of each node in the graph: its new number, or ANN_NODE_NONE */
    size_t count;
    size_t slots;
};

/* No writer is at work. */
struct ann_order *ann_order_new(const struct lh_ann *ann);
void ann_order_free(struct ann_order *o);
LH_AUTO_DEFINE(ann_order)

#endif
