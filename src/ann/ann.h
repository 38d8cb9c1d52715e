/*
 * ann: approximate nearest neighbours over float vectors, by a graph that is walked on small codes.
 *
 * An index is a hierarchical navigable small world graph (HNSW). Every vector, unless it is short,
 * is kept as a code of 4 or 8 bits a dimension; a search walks the graph on the codes and re-ranks
 * what it found, first on 8 bits, then on the full-precision floats, so that distances in answers
 * are exact. The room is pure: it opens no file and reads no clock. A file is written through the
 * caller's function and opened from memory that the caller mapped.
 *
 * Distances are smaller for nearer: squared Euclidean (L2), 1 - cosine, or minus the inner product.
 * The cosine of a zero vector with anything is 0. NaN and infinity are refused.
 *
 * Owns     its arrays and, unless a batch is borrowed, a copy of every float vector. The memory
 *          that an index was opened from, and borrowed vectors, outlive the index.
 * Threads  every function may be called from any thread at any time, except lh_ann_free, which
 *          comes last. Searches take no lock and wait for nobody. Up to 1,024 calls may be under
 *          way at once; a further one waits for one of them to end.
 * Fails    LH_INVALID for a wrong dimension, a value that is not finite, or nonsense in options;
 *          LH_TOO_BIG past max_bytes; LH_NOT_FOUND; LH_CORRUPT for a damaged or crafted file.
 * Format   docs/formats/ann-file.md
 * Sources  HNSW: Malkov and Yashunin, arXiv 1603.09320. A scale per vector and two levels of codes:
 *          LVQ, arXiv 2304.04759. Random rotation and unbiased estimates: RaBitQ, arXiv 2405.12497
 *          and 2409.09913. Repair of removals: FreshDiskANN, arXiv 2105.09613.
 */
#ifndef LH_ANN_ANN_H
#define LH_ANN_ANN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"

struct lh_ann;

enum lh_ann_metric { LH_ANN_COSINE, LH_ANN_L2, LH_ANN_INNER_PRODUCT };

enum lh_ann_code {
    LH_ANN_CODE_AUTO, /* INT4 from 96 dimensions on, INT8 from 33, FLOAT below */
    LH_ANN_CODE_INT8, /* walk on 8 bits */
    LH_ANN_CODE_INT4, /* walk on the upper 4 bits, re-rank on all 8 */
    LH_ANN_CODE_FLOAT /* no codes: walk on the vectors themselves */
};

#define LH_ANN_DIM_MAX 16384
#define LH_ANN_K_MAX 65536

struct lh_ann_options {
    uint32_t dim; /* 1 to LH_ANN_DIM_MAX */
    enum lh_ann_metric metric;
    enum lh_ann_code code;
    uint32_t degree;          /* links of a node on the lowest level, 8 to 128; 0 is 32 */
    uint32_t ef_construction; /* width of the search for a new node's links; 0 is 160 */
    uint64_t seed;            /* of levels and rotation */
    size_t max_bytes;         /* of memory of its own; 0 is the memory of the machine */
    const char *kernels;      /* "plain", "avx2", "avx512", "neon"; NULL is the best there is */
};

lh_status
lh_ann_new(const struct lh_ann_options *options, struct lh_ann **out, struct lh_error *err);
void lh_ann_free(struct lh_ann *ann);
LH_AUTO_DEFINE(lh_ann)

/* ---- writing ---- */

/* Adds, or replaces what `id` named before. On OK the vector is found by searches. */
lh_status
lh_ann_add(struct lh_ann *ann, uint64_t id, const float *vector, size_t dim, struct lh_error *err);

struct lh_ann_batch {
    const uint64_t *ids;  /* NULL is 0, 1, 2 … */
    const float *vectors; /* count × dim, row after row */
    size_t count, dim;
    unsigned threads; /* 0 and 1: the calling thread only, and then deterministic */
    bool is_borrowed; /* the floats outlive the index and are not copied */
};

/* Of rows with the same id the last one stays. Everything is checked before anything is added; only
 * if memory is refused midway some rows are there already, and adding the batch again is harmless.
 * The first batch of an empty index also gives the mean that codes are relative to. */
lh_status
lh_ann_add_many(struct lh_ann *ann, const struct lh_ann_batch *batch, struct lh_error *err);

/* NOT_FOUND when there is none. Memory comes back through repair, which later writes pay for in
 * small steps. */
lh_status lh_ann_remove(struct lh_ann *ann, uint64_t id, struct lh_error *err);

