#include "services/vectord/generation.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "services/vectord/budget.h"
#include "services/vectord/cache_file.h"
#include "services/vectord/model.h"

enum { FLIP_ROWS = 256, THREADED_ROWS = 512 };

/* ---- life ---- */

static lh_str
record_id(const void *ctx, uint32_t slot)
{
    const struct vector_generation *g = ctx;

    return g->shared.records[slot]->id;
}

static void
locks_init(struct vector_generation *g)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    /* Searches hold it for moments; a writer must not wait for a gap between them. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&g->shared.lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    pthread_mutex_init(&g->write_lock, NULL);
    pthread_mutex_init(&g->readers.lock, NULL);
    pthread_mutex_init(&g->tombstones.lock, NULL);
    vector_commits_init(&g->commits);
}

static struct vector_generation *
generation_new(struct vectord *v, const struct vector_definition *d,
               const struct vector_generation_spec *spec)
{
    struct vector_generation *g = LH_NEW(struct vector_generation);

    atomic_init(&g->refs, 1);
    g->v = v;
    g->log = vector_log_of(v->bucket, d, spec);
    g->spec = *spec;
    g->spec.source = g->spec.note = NULL;
    g->metric = d->metric;
    g->shared.names.id = record_id;
    g->shared.names.ctx = g;
    locks_init(g);
    return g;
}

void
vector_generation_ref(struct vector_generation *g)
{
    atomic_fetch_add(&g->refs, 1);
}

static void
record_free(struct vector_generation *g, struct vector_record *record)
{
    if (record == NULL || record->is_mapped)
        return;
    g->record_bytes -= sizeof(*record) + record->id.len + record->text.len + record->metadata.len;
    free(record);
}

void
vector_generation_unref(struct vector_generation *g)
{
    if (g == NULL || atomic_fetch_sub(&g->refs, 1) > 1)
        return;
    vector_budget_give_back(&g->v->budget, atomic_load(&g->bytes));
    vector_model_close(g);
    for (uint32_t i = 0; i < g->shared.slot_count; i++)
        record_free(g, g->shared.records[i]);
    lh_ann_free(g->ann);
    vector_columns_free(g->shared.columns);
    lh_bm25_free(g->shared.words);
    vector_names_fini(&g->shared.names);
    free(g->shared.records);
    free(g->mapped_records);
    free(g->free_slots);
    free(g->dead_slots);
    if (g->map)
        munmap(g->map, g->map_size);
    vector_commits_fini(&g->commits);
    pthread_mutex_destroy(&g->readers.lock);
    pthread_mutex_destroy(&g->tombstones.lock);
    pthread_mutex_destroy(&g->write_lock);
    pthread_rwlock_destroy(&g->shared.lock);
    free(g);
}

/* ---- memory ---- */

size_t
vector_generation_row_bytes(const struct vector_generation *g, lh_str id, lh_str text,
                            lh_str metadata)
{
    size_t degree = 2 * (g->spec.parameters.m ? g->spec.parameters.m : 16);
    size_t graph = 6 * (size_t)g->spec.dimension + 5 * degree + 64;

    return graph + sizeof(struct vector_record) + 16 + id.len + text.len + metadata.len;
}

void
vector_generation_account(struct vector_generation *g)
{
    struct lh_ann_stats stats;
    size_t bytes = sizeof(*g) + g->record_bytes + g->model_bytes;

    lh_ann_stats_get(g->ann, &stats);
    bytes += stats.bytes + (size_t)g->shared.slot_capacity * sizeof(void *) +
             g->shared.names.capacity * sizeof(uint32_t);
    if (g->shared.columns)
        bytes += vector_columns_bytes(g->shared.columns);
    if (g->shared.words) {
        struct lh_bm25_stats words;

        lh_bm25_stats_get(g->shared.words, &words);
        bytes += words.bytes;
    }
    vector_budget_move(&g->v->budget, atomic_load(&g->bytes), bytes);
    atomic_store(&g->bytes, bytes);
}

/* ---- slots ---- */

static void
slot_push(uint32_t **slots, size_t *count, size_t *capacity, uint32_t slot)
{
    if (*count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 64;
        *slots = lh_realloc_array(*slots, *capacity, sizeof(**slots));
    }
    (*slots)[(*count)++] = slot;
}

