/*
 * Removed vectors are repaired away first; then the columns are written in their new order, section
 * by section, with a running checksum, and the checksums come last. Nothing is sought back to, so
 * the caller may write to a pipe or an object store.
 */
#include <stdlib.h>
#include <string.h>
#include "ann/file.h"
#include "ann/order.h"
#include "ann/repair.h"
#include "base/alloc.h"
#include "base/hash.h"

#define CHUNK ((size_t)256 << 10)

struct saver {
    const struct lh_ann *ann;
    const struct ann_view *view;
    const struct ann_order *order;
    const struct lh_ann_writer *writer;
    struct lh_error *err;
    uint32_t upper_lists;
    uint8_t *chunk;
    size_t filled;
    size_t section_bytes;
    uint32_t crc;
};

static lh_status
chunk_flush(struct saver *s)
{
    s->crc = lh_crc32c(s->crc, s->chunk, s->filled);
    size_t n = s->filled;
    s->filled = 0;
    s->section_bytes += n;
    return n == 0 ? LH_OK : s->writer->write(s->writer->ctx, s->chunk, n, s->err);
}

static lh_status
bytes_add(struct saver *s, const void *ptr, size_t n)
{
    const uint8_t *from = ptr;

    while (n > 0) {
        size_t part = CHUNK - s->filled < n ? CHUNK - s->filled : n;
        memcpy(s->chunk + s->filled, from, part);
        s->filled += part;
        from += part;
        n -= part;
        if (s->filled == CHUNK)
            LH_TRY(chunk_flush(s));
    }
    return LH_OK;
}

/* Fills the page up; the zeros are not part of the checksum. */
static lh_status
section_end(struct saver *s, uint32_t *crc)
{
    static const uint8_t zeros[4096];

    LH_TRY(chunk_flush(s));
    *crc = s->crc;
    size_t rest = s->section_bytes % ANN_FILE_PAGE;
    s->crc = 0;
    s->section_bytes = 0;
    if (rest == 0)
        return LH_OK;
    return s->writer->write(s->writer->ctx, zeros, ANN_FILE_PAGE - rest, s->err);
}

/* ---- columns ---- */

/* Links in new numbers, without those that lead to nothing. */
static lh_status
list_add(struct saver *s, struct ann_list list, uint32_t width)
{
    uint32_t links[ANN_DEGREE_MAX];
    size_t count = 0;

    memset(links, 0xff, sizeof(links));
    for (size_t i = 0; i < list.max; i++) {
        uint32_t to = ann_link_get(list, i);
        if (to == ANN_NODE_NONE)
            break;
        if (to < s->order->slots && s->order->number[to] != ANN_NODE_NONE)
            links[count++] = s->order->number[to];
    }
    return bytes_add(s, links, width * sizeof(uint32_t));
}

static unsigned
level_of(const struct saver *s, size_t i)
{
    uint32_t graph = s->order->graph[i];

    return graph == ANN_NODE_NONE ? 0 : s->view->level[graph];
}

static lh_status
twin_add(struct saver *s, size_t i)
{
    const struct ann_order *o = s->order;
    bool has_twin = i + 1 < o->count && o->graph[i + 1] == ANN_NODE_NONE;
    uint32_t twin = has_twin ? (uint32_t)i + 1 : ANN_NODE_NONE;

    return bytes_add(s, &twin, sizeof(twin));
}

static lh_status
upper_add(struct saver *s, size_t i)
{
    unsigned level = level_of(s, i);
    uint32_t upper = level > 0 ? s->upper_lists : ANN_NODE_NONE;

    s->upper_lists += level;
    return bytes_add(s, &upper, sizeof(upper));
}

static lh_status
upper_links_add(struct saver *s, size_t i)
{
    for (unsigned l = 1; l <= level_of(s, i); l++)
        LH_TRY(
            list_add(s, ann_list_of(s->ann, s->view, s->order->graph[i], l), s->ann->degree_upper));
    return LH_OK;
}

static lh_status
value_add(struct saver *s, enum ann_column column, size_t i)
{
    const struct ann_view *v = s->view;
    uint32_t node = s->order->node[i], graph = s->order->graph[i];
    struct ann_list none = {NULL, 0};
    uint8_t level;

    switch (column) {
    case ANN_COLUMN_WALK:
        return s->ann->width[column] == 0 ? LH_OK
                                          : bytes_add(s, ann_row_of(v->walk, node), v->walk.stride);
    case ANN_COLUMN_FINE:
        return s->ann->width[column] == 0 ? LH_OK
                                          : bytes_add(s, ann_row_of(v->fine, node), v->fine.stride);
    case ANN_COLUMN_FACTOR:
        return bytes_add(s, &v->factor[node], sizeof(v->factor[node]));
    case ANN_COLUMN_FINE_MUL:
        return bytes_add(s, &v->fine_mul[node], sizeof(float));
    case ANN_COLUMN_LINK:
        return list_add(s, graph == ANN_NODE_NONE ? none : ann_list_of(s->ann, v, graph, 0),
                        s->ann->degree);
    case ANN_COLUMN_LABEL:
        return bytes_add(s, &v->label[node], sizeof(uint64_t));
    case ANN_COLUMN_UPPER:
        return upper_add(s, i);
    case ANN_COLUMN_TWIN:
        return twin_add(s, i);
    case ANN_COLUMN_LEVEL:
        level = (uint8_t)level_of(s, i);
        return bytes_add(s, &level, 1);
    case ANN_COLUMN_UPPER_LINK:
        return upper_links_add(s, i);
    case ANN_COLUMN_FLOATS:
        return bytes_add(s, ann_floats_of(s->ann, v, node), s->ann->width[column]);
    default:
        return LH_BUG;
    }
}

