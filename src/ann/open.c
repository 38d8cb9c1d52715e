/*
 * Opening trusts nothing: the header's checksum and values, the exact size, the sections'
 * checksums, and then, because whoever crafts a file can craft checksums too, every number that
 * memory is later reached by. Levels, places of upper lists and twins are checked here, one pass
 * over nine bytes a node. Links are most of the file; searches compare each with the number of
 * nodes anyway, and the first write drops what is out of range while it copies (store.c).
 */
#include <string.h>
#include "ann/file.h"
#include "ann/store.h"
#include "base/alloc.h"
#include "base/hash.h"

static lh_status
corrupt(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_CORRUPT, "ann.file", "the index file is damaged: %s", what);
}

static lh_status
header_read(lh_bytes file, struct ann_file_header *h, struct lh_error *err)
{
    if (((uintptr_t)file.ptr & 63) != 0)
        return lh_fail(err, LH_INVALID, "ann.alignment", "the mapping is not aligned to a page");
    if (file.len < 2 * ANN_FILE_PAGE || file.len % ANN_FILE_PAGE != 0)
        return corrupt(err, "its size is not a whole number of pages");
    memcpy(h, file.ptr, sizeof(*h));
    if (memcmp(h->magic, ANN_FILE_MAGIC, sizeof(h->magic)) != 0)
        return corrupt(err, "it does not begin as an index does");
    if (h->version != ANN_FILE_VERSION || h->byte_order != ANN_FILE_ORDER)
        return lh_fail(err, LH_UNSUPPORTED, "ann.file_version",
                       "the index file has version %u; this build reads %d", h->version,
                       ANN_FILE_VERSION);
    if (h->crc != lh_crc32c(0, h, offsetof(struct ann_file_header, crc)))
        return corrupt(err, "the checksum of the header is wrong");
    if (h->metric > LH_ANN_INNER_PRODUCT || h->code > ANN_FILE_FLOATS || h->degree % 8 != 0 ||
        h->degree == 0 || h->ef_construction == 0 || h->nodes > ANN_NODES_MAX ||
        (size_t)h->upper_lists > (size_t)h->nodes * ANN_LEVELS_MAX ||
        h->id_slots != ann_idtable_size(h->nodes) ||
        (h->entry >= h->nodes && (h->entry != ANN_NODE_NONE || h->nodes > 0)))
        return corrupt(err, "the header contradicts itself");
    return LH_OK;
}

static lh_status
sections_check(lh_bytes file, const struct ann_file_section *section, bool is_trusted,
               struct lh_error *err)
{
    struct ann_file_trailer t;

    memcpy(&t, file.ptr + file.len - ANN_FILE_PAGE, sizeof(t));
    if (memcmp(t.magic, ANN_FILE_MAGIC, sizeof(t.magic)) != 0 ||
        t.own_crc != lh_crc32c(0, &t, offsetof(struct ann_file_trailer, own_crc)))
        return corrupt(err, "it does not end as an index does");
    for (size_t i = 0; i < ANN_FILE_SECTIONS && !is_trusted; i++)
        if (t.crc[i] != lh_crc32c(0, file.ptr + section[i].at, section[i].bytes))
            return lh_fail(err, LH_CORRUPT, "ann.file",
                           "the index file is damaged: the checksum of section %zu is wrong", i);
    return LH_OK;
}

static void *
column_at(lh_bytes file, const struct ann_file_section *section, enum ann_column column)
{
    return (void *)(uintptr_t)(file.ptr + section[ANN_FILE_COLUMN + column].at);
}

