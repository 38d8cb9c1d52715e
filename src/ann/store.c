#include "ann/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/thread.h"

#define DEGREE 32
#define DEGREE_MIN 8
#define EF_CONSTRUCTION 160
#define EF_CONSTRUCTION_MAX 65536
#define BLOCK_NODES 1024 /* slots that are returned to the operating system together */
#define UPPER_SHARE 4    /* room for a quarter as many upper lists as nodes; a sixteenth is usual */

/* ---- birth ---- */

static lh_status
options_check(struct lh_ann_options *o, struct lh_error *err)
{
    if (o->dim < 1 || o->dim > LH_ANN_DIM_MAX)
        return lh_fail(err, LH_INVALID, "ann.dim", "%u dimensions: 1 to %d are possible", o->dim,
                       LH_ANN_DIM_MAX);
    o->degree = o->degree == 0 ? DEGREE : (o->degree + 7) / 8 * 8;
    if (o->degree < DEGREE_MIN || o->degree > ANN_DEGREE_MAX)
        return lh_fail(err, LH_INVALID, "ann.degree", "degree %u: %d to %d are possible", o->degree,
                       DEGREE_MIN, ANN_DEGREE_MAX);
    if (o->ef_construction == 0)
        o->ef_construction = EF_CONSTRUCTION;
    if (o->ef_construction > EF_CONSTRUCTION_MAX)
        return lh_fail(err, LH_INVALID, "ann.ef_construction", "ef_construction %u: at most %d",
                       o->ef_construction, EF_CONSTRUCTION_MAX);
    if ((unsigned)o->metric > LH_ANN_INNER_PRODUCT || (unsigned)o->code > LH_ANN_CODE_FLOAT)
        return lh_fail(err, LH_INVALID, "ann.options", "unknown metric or code");
    if (o->max_bytes == 0)
        o->max_bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    return LH_OK;
}

static void
widths_set(struct lh_ann *ann)
{
    size_t *w = ann->width;

    w[ANN_COLUMN_WALK] = ann->model.stride;
    w[ANN_COLUMN_FINE] = ann->model.is_nibble ? ann->model.stride : 0;
    w[ANN_COLUMN_FACTOR] = sizeof(struct ann_factor);
    w[ANN_COLUMN_FINE_MUL] = sizeof(float);
    w[ANN_COLUMN_LINK] = ann->degree * sizeof(uint32_t);
    w[ANN_COLUMN_LABEL] = sizeof(uint64_t);
    w[ANN_COLUMN_UPPER] = sizeof(uint32_t);
    w[ANN_COLUMN_TWIN] = sizeof(uint32_t);
    w[ANN_COLUMN_LEVEL] = sizeof(uint8_t);
    w[ANN_COLUMN_UPPER_LINK] = ann->degree_upper * sizeof(uint32_t);
    w[ANN_COLUMN_FLOATS] = ann->model.dim * sizeof(float);
    w[ANN_COLUMN_ROW] = sizeof(float *);
    w[ANN_COLUMN_STATE] = sizeof(uint8_t);
    w[ANN_COLUMN_SPIN] = sizeof(uint8_t);
}

static bool
is_counted(size_t column)
{
    return column != ANN_COLUMN_FLOATS && column != ANN_COLUMN_UPPER_LINK;
}

static size_t
node_bytes(const struct lh_ann *ann)
{
    size_t sum = 0;

    for (size_t c = 0; c < ANN_COLUMNS; c++)
        sum += is_counted(c) ? ann->width[c] : 0;
    return sum;
}

static lh_status
regions_reserve(struct lh_ann *ann, struct lh_error *err)
{
    for (size_t c = 0; c < ANN_COLUMNS; c++) {
        size_t entries = c == ANN_COLUMN_UPPER_LINK ? ann->capacity / UPPER_SHARE : ann->capacity;
        if (ann->width[c] > 0 && !ann_region_init(&ann->region[c], entries * ann->width[c]))
            return lh_fail(err, LH_TOO_BIG, "ann.address_space",
                           "no address space for %zu vectors of %u dimensions; max_bytes is %zu",
                           ann->capacity, ann->model.dim, ann->options.max_bytes);
    }
    return LH_OK;
}

