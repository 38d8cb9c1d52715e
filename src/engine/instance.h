/*
 * instance: the insides of an engine and of a connection, for files of this folder only.
 */
#ifndef LH_ENGINE_INSTANCE_H
#define LH_ENGINE_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>
#include "engine/connection.h"
#include "engine/lake_io.h"
#include "engine/search_scan.h"
#include "engine/watchdog.h"

struct engine_hot;
struct engine_sources;
struct engine_footers;
struct engine_verdicts;

struct lh_engine {
    enum lh_engine_kind kind;
    struct lh_store *store;
    const struct lh_config *config;
    uint64_t memory_limit_bytes;
    atomic_uint_fast64_t statements, running;
    atomic_bool is_broken; /* DuckDB refuses everything: the next statement revives the engine */
    pthread_mutex_t revive_lock; /* one revival at a time; taken before pool.lock */
    struct {
        pthread_mutex_t lock;
        duckdb_database db;
        unsigned generation; /* of db */
        struct engine_connection *idle;
        size_t idle_count;
    } pool;
    struct engine_hot *hot;
    struct engine_verdicts *verdicts;
    struct engine_footers *footers;
};

struct engine_connection {
    struct lh_engine *engine;
    duckdb_connection handle;
    unsigned generation; /* of the database it belongs to */
    struct engine_connection *next_idle;
    struct engine_reads reads;
    struct engine_watch watch;
    const struct engine_sources *sources; /* what names resolve to here; NULL: nothing */
    struct engine_searches searches;
};

/* A new database in place of a broken one. */
lh_status engine_revive(struct lh_engine *e, struct lh_error *err);
/* Closes the idle connections. */
void engine_pool_drain(struct lh_engine *e);

#endif
