/*
 * connection: one DuckDB connection taken from an engine's pool, for files of this folder only.
 *
 * Taking one ties it to a call: cancelling the call, or its deadline (one watchdog thread for all
 * connections), interrupts what runs on it. Giving it back unties it. What a statement reads
 * through lake:// carries the same call to store, so that a slow read ends with the call, and a
 * store failure is remembered and returned instead of DuckDB's text.
 */
#ifndef LH_ENGINE_CONNECTION_H
#define LH_ENGINE_CONNECTION_H

#include <duckdb.h>
#include "engine/engine.h"

struct engine_connection; /* `duckdb_connection` inside: engine_connection_handle */

lh_status engine_connection_take(struct lh_engine *e, struct lh_call *call,
                                 struct engine_connection **out, struct lh_error *err);
void engine_connection_free(struct engine_connection *c); /* gives it back */
LH_AUTO_DEFINE(engine_connection)
duckdb_connection engine_connection_handle(struct engine_connection *c);

/* Runs one trusted statement (of the work engine) and drops or returns its result (caller
 * duckdb_destroy_result). */
lh_status engine_run(struct engine_connection *c, const char *sql, duckdb_result *result,
                     struct lh_error *err);
lh_status engine_runf(struct engine_connection *c, struct lh_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Turns DuckDB's error into ours; `type` and `text` as duckdb_result_error_type and
 * duckdb_result_error give them. A store failure or the watchdog's verdict noted on the connection
 * goes first. `position` of a syntax error is put into extra. */
lh_status engine_error(struct engine_connection *c, duckdb_error_type type, const char *text,
                       struct lh_error *err);

/* Appends text as a quoted SQL literal or identifier. */
void engine_quote_literal(struct lh_buf *sql, lh_str s);
void engine_quote_name(struct lh_buf *sql, lh_str s);

#endif
