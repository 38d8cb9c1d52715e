/*
 * search_scan: the table functions of search.h, for files of this folder only.
 */
#ifndef LH_ENGINE_SEARCH_SCAN_H
#define LH_ENGINE_SEARCH_SCAN_H

#include <duckdb.h>
#include "engine/search.h"

/* What a connection's statement may search; NULL provider: nothing. */
struct engine_searches {
    const struct lh_search_provider *provider;
    size_t count;
};

/* Once for each query engine. */
lh_status engine_search_register(duckdb_connection connection, struct lh_error *err);

#endif