static void
view_over_regions(struct lh_ann *ann)
{
    struct ann_region *r = ann->region;

    ann->grown = (struct ann_view){
        .walk = {(const uint8_t *)r[ANN_COLUMN_WALK].base, ann->model.stride},
        .fine = {(const uint8_t *)r[ANN_COLUMN_FINE].base, ann->model.stride},
        .factor = (struct ann_factor *)(void *)r[ANN_COLUMN_FACTOR].base,
        .fine_mul = (float *)(void *)r[ANN_COLUMN_FINE_MUL].base,
        .link = (uint32_t *)(void *)r[ANN_COLUMN_LINK].base,
        .label = (uint64_t *)(void *)r[ANN_COLUMN_LABEL].base,
        .upper = (uint32_t *)(void *)r[ANN_COLUMN_UPPER].base,
        .twin = (uint32_t *)(void *)r[ANN_COLUMN_TWIN].base,
        .level = (uint8_t *)r[ANN_COLUMN_LEVEL].base,
        .upper_link = (uint32_t *)(void *)r[ANN_COLUMN_UPPER_LINK].base,
        .upper_lists = ann->capacity / UPPER_SHARE,
        .row = (const float **)(void *)r[ANN_COLUMN_ROW].base,
        .state = (uint8_t *)r[ANN_COLUMN_STATE].base,
        .spin = (uint8_t *)r[ANN_COLUMN_SPIN].base,
    };
    ann->view = &ann->grown;
}

static void
locks_init(struct lh_ann *ann)
{
    pthread_rwlockattr_t attr;

    /* A waiting save goes before further writers, or it might wait for ever. */
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&ann->gate, &attr);
    pthread_rwlockattr_destroy(&attr);
    pthread_mutex_init(&ann->train_lock, NULL);
    pthread_mutex_init(&ann->entry_lock, NULL);
    pthread_mutex_init(&ann->ids_lock, NULL);
    pthread_mutex_init(&ann->slots_lock, NULL);
    pthread_mutex_init(&ann->repair.mutex, NULL);
}

lh_status
ann_store_new(const struct lh_ann_options *options, struct lh_ann **out, struct lh_error *err)
{
    struct lh_ann_options o = *options;
    LH_AUTO(lh_ann) *ann = NULL;

    LH_TRY(options_check(&o, err));
    const struct ann_kernels *kernels = ann_kernels_find(o.kernels);
    if (kernels == NULL)
        return lh_fail(err, LH_UNSUPPORTED, "ann.kernels", "this CPU or build has no \"%s\"",
                       o.kernels);
    ann = LH_NEW(struct lh_ann);
    ann->options = o;
    ann->options.kernels = kernels->name;
    ann->degree = o.degree;
    ann->degree_upper = o.degree / 2;
    ann->entry = ANN_NODE_NONE;
    ann_model_init(&ann->model, &o, kernels);
    ann->seats = ann_seats_new(ann->model.padded);
    locks_init(ann);
    widths_set(ann);
    ann->capacity = o.max_bytes / node_bytes(ann) + BLOCK_NODES;
    if (ann->capacity > ANN_NODES_MAX)
        ann->capacity = ANN_NODES_MAX;
    LH_TRY(regions_reserve(ann, err));
    ann->block_free = lh_alloc_array(ann->capacity / BLOCK_NODES + 1, sizeof(uint16_t));
    view_over_regions(ann);
    *out = lh_take(ann);
    return LH_OK;
}

void
lh_ann_free(struct lh_ann *ann)
{
    if (ann == NULL)
        return;
    for (struct ann_retired *r = ann->retired, *next; r != NULL; r = next) {
        next = r->next;
        free(r->ptr);
        free(r);
    }
    for (size_t c = 0; c < ANN_COLUMNS; c++)
        ann_region_fini(&ann->region[c]);
    for (size_t l = 0; l <= ANN_LEVELS_MAX; l++)
        free(ann->free_upper[l].node);
    free(ann->free_slots.node);
    free(ann->dead.node);
    free(ann->repair.batch.node);
    free(ann->block_free);
    free(ann->ladder);
    free(ann->ids.table);
    ann_seats_free(ann->seats);
    ann_model_fini(&ann->model);
    pthread_rwlock_destroy(&ann->gate);
    pthread_mutex_destroy(&ann->train_lock);
    pthread_mutex_destroy(&ann->entry_lock);
    pthread_mutex_destroy(&ann->ids_lock);
    pthread_mutex_destroy(&ann->slots_lock);
    pthread_mutex_destroy(&ann->repair.mutex);
    free(ann);
}

