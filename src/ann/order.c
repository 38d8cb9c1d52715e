#include "ann/order.h"

#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"

struct builder {
    const struct lh_ann *ann;
    const struct ann_view *view;
    struct ann_order *order;
    uint8_t *is_seen; /* in the graph, or a twin of what is */
    uint32_t *queue;
    size_t queued;
};

void
ann_order_free(struct ann_order *o)
{
    if (o == NULL)
        return;
    free(o->node);
    free(o->graph);
    free(o->number);
    free(o);
}

/* Numbers the living of a node and its twins; the first of them stands for the node. */
static void
node_number(struct builder *b, uint32_t node)
{
    struct ann_order *o = b->order;
    bool is_first = true;

    for (uint32_t at = node; at < o->slots; at = b->view->twin[at]) {
        b->is_seen[at] = 1;
        if (!(ann_state_of(b->view, at) & ANN_LIVE))
            continue;
        if (is_first)
            o->number[node] = (uint32_t)o->count;
        o->graph[o->count] = is_first ? node : ANN_NODE_NONE;
        o->node[o->count++] = at;
        is_first = false;
    }
}

static void
node_queue(struct builder *b, uint32_t node)
{
    if (node >= b->order->slots || b->is_seen[node])
        return;
    b->queue[b->queued++] = node;
    node_number(b, node);
}

static void
breadth_first(struct builder *b, uint32_t from)
{
    size_t at = b->queued;

    node_queue(b, from);
    for (; at < b->queued; at++) {
        struct ann_list list = ann_list_of(b->ann, b->view, b->queue[at], 0);
        for (size_t i = 0; i < list.max && ann_link_get(list, i) != ANN_NODE_NONE; i++)
            node_queue(b, ann_link_get(list, i));
    }
}

static bool
is_in_graph(const struct builder *b, uint32_t node)
{
    uint8_t state = ann_state_of(b->view, node);

    return (state & (ANN_LIVE | ANN_DEAD)) && !(state & ANN_TWIN);
}

struct ann_order *
ann_order_new(const struct lh_ann *ann)
{
    struct ann_order *o = LH_NEW(struct ann_order);
    size_t n = ann->slots;
    struct builder b = {.ann = ann, .view = ann_view_of(ann), .order = o};

    o->slots = n;
    o->node = lh_alloc_array(n + 1, sizeof(uint32_t));
    o->graph = lh_alloc_array(n + 1, sizeof(uint32_t));
    o->number = lh_alloc_array(n + 1, sizeof(uint32_t));
    memset(o->number, 0xff, (n + 1) * sizeof(uint32_t));
    b.is_seen = lh_alloc_array(n + 1, 1);
    b.queue = lh_alloc_array(n + 1, sizeof(uint32_t));
    if (ann->entry != ANN_NODE_NONE)
        breadth_first(&b, ann->entry);
    for (uint32_t i = 0; i < n; i++)
        if (!b.is_seen[i] && is_in_graph(&b, i))
            breadth_first(&b, i);
    free(b.is_seen);
    free(b.queue);
    return o;
}
