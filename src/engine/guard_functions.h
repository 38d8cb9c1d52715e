/*
 * guard_functions: every function of DuckDB 1.4.4, looked at, and what it may be used for.
 *
 * The list names all functions the library has; guard_functions_test fails when the library has one
 * that the list does not, so that a newer DuckDB cannot bring a way out unseen. A function that is
 * on no list is not allowed.
 *
 * Threads  the table is built once, then only read.
 */
#ifndef LH_ENGINE_GUARD_FUNCTIONS_H
#define LH_ENGINE_GUARD_FUNCTIONS_H

#include "base/str.h"

#define GUARD_FUNCTIONS_VERSION "v1.4.4" /* of the library that was looked at */

enum {
    GUARD_USE_SCALAR = 1,
    GUARD_USE_AGGREGATE = 2,
    GUARD_USE_WINDOW = 4,
    GUARD_USE_TABLE = 8,
};

struct guard_function {
    lh_str name;
    unsigned use;    /* the places it may stand in; 0: none */
    const char *why; /* why it is not allowed, for people; NULL otherwise */
};

/* Whatever the case; NULL for a function that is not on the list. */
const struct guard_function *guard_function_find(lh_str name);

/* A view of DuckDB's own catalog that a plain name would reach before any dataset. */
bool guard_name_is_catalog_view(lh_str name);

#endif
