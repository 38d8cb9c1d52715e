/*
 * Rows stand in one growing array of cells; text is copied into an arena. Encoding and decoding are
 * in table_parquet.c.
 */
#include "engine/table.h"

#include <stdlib.h>

#include "base/abort.h"
#include "base/alloc.h"
#include "engine/table_cells.h"

struct lh_table *
lh_table_new(const struct lh_table_column *columns, size_t count)
{
    struct lh_table *t = LH_NEW(struct lh_table);

    lh_arena_init(&t->arena);
    t->column_count = count;
    t->columns = lh_arena_array(&t->arena, count + 1, sizeof(*t->columns));
    for (size_t i = 0; i < count; i++) {
        t->columns[i].name = lh_arena_cstr(&t->arena, lh_str_of(columns[i].name));
        t->columns[i].type = columns[i].type;
    }
    return t;
}

void
lh_table_free(struct lh_table *t)
{
    if (!t)
        return;
    lh_arena_fini(&t->arena);
    free(t->cells);
    free(t->meta);
    free(t);
}

size_t
lh_table_row_add(struct lh_table *t)
{
    if (t->row_count == t->row_capacity) {
        t->row_capacity = t->row_capacity ? t->row_capacity * 2 : 16;
        t->cells =
            lh_realloc_array(t->cells, t->row_capacity * (t->column_count + 1), sizeof(*t->cells));
    }
    memset(t->cells + t->row_count * t->column_count, 0, t->column_count * sizeof(*t->cells));
    return t->row_count++;
}

/* Rows and columns come from our own code: outside the table is a bug. */
static struct table_cell *
cell_at(const struct lh_table *t, size_t row, size_t column)
{
    if (row >= t->row_count || column >= t->column_count)
        lh_abort("table: no cell (%zu, %zu) in %zu rows of %zu", row, column, t->row_count,
                 t->column_count);
    return &t->cells[row * t->column_count + column];
}

void
lh_table_set_text(struct lh_table *t, size_t row, size_t column, lh_str v)
{
    struct table_cell *cell = cell_at(t, row, column);

    cell->is_set = v.ptr != NULL;
    if (cell->is_set)
        cell->text = lh_arena_str(&t->arena, v);
}

void
lh_table_set_i64(struct lh_table *t, size_t row, size_t column, int64_t v)
{
    struct table_cell *cell = cell_at(t, row, column);

    cell->is_set = true;
    cell->i64 = v;
}

void
lh_table_set_f64(struct lh_table *t, size_t row, size_t column, double v)
{
    struct table_cell *cell = cell_at(t, row, column);

    cell->is_set = true;
    cell->f64 = v;
}

static struct table_meta *
meta_find(const struct lh_table *t, const char *key)
{
    for (size_t i = 0; i < t->meta_count; i++)
        if (strcmp(t->meta[i].key, key) == 0)
            return &t->meta[i];
    return NULL;
}

void
lh_table_meta_set(struct lh_table *t, const char *key, lh_str value)
{
    struct table_meta *m = meta_find(t, key);

    if (!m) {
        t->meta = lh_realloc_array(t->meta, t->meta_count + 1, sizeof(*t->meta));
        m = &t->meta[t->meta_count++];
        m->key = lh_arena_cstr(&t->arena, lh_str_of(key));
    }
    m->value = lh_arena_str(&t->arena, value);
}

size_t
lh_table_rows(const struct lh_table *t)
{
    return t->row_count;
}

size_t
lh_table_columns(const struct lh_table *t)
{
    return t->column_count;
}

bool
lh_table_column_find(const struct lh_table *t, const char *name, enum lh_cell_type type,
                     size_t *column)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (strcmp(t->columns[i].name, name) == 0) {
            *column = i;
            return t->columns[i].type == type;
        }
    }
    return false;
}

bool
lh_table_is_null(const struct lh_table *t, size_t row, size_t column)
{
    return !cell_at(t, row, column)->is_set;
}

lh_str
lh_table_text(const struct lh_table *t, size_t row, size_t column)
{
    const struct table_cell *cell = cell_at(t, row, column);

    return cell->is_set ? cell->text : LH_STR_NONE;
}

int64_t
lh_table_i64(const struct lh_table *t, size_t row, size_t column)
{
    return cell_at(t, row, column)->i64;
}

double
lh_table_f64(const struct lh_table *t, size_t row, size_t column)
{
    return cell_at(t, row, column)->f64;
}

lh_str
lh_table_meta(const struct lh_table *t, const char *key)
{
    const struct table_meta *m = meta_find(t, key);

    return m ? m->value : LH_STR_NONE;
}