/* ---- memory ---- */

static size_t
bytes_with(const struct lh_ann *ann, size_t slots, size_t floats, bool is_exact)
{
    size_t other = __atomic_load_n(&ann->bytes_other, __ATOMIC_RELAXED);
    size_t sum = other + floats * ann->width[ANN_COLUMN_FLOATS];

    for (size_t c = 0; c < ANN_COLUMNS; c++) {
        if (c == ANN_COLUMN_FLOATS || ann->width[c] == 0)
            continue;
        size_t wanted = c == ANN_COLUMN_UPPER_LINK ? 0 : slots * ann->width[c];
        size_t now = ann->region[c].committed;
        sum += is_exact ? (wanted > now ? wanted : now) : ann_region_step(&ann->region[c], wanted);
    }
    return sum;
}

size_t
ann_store_bytes(struct lh_ann *ann)
{
    LH_AUTO_LOCK(&ann->slots_lock);
    return bytes_with(ann, 0, ann->owned_floats, false);
}

static lh_status
too_big(const struct lh_ann *ann, size_t count, size_t bytes, struct lh_error *err)
{
    return lh_fail(err, LH_TOO_BIG, "ann.max_bytes",
                   "%zu more vectors need %zu bytes in all, and the limit is %zu", count, bytes,
                   ann->options.max_bytes);
}

static bool
columns_commit(struct lh_ann *ann, size_t slots)
{
    for (size_t c = 0; c < ANN_COLUMNS; c++)
        if (c != ANN_COLUMN_UPPER_LINK && ann->width[c] > 0 &&
            !ann_region_commit(&ann->region[c], slots * ann->width[c]))
            return false;
    return true;
}

lh_status
ann_store_room_make(struct lh_ann *ann, size_t count, bool has_floats, struct lh_error *err)
{
    LH_AUTO_LOCK(&ann->slots_lock);
    size_t taken = ann->slots - ann->free_slots.count;
    size_t slots = taken + count > ann->slots ? taken + count : ann->slots;

    if (count > ann->capacity || slots > ann->capacity)
        return too_big(ann, count, SIZE_MAX, err);
    size_t bytes = bytes_with(ann, slots, ann->owned_floats + (has_floats ? count : 0), true);
    bytes += 2 * sizeof(uint32_t) * count;
    if (bytes > ann->options.max_bytes)
        return too_big(ann, count, bytes, err);
    if (!columns_commit(ann, slots))
        return lh_fail(err, LH_TOO_BIG, "ann.memory", "the system refuses %zu bytes", bytes);
    return LH_OK;
}

/* ---- slots; under slots_lock ---- */

void
ann_free_list_push(struct ann_free_list *list, uint32_t node)
{
    if (list->count == list->max) {
        list->max = list->max * 2 + 64;
        list->node = lh_realloc_array(list->node, list->max, sizeof(uint32_t));
    }
    list->node[list->count++] = node;
}

static bool
free_list_pop(struct ann_free_list *list, uint32_t *node)
{
    if (list->count == 0)
        return false;
    *node = list->node[--list->count];
    return true;
}

static bool
upper_take(struct lh_ann *ann, unsigned level, uint32_t *upper)
{
    size_t width = ann->width[ANN_COLUMN_UPPER_LINK];

    if (free_list_pop(&ann->free_upper[level], upper))
        return true;
    size_t end = (size_t)ann->upper_lists + level;
    if (end > ann->capacity / UPPER_SHARE ||
        !ann_region_commit(&ann->region[ANN_COLUMN_UPPER_LINK], end * width))
        return false;
    *upper = ann->upper_lists;
    ann->upper_lists = (uint32_t)end;
    return true;
}

