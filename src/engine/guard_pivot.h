/*
 * guard_pivot: a PIVOT without IN, in two steps (engine/guard.h).
 *
 * DuckDB turns such a statement into CREATE TYPE … AS ENUM (SELECT DISTINCT …) and the query
 * proper, which neither json_serialize_sql nor a read-only engine takes. Here the places of the
 * missing lists are found by the lexer and filled, first with a marker to get a tree, then with the
 * values. The lexer only proposes: what it wrote is parsed and walked like any other statement, so
 * a wrong guess can give an error and never a way out.
 */
#ifndef LH_ENGINE_GUARD_PIVOT_H
#define LH_ENGINE_GUARD_PIVOT_H

#include "engine/guard.h"
#include "engine/guard_tree.h"

/* Whether the text has a PIVOT whose columns lack an IN list. */
bool guard_pivot_is_open(lh_str query);

/* Guards `query` with markers in place of the values, and makes the statements that find them. */
lh_status
guard_pivot_begin(struct engine_connection *c, struct lh_call *call, lh_str query,
                  struct guard_tree_result *tree, struct guard_pivot **out, struct lh_error *err);

/* Puts the waiting statements into the verdict; `prefix` goes before the completed statement. */
void guard_pivot_wait(struct guard_pivot *p, struct guard_verdict *v, lh_str prefix);

#endif
