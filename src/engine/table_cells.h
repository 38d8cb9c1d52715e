/*
 * table_cells: the insides of lh_table, shared by table.c and table_parquet.c.
 */
#ifndef LH_ENGINE_TABLE_CELLS_H
#define LH_ENGINE_TABLE_CELLS_H

#include <duckdb.h>
#include "base/arena.h"
#include "engine/table.h"

struct table_cell {
    bool is_set; /* false: NULL */
    union {
        lh_str text;
        int64_t i64;
        double f64;
    };
};

struct table_meta {
    const char *key;
    lh_str value;
};

struct lh_table {
    struct lh_arena arena;
    struct lh_table_column *columns;
    size_t column_count;
    struct table_cell *cells; /* row by row */
    size_t row_count, row_capacity;
    struct table_meta *meta;
    size_t meta_count;
};

/* The table function that lh_table_encode selects from; once for each work engine. */
lh_status engine_table_register(duckdb_connection connection, struct lh_error *err);

#endif
