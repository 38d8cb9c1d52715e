/*
 * vectors: rows with a vector as Parquet bytes and back, by arrays rather than by cells.
 *
 * The Parquet has the columns id VARCHAR, vector FLOAT list, text VARCHAR, metadata VARCHAR (JSON
 * text), sequence BIGINT and op VARCHAR ("upsert" or "delete"), Snappy, and key-value metadata
 * "lakehouse" with whatever JSON the caller gives. Any Parquet reader reads it.
 *
 * Fails    CORRUPT "vectors.parquet" when the bytes are no such rows, or a vector has another
 *          length than the caller expects.
 * Threads  all functions may be called from any thread.
 * Format   docs/formats/vectors.md
 */
#ifndef LH_ENGINE_VECTORS_H
#define LH_ENGINE_VECTORS_H

#include "engine/engine.h"

struct lh_vector_row {
    lh_str id;
    const float *vector; /* `dim` floats; NULL in a removal */
    lh_str text;         /* ptr NULL: NULL */
    lh_str metadata;     /* ptr NULL: NULL */
    int64_t sequence;
    bool is_removal;
};

/* Appends to `parquet`. `meta` may be LH_STR_NONE. */
lh_status lh_vectors_encode(struct lh_engine *work, struct lh_call *call,
                            const struct lh_vector_row *rows, size_t count, uint32_t dim,
                            lh_str meta, struct lh_buf *parquet, struct lh_error *err);

/* Calls `see` with a few thousand rows at a time, in order; everything in them is borrowed until it
 * returns. A failure of `see` ends the decoding and is what it fails with. `meta` (initialised by
 * the caller, may be NULL) gets what was given when encoding. */
struct lh_vector_visitor {
    lh_status (*see)(void *ctx, const struct lh_vector_row *rows, size_t count,
                     struct lh_error *err);
    void *ctx;
};
lh_status lh_vectors_decode(struct lh_engine *work, struct lh_call *call, lh_bytes parquet,
                            uint32_t dim, const struct lh_vector_visitor *visitor,
                            struct lh_buf *meta, struct lh_error *err);

#endif
