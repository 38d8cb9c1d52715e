/*
 * pool: curl handles with their open connections, kept by origin.
 *
 * A handle is an easy handle and a multi handle of its own, whose connection cache keeps the
 * connection alive between requests. The one used last is given out first, so that few connections
 * stay warm and the others go stale and are closed.
 *
 * Fails    as the call does (CANCELED, TIMEOUT) when every handle of the origin is in use for too
 *          long.
 * Threads  all functions from any thread; a handle belongs to whoever took it.
 */
#ifndef LH_NET_POOL_H
#define LH_NET_POOL_H

#include <curl/curl.h>
#include "net/call.h"

struct net_pool;

struct net_handle {
    CURL *easy;
    CURLM *multi;
    struct net_origin *origin;
    struct net_handle *next;
};

struct net_pool *net_pool_new(size_t max_per_origin);
void net_pool_free(struct net_pool *p);

/* `url` decides the origin: everything before its path. Waits for a place when there are too many.
 */
lh_status net_pool_take(struct net_pool *p, struct lh_call *call, const char *url,
                        struct net_handle **out, struct lh_error *err);
/* `keep` false closes its connection: after a failure nobody knows what it still holds. */
void net_pool_give(struct net_pool *p, struct net_handle *h, bool keep);

#endif
