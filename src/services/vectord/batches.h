/*
 * batches: the write-once Parquet objects that hold the items of a generation, in one order.
 *
 * Every batch has the next number of its log; it is put with If-None-Match, so that of several
 * writers one gets the number and the others see it. A merged batch covers a range of numbers and
 * stands in for the smaller ones inside it, which are removed after it has been read back. Numbers
 * are never used twice: a writer that was asleep while its number was taken, merged and removed
 * finds the merged batch after its put, and takes its own back (vector_batch_put).
 *
 * Name     _vectors/<index>/embeddings/<uid>-<log>-<to>-<from>-<rewrite>.parquet
 * Format   docs/formats/vectors.md
 * Fails    CONFLICT "vectors.batch_taken"; CORRUPT "vectors.batch_missing" for a hole in a log.
 */
#ifndef LH_SERVICES_VECTORD_BATCHES_H
#define LH_SERVICES_VECTORD_BATCHES_H

#include "services/vectord/definition.h"

struct vector_log {
    struct lh_bucket *bucket;
    char index[VECTOR_NAME_MAX];
    char uid[9]; /* the first eight digits */
    uint64_t number;
};

struct vector_log vector_log_of(struct lh_bucket *b, const struct vector_definition *d,
                                const struct vector_generation_spec *spec);

struct vector_batch {
    uint64_t from, to;
    unsigned rewrite; /* the higher one holds */
    uint64_t size_bytes;
};

const char *vector_batch_key(const struct vector_log *log, const struct vector_batch *b,
                             struct lh_arena *arena);

struct vector_batch_list {
    struct vector_batch *items; /* in order, without holes and overlaps */
    size_t count;
    struct vector_batch *stale; /* covered by others: nobody needs them */
    size_t stale_count;
};

/* Batches that hold numbers above `after`; in the call's arena. */
lh_status vector_batches_list(const struct vector_log *log, struct lh_call *call, uint64_t after,
                              struct vector_batch_list *out, struct lh_error *err);
/* A new batch at `number`. */
lh_status vector_batch_put(const struct vector_log *log, struct lh_call *call, uint64_t number,
                           lh_bytes parquet, struct lh_error *err);
/* One that stands in for what its range covers. */
lh_status
vector_batch_put_merged(const struct vector_log *log, struct lh_call *call,
                        const struct vector_batch *b, lh_bytes parquet, struct lh_error *err);
lh_status vector_batch_get(const struct vector_log *log, struct lh_call *call,
                           const struct vector_batch *b, struct lh_buf *out, struct lh_error *err);
/* Absent is OK. */
lh_status vector_batch_remove(const struct vector_log *log, struct lh_call *call,
                              const struct vector_batch *b, struct lh_error *err);

#endif
