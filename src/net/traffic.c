#include "net/traffic.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"

/* One combination of method and status that a route has answered; there are seldom more than three.
 */
struct outcome {
    struct outcome *next;
    enum lh_method method;
    int status;
    struct lh_metric *requests;
};

struct route_traffic {
    _Atomic(struct outcome *) outcomes;
    _Atomic(struct lh_metric *) seconds;
};

struct net_traffic {
    char *server;
    size_t route_count;
    struct route_traffic *routes; /* one more for requests without a route */
    struct lh_metric *in_bytes, *out_bytes, *gone, *queued, *running, *connections;
    struct lh_metric *refused[NET_REFUSED_COUNT];
};

static const char *const refused_names[NET_REFUSED_COUNT] = {
    [NET_REFUSED_QUEUE] = "queue",     [NET_REFUSED_BODY] = "body",
    [NET_REFUSED_HEADERS] = "headers", [NET_REFUSED_ADDRESS] = "address",
    [NET_REFUSED_STALLED] = "stalled", [NET_REFUSED_IDLE] = "idle",
};

struct net_traffic *
net_traffic_new(const char *server, size_t route_count)
{
    struct net_traffic *t = LH_NEW(struct net_traffic);

    t->server = lh_strdup(server);
    t->route_count = route_count;
    t->routes = lh_alloc_array(route_count + 1, sizeof(*t->routes));
    t->in_bytes = lh_counter("lakehouse_http_request_bytes_total", "Bytes of request bodies.",
                             "server", server, NULL);
    t->out_bytes = lh_counter("lakehouse_http_response_bytes_total", "Bytes of response bodies.",
                              "server", server, NULL);
    t->gone = lh_counter("lakehouse_http_clients_gone_total",
                         "Requests whose client left before its answer.", "server", server, NULL);
    t->queued = lh_gauge("lakehouse_http_queue_depth", "Requests that wait for a worker.", "server",
                         server, NULL);
    t->running = lh_gauge("lakehouse_http_workers_busy", "Workers that run a request.", "server",
                          server, NULL);
    t->connections =
        lh_gauge("lakehouse_http_connections", "Open connections.", "server", server, NULL);
    for (int i = 0; i < NET_REFUSED_COUNT; i++)
        t->refused[i] = lh_counter("lakehouse_http_refused_total",
                                   "Requests and connections refused or cut, by the limit.",
                                   "server,limit", server, refused_names[i], NULL);
    return t;
}

void
net_traffic_free(struct net_traffic *t)
{
    if (!t)
        return;
    for (size_t i = 0; i <= t->route_count; i++) {
        struct outcome *o = atomic_load(&t->routes[i].outcomes);

        while (o) {
            struct outcome *next = o->next;

            free(o);
            o = next;
        }
    }
    free(t->routes);
    free(t->server);
    free(t);
}

static struct outcome *
outcome_add(struct net_traffic *t, struct route_traffic *rt, const struct net_traffic_request *r)
{
    struct outcome *o = LH_NEW(struct outcome);
    char status[16];

    snprintf(status, sizeof(status), "%d", r->status);
    o->method = r->method;
    o->status = r->status;
    o->requests = lh_counter("lakehouse_http_requests_total", "Requests answered.",
                             "server,route,method,status", t->server, r->route,
                             lh_method_name(r->method), status, NULL);
    o->next = atomic_load_explicit(&rt->outcomes, memory_order_relaxed);
    /* Two threads may add the same outcome at once: both then point to the same series. */
    while (!atomic_compare_exchange_weak_explicit(&rt->outcomes, &o->next, o, memory_order_release,
                                                  memory_order_relaxed))
        ;
    return o;
}

static struct outcome *
outcome_get(struct net_traffic *t, struct route_traffic *rt, const struct net_traffic_request *r)
{
    struct outcome *o = atomic_load_explicit(&rt->outcomes, memory_order_acquire);

    while (o && (o->method != r->method || o->status != r->status))
        o = o->next;
    return o ? o : outcome_add(t, rt, r);
}

static struct lh_metric *
seconds_get(struct net_traffic *t, struct route_traffic *rt, const char *route)
{
    struct lh_metric *m = atomic_load_explicit(&rt->seconds, memory_order_acquire);

    if (!m) {
        m = lh_histogram("lakehouse_http_request_seconds", "From the request line to the answer.",
                         "server,route", t->server, route, NULL);
        atomic_store_explicit(&rt->seconds, m, memory_order_release);
    }
    return m;
}

void
net_traffic_request(struct net_traffic *t, const struct net_traffic_request *r)
{
    struct route_traffic *rt = &t->routes[r->index];

    lh_metric_add(outcome_get(t, rt, r)->requests, 1);
    lh_metric_observe_ns(seconds_get(t, rt, r->route), r->elapsed_ns);
    if (r->in_bytes)
        lh_metric_add(t->in_bytes, (int64_t)r->in_bytes);
    if (r->out_bytes)
        lh_metric_add(t->out_bytes, (int64_t)r->out_bytes);
}

void
net_traffic_refused(struct net_traffic *t, enum net_refused limit)
{
    lh_metric_add(t->refused[limit], 1);
}

void
net_traffic_gone(struct net_traffic *t)
{
    lh_metric_add(t->gone, 1);
}

struct lh_metric *
net_traffic_queued(struct net_traffic *t)
{
    return t->queued;
}

struct lh_metric *
net_traffic_running(struct net_traffic *t)
{
    return t->running;
}

struct lh_metric *
net_traffic_connections(struct net_traffic *t)
{
    return t->connections;
}
