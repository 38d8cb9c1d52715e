/*
 * One page of header, the records, from the next page on the graph as lh_ann_save writes it, and
 * the words as lh_bm25_encode writes them, if there are any. The header says how long the parts are
 * and what the CRC-32C of the records is; graph and words check themselves. Records keep the slots
 * they had, because the graph knows vectors by slot.
 */
#include "services/vectord/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "services/vectord/budget.h"

#define MAGIC UINT64_C(0x3165686361435643) /* "CVCache1" */
#define NONE UINT32_MAX

enum { PAGE = 4096, WRITE_BYTES = 1 << 20, SLOTS_MAX = 1 << 30 };

struct header {
    uint64_t magic;
    uint64_t generation, log, applied;
    uint64_t record_count, records_size, graph_offset, graph_size, words_size;
    uint32_t dimension, metric;
    uint32_t records_crc, header_crc; /* the last: of everything before it */
};

struct record_head {
    uint32_t slot, id_len, text_len, metadata_len; /* NONE: no text, no metadata */
    int64_t sequence;
};

static char *
path_of(const struct vectord *v, const char *uid, uint64_t generation)
{
    return lh_asprintf("%s/cache/vectors/%.8s-%llu.cache", v->env->data_dir, uid,
                       (unsigned long long)generation);
}

void
vector_cache_remove(const struct vectord *v, const char *uid, uint64_t generation)
{
    LH_AUTO_CHARS path = path_of(v, uid, generation);

    unlink(path);
}

/* ---- saving ---- */

struct saving {
    int fd;
    struct lh_buf buf;
    uint64_t written;
    uint32_t crc;
};

static lh_status
saving_flush(struct saving *s, struct lh_error *err)
{
    LH_TRY(lh_file_write_all(s->fd, lh_buf_bytes(&s->buf), err));
    lh_buf_clear(&s->buf);
    return LH_OK;
}

static lh_status
saving_add(void *ctx, const void *ptr, size_t n, struct lh_error *err)
{
    struct saving *s = ctx;

    s->crc = lh_crc32c(s->crc, ptr, n);
    s->written += n;
    lh_buf_add(&s->buf, ptr, n);
    return s->buf.len < WRITE_BYTES ? LH_OK : saving_flush(s, err);
}

static lh_status
record_save(struct saving *s, uint32_t slot, const struct vector_record *r, struct lh_error *err)
{
    const struct record_head head = {
        .slot = slot,
        .id_len = (uint32_t)r->id.len,
        .text_len = r->text.ptr ? (uint32_t)r->text.len : NONE,
        .metadata_len = r->metadata.ptr ? (uint32_t)r->metadata.len : NONE,
        .sequence = r->sequence,
    };

    LH_TRY(saving_add(s, &head, sizeof(head), err));
    LH_TRY(saving_add(s, r->id.ptr, r->id.len, err));
    LH_TRY(saving_add(s, r->text.ptr, r->text.len, err));
    return saving_add(s, r->metadata.ptr, r->metadata.len, err);
}

static lh_status
pad(struct saving *s, struct lh_error *err)
{
    static const char zeros[PAGE];

    return saving_add(s, zeros, (PAGE - s->written % PAGE) % PAGE, err);
}

/* Only when somebody has asked for words: else they cost nothing. */
static lh_status
words_save(struct vector_generation *g, struct saving *s, struct header *h, struct lh_error *err)
{
    LH_AUTO_BUF(bytes, LH_BUF_UNLIMITED);

    if (g->shared.words == NULL)
        return LH_OK;
    LH_TRY(lh_bm25_encode(g->shared.words, &bytes, err));
    h->words_size = bytes.len;
    return saving_add(s, bytes.data, bytes.len, err);
}

static lh_status
parts_save(struct vector_generation *g, struct saving *s, struct header *h, struct lh_error *err)
{
    static const char zeros[PAGE];

    LH_TRY(saving_add(s, zeros, PAGE, err));
    s->crc = 0;
    for (uint32_t i = 0; i < g->shared.slot_count; i++) {
        if (g->shared.records[i] == NULL)
            continue;
        LH_TRY(record_save(s, i, g->shared.records[i], err));
        h->record_count++;
    }
    h->records_crc = s->crc;
    h->records_size = s->written - PAGE;
    LH_TRY(pad(s, err));
    h->graph_offset = s->written;
    LH_TRY(lh_ann_save(g->ann, &(struct lh_ann_writer){saving_add, s}, err));
    h->graph_size = s->written - h->graph_offset;
    LH_TRY(words_save(g, s, h, err));
    return saving_flush(s, err);
}