static lh_status
slot_new(struct lh_ann *ann, bool has_floats, uint32_t *node, struct lh_error *err)
{
    size_t slots = (size_t)ann->slots + 1;
    size_t bytes = bytes_with(ann, slots, ann->owned_floats + has_floats, false);

    if (bytes > ann->options.max_bytes)
        bytes = bytes_with(ann, slots, ann->owned_floats + has_floats, true);
    if (slots > ann->capacity || bytes > ann->options.max_bytes)
        return too_big(ann, 1, bytes, err);
    if (!columns_commit(ann, slots))
        return lh_fail(err, LH_TOO_BIG, "ann.memory", "the system refuses memory for vector %zu",
                       slots);
    *node = ann->slots;
    return LH_OK;
}

static void
lists_clear(struct lh_ann *ann, uint32_t node, unsigned level)
{
    for (unsigned l = 0; l <= level; l++) {
        struct ann_list list = ann_list_of(ann, &ann->grown, node, l);
        for (size_t i = 0; i < list.max; i++)
            ann_link_set(list, i, ANN_NODE_NONE);
    }
}

lh_status
ann_slot_take(struct lh_ann *ann, unsigned *level, bool has_floats, uint32_t *node,
              struct lh_error *err)
{
    LH_AUTO_LOCK(&ann->slots_lock);
    struct ann_view *v = &ann->grown;
    uint32_t upper = ANN_NODE_NONE;

    if (free_list_pop(&ann->free_slots, node))
        ann->block_free[*node / BLOCK_NODES]--;
    else
        LH_TRY(slot_new(ann, has_floats, node, err));
    if (*level > 0 && !upper_take(ann, *level, &upper))
        *level = 0;
    v->upper[*node] = upper;
    v->level[*node] = (uint8_t)*level;
    __atomic_store_n(&v->twin[*node], ANN_NODE_NONE, __ATOMIC_RELAXED);
    ann->owned_floats += has_floats;
    if (*node == ann->slots)
        __atomic_store_n(&ann->slots, *node + 1, __ATOMIC_RELEASE);
    lists_clear(ann, *node, *level);
    return LH_OK;
}

static void
block_return(struct lh_ann *ann, size_t block)
{
    for (size_t c = 0; c < ANN_COLUMNS; c++) {
        size_t width = ann->width[c] * BLOCK_NODES;
        if (c != ANN_COLUMN_UPPER_LINK && width > 0)
            (void)ann_region_return(&ann->region[c], block * width, (block + 1) * width);
    }
}

void
ann_slot_give(struct lh_ann *ann, uint32_t node)
{
    LH_AUTO_LOCK(&ann->slots_lock);
    struct ann_view *v = &ann->grown;
    const char *floats = ann->region[ANN_COLUMN_FLOATS].base;

    if (v->level[node] > 0)
        ann_free_list_push(&ann->free_upper[v->level[node]], v->upper[node]);
    if ((const char *)v->row[node] == floats + node * ann->width[ANN_COLUMN_FLOATS])
        ann->owned_floats--;
    v->row[node] = NULL;
    __atomic_store_n(&v->state[node], ANN_PENDING, __ATOMIC_RELEASE);
    ann_free_list_push(&ann->free_slots, node);
    if (++ann->block_free[node / BLOCK_NODES] == BLOCK_NODES)
        block_return(ann, node / BLOCK_NODES);
}

/* ---- what readers may still see ---- */

void
ann_retire(struct lh_ann *ann, void *ptr)
{
    if (ptr == NULL)
        return;
    struct ann_retired *r = LH_NEW(struct ann_retired);
    r->ptr = ptr;
    r->tag = ann_epoch_advance(ann->seats);
    LH_AUTO_LOCK(&ann->slots_lock);
    r->next = ann->retired;
    ann->retired = r;
    __atomic_store_n(&ann->has_retired, true, __ATOMIC_RELAXED);
}

void
ann_retired_free(struct lh_ann *ann)
{
    if (!__atomic_load_n(&ann->has_retired, __ATOMIC_RELAXED))
        return;
    LH_AUTO_LOCK(&ann->slots_lock);
    for (struct ann_retired **at = &ann->retired; *at != NULL;) {
        struct ann_retired *r = *at;
        if (!ann_epoch_passed(ann->seats, r->tag)) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        free(r->ptr);
        free(r);
    }
    __atomic_store_n(&ann->has_retired, ann->retired != NULL, __ATOMIC_RELAXED);
}

