/*
 * rows: the rows of some Parquet objects, without those that were deleted by key.
 *
 * A tombstone hides the rows whose key column holds one of its values, in objects that were there
 * before it; the values are a Parquet object themselves (docs/formats/tombstones.md). Which
 * tombstones hide rows of one object is a single number: that one and all later ones. What is read
 * of objects without tombstones costs what it did.
 *
 * The functions run on the work engine. Everywhere else rows are read through a source that carries
 * the same erasure (engine/sql.h).
 *
 * Fails    as engine.h; INVALID "rows.value" for a text that is no value of the type.
 */
#ifndef LH_ENGINE_ROWS_H
#define LH_ENGINE_ROWS_H

#include "base/hash.h"
#include "engine/engine.h"

struct lh_erasure {
    const char *values_uri; /* lake://, with the columns tombstone, key_column and value */
    const char *const *keys;
    const char *const *key_types; /* of these columns in the version that is read */
    size_t key_count;
    const uint64_t *first; /* of each object: this tombstone and later ones; 0: none */
};

struct lh_rows {
    const char *const *uris;
    size_t uri_count;
    const char *const *column_names; /* of the dataset, in order */
    const char *const *column_types;
    size_t column_count;
    const struct lh_erasure *erasure; /* NULL: nothing is hidden */
};

/* How many rows of each object hold one of `values` in column `key`, and are not hidden yet. */
struct lh_rows_match {
    const char *key, *type;
    const char *const *values;
    size_t value_count;
};
lh_status
lh_rows_match_count(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                    const struct lh_rows_match *match, uint64_t *counts, struct lh_error *err);

/* Each text as a value of `type`, in the form in which DuckDB writes it; `out` has `count` places,
 * in the arena. The first that is none is INVALID. */
lh_status lh_rows_values_check(struct lh_engine *work, struct lh_call *call, const char *type,
                               const char *const *texts, size_t count, struct lh_arena *arena,
                               const char **out, struct lh_error *err);

/* Writes them as one Parquet file at `path` (in the spool folder), in the order of the
 * objects, those without tombstones first. */
lh_status lh_rows_write(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                        const char *path, struct lh_error *err);

/* What the rows are, whatever their order: two sets of rows are the same when this is. */
struct lh_rows_digest {
    uint64_t rows;
    char text[LH_SHA256_HEX]; /* over rows, sum and exclusive or of the rows' hashes, values of each
                                 column */
};
lh_status lh_rows_digest(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                         struct lh_rows_digest *out, struct lh_error *err);

#endif