static lh_status
header_save(const struct header *h, int fd, struct lh_error *err)
{
    if (pwrite(fd, h, sizeof(*h), 0) != (ssize_t)sizeof(*h) || fsync(fd) != 0)
        return lh_fail_errno(err, errno ? errno : EIO, "writing the cache of an index");
    return LH_OK;
}

static lh_status
file_save(struct vector_generation *g, const char *path, struct lh_error *err)
{
    LH_AUTO_FD fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    struct saving s = {.fd = fd};
    struct header h = {
        .magic = MAGIC,
        .generation = g->spec.number,
        .log = g->log.number,
        .applied = atomic_load(&g->applied),
        .dimension = g->spec.dimension,
        .metric = (uint32_t)g->metric,
    };
    lh_status status;

    if (fd < 0)
        return lh_fail_errno(err, errno, "creating %s", path);
    lh_buf_init(&s.buf, LH_BUF_UNLIMITED);
    status = parts_save(g, &s, &h, err);
    lh_buf_fini(&s.buf);
    LH_TRY(status);
    h.header_crc = lh_crc32c(0, &h, offsetof(struct header, header_crc));
    return header_save(&h, fd, err);
}

lh_status
vector_cache_save(struct vector_generation *g, struct lh_error *err)
{
    LH_AUTO_CHARS folder = lh_asprintf("%s/cache/vectors", g->v->env->data_dir);
    LH_AUTO_CHARS path = path_of(g->v, g->log.uid, g->spec.number);
    LH_AUTO_CHARS aside = lh_asprintf("%s.new", path);

    vector_generation_reclaim(g);
    if (g->dead_slot_count > 0)
        return LH_OK;
    LH_TRY(lh_dir_make(folder, 0700, err));
    LH_TRY(file_save(g, aside, err));
    if (rename(aside, path) != 0)
        return lh_fail_errno(err, errno, "renaming %s", aside);
    LH_TRY(lh_dir_sync(folder, err));
    g->saved = atomic_load(&g->applied);
    g->changes = 0;
    return LH_OK;
}

/* ---- loading ---- */

static bool
map_open(const char *path, struct vector_generation *g)
{
    LH_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *map;

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < PAGE)
        return false;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return false;
    g->map = map;
    g->map_size = (size_t)st.st_size;
    return true;
}

static bool
header_check(const struct header *h, const struct vector_generation *g)
{
    return h->magic == MAGIC &&
           h->header_crc == lh_crc32c(0, h, offsetof(struct header, header_crc)) &&
           h->generation == g->spec.number && h->log == g->log.number &&
           h->dimension == g->spec.dimension && h->metric == (uint32_t)g->metric &&
           h->records_size <= g->map_size - PAGE && h->graph_offset % PAGE == 0 &&
           h->graph_offset >= PAGE + h->records_size && h->graph_offset <= g->map_size &&
           h->graph_size <= g->map_size - h->graph_offset &&
           h->words_size == g->map_size - h->graph_offset - h->graph_size &&
           h->record_count <= h->records_size / sizeof(struct record_head) &&
           h->records_crc == lh_crc32c(0, (const char *)g->map + PAGE, h->records_size);
}

static bool
text_take(lh_str *s, uint32_t len, lh_str *out)
{
    if (len == NONE)
        return true;
    if (len > s->len)
        return false;
    *out = lh_str_slice(*s, 0, len);
    *s = lh_str_slice(*s, len, s->len);
    return true;
}

static bool
record_take(lh_str *s, struct vector_record *r, uint32_t *slot)
{
    struct record_head head;

    if (s->len < sizeof(head))
        return false;
    memcpy(&head, s->ptr, sizeof(head));
    *s = lh_str_slice(*s, sizeof(head), s->len);
    *slot = head.slot;
    *r = (struct vector_record){.sequence = head.sequence, .is_mapped = true};
    return head.id_len != NONE && text_take(s, head.id_len, &r->id) &&
           text_take(s, head.text_len, &r->text) && text_take(s, head.metadata_len, &r->metadata);
}