/* ---- from a file ---- */

static void
column_copy(struct lh_ann *ann, size_t column, const void *from, size_t bytes)
{
    if (ann->width[column] > 0 && bytes > 0)
        memcpy(ann->region[column].base, from, bytes);
}

/* Links of a crafted file may lead anywhere; from here on they are used without looking. */
static void
links_copy(uint32_t *to, const uint32_t *from, size_t lists, uint32_t width, size_t nodes)
{
    for (size_t l = 0; l < lists; l++, to += width, from += width) {
        size_t count = 0;
        for (size_t i = 0; i < width; i++)
            if (from[i] < nodes)
                to[count++] = from[i];
        while (count < width)
            to[count++] = ANN_NODE_NONE;
    }
}

static void
columns_copy(struct lh_ann *ann, const struct ann_view *from, size_t n)
{
    size_t *w = ann->width;

    column_copy(ann, ANN_COLUMN_WALK, from->walk.base, n * w[ANN_COLUMN_WALK]);
    column_copy(ann, ANN_COLUMN_FINE, from->fine.base, n * w[ANN_COLUMN_FINE]);
    column_copy(ann, ANN_COLUMN_FACTOR, from->factor, n * w[ANN_COLUMN_FACTOR]);
    column_copy(ann, ANN_COLUMN_FINE_MUL, from->fine_mul, n * w[ANN_COLUMN_FINE_MUL]);
    links_copy(ann->grown.link, from->link, n, ann->degree, n);
    column_copy(ann, ANN_COLUMN_LABEL, from->label, n * w[ANN_COLUMN_LABEL]);
    column_copy(ann, ANN_COLUMN_UPPER, from->upper, n * w[ANN_COLUMN_UPPER]);
    column_copy(ann, ANN_COLUMN_TWIN, from->twin, n * w[ANN_COLUMN_TWIN]);
    column_copy(ann, ANN_COLUMN_LEVEL, from->level, n * w[ANN_COLUMN_LEVEL]);
    links_copy(ann->grown.upper_link, from->upper_link, from->upper_lists, ann->degree_upper, n);
    for (size_t i = 0; i < n; i++)
        ann->grown.row[i] = from->floats + i * ann->model.dim;
    memset(ann->grown.state, ANN_LIVE, n);
    for (size_t i = 0; i < n; i++)
        if (from->twin[i] != ANN_NODE_NONE)
            ann->grown.state[from->twin[i]] |= ANN_TWIN;
}

static void
ids_copy(struct lh_ann *ann)
{
    struct ann_idtable *mapped = ann->ids.table;
    struct ann_idtable *own = ann_idtable_new(ann->live);

    for (uint32_t i = 0; i < ann->slots; i++)
        ann_idtable_put(own, ann->grown.label[i], i);
    ann->ids.used = ann->live;
    __atomic_store_n(&ann->ids.table, own, __ATOMIC_RELEASE);
    __atomic_store_n(&ann->bytes_other, ann_idtable_bytes(own), __ATOMIC_RELAXED);
    ann_retire(ann, mapped);
}

lh_status
ann_store_thaw(struct lh_ann *ann, struct lh_error *err)
{
    const struct ann_view *from = ann->view;
    size_t n = ann->slots, lists = from->upper_lists;

    if (from != &ann->mapped)
        return LH_OK;
    size_t bytes = bytes_with(ann, n, 0, true) + lists * ann->width[ANN_COLUMN_UPPER_LINK];
    if (bytes > ann->options.max_bytes || n > ann->capacity || lists > ann->capacity / UPPER_SHARE)
        return too_big(ann, n, bytes, err);
    if (!columns_commit(ann, n) || !ann_region_commit(&ann->region[ANN_COLUMN_UPPER_LINK],
                                                      lists * ann->width[ANN_COLUMN_UPPER_LINK]))
        return lh_fail(err, LH_TOO_BIG, "ann.memory", "the system refuses %zu bytes", bytes);
    columns_copy(ann, from, n);
    ann->upper_lists = (uint32_t)lists;
    ids_copy(ann);
    __atomic_store_n(&ann->view, &ann->grown, __ATOMIC_RELEASE);
    return LH_OK;
}
