/*
 * guard: decides whether a statement of a user may run, on DuckDB's own parse tree.
 *
 * One statement, read-only, over datasets and functions on the allow-lists. The tree comes from json_serialize_sql, so
 * comments, quoting and nesting have no way around it; anything in the tree that the guard does not know is refused. Statements that
 * function does not cover have their own way: EXPLAIN [ANALYZE] guards what it explains, a PIVOT without IN is given the IN list that a first
 * query finds.
 *
 * Fails    INVALID "sql.syntax" (extra: position, line, column); DENIED "sql.not_allowed" naming what and why.
 * Threads  pure but for the connection it parses on.
 */
#ifndef LH_ENGINE_GUARD_H
#define LH_ENGINE_GUARD_H

#include "engine/connection.h"

/* A table the statement names: a dataset, perhaps with a version ("workers@3"). */
struct guard_table {
    lh_str dataset;
    uint64_t version; /* 0: the head */
    lh_str as_written; /* "workers@3" */
};

struct guard_verdict {
    struct guard_table *tables; /* each once, in the arena */
    size_t table_count;
    lh_str sql;          /* what to prepare: the statement as given, without its last ';' (or with the PIVOT's IN list) */
    bool is_explain;
    bool lists_tables;   /* SHOW TABLES and its kin: answered from the catalog by the caller */
    lh_str describes;    /* DESCRIBE/SHOW <dataset>: informational, "" otherwise */
};

/* Everything is allocated in call->arena. `c` is a connection of the query engine. */
lh_status guard_check(struct engine_connection *c, struct lh_call *call, lh_str sql,
                      struct guard_verdict *out, struct lh_error *err);

#endif
