/*
 * target: the request target of RFC 9112 3.2 taken apart.
 *
 * Escapes are decoded once, here. A path keeps "%2F" as it stands, so that splitting it at '/'
 * gives the segments the client meant; a route parameter is decoded from the encoded segment
 * instead, so nothing is decoded twice.
 *
 * Fails    INVALID "request.target" for a bad escape, an escaped NUL, a target that is no path, or
 *          too many query parameters.
 */
#ifndef LH_NET_TARGET_H
#define LH_NET_TARGET_H

#include "net/http.h"

#define NET_TARGET_QUERY_MAX 256

/* Fills target, path and query of the request. `text` is borrowed and must live as long as the
 * request. */
lh_status
net_target_parse(struct lh_arena *arena, lh_str text, struct lh_request *req, struct lh_error *err);

enum net_target_decoding {
    NET_TARGET_ALL,        /* every escape */
    NET_TARGET_KEEP_SLASH, /* every escape but %2F */
    NET_TARGET_QUERY,      /* every escape, and '+' is a blank */
};

/* *out is `in` itself when nothing needs decoding. */
lh_status net_target_decode(struct lh_arena *arena, lh_str in, enum net_target_decoding how,
                            lh_str *out, struct lh_error *err);

#endif