/* Under the exclusive lock, since it may move the table. */
static void
slots_make(struct vector_generation *g, size_t more)
{
    size_t want = (size_t)g->shared.slot_count + more;

    if (want > g->shared.slot_capacity) {
        size_t capacity = g->shared.slot_capacity ? g->shared.slot_capacity : 64;

        while (capacity < want)
            capacity *= 2;
        g->shared.records =
            lh_realloc_array(g->shared.records, capacity, sizeof(*g->shared.records));
        g->shared.slot_capacity = (uint32_t)capacity;
    }
    while (g->shared.slot_count < want) {
        g->shared.records[g->shared.slot_count] = NULL;
        slot_push(&g->free_slots, &g->free_count, &g->free_capacity, g->shared.slot_count++);
    }
}

static struct vector_record *
record_new(struct vector_generation *g, const struct vector_row *row)
{
    size_t size = sizeof(struct vector_record) + row->id.len + row->text.len + row->metadata.len;
    struct vector_record *r = lh_alloc(size);
    char *at = (char *)(r + 1);

    r->id = (lh_str){memcpy(at, row->id.ptr, row->id.len), row->id.len};
    at += row->id.len;
    if (row->text.ptr)
        r->text = (lh_str){memcpy(at, row->text.ptr, row->text.len), row->text.len};
    at += row->text.len;
    if (row->metadata.ptr)
        r->metadata = (lh_str){memcpy(at, row->metadata.ptr, row->metadata.len), row->metadata.len};
    r->sequence = row->sequence;
    g->record_bytes += size;
    return r;
}

const struct vector_record *
vector_generation_find(const struct vector_generation *g, lh_str id, uint32_t *slot)
{
    *slot = vector_names_find(&g->shared.names, id);
    return *slot == VECTOR_NO_SLOT ? NULL : g->shared.records[*slot];
}

/* ---- applying ---- */

/* What comes into memory with one batch, made before anybody is kept waiting. */
struct arrival {
    struct vector_generation *g;
    const struct vector_row *rows;
    size_t count;
    uint64_t *ids;  /* slots of the upserts, in order */
    float *vectors; /* of the upserts, together */
    size_t upserts;
    struct vector_record **records;
    json_t **metadata; /* when there are columns */
    uint64_t epoch;
    struct lh_arena arena;
};

static void
slots_take(struct arrival *a)
{
    struct vector_generation *g = a->g;

    if (a->upserts > g->free_count) {
        pthread_rwlock_wrlock(&g->shared.lock);
        slots_make(g, a->upserts - g->free_count);
        pthread_rwlock_unlock(&g->shared.lock);
    }
    for (size_t i = 0; i < a->upserts; i++)
        a->ids[i] = g->free_slots[--g->free_count];
}

static void
arrival_prepare(struct arrival *a)
{
    struct vector_generation *g = a->g;
    size_t dim = g->spec.dimension, at = 0;

    for (size_t i = 0; i < a->count; i++)
        a->upserts += !a->rows[i].is_removal;
    a->ids = lh_arena_array(&a->arena, a->upserts + 1, sizeof(*a->ids));
    a->records = lh_arena_array(&a->arena, a->upserts + 1, sizeof(*a->records));
    a->metadata = lh_arena_array(&a->arena, a->upserts + 1, sizeof(*a->metadata));
    a->vectors = lh_alloc_array(a->upserts * dim + 1, sizeof(float));
    slots_take(a);
    for (size_t i = 0; i < a->count; i++) {
        if (a->rows[i].is_removal)
            continue;
        memcpy(a->vectors + at * dim, a->rows[i].vector, dim * sizeof(float));
        a->records[at] = record_new(g, &a->rows[i]);
        a->records[at]->born = a->epoch;
        if (g->shared.columns && a->rows[i].metadata.ptr)
            (void)lh_json_parse(a->rows[i].metadata, &a->metadata[at], NULL);
        at++;
    }
}

static void
arrival_fini(struct arrival *a)
{
    for (size_t i = 0; i < a->upserts; i++)
        json_decref(a->metadata[i]);
    free(a->vectors);
    lh_arena_fini(&a->arena);
}

