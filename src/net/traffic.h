/*
 * traffic: the metrics of one server.
 *
 * Every series is looked up once and then found without a lock: a request costs a few relaxed
 * additions. Routes are counted by their pattern, never by the path a client sent.
 *
 * Threads  all of them.
 */
#ifndef LH_NET_TRAFFIC_H
#define LH_NET_TRAFFIC_H

#include "base/metrics.h"
#include "net/http.h"

struct net_traffic;

struct net_traffic *net_traffic_new(const char *server, size_t route_count);
void net_traffic_free(struct net_traffic *t);

/* What NET_REFUSED counts, by the limit that was hit. */
enum net_refused {
    NET_REFUSED_QUEUE,
    NET_REFUSED_BODY,
    NET_REFUSED_HEADERS,
    NET_REFUSED_ADDRESS,
    NET_REFUSED_STALLED,
    NET_REFUSED_IDLE,
    NET_REFUSED_COUNT
};

struct net_traffic_request {
    size_t index;      /* of the route, or route_count for none */
    const char *route; /* its pattern */
    enum lh_method method;
    int status;
    int64_t elapsed_ns;
    uint64_t in_bytes, out_bytes;
};

void net_traffic_request(struct net_traffic *t, const struct net_traffic_request *r);
void net_traffic_refused(struct net_traffic *t, enum net_refused limit);
/* A client left before its answer. */
void net_traffic_gone(struct net_traffic *t);

/* Gauges that the owner moves. */
struct lh_metric *net_traffic_queued(struct net_traffic *t);
struct lh_metric *net_traffic_running(struct net_traffic *t);
struct lh_metric *net_traffic_connections(struct net_traffic *t);

#endif
