/*
 * near: names that somebody may have meant.
 *
 * Source   the edit distance of Levenshtein (insert, delete, replace) and Damerau (swap of
 *          neighbours), over bytes and without regard to ASCII case.
 */
#ifndef LH_SERVICES_QUERYD_NEAR_H
#define LH_SERVICES_QUERYD_NEAR_H

#include "base/str.h"

#define QUERY_NEAR_MAX 3

/* Fills `near` with at most QUERY_NEAR_MAX of the names, nearest first; returns how many. A name is
 * near within a third of the wanted one's length, and at least within two steps, or when one begins
 * with the other. */
size_t
query_near_find(lh_str wanted, const lh_str *names, size_t count, lh_str near[QUERY_NEAR_MAX]);

#endif
