/*
 * table: a small table in memory, as a Parquet object and back.
 *
 * For the records of the house itself: manifests, rejects, compacted logs. Rows are few
 * (thousands); bulk goes through convert.h and sql.h. The Parquet has one row group, zstd, the
 * key-value metadata given, and is read by any Parquet reader.
 *
 * Fails    CORRUPT "table.parquet" when the bytes are no such table.
 * Threads  a table belongs to one thread.
 */
#ifndef LH_ENGINE_TABLE_H
#define LH_ENGINE_TABLE_H

#include "engine/engine.h"

enum lh_cell_type { LH_CELL_TEXT, LH_CELL_I64, LH_CELL_F64, LH_CELL_BOOL, LH_CELL_TIME /* µs */ };

struct lh_table_column {
    const char *name;
    enum lh_cell_type type;
};

struct lh_table;

struct lh_table *lh_table_new(const struct lh_table_column *columns, size_t count);
void lh_table_free(struct lh_table *t);
LH_AUTO_DEFINE(lh_table)

size_t lh_table_row_add(struct lh_table *t); /* all NULL; returns its index */
void lh_table_set_text(struct lh_table *t, size_t row, size_t column,
                       lh_str v); /* copies; ptr NULL: NULL */
void
lh_table_set_i64(struct lh_table *t, size_t row, size_t column, int64_t v); /* also BOOL and TIME */
void lh_table_set_f64(struct lh_table *t, size_t row, size_t column, double v);
void lh_table_meta_set(struct lh_table *t, const char *key, lh_str value);

size_t lh_table_rows(const struct lh_table *t);
size_t lh_table_columns(const struct lh_table *t);
/* False when there is no such column or it has another type. */
bool lh_table_column_find(const struct lh_table *t, const char *name, enum lh_cell_type type,
                          size_t *column);
bool lh_table_is_null(const struct lh_table *t, size_t row, size_t column);
lh_str lh_table_text(const struct lh_table *t, size_t row, size_t column);
int64_t lh_table_i64(const struct lh_table *t, size_t row, size_t column);
double lh_table_f64(const struct lh_table *t, size_t row, size_t column);
lh_str lh_table_meta(const struct lh_table *t, const char *key); /* ptr NULL when absent */

lh_status lh_table_encode(struct lh_engine *work, struct lh_call *call, const struct lh_table *t,
                          struct lh_buf *parquet, struct lh_error *err);
lh_status lh_table_decode(struct lh_engine *work, struct lh_call *call, lh_bytes parquet,
                          struct lh_table **out, struct lh_error *err);

#endif