static lh_status
vectors_add(struct arrival *a, struct lh_error *err)
{
    struct lh_ann_batch batch = {
        .ids = a->ids,
        .vectors = a->vectors,
        .count = a->upserts,
        .dim = a->g->spec.dimension,
        .threads = a->upserts >= THREADED_ROWS ? a->g->v->build_threads : 1,
    };

    if (a->upserts == 0)
        return LH_OK;
    return lh_ann_add_many(a->g->ann, &batch, err);
}

static lh_status
words_add(struct arrival *a, struct lh_error *err)
{
    struct lh_bm25 *words = a->g->shared.words;

    for (size_t i = 0; words && i < a->upserts; i++) {
        if (a->records[i]->text.ptr)
            LH_TRY(lh_bm25_put(words, a->ids[i], a->records[i]->text, err));
    }
    return LH_OK;
}

/* The graph refused some: nobody has seen any of them. */
static void
arrival_undo(struct arrival *a)
{
    struct vector_generation *g = a->g;

    for (size_t i = 0; i < a->upserts; i++) {
        (void)lh_ann_remove(g->ann, a->ids[i], NULL);
        if (g->shared.words)
            (void)lh_bm25_remove(g->shared.words, a->ids[i], NULL);
        slot_push(&g->free_slots, &g->free_count, &g->free_capacity, (uint32_t)a->ids[i]);
        record_free(g, a->records[i]);
    }
}

static void
slot_die(struct arrival *a, uint32_t slot)
{
    struct vector_generation *g = a->g;

    g->shared.records[slot]->died = a->epoch;
    slot_push(&g->dead_slots, &g->dead_slot_count, &g->dead_capacity, slot);
    atomic_fetch_add(&g->dead_count, 1);
    atomic_fetch_sub(&g->live_count, 1);
}

static void
row_flip(struct arrival *a, const struct vector_row *row, size_t at)
{
    struct vector_generation *g = a->g;
    uint32_t old = vector_names_find(&g->shared.names, row->id);

    if (old != VECTOR_NO_SLOT)
        slot_die(a, old);
    if (row->is_removal) {
        if (old != VECTOR_NO_SLOT)
            vector_names_remove(&g->shared.names, row->id);
        return;
    }
    g->shared.records[a->ids[at]] = a->records[at];
    vector_names_set(&g->shared.names, (uint32_t)a->ids[at]);
    if (g->shared.columns)
        vector_columns_set(g->shared.columns, (uint32_t)a->ids[at], a->metadata[at]);
    atomic_fetch_add(&g->live_count, 1);
}

/* In steps, so that nobody waits long for the lock; seen only when the epoch moves. */
static void
rows_flip(struct arrival *a)
{
    size_t at = 0;

    for (size_t from = 0; from < a->count; from += FLIP_ROWS) {
        size_t to = from + FLIP_ROWS < a->count ? from + FLIP_ROWS : a->count;

        pthread_rwlock_wrlock(&a->g->shared.lock);
        for (size_t i = from; i < to; i++) {
            row_flip(a, &a->rows[i], at);
            at += !a->rows[i].is_removal;
        }
        pthread_rwlock_unlock(&a->g->shared.lock);
    }
    atomic_store(&a->g->epoch, a->epoch);
}

lh_status
vector_generation_apply(struct vector_generation *g, const struct vector_row *rows, size_t count,
                        struct lh_error *err)
{
    struct arrival a = {.g = g, .rows = rows, .count = count, .epoch = atomic_load(&g->epoch) + 1};
    lh_status status;

    lh_arena_init(&a.arena);
    arrival_prepare(&a);
    status = vectors_add(&a, err);
    if (status == LH_OK)
        status = words_add(&a, err);
    if (status == LH_OK) {
        rows_flip(&a);
        g->changes += count;
        vector_generation_reclaim(g);
        vector_generation_account(g);
    } else {
        arrival_undo(&a);
    }
    arrival_fini(&a);
    if (status == LH_TOO_BIG)
        return lh_fail(err, LH_NO_SPACE, "vectors.memory",
                       "the memory for vector indexes is spent (vectors.memory_max)");
    return status;
}

/* ---- the dead ---- */

static uint64_t
oldest_reader(struct vector_generation *g)
{
    uint64_t oldest = atomic_load(&g->epoch);
    LH_AUTO_LOCK(&g->readers.lock);

    for (size_t i = 0; i < g->readers.used; i++) {
        if (g->readers.epochs[i] != 0 && g->readers.epochs[i] - 1 < oldest)
            oldest = g->readers.epochs[i] - 1;
    }
    return oldest;
}