/* Repairs now: no link leads to a removed vector afterwards, their slots are free and whole free
 * blocks are returned to the operating system. Waits for calls that are under way. */
lh_status lh_ann_vacuum(struct lh_ann *ann, struct lh_error *err);

/* ---- reading ---- */

size_t lh_ann_count(const struct lh_ann *ann);
bool lh_ann_contains(const struct lh_ann *ann, uint64_t id);
/* Copies the vector of `id` as it was added. */
lh_status
lh_ann_load(const struct lh_ann *ann, uint64_t id, float *out, size_t dim, struct lh_error *err);

/*
 * Which ids may be answered: exactly one of the three. A filter never lessens what is found: fewer
 * than k hits come back only when fewer than k vectors match.
 */
struct lh_ann_filter {
    bool (*match)(void *ctx, uint64_t id); /* called from the searching thread only */
    void *ctx;
    const uint64_t
        *bits; /* id i is allowed when i < bit_count and bit i % 64 of word i / 64 is set */
    size_t bit_count;
    const uint64_t *ids; /* in any order; unknown and repeated ones are harmless */
    size_t id_count;
    float selectivity; /* share of vectors that match, if the caller knows; 0 is to be estimated */
};

struct lh_ann_query {
    size_t k;                           /* 1 to LH_ANN_K_MAX */
    size_t ef;                          /* width of the walk; 0 follows min_recall */
    float min_recall;                   /* share of the true k nearest that is wanted; 0 is 0.95 */
    bool is_exact;                      /* compare with every vector */
    const struct lh_ann_filter *filter; /* NULL allows all */
};

enum lh_ann_plan { LH_ANN_PLAN_GRAPH, LH_ANN_PLAN_FILTERED_GRAPH, LH_ANN_PLAN_EXACT };

struct lh_ann_hit {
    uint64_t id;
    float distance;
};

struct lh_ann_report {
    size_t count; /* of hits */
    enum lh_ann_plan plan;
    size_t candidates; /* codes that were compared */
    size_t reranked;   /* floats that were compared */
    size_t ef;
};

/* Writes up to k hits, nearest first; `report` may be NULL. */
lh_status lh_ann_search(const struct lh_ann *ann, const float *vector, size_t dim,
                        const struct lh_ann_query *query, struct lh_ann_hit *hits,
                        struct lh_ann_report *report, struct lh_error *err);

/* "graph", "filtered_graph", "exact". */
const char *lh_ann_plan_name(enum lh_ann_plan plan);

/* Measures which ef serves which recall, for min_recall, with up to `count` vectors of its own as
 * queries (each without itself), against an exact search. The result is kept in the file too. */
lh_status lh_ann_calibrate(struct lh_ann *ann, size_t count, struct lh_error *err);

struct lh_ann_stats {
    size_t count;       /* live vectors */
    size_t slots;       /* places for vectors, live, removed and free */
    size_t removed;     /* removed and not yet repaired, or being added */
    size_t free;        /* slots that the next vectors take */
    size_t bytes;       /* of memory of its own, floats included */
    size_t float_bytes; /* of which copied floats */
    size_t levels;
    uint64_t links; /* on the lowest level */
    const char *kernels;
    enum lh_ann_code code;
    bool is_mapped; /* still on the memory it was opened from */
};

void lh_ann_stats_get(const struct lh_ann *ann, struct lh_ann_stats *out);

/* ---- files ---- */

/* Where lh_ann_save writes to: bytes in order, OK or the caller's error. */
struct lh_ann_writer {
    lh_status (*write)(void *ctx, const void *ptr, size_t n, struct lh_error *err);
    void *ctx;
};

/* Writes the live vectors, renumbered so that neighbours lie close together. Writers wait
 * meanwhile, searches do not. */
lh_status lh_ann_save(struct lh_ann *ann, const struct lh_ann_writer *writer, struct lh_error *err);

struct lh_ann_open_options {
    size_t max_bytes;
    const char *kernels;
    bool is_copied;  /* into memory with large pages, instead of searching in `file` itself */
    bool is_trusted; /* checks the header and the sizes, not the checksums of the sections */
};

/* `file` is aligned to a page, as mmap gives it, and outlives the index; it is never written to.
 * The first write to the index copies what it needs. `options` may be NULL. */
lh_status lh_ann_open(lh_bytes file, const struct lh_ann_open_options *options, struct lh_ann **out,
                      struct lh_error *err);

#endif
