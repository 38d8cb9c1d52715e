/*
 * database: one DuckDB instance with every setting in place, for files of this folder.
 *
 * An instance of the query engine is locked before anybody else sees it. The generation is part of
 * the name of its spill folder, so that an instance that is still dying keeps its files to itself.
 */
#ifndef LH_ENGINE_DATABASE_H
#define LH_ENGINE_DATABASE_H

#include "engine/instance.h"

/* Bytes that the settings give this kind. */
uint64_t engine_memory_limit(enum lh_engine_kind kind, const struct lh_config *config);

lh_status engine_database_open(const struct lh_engine *e, unsigned generation, duckdb_database *out,
                               struct lh_error *err);

#endif
