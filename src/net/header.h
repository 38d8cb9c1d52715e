/*
 * header: lists of header fields, and what may stand in one.
 *
 * Source   RFC 9110 5.1 (names), 5.5 (values), 7.6.1 (hop-by-hop fields).
 */
#ifndef LH_NET_HEADER_H
#define LH_NET_HEADER_H

#include "net/http.h"

/* The first value of that name, ignoring case; ptr NULL when absent. */
lh_str net_header_find(const struct lh_header *headers, size_t count, const char *name);
bool net_header_is_token(lh_str name);
/* A copy whose control characters, CR and LF among them, are blanks: the value cannot end its line.
 */
lh_str net_header_value_safe(struct lh_arena *arena, lh_str value);
/* Fields that belong to one connection only, among them those that `connection` (the value of
 * Connection) names. */
bool net_header_is_hop_by_hop(lh_str name, lh_str connection);
/* True when the comma-separated list holds the token, ignoring case. */
bool net_header_list_has(lh_str list, lh_str token);

#endif
