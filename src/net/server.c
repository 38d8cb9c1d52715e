#include "net/server.h"

#include <stdlib.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"
#include "net/exchange.h"
#include "net/listener.h"
#include "net/network.h"

/* After the handlers have ended, the network threads get this long to send what they left. */
#define FLUSH_MS 1000

#define MS_PER_DAY (24LL * 60 * 60 * 1000)

const struct lh_config_key lh_server_config[] = {
    {.name = "http.threads",
     .kind = LH_CONFIG_I64,
     .def = "0",
     .min = 0,
     .max = 64,
     .doc = "Network threads; 0 takes one for each core, up to 4."},
    {.name = "http.workers",
     .kind = LH_CONFIG_I64,
     .def = "16",
     .min = 1,
     .max = 1024,
     .doc = "Threads that run request handlers."},
    {.name = "http.queue_length",
     .kind = LH_CONFIG_I64,
     .def = "256",
     .min = 0,
     .max = 1000000,
     .doc = "Requests that may wait for a worker; more are answered 503."},
    {.name = "http.body_max",
     .kind = LH_CONFIG_SIZE,
     .def = "16MiB",
     .min = 1024,
     .max = INT64_C(1) << 40,
     .doc = "Largest body of a request that is not streamed."},
    {.name = "http.header_max",
     .kind = LH_CONFIG_SIZE,
     .def = "16KiB",
     .min = 2048,
     .max = 1 << 20,
     .doc = "Largest head of a request: request line and header fields."},
    {.name = "http.connections_max",
     .kind = LH_CONFIG_I64,
     .def = "4096",
     .min = 8,
     .max = 1000000,
     .doc = "Open connections of one server; more wait to be accepted."},
    {.name = "http.connections_per_address",
     .kind = LH_CONFIG_I64,
     .def = "0",
     .min = 0,
     .max = 1000000,
     .doc = "Open connections from one address; 0 sets no limit."},
    {.name = "http.idle_timeout",
     .kind = LH_CONFIG_DURATION,
     .def = "60s",
     .min = 1000,
     .max = MS_PER_DAY,
     .doc = "A connection on which nothing moves is closed after this long, and so is one whose "
            "request head takes longer."},
    {.name = "http.stall_timeout",
     .kind = LH_CONFIG_DURATION,
     .def = "30s",
     .min = 100,
     .max = MS_PER_DAY,
     .doc = "A body or an answer must move http.progress_min bytes within this time of waiting."},
    {.name = "http.progress_min",
     .kind = LH_CONFIG_SIZE,
     .def = "4KiB",
     .min = 1,
     .max = 1 << 30,
     .doc = "Bytes that count as progress of a body or an answer."},
    {.name = "http.half_close_grace",
     .kind = LH_CONFIG_DURATION,
     .def = "200ms",
     .min = 0,
     .max = MS_PER_DAY,
     .doc = "How long a request runs on after its client has closed its sending side."},
    {.name = "http.request_timeout",
     .kind = LH_CONFIG_DURATION,
     .def = "30s",
     .min = 1,
     .max = MS_PER_DAY,
     .doc = "Time for one request, except where a call is meant to take long."},
    {.name = "http.drain_timeout",
     .kind = LH_CONFIG_DURATION,
     .def = "10s",
     .min = 0,
     .max = MS_PER_DAY,
     .doc = "How long a stopping server waits for running requests before it cancels them."},
    {0},
};

static void
exchange_ref(void *x)
{
    net_exchange_ref(x);
}

static void
exchange_unref(void *x)
{
    net_exchange_unref(x);
}

static void
exchange_gone(void *watched)
{
    struct net_exchange *x = watched;

    /* A draining server sends everybody home; nobody left. */
    if (!atomic_load_explicit(&x->server->is_draining, memory_order_relaxed))
        net_traffic_gone(x->server->traffic);
    net_exchange_cancel(x);
}

static void
server_sweep(void *self)
{
    struct lh_server *s = self;

    net_connections_sweep(s->connections);
}

