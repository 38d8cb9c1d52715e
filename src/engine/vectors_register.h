/*
 * vectors_register: what database.c needs of vectors.c.
 */
#ifndef LH_ENGINE_VECTORS_REGISTER_H
#define LH_ENGINE_VECTORS_REGISTER_H

#include <duckdb.h>
#include "base/status.h"

/* The table function that vectors.c writes through, on the work engine only. */
lh_status engine_vectors_register(duckdb_connection connection, struct lh_error *err);

#endif