static bool
slot_set(struct vector_generation *g, uint32_t slot, struct vector_record *r)
{
    if (g->shared.records[slot] != NULL)
        return false;
    g->shared.records[slot] = r;
    if (slot >= g->shared.slot_count)
        g->shared.slot_count = slot + 1;
    if (vector_names_find(&g->shared.names, r->id) != VECTOR_NO_SLOT)
        return false;
    vector_names_set(&g->shared.names, slot);
    return true;
}

/* A slot that the graph does not know is refused before room is made for it. */
static bool
records_load(struct vector_generation *g, const struct header *h)
{
    lh_str rest = {(const char *)g->map + PAGE, h->records_size};
    size_t capacity = 0;

    g->mapped_records = lh_alloc_array(h->record_count + 1, sizeof(*g->mapped_records));
    for (uint64_t i = 0; i < h->record_count; i++) {
        struct vector_record *r = &g->mapped_records[i];
        uint32_t slot;

        if (!record_take(&rest, r, &slot) || slot >= SLOTS_MAX || !lh_ann_contains(g->ann, slot))
            return false;
        if (slot >= capacity) {
            size_t grown = capacity ? capacity : 1024;

            while (grown <= slot)
                grown *= 2;
            g->shared.records =
                lh_realloc_array(g->shared.records, grown, sizeof(*g->shared.records));
            memset(g->shared.records + capacity, 0,
                   (grown - capacity) * sizeof(*g->shared.records));
            g->shared.slot_capacity = (uint32_t)(capacity = grown);
        }
        if (!slot_set(g, slot, r))
            return false;
    }
    return rest.len == 0 && h->record_count == lh_ann_count(g->ann);
}

static void
free_slots_find(struct vector_generation *g)
{
    g->free_slots = lh_alloc_array(g->shared.slot_count + 1, sizeof(*g->free_slots));
    g->free_capacity = g->shared.slot_count + 1;
    for (uint32_t i = 0; i < g->shared.slot_count; i++) {
        if (g->shared.records[i] == NULL)
            g->free_slots[g->free_count++] = i;
    }
}

static bool
words_load(struct vector_generation *g, const struct header *h)
{
    const char *at = (const char *)g->map + h->graph_offset + h->graph_size;

    return h->words_size == 0 ||
           lh_bm25_decode(lh_bytes_of(at, h->words_size), 0, &g->shared.words, NULL) == LH_OK;
}

static void
load_undo(struct vector_generation *g)
{
    lh_ann_free(g->ann);
    lh_bm25_free(g->shared.words);
    g->ann = NULL;
    g->shared.words = NULL;
    vector_names_fini(&g->shared.names);
    free(g->shared.records);
    free(g->mapped_records);
    g->shared.records = NULL;
    g->mapped_records = NULL;
    g->shared.slot_count = g->shared.slot_capacity = 0;
    if (g->map)
        munmap(g->map, g->map_size);
    g->map = NULL;
}

static bool
parts_load(struct vector_generation *g)
{
    const struct header *h = g->map;
    lh_bytes graph;

    if (!header_check(h, g))
        return false;
    graph = lh_bytes_of((const char *)g->map + h->graph_offset, h->graph_size);
    if (lh_ann_open(
            graph,
            &(struct lh_ann_open_options){.max_bytes = vector_budget_graph_max(&g->v->budget)},
            &g->ann, NULL) != LH_OK)
        return false;
    if (!records_load(g, h) || !words_load(g, h))
        return false;
    free_slots_find(g);
    atomic_store(&g->applied, h->applied);
    atomic_store(&g->live_count, h->record_count);
    g->saved = h->applied;
    g->record_bytes = (size_t)h->record_count * sizeof(struct vector_record);
    return true;
}

bool
vector_cache_load(struct vector_generation *g)
{
    LH_AUTO_CHARS path = path_of(g->v, g->log.uid, g->spec.number);

    if (!map_open(path, g))
        return false;
    if (parts_load(g))
        return true;
    load_undo(g);
    unlink(path);
    lh_log(LH_LOG_WARN, "vectord", "a damaged cache of an index is made anew",
           LH_LOG_S("index", g->log.index));
    return false;
}