static lh_status
ids_add(struct saver *s)
{
    struct ann_idtable *table = ann_idtable_new(s->order->count);

    for (size_t i = 0; i < s->order->count; i++)
        ann_idtable_put(table, s->view->label[s->order->node[i]], (uint32_t)i);
    lh_status status = bytes_add(s, table->slot, (table->mask + 1) * sizeof(uint32_t));
    free(table);
    return status;
}

/* ---- the file ---- */

static struct ann_file_header
header_make(const struct saver *s)
{
    const struct lh_ann *ann = s->ann;
    struct ann_file_header h;

    memset(&h, 0, sizeof(h));
    memcpy(h.magic, ANN_FILE_MAGIC, sizeof(h.magic));
    h.version = ANN_FILE_VERSION;
    h.byte_order = ANN_FILE_ORDER;
    h.dim = ann->model.dim;
    h.metric = (uint32_t)ann->model.metric;
    h.code = ann->model.is_float    ? ANN_FILE_FLOATS
             : ann->model.is_nibble ? ANN_FILE_NIBBLES
                                    : ANN_FILE_BYTES;
    h.degree = ann->degree;
    h.ef_construction = ann->options.ef_construction;
    h.nodes = (uint32_t)s->order->count;
    /* The order begins at the entry. */
    h.entry = s->order->count > 0 ? 0 : ANN_NODE_NONE;
    for (size_t i = 0; i < s->order->count; i++)
        h.upper_lists += level_of(s, i);
    h.seed = ann->options.seed;
    h.sequence = ann->sequence;
    h.id_slots = ann_idtable_size(s->order->count);
    h.radius = ann->radius;
    h.has_ladder = ann->ladder != NULL;
    if (ann->ladder != NULL)
        h.ladder = *ann->ladder;
    h.crc = lh_crc32c(0, &h, offsetof(struct ann_file_header, crc));
    return h;
}

static lh_status
sections_write(struct saver *s, struct ann_file_trailer *trailer)
{
    LH_TRY(bytes_add(s, s->ann->model.mean, s->ann->model.dim * sizeof(float)));
    LH_TRY(section_end(s, &trailer->crc[ANN_FILE_MEAN]));
    for (size_t c = 0; c < ANN_FILE_COLUMNS; c++) {
        for (size_t i = 0; i < s->order->count; i++)
            LH_TRY(value_add(s, (enum ann_column)c, i));
        LH_TRY(section_end(s, &trailer->crc[ANN_FILE_COLUMN + c]));
    }
    LH_TRY(ids_add(s));
    return section_end(s, &trailer->crc[ANN_FILE_IDS]);
}

static lh_status
file_write(struct saver *s)
{
    struct ann_file_header header = header_make(s);
    struct ann_file_trailer trailer;
    uint32_t unused;

    memset(&trailer, 0, sizeof(trailer));
    memcpy(trailer.magic, ANN_FILE_MAGIC, sizeof(trailer.magic));
    LH_TRY(bytes_add(s, &header, sizeof(header)));
    LH_TRY(section_end(s, &unused));
    LH_TRY(sections_write(s, &trailer));
    trailer.own_crc = lh_crc32c(0, &trailer, offsetof(struct ann_file_trailer, own_crc));
    LH_TRY(bytes_add(s, &trailer, sizeof(trailer)));
    return section_end(s, &unused);
}

lh_status
lh_ann_save(struct lh_ann *ann, const struct lh_ann_writer *writer, struct lh_error *err)
{
    pthread_rwlock_wrlock(&ann->gate);
    if (ann_view_of(ann) == &ann->grown)
        ann_repair_all(ann);
    struct ann_order *order = ann_order_new(ann);
    struct saver s = {.ann = ann, .view = ann_view_of(ann), .order = order, .writer = writer};
    s.err = err;
    s.chunk = lh_realloc_array(NULL, CHUNK, 1);
    lh_status status = file_write(&s);
    free(s.chunk);
    ann_order_free(order);
    pthread_rwlock_unlock(&ann->gate);
    return status;
}