void
vector_generation_reclaim(struct vector_generation *g)
{
    uint64_t oldest;
    size_t kept = 0;

    if (g->dead_slot_count == 0)
        return;
    oldest = oldest_reader(g);
    for (size_t i = 0; i < g->dead_slot_count; i++) {
        uint32_t slot = g->dead_slots[i];
        struct vector_record *record = g->shared.records[slot];

        if (record->died > oldest) {
            g->dead_slots[kept++] = slot;
            continue;
        }
        (void)lh_ann_remove(g->ann, slot, NULL);
        if (g->shared.words)
            (void)lh_bm25_remove(g->shared.words, slot, NULL);
        pthread_rwlock_wrlock(&g->shared.lock);
        g->shared.records[slot] = NULL;
        pthread_rwlock_unlock(&g->shared.lock);
        record_free(g, record);
        slot_push(&g->free_slots, &g->free_count, &g->free_capacity, slot);
        atomic_fetch_sub(&g->dead_count, 1);
    }
    g->dead_slot_count = kept;
}

/* ---- readers ---- */

lh_status
vector_reader_enter(struct vector_generation *g, struct vector_reader *r, struct lh_error *err)
{
    LH_AUTO_LOCK(&g->readers.lock);
    size_t place = 0;

    while (place < g->readers.used && g->readers.epochs[place] != 0)
        place++;
    if (place == VECTOR_READERS_MAX)
        return lh_fail(err, LH_BUSY, "vectors.busy", "%d searches of index '%s' run already",
                       VECTOR_READERS_MAX, g->log.index);
    if (place == g->readers.used)
        g->readers.used++;
    *r = (struct vector_reader){g, atomic_load(&g->epoch), place};
    g->readers.epochs[place] = r->epoch + 1;
    return LH_OK;
}

void
vector_reader_leave(struct vector_reader *r)
{
    LH_AUTO_LOCK(&r->g->readers.lock);

    r->g->readers.epochs[r->place] = 0;
}

/* ---- columns ---- */

void
vector_generation_columns_make(struct vector_generation *g)
{
    struct vector_columns *columns;

    if (g->shared.columns)
        return;
    columns = vector_columns_new();
    for (uint32_t i = 0; i < g->shared.slot_count; i++) {
        const struct vector_record *record = g->shared.records[i];
        LH_AUTO_JSON metadata = NULL;

        if (record && record->metadata.ptr &&
            lh_json_parse(record->metadata, &metadata, NULL) == LH_OK)
            vector_columns_set(columns, i, metadata);
    }
    pthread_rwlock_wrlock(&g->shared.lock);
    g->shared.columns = columns;
    pthread_rwlock_unlock(&g->shared.lock);
    vector_generation_account(g);
}

/* ---- words ---- */

lh_status
vector_generation_words_make(struct vector_generation *g, struct lh_error *err)
{
    LH_AUTO(lh_bm25) *words = NULL;

    if (g->shared.words)
        return LH_OK;
    LH_TRY(lh_bm25_new(NULL, &words, err));
    for (uint32_t i = 0; i < g->shared.slot_count; i++) {
        const struct vector_record *record = g->shared.records[i];

        if (record && record->text.ptr)
            LH_TRY(lh_bm25_put(words, i, record->text, err));
    }
    pthread_rwlock_wrlock(&g->shared.lock);
    g->shared.words = lh_take(words);
    pthread_rwlock_unlock(&g->shared.lock);
    vector_generation_account(g);
    return LH_OK;
}

/* ---- opening ---- */

lh_status
vector_generation_open(struct vectord *v, struct lh_call *call, const struct vector_definition *d,
                       const struct vector_generation_spec *spec, struct vector_generation **out,
                       struct lh_error *err)
{
    LH_AUTO(vector_generation) *g = generation_new(v, d, spec);
    struct lh_ann_options options;

    LH_TRY(vector_model_open(g, call, err));
    if (!vector_cache_load(g)) {
        options = vector_ann_options(spec, d->metric, vector_budget_graph_max(&v->budget));
        LH_TRY(lh_ann_new(&options, &g->ann, err));
    }
    LH_TRY(vector_generation_catch_up(g, call, err));
    vector_generation_account(g);
    *out = lh_take(g);
    return LH_OK;
}
