/*
 * guard_tree: the walk over a parse tree that accepts only what it knows.
 *
 * Every kind of node has a table of its fields here (guard_tree.c), taken from DuckDB 1.4.4's
 * serialisation (src/storage/serialization). A class, a type or a field that stands in no table is
 * refused, so that a newer DuckDB fails closed.
 *
 * Names    a table name is a dataset unless a CTE of that name is in scope. In scope are: the CTEs
 * of enclosing queries, the earlier CTEs of the same WITH, and a recursive CTE inside itself.
 */
#ifndef LH_ENGINE_GUARD_TREE_H
#define LH_ENGINE_GUARD_TREE_H

#include "base/json.h"
#include "engine/guard.h"

/* A pivot met in the tree: what a PIVOT without IN needs to find its values. Borrowed from the
 * tree. */
struct guard_tree_pivot {
    const json_t *node;  /* the PIVOT table reference */
    const json_t **ctes; /* {"key","value"} of each CTE in scope, innermost first */
    size_t cte_count;
};

struct guard_tree_result {
    struct guard_table *tables;
    size_t table_count;
    bool lists_tables;
    lh_str describes;
    struct guard_tree_pivot *pivots;
    size_t pivot_count;
};

/* `statement` is one entry of guard_parse's list; `sql` its text, for the places of errors. */
lh_status guard_tree_check(const json_t *statement, lh_str sql, struct lh_arena *arena,
                           struct guard_tree_result *out, struct lh_error *err);

#endif
