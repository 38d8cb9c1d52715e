/*
 * exchange: one request on a socket and its answer, from the request line until the last byte has
 * left.
 *
 * The network thread opens it, then it or a worker runs it, and the network thread sends what came
 * out (flow.h). The objects are reused from request to request, so that a small request costs no
 * allocation of ours.
 *
 * Owns     its call (and with it the arena that holds the request), response, body and flow.
 * Threads  counted references: the connection's, the worker's, and for an instant the watcher's.
 *          The request itself belongs to the network thread until it is dispatched, then to the
 *          worker.
 */
#ifndef LH_NET_EXCHANGE_H
#define LH_NET_EXCHANGE_H

#include "net/connection.h"
#include "net/flow.h"
#include "net/server.h"
#include "net/watcher.h"
#include "net/workers.h"

struct MHD_Daemon;

/* The parts of a server that its exchanges use; server.c builds it. */
struct lh_server {
    char *name;
    const struct lh_router *router;
    lh_server_guard guard;
    lh_server_done done;
    lh_server_refuse refuse;
    void *self;
    struct net_flow_limits limits;
    uint64_t body_max, head_max;
    int64_t request_timeout_ms, drain_timeout_ms;
    struct net_traffic *traffic;
    struct net_connections *connections;
    struct net_workers *workers;
    struct net_watcher *watcher;
    struct MHD_Daemon *mhd;
    int listen_fd;
    int port;
    struct lh_buf address;
    atomic_bool is_draining;
    _Atomic uint64_t total;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t running; /* from request line to last byte */
    } requests;
    struct {
        pthread_mutex_t lock;
        struct net_exchange *first;
        size_t count;
    } spares;
};

/* What the network thread does with the exchange; nobody else looks at it. */
enum net_stage {
    NET_STAGE_OPEN,     /* the head has not been looked at */
    NET_STAGE_REFUSED,  /* the answer is there; what comes of the body is thrown away first */
    NET_STAGE_COLLECT,  /* the body goes to `body`, then the request is dispatched */
    NET_STAGE_PEEK,     /* a worker looks at the head; the body stays on the socket */
    NET_STAGE_STREAM,   /* the body goes through the flow */
    NET_STAGE_WAIT,     /* a worker has everything */
    NET_STAGE_ANSWERED, /* libmicrohttpd has the answer */
};

struct net_exchange {
    struct lh_call call;
    struct lh_request req;
    struct lh_response res;
    struct lh_match match; /* route NULL when none was found */
    struct net_flow flow;
    struct lh_buf body;
    int64_t body_length; /* -1: chunked */
    bool expects_continue;
    bool is_http_1_0;
    struct lh_server *server;
    struct net_connection *connection;
    enum net_stage stage;
    bool is_watched;
    bool is_dropping;  /* of STREAM: the rest of the body goes nowhere */
    bool is_lingering; /* answered with some of the body unread: the watcher closes */
    int64_t started_ns;
    char peer[64];
    struct net_job job;
    atomic_int refs;
    struct net_exchange *next_spare;
};

/* `target` is copied. One reference, for the caller. */
struct net_exchange *net_exchange_new(struct lh_server *server, struct net_connection *connection,
                                      struct MHD_Connection *mhd, lh_str target);
void net_exchange_ref(struct net_exchange *x);
void net_exchange_unref(struct net_exchange *x);
void net_exchange_spares_free(struct lh_server *server);

/* Reads head and route. A failure has not been answered yet. */
lh_status
net_exchange_open(struct net_exchange *x, lh_str method, lh_str version, struct lh_error *err);
/* The whole of a request that has its body or a source for it: guard, handler, answer, metrics. */
void net_exchange_run(struct net_exchange *x);
/* Answers with a failure in place of the handler. */
void net_exchange_refuse(struct net_exchange *x, const struct lh_error *err);
/* The client has gone, or the server stops. */
void net_exchange_cancel(struct net_exchange *x);

#endif