static void
view_over_file(struct lh_ann *ann, lh_bytes file, const struct ann_file_section *s,
               const struct ann_file_header *h)
{
    ann->mapped = (struct ann_view){
        .walk = {column_at(file, s, ANN_COLUMN_WALK), ann->model.stride},
        .fine = {ann->model.is_nibble ? column_at(file, s, ANN_COLUMN_FINE) : NULL,
                 ann->model.stride},
        .factor = column_at(file, s, ANN_COLUMN_FACTOR),
        .fine_mul = column_at(file, s, ANN_COLUMN_FINE_MUL),
        .link = column_at(file, s, ANN_COLUMN_LINK),
        .label = column_at(file, s, ANN_COLUMN_LABEL),
        .upper = column_at(file, s, ANN_COLUMN_UPPER),
        .twin = column_at(file, s, ANN_COLUMN_TWIN),
        .level = column_at(file, s, ANN_COLUMN_LEVEL),
        .upper_link = column_at(file, s, ANN_COLUMN_UPPER_LINK),
        .upper_lists = h->upper_lists,
        .floats = column_at(file, s, ANN_COLUMN_FLOATS),
    };
    ann->view = &ann->mapped;
}

/* Twins only point onwards, so a chain of them ends. */
static lh_status
nodes_check(const struct lh_ann *ann, uint32_t nodes, struct lh_error *err)
{
    const struct ann_view *v = &ann->mapped;

    for (uint32_t i = 0; i < nodes; i++) {
        unsigned level = v->level[i];
        uint32_t twin = v->twin[i];
        if (level > ANN_LEVELS_MAX || (level > 0 && (size_t)v->upper[i] + level > v->upper_lists))
            return corrupt(err, "a node stands on a level that is not there");
        if (twin != ANN_NODE_NONE && (twin <= i || twin >= nodes))
            return corrupt(err, "a twin points back or out of the file");
    }
    return LH_OK;
}

static void
state_restore(struct lh_ann *ann, const struct ann_file_header *h, lh_bytes file,
              const struct ann_file_section *section)
{
    struct ann_idtable *table = LH_NEW(struct ann_idtable);

    memcpy(ann->model.mean, file.ptr + section[ANN_FILE_MEAN].at, section[ANN_FILE_MEAN].bytes);
    table->slot = (uint32_t *)(uintptr_t)(file.ptr + section[ANN_FILE_IDS].at);
    table->mask = h->id_slots - 1;
    ann->ids = (struct ann_idmap){.table = table, .used = h->nodes};
    ann->is_trained = h->nodes > 0;
    ann->slots = h->nodes;
    ann->live = h->nodes;
    ann->entry = h->entry;
    ann->sequence = h->sequence;
    ann->radius = h->radius;
    if (h->has_ladder != 0) {
        ann->ladder = LH_NEW(struct ann_ladder);
        *ann->ladder = h->ladder;
    }
}

lh_status
lh_ann_open(lh_bytes file, const struct lh_ann_open_options *options, struct lh_ann **out,
            struct lh_error *err)
{
    static const struct lh_ann_open_options usual;
    const struct lh_ann_open_options *o = options == NULL ? &usual : options;
    struct ann_file_header h;
    struct ann_file_section section[ANN_FILE_SECTIONS];
    LH_AUTO(lh_ann) *ann = NULL;
    size_t bytes;

    LH_TRY(header_read(file, &h, err));
    struct lh_ann_options own = {
        .dim = h.dim,
        .metric = (enum lh_ann_metric)h.metric,
        .code = h.code == ANN_FILE_FLOATS    ? LH_ANN_CODE_FLOAT
                : h.code == ANN_FILE_NIBBLES ? LH_ANN_CODE_INT4
                                             : LH_ANN_CODE_INT8,
        .degree = h.degree,
        .ef_construction = h.ef_construction,
        .seed = h.seed,
        .max_bytes = o->max_bytes,
        .kernels = o->kernels,
    };
    LH_TRY(ann_store_new(&own, &ann, err));
    ann_file_layout(&h, ann->width, section, &bytes);
    if (bytes != file.len)
        return corrupt(err, "its size is not what the header says");
    LH_TRY(sections_check(file, section, o->is_trusted, err));
    view_over_file(ann, file, section, &h);
    LH_TRY(nodes_check(ann, h.nodes, err));
    state_restore(ann, &h, file, section);
    if (o->is_copied)
        LH_TRY(ann_store_thaw(ann, err));
    *out = lh_take(ann);
    return LH_OK;
}
