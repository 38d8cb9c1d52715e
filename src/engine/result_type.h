/*
 * result_type: the types of a result's columns, taken apart once, and the vectors of a chunk seen
 * through them.
 *
 * A *type* is a tree that mirrors a DuckDB logical type. *Cells* are the same tree over one chunk:
 * where the values and the validity bits of each level lie. Chunks that duckdb_fetch_chunk gives
 * are flat at every level.
 *
 * Owns     a type owns its strings and members; cells borrow from the chunk and live in a caller's
 * array. Fails    UNSUPPORTED "sql.type" for a type that has no form in an answer (VARIANT and
 * those internal to DuckDB).
 */
#ifndef LH_ENGINE_RESULT_TYPE_H
#define LH_ENGINE_RESULT_TYPE_H

#include <duckdb.h>
#include "base/arena.h"

struct result_type {
    duckdb_type id;
    bool is_json;  /* VARCHAR that carries JSON */
    uint8_t scale; /* of DECIMAL */
    uint8_t width;
    duckdb_type storage; /* of DECIMAL and ENUM: the integer in the vector */
    size_t array_size;   /* of ARRAY */
    lh_str *labels;      /* of ENUM */
    size_t label_count;
    lh_str *names; /* of STRUCT and UNION members */
    struct result_type
        *members; /* of LIST and ARRAY one, of MAP key and value, of UNION without the tag */
    size_t member_count;
};

/* duckdb_get_type_id, which in 1.4.4 does not know TIME_NS (result_logical.cc). */
duckdb_type result_type_id(duckdb_logical_type type);

/* Everything is allocated in `arena`. */
lh_status result_type_of(duckdb_logical_type type, struct lh_arena *arena, struct result_type *out,
                         struct lh_error *err);

struct result_cells {
    const struct result_type *type;
    const uint8_t *data;
    const uint64_t *validity; /* NULL: all valid */
    struct result_cells *members;
    const uint8_t *tags; /* of UNION */
};

/* Makes the tree of cells for a type, once; result_cells_see points it at a vector. */
void
result_cells_init(struct result_cells *c, const struct result_type *type, struct lh_arena *arena);
void result_cells_see(struct result_cells *c, duckdb_vector vector);

static inline bool
result_cell_is_null(const struct result_cells *c, size_t row)
{
    return c->validity && (c->validity[row / 64] >> (row % 64) & 1) == 0;
}

static inline lh_str
result_cell_str(const struct result_cells *c, size_t row)
{
    const duckdb_string_t *s = (const duckdb_string_t *)(const void *)c->data + row;
    uint32_t len = s->value.inlined.length;

    return (lh_str){len <= 12 ? s->value.inlined.inlined : s->value.pointer.ptr, len};
}

/* The integer behind a DECIMAL of any width, HUGEINT and ENUM. */
__extension__ typedef __int128 result_wide;
result_wide result_cell_wide(const struct result_cells *c, size_t row);

#endif
