/*
 * idmap: from the caller's id to the node that holds it now.
 *
 * An open-addressing table of nodes; the ids themselves stand in the label column. Readers probe
 * without a lock. Writers change it under the caller's lock; a table that was outgrown is handed to
 * the caller, who frees it when nobody can be reading it any more.
 */
#ifndef LH_ANN_IDMAP_H
#define LH_ANN_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ann_idtable {
    uint32_t *slot; /* node, or one of the two marks below; behind this struct, or in a file */
    size_t mask;    /* size - 1, a power of two */
};

#define ANN_ID_EMPTY UINT32_MAX
#define ANN_ID_ERASED (UINT32_MAX - 1)

struct ann_idmap {
    struct ann_idtable *table; /* atomic */
    size_t used;               /* entries that are not empty */
};

/* One block of memory; free() releases it. */
struct ann_idtable *ann_idtable_new(size_t entries);
size_t ann_idtable_bytes(const struct ann_idtable *t);
/* Slots of a table that holds `entries`: a power of two, at most 3/4 full. */
size_t ann_idtable_size(size_t entries);
void ann_idtable_put(struct ann_idtable *t, uint64_t id, uint32_t node);

/* ANN_ID_EMPTY when there is none; nodes from `limit` on are not looked at. */
uint32_t
ann_idmap_find(const struct ann_idmap *m, const uint64_t *labels, uint32_t limit, uint64_t id);

/* Names `node` by `id` and returns what it named before. `*old` is a table to retire, or NULL. */
uint32_t ann_idmap_put(struct ann_idmap *m, const uint64_t *labels, uint64_t id, uint32_t node,
                       struct ann_idtable **old);
uint32_t ann_idmap_erase(struct ann_idmap *m, const uint64_t *labels, uint64_t id);

#endif
