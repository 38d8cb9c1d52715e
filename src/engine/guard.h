/*
 * guard: decides whether a statement of a user may run, on DuckDB's own parse tree.
 *
 * One statement, read-only, over datasets and functions on the allow-lists. The tree comes from
 * json_serialize_sql, so comments, quoting and nesting have no way around it; anything in the tree
 * that the guard does not know is refused. Statements that function does not cover have their own
 * way: EXPLAIN [ANALYZE] guards what it explains, and a PIVOT without IN is completed in two steps:
 *
 *   guard_check            leaves verdict.sql empty and gives `pivot_count` statements, each one
 * already guarded and reading the verdict's tables only; every one yields a single VARCHAR column,
 * the values to pivot on; guard_pivot_complete   takes those values, writes the IN lists, guards
 * the whole again and sets verdict.sql.
 *
 * Limits   1 MiB of text, 500 levels and 100,000 nodes of tree, 1,000 values of a PIVOT. Nested
 * WITH clauses are limited before parsing, because DuckDB's parser copies them at every level.
 * Fails    INVALID "sql.syntax"; DENIED "sql.not_allowed" naming what and why; TOO_BIG
 * "sql.too_complex". Where the place is known, extra holds {"position":N,"line":L,"column":C}:
 * characters from 0, lines and columns from 1. Threads  pure but for the connection it parses on.
 */
#ifndef LH_ENGINE_GUARD_H
#define LH_ENGINE_GUARD_H

#include "engine/connection.h"

#define GUARD_SQL_MAX ((size_t)1 << 20)
#define GUARD_PIVOT_VALUES_MAX 1000

/* A table the statement names: a dataset, perhaps with a version ("workers@3"). */
struct guard_table {
    lh_str dataset;
    uint64_t version;  /* 0: the head */
    lh_str as_written; /* "workers@3" */
};

struct guard_pivot; /* how to complete a PIVOT; of this folder's guard_*.c */

struct guard_verdict {
    struct guard_table *tables; /* each once, in the arena */
    size_t table_count;
    lh_str sql; /* what to prepare; NUL-terminated. Empty while a PIVOT waits for its values */
    bool is_explain;
    bool lists_tables; /* SHOW TABLES and its kin: answered from the catalog by the caller */
    lh_str describes;  /* DESCRIBE/SHOW <dataset>: informational, "" otherwise */

    size_t pivot_count;      /* > 0: run these first, then guard_pivot_complete */
    const lh_str *pivot_sql; /* NUL-terminated */
    struct guard_pivot *pivot;
};

/* The values one pivot_sql statement yielded, in its order. */
struct guard_pivot_values {
    const lh_str *items;
    size_t count;
};

/* Everything is allocated in call->arena. `c` is a connection of the query engine with no result
 * open on it. */
lh_status guard_check(struct engine_connection *c, struct lh_call *call, lh_str sql,
                      struct guard_verdict *out, struct lh_error *err);

/* `values` has one entry for each of v->pivot_sql. Fails also INVALID "sql.pivot" for no values or
 * too many. */
lh_status
guard_pivot_complete(struct engine_connection *c, struct lh_call *call, struct guard_verdict *v,
                     const struct guard_pivot_values *values, struct lh_error *err);

#endif
