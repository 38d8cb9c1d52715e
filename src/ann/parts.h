/*
 * parts: the insides of an index, for this folder only.
 *
 * Every vector is a *node*, a number below `slots`. What belongs to a node lies in columns, flat
 * arrays indexed by node. An index that was opened from a file reads the file's columns where they
 * lie; its first write copies them (store.h). Readers reach columns through a `struct ann_view`.
 *
 * A node is written completely, own links included, before any other node links to it; links are
 * single words written with release and read with acquire. So a reader may see a list half old,
 * never a node that is not there. A writer that changes a list holds the node's spin byte. A node's
 * slot is taken again only when no call that could have seen it is still under way (seat.h).
 *
 * Order of locks: gate (shared by writers, exclusive to save), repair, entry, ids, slots, spin
 * byte.
 */
#ifndef LH_ANN_PARTS_H
#define LH_ANN_PARTS_H

#include <pthread.h>
#include "ann/ann.h"
#include "ann/code.h"
#include "ann/idmap.h"
#include "ann/pool.h"
#include "ann/region.h"
#include "ann/seat.h"

#define ANN_DEGREE_MAX 128 /* links of a node on the lowest level */
#define ANN_LEVELS_MAX 16  /* a node of level 16 among 16^16 others */

enum ann_state {
    ANN_PENDING = 0, /* being written, or a free slot */
    ANN_LIVE = 1,
    ANN_DEAD = 2,  /* removed; searches pass through it */
    ANN_SWEPT = 4, /* with DEAD: repair is taking out the links that lead here */
    ANN_TWIN = 8   /* hangs on another node with the same vector; nothing links here */
};

enum ann_column {
    ANN_COLUMN_WALK,
    ANN_COLUMN_FINE,
    ANN_COLUMN_FACTOR,
    ANN_COLUMN_FINE_MUL,
    ANN_COLUMN_LINK,
    ANN_COLUMN_LABEL,
    ANN_COLUMN_UPPER,
    ANN_COLUMN_TWIN,
    ANN_COLUMN_LEVEL,
    ANN_COLUMN_UPPER_LINK, /* the only one that is not indexed by node */
    ANN_COLUMN_FLOATS,
    ANN_COLUMN_ROW, /* this one and those below are not kept in files */
    ANN_COLUMN_STATE,
    ANN_COLUMN_SPIN,
    ANN_COLUMNS
};

struct ann_view {
    struct ann_rows walk, fine; /* fine.base NULL without nibbles */
    struct ann_factor *factor;
    float *fine_mul;
    uint32_t *link; /* degree each; ANN_NODE_NONE where there is none */
    uint64_t *label;
    uint32_t *upper; /* place in upper_link of level 1, in lists; ANN_NODE_NONE on level 0 */
    uint32_t *twin;  /* next node with the very same vector, which has no links of its own */
    uint8_t *level;
    uint32_t *upper_link; /* degree_upper each */
    size_t upper_lists;   /* in a file; what lies beyond is refused */
    const float *floats;  /* of a file, dim each; NULL otherwise */
    const float **row;    /* NULL for a file: floats + node × dim */
    uint8_t *state;       /* NULL for a file: all live */
    uint8_t *spin;
};

struct ann_retired {
    void *ptr;
    uint64_t tag;
    struct ann_retired *next;
};

/* Slots and upper lists on their way back; under slots_lock. */
struct ann_free_list {
    uint32_t *node;
    size_t count, max;
};

struct ann_repair {
    pthread_mutex_t mutex;
    enum { ANN_REPAIR_IDLE, ANN_REPAIR_MARKED, ANN_REPAIR_SWEEPING, ANN_REPAIR_DRAINING } phase;
    struct ann_free_list batch; /* nodes that are being swept */
    uint64_t tag;
    uint32_t cursor, end;
};

struct lh_ann {
    struct lh_ann_options options;
    struct ann_model model;
    bool is_trained;
    uint32_t degree, degree_upper;
    size_t capacity; /* nodes that max_bytes could ever hold */
    size_t width[ANN_COLUMNS];

    struct ann_view *view;  /* atomic */
    struct ann_view mapped; /* of the file */
    struct ann_view grown;  /* of the regions */
    struct ann_region region[ANN_COLUMNS];

    uint32_t slots;    /* atomic; nodes ever taken */
    uint32_t entry;    /* atomic */
    size_t live;       /* atomic */
    size_t unchecked;  /* atomic; added since the last check of connect.h */
    uint64_t sequence; /* atomic; of additions, which levels are drawn from */
    float radius;      /* atomic; of the largest norm, for inner product */
    struct ann_seats *seats;
    struct ann_idmap ids; /* changed under ids_lock */

    pthread_rwlock_t gate;
    pthread_mutex_t train_lock, entry_lock, ids_lock, slots_lock;
    struct ann_free_list free_slots, dead; /* dead: removed, not yet swept */
    struct ann_free_list free_upper[ANN_LEVELS_MAX + 1];
    uint32_t upper_lists; /* taken so far */
    size_t owned_floats;  /* rows */
    size_t bytes_other;   /* id tables */
    uint16_t *block_free; /* free slots per block of ANN_BLOCK_NODES */
    struct ann_retired *retired;
    /* Looked at without the locks, to see whether there is anything to do. */
    bool has_retired, is_repairing;
    size_t dead_count;
    struct ann_repair repair;
    struct ann_ladder *ladder; /* atomic; ef by recall, or NULL */
};

static inline const struct ann_view *
ann_view_of(const struct lh_ann *ann)
{
    return __atomic_load_n(&ann->view, __ATOMIC_ACQUIRE);
}

static inline uint8_t
ann_state_of(const struct ann_view *v, uint32_t node)
{
    return v->state == NULL ? ANN_LIVE : __atomic_load_n(&v->state[node], __ATOMIC_ACQUIRE);
}

static inline const float *
ann_floats_of(const struct lh_ann *ann, const struct ann_view *v, uint32_t node)
{
    return v->row != NULL ? v->row[node] : v->floats + (size_t)node * ann->model.dim;
}

struct ann_list {
    uint32_t *ids;
    uint32_t max;
};

static inline uint32_t
ann_link_get(const struct ann_list list, size_t i)
{
    return __atomic_load_n(&list.ids[i], __ATOMIC_ACQUIRE);
}

static inline void
ann_link_set(struct ann_list list, size_t i, uint32_t node)
{
    __atomic_store_n(&list.ids[i], node, __ATOMIC_RELEASE);
}

/* An empty list where a crafted file has a node on a level that it is not on. */
static inline struct ann_list
ann_list_of(const struct lh_ann *ann, const struct ann_view *v, uint32_t node, unsigned level)
{
    if (level == 0)
        return (struct ann_list){v->link + (size_t)node * ann->degree, ann->degree};
    uint32_t upper = v->upper[node];
    if (level > v->level[node] || upper == ANN_NODE_NONE || (size_t)upper + level > v->upper_lists)
        return (struct ann_list){NULL, 0};
    return (struct ann_list){v->upper_link + ((size_t)upper + level - 1) * ann->degree_upper,
                             ann->degree_upper};
}

static inline const uint8_t *
ann_row_of(struct ann_rows rows, uint32_t node)
{
    return rows.base == NULL ? NULL : rows.base + (size_t)node * rows.stride;
}

#endif
