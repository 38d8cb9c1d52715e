/*
 * bridge: from DuckDB's ClientContext to our connection. C++ files of this folder only.
 */
#ifndef LH_ENGINE_BRIDGE_HPP
#define LH_ENGINE_BRIDGE_HPP

#include "duckdb/main/client_context.hpp"
#include "duckdb/main/database.hpp"
#include "engine/lake_fs.h"

namespace lakehouse
{

/* The connection a context belongs to; nullptr for DuckDB's internal ones. */
engine_connection *ConnectionOf(duckdb::optional_ptr<duckdb::ClientContext> context);
engine_reads *ReadsOf(duckdb::optional_ptr<duckdb::ClientContext> context);

/* Makes our scan the only one: names of files are no tables here. */
void RegisterReplacement(duckdb::DatabaseInstance &instance);

} // namespace lakehouse

#endif
