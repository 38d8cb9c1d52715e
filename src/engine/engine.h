/*
 * engine: DuckDB instances of this process, and the only folder that knows duckdb.h.
 *
 * Two kinds. The *work* engine is trusted: it converts files in the spool folder and reads and
 * writes small tables; only statements written in this source run on it. The *query* engine runs
 * SQL of users: external access off, only lake:// allowed, configuration locked; names of datasets
 * resolve through the statement's own list (engine/sql.h) and nothing else.
 *
 * Both read `lake://<bucket>/<key>` ranges through store, by one C++ file (lake_fs.cc) that
 * registers a DuckDB file system. Header and library version are compared at open.
 *
 * Fails    with DuckDB's text: INVALID "sql.syntax" | "sql.binding" | "sql.conversion" …;
 *          TIMEOUT "sql.timeout"; CANCELED "sql.canceled"; NO_SPACE "engine.spill_full";
 *          TOO_BIG "engine.out_of_memory"; UNSUPPORTED "engine.version". A store failure inside a
 *          read comes out as the store said it (CORRUPT "store.checksum").
 * Threads  an engine may be used by all threads; a connection by one at a time.
 */
#ifndef LH_ENGINE_ENGINE_H
#define LH_ENGINE_ENGINE_H

#include "base/config.h"
#include "store/store.h"

extern const struct lh_config_key lh_engine_config[]; /* "engine.…": memory, threads, spill */

enum lh_engine_kind { LH_ENGINE_WORK, LH_ENGINE_QUERY };

struct lh_engine;

lh_status lh_engine_open(enum lh_engine_kind kind, const struct lh_config *config,
                         struct lh_store *store, struct lh_engine **out, struct lh_error *err);
void lh_engine_free(struct lh_engine *e);
LH_AUTO_DEFINE(lh_engine)

const char *lh_engine_version(void); /* "DuckDB 1.4.4" */

struct lh_engine_stats {
    uint64_t memory_bytes, memory_limit_bytes, spill_bytes, statements, running;
};
struct lh_engine_stats lh_engine_stats_get(struct lh_engine *e);

#endif
