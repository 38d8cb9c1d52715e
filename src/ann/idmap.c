#include "ann/idmap.h"

#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"

#define SIZE_MIN 64

/* The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): ids that count up spread evenly.
 */
static size_t
id_hash(uint64_t id)
{
    id ^= id >> 30;
    id *= 0xbf58476d1ce4e5b9u;
    id ^= id >> 27;
    id *= 0x94d049bb133111ebu;
    return (size_t)(id ^ (id >> 31));
}

size_t
ann_idtable_size(size_t entries)
{
    size_t size = SIZE_MIN;

    while (size / 4 * 3 < entries)
        size *= 2;
    return size;
}

struct ann_idtable *
ann_idtable_new(size_t entries)
{
    size_t size = ann_idtable_size(entries), bytes = size * sizeof(uint32_t);
    struct ann_idtable *t = lh_realloc_array(NULL, 1, sizeof(*t) + bytes);

    t->slot = (uint32_t *)(t + 1);
    memset(t->slot, 0xff, bytes);
    t->mask = size - 1;
    return t;
}

size_t
ann_idtable_bytes(const struct ann_idtable *t)
{
    return t == NULL || t->slot != (const uint32_t *)(t + 1) ? 0 : (t->mask + 1) * sizeof(uint32_t);
}

void
ann_idtable_put(struct ann_idtable *t, uint64_t id, uint32_t node)
{
    size_t at = id_hash(id) & t->mask;

    while (t->slot[at] != ANN_ID_EMPTY)
        at = (at + 1) & t->mask;
    __atomic_store_n(&t->slot[at], node, __ATOMIC_RELEASE);
}

/* The place of `id`, or NULL. Counts its steps, because a crafted table may have no empty place. */
static uint32_t *
place_find(const struct ann_idtable *t, const uint64_t *labels, uint32_t limit, uint64_t id)
{
    if (t == NULL)
        return NULL;
    size_t at = id_hash(id) & t->mask;
    for (size_t steps = 0; steps <= t->mask; steps++, at = (at + 1) & t->mask) {
        uint32_t node = __atomic_load_n(&t->slot[at], __ATOMIC_ACQUIRE);
        if (node == ANN_ID_EMPTY)
            return NULL;
        if (node < limit && node != ANN_ID_ERASED &&
            __atomic_load_n(&labels[node], __ATOMIC_RELAXED) == id)
            return &t->slot[at];
    }
    return NULL;
}

uint32_t
ann_idmap_find(const struct ann_idmap *m, const uint64_t *labels, uint32_t limit, uint64_t id)
{
    struct ann_idtable *t = __atomic_load_n(&m->table, __ATOMIC_ACQUIRE);
    uint32_t *place = place_find(t, labels, limit, id);
    uint32_t node = place == NULL ? ANN_ID_EMPTY : __atomic_load_n(place, __ATOMIC_ACQUIRE);

    return node < limit ? node : ANN_ID_EMPTY;
}

static struct ann_idtable *
table_rebuilt(const struct ann_idtable *from, const uint64_t *labels, size_t *used)
{
    size_t size = from == NULL ? 0 : from->mask + 1, live = 0;

    for (size_t i = 0; i < size; i++)
        live += from->slot[i] < ANN_ID_ERASED;
    struct ann_idtable *to = ann_idtable_new(live * 3 / 2 + 1);
    for (size_t i = 0; i < size; i++)
        if (from->slot[i] < ANN_ID_ERASED)
            ann_idtable_put(to, labels[from->slot[i]], from->slot[i]);
    *used = live;
    return to;
}

uint32_t
ann_idmap_put(struct ann_idmap *m, const uint64_t *labels, uint64_t id, uint32_t node,
              struct ann_idtable **old)
{
    uint32_t *place = place_find(m->table, labels, UINT32_MAX, id);

    *old = NULL;
    if (place != NULL) {
        uint32_t before = *place;
        __atomic_store_n(place, node, __ATOMIC_RELEASE);
        return before;
    }
    if (m->table == NULL || (m->used + 1) > (m->table->mask + 1) / 4 * 3) {
        *old = m->table;
        struct ann_idtable *grown = table_rebuilt(m->table, labels, &m->used);
        __atomic_store_n(&m->table, grown, __ATOMIC_RELEASE);
    }
    ann_idtable_put(m->table, id, node);
    m->used++;
    return ANN_ID_EMPTY;
}

uint32_t
ann_idmap_erase(struct ann_idmap *m, const uint64_t *labels, uint64_t id)
{
    uint32_t *place = place_find(m->table, labels, UINT32_MAX, id);

    if (place == NULL)
        return ANN_ID_EMPTY;
    uint32_t node = *place;
    __atomic_store_n(place, ANN_ID_ERASED, __ATOMIC_RELEASE);
    return node;
}
