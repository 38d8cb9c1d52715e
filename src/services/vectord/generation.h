/*
 * generation: the items of one generation in memory, searchable while they change.
 *
 * A slot holds one record: an id with its text, metadata and vector, which never change. Replacing
 * an item puts a new record into a new slot and lets the old one die. Every batch is one *epoch*: a
 * search that begins in epoch e sees exactly the records born by then and not yet dead, however
 * long it takes. Dead records stay, in the graph too, until no search is left that may see them.
 *
 * One writer at a time (write_lock); searches take no lock but a moment's shared one to copy what
 * they found.
 *
 * Owns     records, columns, graph, the mapped cache file. Counted: ref and unref.
 * Fails    NO_SPACE "vectors.memory" when the budget for all indexes is spent; CONFLICT
 *          "vectors.reload" when the log was merged past what is in memory (another process did
 *          that): the generation must be opened anew.
 * Threads  all functions from any thread; those that say so need write_lock.
 */
#ifndef LH_SERVICES_VECTORD_GENERATION_H
#define LH_SERVICES_VECTORD_GENERATION_H

#include <pthread.h>
#include <stdatomic.h>
#include "engine/vectors.h"
#include "services/vectord/batches.h"
#include "services/vectord/columns.h"
#include "services/vectord/commit.h"
#include "services/vectord/names.h"
#include "services/vectord/vectord.h"
#include "text/bm25.h"

enum { VECTOR_READERS_MAX = 1024 };

struct vector_record {
    lh_str id, text, metadata; /* ptr NULL: none */
    int64_t sequence;
    uint64_t born, died; /* epochs; died 0: lives */
    bool is_mapped;      /* stands in the cache file: not freed alone */
};

struct vector_generation {
    atomic_int refs;
    struct vectord *v;
    struct vector_log log;
    struct vector_generation_spec spec; /* without source and note */
    enum lh_ann_metric metric;
    struct lh_ann *ann;

    pthread_mutex_t write_lock;
    atomic_uint_fast64_t applied; /* number of the last batch in memory */
    struct vector_commits commits;

    struct {
        pthread_rwlock_t lock;
        struct vector_record **records; /* by slot; NULL: free */
        uint32_t slot_count, slot_capacity;
        struct vector_names names;
        struct vector_columns *columns; /* NULL until a filter asks for it */
        struct lh_bm25 *words;          /* texts by slot; NULL until words are asked for */
    } shared;

    atomic_uint_fast64_t epoch;
    atomic_size_t live_count, dead_count;
    struct {
        pthread_mutex_t lock;
        uint64_t epochs[VECTOR_READERS_MAX]; /* + 1 of each search under way; 0: no search */
        size_t used;                         /* places that were ever taken */
    } readers;

    /* Of the writer. */
    uint32_t *free_slots, *dead_slots;
    size_t free_count, free_capacity, dead_slot_count, dead_capacity;
    size_t record_bytes;
    atomic_size_t bytes; /* accounted for in the budget */
    uint64_t saved;      /* position of the cache file */
    uint64_t changes;    /* rows since then */
    struct vector_record *mapped_records;
    struct {
        pthread_mutex_t lock; /* following deletions and pages of a refresh: one at a time */
        /* The newest tombstones followed, and the source's version that they were followed in. */
        atomic_uint_fast64_t version, erased;
    } tombstones;
    char *model_name; /* of a fitted model, as the bridge knows it; NULL: none */
    size_t model_bytes;
    void *map; /* the cache file */
    size_t map_size;
};

/* Reads what is in the bucket, by way of the cache file when there is a good one. */
lh_status
vector_generation_open(struct vectord *v, struct lh_call *call, const struct vector_definition *d,
                       const struct vector_generation_spec *spec, struct vector_generation **out,
                       struct lh_error *err);
void vector_generation_ref(struct vector_generation *g);
void vector_generation_unref(struct vector_generation *g);
static inline void
vector_generation_free(struct vector_generation *g)
{
    vector_generation_unref(g);
}
LH_AUTO_DEFINE(vector_generation)

/* ---- writing, with write_lock ---- */

/* Rows that are in the bucket come into memory as one epoch. Vectors and texts are copied. */
lh_status vector_generation_apply(struct vector_generation *g, const struct vector_row *rows,
                                  size_t count, struct lh_error *err);
/* Batches that other processes have written. */
lh_status
vector_generation_catch_up(struct vector_generation *g, struct lh_call *call, struct lh_error *err);
/* Buries the dead that nobody can see any more. */
void vector_generation_reclaim(struct vector_generation *g);
/* The columns, made when there are none. */
void vector_generation_columns_make(struct vector_generation *g);
/* The inverted index over texts, likewise. */
lh_status vector_generation_words_make(struct vector_generation *g, struct lh_error *err);

/* ---- reading ---- */

/* A search begins: it sees the state of `epoch` until it leaves. BUSY "vectors.busy". */
struct vector_reader {
    struct vector_generation *g;
    uint64_t epoch;
    size_t place;
};
lh_status
vector_reader_enter(struct vector_generation *g, struct vector_reader *r, struct lh_error *err);
void vector_reader_leave(struct vector_reader *r);

static inline bool
vector_record_is_seen(const struct vector_record *record, uint64_t epoch)
{
    return record && record->born <= epoch && (record->died == 0 || record->died > epoch);
}

/* The record of an id now, or NULL. With shared.lock; borrowed until that is given back. */
const struct vector_record *
vector_generation_find(const struct vector_generation *g, lh_str id, uint32_t *slot);
/* About what a row costs in memory. */
size_t vector_generation_row_bytes(const struct vector_generation *g, lh_str id, lh_str text,
                                   lh_str metadata);
/* Tells the budget what the generation takes now. With write_lock. */
void vector_generation_account(struct vector_generation *g);

#endif
