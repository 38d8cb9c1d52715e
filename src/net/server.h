/*
 * server: HTTP/1.1 in front of a router.
 *
 * Two planes. Network threads (libmicrohttpd, epoll) only move bytes: they collect a body up to its
 * limit or hand it on through a bounded window, and suspend the connection while a worker runs the
 * handler. Workers are a bounded pool; when the queue is full the answer is 503 with Retry-After at
 * once. A watcher notices clients that hang up while a worker is busy for them and cancels their
 * call; one that has only closed its sending side has http.half_close_grace to get its answer.
 * LH_ROUTE_INLINE handlers run on the network thread.
 *
 * Limits   connections, connections per address, header bytes, body bytes, idle time, progress of
 *          bodies and answers, queue length, workers, time to drain; each has a config key and a
 *          metric.
 * Time     a request has http.request_timeout from the moment it is handed to a worker, unless its
 *          route is LH_ROUTE_LONG. Reading a streamed body heeds it; sending an answer does not,
 *          a slow reader is held to http.progress_min instead.
 * Stop     lh_server_drain: stops listening, lets running requests finish until the time is over,
 *          then cancels them.
 */
#ifndef LH_NET_SERVER_H
#define LH_NET_SERVER_H

#include "base/config.h"
#include "net/router.h"

extern const struct lh_config_key lh_server_config[]; /* "http.…" */

struct lh_server;

/* Runs around every request that found its route, on the thread that will run the handler:
 * authenticates, limits, answers CORS. Filling in call->principal is its main work; a failing
 * status answers instead of the handler. */
typedef lh_status (*lh_server_guard)(void *self, struct lh_call *call, struct lh_request *req,
                                     const struct lh_match *match, struct lh_response *res,
                                     struct lh_error *err);
/* After every request, before the last byte of its answer may leave, on the thread that ran the
 * handler (a network thread for LH_ROUTE_INLINE and refusals): for the access log and metrics of
 * the owner. Must not block. */
typedef void (*lh_server_done)(void *self, const struct lh_call *call, const struct lh_request *req,
                               const struct lh_response *res, int64_t elapsed_ns);

/* Says a failure in the server's own way, on the thread that met it; by then nothing has been
 * answered. */
typedef void (*lh_server_refuse)(void *self, const struct lh_call *call,
                                 const struct lh_request *req, const struct lh_error *err,
                                 struct lh_response *res);

struct lh_server_options {
    const char *name;   /* "gateway"; in logs and metrics */
    const char *listen; /* "127.0.0.1:3100", "[::1]:0" */
    const struct lh_router *router;
    const struct lh_config *config;
    lh_server_guard guard;   /* NULL: none */
    lh_server_done done;     /* NULL: none */
    lh_server_refuse refuse; /* NULL: lh_response_problem */
    void *self;              /* for all three */
};

/* Bound and answering when it returns OK. INVALID "server.listen" for a bad address, UNAVAILABLE
 * "server.bind" or "server.start". */
lh_status lh_server_start(const struct lh_server_options *options, struct lh_server **out,
                          struct lh_error *err);
int lh_server_port(const struct lh_server *s);
void lh_server_address(const struct lh_server *s, struct lh_buf *out); /* "127.0.0.1:43211" */
void lh_server_drain(struct lh_server *s, int64_t timeout_ms); /* negative: http.drain_timeout */
void lh_server_free(struct lh_server *s); /* drains with no patience if still running */

/* What /v1/status tells of it. */
struct lh_server_stats {
    uint64_t connections, requests_running, requests_queued, requests_total;
};
struct lh_server_stats lh_server_stats_get(const struct lh_server *s);

#endif
