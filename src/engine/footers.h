/*
 * footers: keeps DuckDB's cache of Parquet footers within a limit.
 *
 * DuckDB never drops a footer it has cached, and every commit brings new objects. So each object
 * has a place by the hash of its name, and the object that takes a place makes DuckDB forget the
 * footer of the one before.
 *
 * Limits   4,096 footers.
 * Threads  all functions from any thread.
 */
#ifndef LH_ENGINE_FOOTERS_H
#define LH_ENGINE_FOOTERS_H

#include <duckdb.h>

struct engine_footers;

struct engine_footers *engine_footers_new(void);
void engine_footers_free(struct engine_footers *f);

/* The object is being opened on this connection. */
void engine_footers_note(struct engine_footers *f, duckdb_connection connection, const char *uri);

#endif
