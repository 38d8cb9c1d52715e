/*
 * arrow_column: the values of one column, collected from DuckDB's vectors in Arrow's layout until a
 * record batch is full.
 *
 * How DuckDB's types appear: integers, floats, dates, times and timestamps as their Arrow twins;
 * HUGEINT as decimal128(38, 0) whose 128 bits hold every value; DECIMAL of any width as decimal128;
 * INTERVAL as month-day-nano; UUID as 16 bytes with the extension name arrow.uuid; JSON as text
 * with arrow.json; ENUM as a dictionary; UNION as a sparse union; UHUGEINT, BIGNUM, BIT and TIME
 * WITH TIME ZONE, for which Arrow has nothing, as the text they have in JSON.
 *
 * Source   https://arrow.apache.org/docs/format/Columnar.html
 */
#ifndef LH_ENGINE_ARROW_COLUMN_H
#define LH_ENGINE_ARROW_COLUMN_H

#include "base/arena.h"
#include "base/buf.h"
#include "engine/result_type.h"

enum arrow_layout {
    ARROW_NULL,
    ARROW_BITS,
    ARROW_FIXED,
    ARROW_BINARY, /* offsets and bytes, as they are */
    ARROW_TEXT,   /* offsets and bytes, written by result_plain_text */
    ARROW_LIST,   /* also MAP, whose one member is the struct of entries */
    ARROW_FIXED_LIST,
    ARROW_STRUCT,
    ARROW_UNION,
};

struct arrow_column {
    const struct result_type *type;
    enum arrow_layout layout;
    size_t width; /* bytes of a value of ARROW_FIXED */
    size_t rows, null_count;
    struct lh_buf validity; /* empty until the first NULL */
    struct lh_buf values;   /* values, bytes, or the tags of a union */
    struct lh_buf offsets;
    struct arrow_column *members; /* of MAP: key and value of its entries */
    size_t member_count;
};

void
arrow_column_init(struct arrow_column *c, const struct result_type *type, struct lh_arena *arena);
void arrow_column_fini(struct arrow_column *c);
void arrow_column_clear(struct arrow_column *c);
size_t arrow_column_bytes(const struct arrow_column *c);

/* Rows [from, from + count) of the cells. TOO_BIG "sql.arrow" past 2^31 bytes or items in one
 * batch, INVALID "sql.arrow" for an interval beyond Arrow's. */
lh_status arrow_column_append(struct arrow_column *c, const struct result_cells *cells, size_t from,
                              size_t count, struct lh_error *err);

#endif
