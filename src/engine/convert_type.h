/*
 * convert_type: what the values of a column have in common, and the DuckDB type that follows from
 * it.
 *
 * A *guess* collects values: for plain ones the mask of types they are all canonical for, for
 * nested JSON a tree of guesses. Guesses of several threads merge; the outcome does not depend on
 * the order. A *type* is what a guess resolves to, and knows how to write a field into a vector,
 * refusing a value that it cannot give back.
 *
 * Owns     guesses live in the arena given; a type owns nothing but its arena's memory.
 */
#ifndef LH_ENGINE_CONVERT_TYPE_H
#define LH_ENGINE_CONVERT_TYPE_H

#include <duckdb.h>
#include "base/arena.h"
#include "base/buf.h"
#include "engine/csv_dialect.h"
#include "engine/record_reader.h"

enum guess_shape { GUESS_SCALAR, GUESS_LIST, GUESS_STRUCT, GUESS_MIXED };

struct guess {
    unsigned mask;   /* canonical_mask of all plain values */
    int32_t zone;    /* of CANONICAL_TIMESTAMPTZ */
    uint64_t values; /* not NULL */
    uint8_t shape;
    bool has_plain; /* a plain value was seen; together with LIST or STRUCT it makes MIXED */
    struct guess *children; /* of STRUCT: fields in order of appearance; of LIST: one */
    lh_str *names;
    uint32_t child_count, child_cap;
};

void guess_add(struct guess *g, const struct record_field *f, struct lh_arena *arena);
void guess_merge(struct guess *to, const struct guess *from, struct lh_arena *arena);

enum convert_kind {
    CONVERT_TEXT,
    CONVERT_I64,
    CONVERT_F64,
    CONVERT_BOOL,
    CONVERT_DATE,
    CONVERT_TIMESTAMP,
    CONVERT_TIMESTAMPTZ,
    CONVERT_LIST,
    CONVERT_STRUCT,
    CONVERT_CAST, /* whatever SQL casts text to; written by convert_scan */
};

struct convert_type {
    enum convert_kind kind;
    bool is_raw;       /* TEXT: strings keep their quotes, since objects are among the values */
    bool is_any;       /* TEXT that the caller asked for: whatever comes is taken */
    bool is_unseen;    /* no value was seen: any value calls for another look */
    unsigned spelling; /* BOOL: its bit of canonical_mask */
    int32_t zone;      /* TIMESTAMPTZ */
    struct convert_type *children;
    const char **names;
    size_t child_count;
};

/* The narrowest type for everything seen. */
void convert_type_resolve(const struct guess *g, struct convert_type *out, struct lh_arena *arena);
/* The plain kind of that name if the guess allows it: a column that has it already keeps it. */
bool convert_type_fits(const struct guess *g, lh_str type_name, struct convert_type *out);

duckdb_logical_type convert_type_logical(const struct convert_type *t); /* caller destroys */

/* Where plain values of one column go in the chunk at hand. */
struct convert_column_out {
    duckdb_vector vector;
    void *data;
    uint64_t *validity; /* NULL until the first NULL */
};

struct convert_column_out convert_column_out_of(duckdb_vector vector);

/* False: the value does not have this type. `dialect` is NULL for JSON. */
bool convert_type_write(const struct convert_type *t, const struct csv_dialect *dialect,
                        struct convert_column_out *out, size_t row, const struct record_field *f);
/* The plain text of a field, without quotes and escapes, in its vector. */
void convert_text_write(const struct csv_dialect *dialect, bool is_raw,
                        struct convert_column_out *out, size_t row, const struct record_field *f);

#endif