static struct lh_server *
server_new(const struct lh_server_options *o)
{
    struct lh_server *s = LH_NEW(struct lh_server);
    const struct lh_config *c = o->config;

    s->name = lh_strdup(o->name);
    s->router = o->router;
    s->guard = o->guard;
    s->done = o->done;
    s->refuse = o->refuse;
    s->self = o->self;
    s->listen_fd = -1;
    s->body_max = lh_config_size(c, "http.body_max");
    s->head_max = lh_config_size(c, "http.header_max");
    s->request_timeout_ms = lh_config_ms(c, "http.request_timeout");
    s->drain_timeout_ms = lh_config_ms(c, "http.drain_timeout");
    s->limits.stall_ms = lh_config_ms(c, "http.stall_timeout");
    s->limits.progress_min = lh_config_size(c, "http.progress_min");
    lh_buf_init(&s->address, 128);
    pthread_mutex_init(&s->requests.lock, NULL);
    lh_cond_init(&s->requests.changed);
    pthread_mutex_init(&s->spares.lock, NULL);
    s->traffic = net_traffic_new(o->name, lh_router_count(o->router));
    s->connections = net_connections_new(&(struct net_connections_options){
        .per_address_max = (size_t)lh_config_i64(c, "http.connections_per_address"),
        .idle_ms = lh_config_ms(c, "http.idle_timeout"),
        .stall_ms = s->limits.stall_ms,
        .progress_min = s->limits.progress_min,
        .traffic = s->traffic,
    });
    return s;
}

static lh_status
server_open(struct lh_server *s, const struct lh_server_options *o, struct lh_error *err)
{
    struct net_workers_options workers = {
        .name = "http-work",
        .threads = (size_t)lh_config_i64(o->config, "http.workers"),
        .queue_max = (size_t)lh_config_i64(o->config, "http.queue_length"),
        .queued = net_traffic_queued(s->traffic),
        .running = net_traffic_running(s->traffic),
    };
    struct net_watcher_options watcher = {
        .grace_ms = lh_config_ms(o->config, "http.half_close_grace"),
        .ref = exchange_ref,
        .unref = exchange_unref,
        .gone = exchange_gone,
        .tick = server_sweep,
        .self = s,
    };

    LH_TRY(net_listener_open(o->listen, &s->listen_fd, err));
    s->port = net_listener_port(s->listen_fd);
    net_listener_address(s->listen_fd, &s->address);
    LH_TRY(net_watcher_start(&watcher, &s->watcher, err));
    LH_TRY(net_workers_start(&workers, &s->workers, err));
    return net_network_start(s, o->config, err);
}

lh_status
lh_server_start(const struct lh_server_options *options, struct lh_server **out,
                struct lh_error *err)
{
    struct lh_server *s = server_new(options);
    lh_status status = server_open(s, options, err);

    if (status != LH_OK) {
        lh_server_free(s);
        return status;
    }
    *out = s;
    return LH_OK;
}

int
lh_server_port(const struct lh_server *s)
{
    return s->port;
}

void
lh_server_address(const struct lh_server *s, struct lh_buf *out)
{
    lh_buf_add_str(out, lh_buf_str(&s->address));
}

static bool
requests_end_by(struct lh_server *s, int64_t mono_ms)
{
    LH_AUTO_LOCK(&s->requests.lock);

    while (s->requests.running > 0) {
        if (!lh_cond_wait_until(&s->requests.changed, &s->requests.lock, mono_ms))
            return s->requests.running == 0;
    }
    return true;
}

/*
 * Order: no new connections; running requests may finish, and each answer closes its connection;
 * what still runs is cancelled; the workers end, after which nothing is suspended; the network
 * threads end last.
 */
void
lh_server_drain(struct lh_server *s, int64_t timeout_ms)
{
    if (!s->mhd)
        return;
    if (timeout_ms < 0)
        timeout_ms = s->drain_timeout_ms;
    atomic_store(&s->is_draining, true);
    net_network_quiesce(s);
    requests_end_by(s, lh_time_mono_ms() + timeout_ms);
    net_workers_close(s->workers);
    net_watcher_gone_all(s->watcher);
    net_workers_join(s->workers);
    requests_end_by(s, lh_time_mono_ms() + FLUSH_MS);
    net_network_stop(s);
}

void
lh_server_free(struct lh_server *s)
{
    if (!s)
        return;
    lh_server_drain(s, 0);
    net_workers_free(s->workers);
    net_watcher_free(s->watcher);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    net_exchange_spares_free(s);
    net_connections_free(s->connections);
    net_traffic_free(s->traffic);
    lh_buf_fini(&s->address);
    pthread_mutex_destroy(&s->spares.lock);
    pthread_cond_destroy(&s->requests.changed);
    pthread_mutex_destroy(&s->requests.lock);
    free(s->name);
    free(s);
}

struct lh_server_stats
lh_server_stats_get(const struct lh_server *s)
{
    return (struct lh_server_stats){
        .connections = net_connections_count(s->connections),
        .requests_running = (uint64_t)lh_metric_value(net_traffic_running(s->traffic)),
        .requests_queued = (uint64_t)lh_metric_value(net_traffic_queued(s->traffic)),
        .requests_total = atomic_load_explicit(&s->total, memory_order_relaxed),
    };
}
