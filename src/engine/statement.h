/*
 * statement: the insides of lh_statement, shared by sql.c (parse, bind), sql_run.c and
 * sql_parquet.c (run).
 */
#ifndef LH_ENGINE_STATEMENT_H
#define LH_ENGINE_STATEMENT_H

#include "engine/guard.h"
#include "engine/instance.h"
#include "engine/source.h"

struct lh_statement {
    struct lh_engine *engine;
    struct lh_call *call;
    struct engine_connection *connection;
    struct guard_verdict verdict;
    struct engine_sources sources;
    lh_str text;    /* as the user wrote it */
    lh_str sql;     /* what runs, NUL-terminated */
    json_t *params; /* or NULL */
};

/* Binds and runs `sql` with the statement's names and parameters until the first rows are there;
 * they stream when asked to. A failure carries its place in extra. Caller duckdb_destroy_result. */
lh_status engine_statement_execute(struct lh_statement *s, lh_str sql, bool is_streaming,
                                   duckdb_result *out, struct lh_error *err);

struct engine_parsed;
/* Sets JSON values for $1, $2 …, ? or $name. INVALID "sql.parameters". */
lh_status
engine_params_set(struct engine_parsed *parsed, const json_t *params, struct lh_error *err);

/* The statement's rows as a Parquet file, through the spool folder. */
lh_status engine_statement_parquet(struct lh_statement *s, const struct lh_statement_limits *limits,
                                   const struct lh_result_sink *sink,
                                   struct lh_statement_outcome *out, struct lh_error *err);

#endif
