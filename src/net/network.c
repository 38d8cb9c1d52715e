/*
 * A request comes as a series of calls to on_request: one for the head, one for each piece of the
 * body, and one when all of it is there. Only at the first and the last of them does libmicrohttpd
 * accept an answer, and an answer at the first closes the connection, since the body is still to
 * come. Hence the stages:
 *
 *     OPEN ─► REFUSED ──────────────────────────┐
 *       ├───► COLLECT ─► (run inline) ──────────┤
 *       │           └──► WAIT ──────────────────┼─► ANSWERED
 *       └───► PEEK ────► STREAM ─► WAIT ────────┘
 *
 * A long upload that its handler streams begins with PEEK: the worker starts on the head alone, so
 * that it may refuse (no token, bad name) before `100 Continue` invites gigabytes. When a handler
 * is done in the middle of STREAM, the answer is written to the socket past libmicrohttpd (nothing
 * of ours is in its buffers then), and the watcher lingers.
 */
#include "net/network.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/thread.h"
#include "base/time.h"

#define STREAM_BLOCK_BYTES ((size_t)64 << 10)
/* A body up to here is not worth a decision of its own: it is read before its worker starts, and
 * before a refusal, which keeps the connection. It must fit the window of a flow. */
#define SHORT_BODY_BYTES ((int64_t)64 << 10)
#define SHORT_ANSWER_BYTES ((size_t)16 << 10)

/* ---- answers ---- */

static ssize_t
answer_read(void *cls, uint64_t pos, char *to, size_t max)
{
    struct net_exchange *x = cls;
    ssize_t n = net_flow_answer_take(&x->flow, to, max);

    (void)pos;
    if (n == -1)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == -2)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    return n;
}

static struct MHD_Response *
response_make(struct net_exchange *x)
{
    struct net_answer *a = &x->flow.answer;
    uint64_t length = a->length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)a->length;
    struct MHD_Response *r;

    if (x->res.is_head)
        return MHD_create_response_from_callback(length, 1, answer_read, x, NULL);
    switch (a->kind) {
    case NET_ANSWER_STREAM:
        return MHD_create_response_from_callback(length, STREAM_BLOCK_BYTES, answer_read, x, NULL);
    case NET_ANSWER_FILE:
        r = MHD_create_response_from_fd_at_offset64(length, a->fd, a->offset);
        if (r)
            a->fd = -1;
        return r;
    default:
        /* The exchange outlives the response: no copy. */
        return MHD_create_response_from_buffer(a->whole.len, a->whole.data, MHD_RESPMEM_PERSISTENT);
    }
}

static void
headers_add(struct net_exchange *x, struct MHD_Response *r)
{
    for (size_t i = 0; i < x->res.header_count; i++) {
        /* Both end with NUL (lh_response_header). An empty value is refused, and says nothing
         * anyway. */
        (void)MHD_add_response_header(r, x->res.headers[i].name.ptr, x->res.headers[i].value.ptr);
    }
    MHD_add_response_header(r, "X-Trace-Id", x->call.trace.trace_id);
    if (atomic_load_explicit(&x->server->is_draining, memory_order_relaxed))
        MHD_add_response_header(r, "Connection", "close");
}

static enum MHD_Result
answer_send(struct net_exchange *x)
{
    struct net_answer *a = &x->flow.answer;
    struct MHD_Response *r;
    enum MHD_Result result;

    x->stage = NET_STAGE_ANSWERED;
    /* It broke before anything was sent, but the handler had begun: nobody shall take half for
     * whole. */
    if (a->kind == NET_ANSWER_NONE || (a->kind != NET_ANSWER_STREAM && a->is_broken))
        return MHD_NO;
    r = response_make(x);
    if (!r)
        return MHD_NO;
    headers_add(x, r);
    result = MHD_queue_response(x->flow.mhd, (unsigned)a->status, r);
    MHD_destroy_response(r);
    return result;
}

static void
linger(struct net_exchange *x)
{
    int fd = fcntl(net_connection_fd(x->connection), F_DUPFD_CLOEXEC, 0);

    if (fd >= 0)
        net_watcher_linger(x->server->watcher, fd);
}

static void
short_answer_print(struct net_exchange *x, struct lh_buf *out)
{
    const struct net_answer *a = &x->flow.answer;
    char date[LH_TIME_HTTP_MAX];

    lh_buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", a->status,
                  MHD_get_reason_phrase_for((unsigned)a->status),
                  lh_time_format_http(lh_time_now_us(), date));
    for (size_t i = 0; i < x->res.header_count; i++)
        lh_buf_printf(out, "%.*s: %.*s\r\n", LH_FMT(x->res.headers[i].name),
                      LH_FMT(x->res.headers[i].value));
    lh_buf_printf(out, "X-Trace-Id: %s\r\nContent-Length: %zu\r\n\r\n", x->call.trace.trace_id,
                  a->whole.len);
    lh_buf_add(out, a->whole.data, a->whole.len);
}

/* Answers in the middle of a body and gives the connection up. Whether all of it fits the socket's
 * buffer does not matter much: the connection ends either way. */
static enum MHD_Result
short_answer_send(struct net_exchange *x)
{
    LH_AUTO_BUF(text, SHORT_ANSWER_BYTES + NET_FLOW_WINDOW_BYTES);

    x->stage = NET_STAGE_ANSWERED;
    if (x->flow.answer.is_broken)
        return MHD_NO;
    x->is_lingering = true;
    short_answer_print(x, &text);
    (void)!send(net_connection_fd(x->connection), text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return MHD_NO;
}

/* ---- steps ---- */

static enum MHD_Result
worker_await(struct net_exchange *x)
{
    switch (net_flow_next(&x->flow)) {
    case NET_FLOW_BODY:
        x->stage = NET_STAGE_STREAM;
        net_connection_phase(x->connection, NET_PHASE_BUSY);
        return MHD_YES;
    case NET_FLOW_ANSWER:
        x->is_lingering = x->stage == NET_STAGE_PEEK;
        return answer_send(x);
    default:
        return MHD_YES;
    }
}

static void
job_run(struct net_job *job)
{
    struct net_exchange *x =
        (struct net_exchange *)((char *)job - offsetof(struct net_exchange, job));

    net_exchange_run(x);
    net_exchange_unref(x);
}

static void
busy_refuse(struct net_exchange *x)
{
    LH_AUTO_ERROR(err);

    net_traffic_refused(x->server->traffic, NET_REFUSED_QUEUE);
    lh_fail(&err, LH_BUSY, "net.busy", "every worker is busy and the queue is full");
    net_exchange_refuse(x, &err);
}

static enum MHD_Result
dispatch(struct net_exchange *x, enum net_stage stage)
{
    struct lh_server *s = x->server;

    x->stage = stage;
    net_connection_phase(x->connection, NET_PHASE_BUSY);
    if (!(x->match.route->flags & LH_ROUTE_LONG))
        x->call.deadline_ms = lh_time_mono_ms() + s->request_timeout_ms;
    if (x->match.route->flags & LH_ROUTE_INLINE) {
        x->flow.is_inline = true;
        net_exchange_run(x);
        return answer_send(x);
    }
    x->job.run = job_run;
    net_watcher_add(s->watcher, net_connection_fd(x->connection), x);
    x->is_watched = true;
    net_exchange_ref(x);
    if (!net_workers_push(s->workers, &x->job)) {
        net_exchange_unref(x);
        busy_refuse(x);
    }
    /*
     * With the whole request there, libmicrohttpd asks again at once, and a quick handler may have
     * answered by then. It must ask again before it may be suspended: a connection that is
     * suspended while it counts as reading is read from when it resumes, and a FIN found there
     * closes it before its answer is sent.
     */
    return stage == NET_STAGE_WAIT ? MHD_YES : worker_await(x);
}

static bool
body_is_short(const struct net_exchange *x)
{
    return x->body_length >= 0 && x->body_length <= SHORT_BODY_BYTES && !x->expects_continue;
}

static enum MHD_Result
head_refuse(struct net_exchange *x, const struct lh_error *err)
{
    x->stage = NET_STAGE_REFUSED;
    net_connection_phase(x->connection, NET_PHASE_BODY);
    net_exchange_refuse(x, err);
    if (body_is_short(x) && !lh_error_is(err, "request.framing"))
        return MHD_YES;
    x->is_lingering = true;
    return answer_send(x);
}

static enum MHD_Result
head_handle(struct net_exchange *x, const char *method, const char *version)
{
    LH_AUTO_ERROR(err);

    if (net_exchange_open(x, lh_str_of(method), lh_str_of(version), &err) != LH_OK)
        return head_refuse(x, &err);
    if (x->match.route->flags & LH_ROUTE_STREAMS_BODY) {
        x->req.body = net_flow_source(&x->flow, x->body_length);
        if (!body_is_short(x))
            return dispatch(x, NET_STAGE_PEEK);
    }
    lh_buf_init(&x->body, x->flow.body_max ? x->flow.body_max : 1);
    x->stage = NET_STAGE_COLLECT;
    net_connection_phase(x->connection, NET_PHASE_BODY);
    return MHD_YES;
}

static enum MHD_Result
body_collect(struct net_exchange *x, const char *data, size_t *size)
{
    LH_AUTO_ERROR(err);

    if (x->req.body.read)
        net_flow_body_put(&x->flow, data, *size); /* short, so it fits */
    else
        lh_buf_add(&x->body, data, *size);
    net_connection_moved(x->connection, *size);
    *size = 0;
    if (!x->body.is_failed)
        return MHD_YES;
    net_traffic_refused(x->server->traffic, NET_REFUSED_BODY);
    lh_fail(&err, LH_TOO_BIG, "request.too_big", "the body is larger than %llu bytes",
            (unsigned long long)x->flow.body_max);
    net_exchange_refuse(x, &err);
    return short_answer_send(x);
}

static enum MHD_Result
body_stream(struct net_exchange *x, const char *data, size_t *size)
{
    if (net_flow_is_cut_short(&x->flow))
        return short_answer_send(x);
    if (!x->is_dropping && net_flow_is_body_dropped(&x->flow)) {
        /* From here on no worker minds that the body moves. */
        x->is_dropping = true;
        net_connection_phase(x->connection, NET_PHASE_BODY);
    }
    net_connection_moved(x->connection, *size);
    *size -= net_flow_body_put(&x->flow, data, *size);
    return MHD_YES;
}

static enum MHD_Result
body_handle(struct net_exchange *x, const char *data, size_t *size)
{
    switch (x->stage) {
    case NET_STAGE_COLLECT:
        return body_collect(x, data, size);
    case NET_STAGE_STREAM:
        return body_stream(x, data, size);
    default:
        net_connection_moved(x->connection, *size);
        *size = 0;
        return MHD_YES;
    }
}

static enum MHD_Result
end_handle(struct net_exchange *x)
{
    switch (x->stage) {
    case NET_STAGE_COLLECT:
        net_flow_body_end(&x->flow);
        x->req.body_bytes = lh_buf_bytes(&x->body);
        return dispatch(x, NET_STAGE_WAIT);
    case NET_STAGE_STREAM:
        net_flow_body_end(&x->flow);
        x->stage = NET_STAGE_WAIT;
        return MHD_YES;
    case NET_STAGE_REFUSED:
        return answer_send(x);
    default:
        return MHD_YES;
    }
}

/* ---- called by libmicrohttpd ---- */

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
           const char *version, const char *data, size_t *size, void **context)
{
    struct net_exchange *x = *context;

    (void)cls;
    (void)mhd;
    (void)url;
    if (!x)
        return MHD_NO;
    if (x->stage == NET_STAGE_OPEN)
        return head_handle(x, method, version);
    if (x->stage == NET_STAGE_PEEK || x->stage == NET_STAGE_WAIT)
        return worker_await(x);
    return *size > 0 ? body_handle(x, data, size) : end_handle(x);
}

static struct net_connection *
connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* The first sign of a request. What is returned becomes its context. */
static void *
on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct lh_server *s = cls;
    struct net_connection *c = connection_of(mhd);

    if (!c)
        return NULL;
    pthread_mutex_lock(&s->requests.lock);
    s->requests.running++;
    pthread_mutex_unlock(&s->requests.lock);
    atomic_fetch_add_explicit(&s->total, 1, memory_order_relaxed);
    return net_exchange_new(s, c, mhd, lh_str_of(target));
}

static void
on_completed(void *cls, struct MHD_Connection *mhd, void **context,
             enum MHD_RequestTerminationCode code)
{
    struct lh_server *s = cls;
    struct net_exchange *x = *context;

    (void)mhd;
    if (!x)
        return;
    *context = NULL;
    if (x->is_watched)
        net_watcher_remove(s->watcher, net_connection_fd(x->connection), x);
    if (net_flow_gone(&x->flow))
        net_exchange_cancel(x);
    if (x->is_lingering)
        linger(x);
    else if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        /* libmicrohttpd 0.9.75 forgets to close after a chunked answer that broke off; this event
         * reminds it. */
        shutdown(net_connection_fd(x->connection), SHUT_RDWR);
    net_connection_phase(x->connection, NET_PHASE_HEAD);
    net_exchange_unref(x);
    pthread_mutex_lock(&s->requests.lock);
    if (--s->requests.running == 0)
        pthread_cond_broadcast(&s->requests.changed);
    pthread_mutex_unlock(&s->requests.lock);
}

static const struct sockaddr *
address_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return info ? info->client_addr : NULL;
}

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context,
              enum MHD_ConnectionNotificationCode code)
{
    struct lh_server *s = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

        if (info)
            *context = net_connection_open(s->connections, info->connect_fd, address_of(mhd));
    } else if (*context) {
        net_connection_close(*context);
        *context = NULL;
    }
}

static enum MHD_Result
on_accept(void *cls, const struct sockaddr *address, socklen_t length)
{
    struct lh_server *s = cls;

    (void)length;
    return net_connections_admit(s->connections, address) ? MHD_YES : MHD_NO;
}

/* Escapes are target.c's business. */
static size_t
on_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* ---- the daemon ---- */

static unsigned
thread_count(const struct lh_config *config)
{
    int64_t wanted = lh_config_i64(config, "http.threads");
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (wanted > 0)
        return (unsigned)wanted;
    return cores < 1 ? 1 : cores > 4 ? 4 : (unsigned)cores;
}

static struct MHD_Daemon *
daemon_start(struct lh_server *s, const struct lh_config *config)
{
    unsigned threads = thread_count(config);
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_TURBO;
    struct MHD_OptionItem pool[] = {
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(
        flags, 0, on_accept, s, on_request, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape,
        s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)lh_config_i64(config, "http.connections_max"),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(lh_config_ms(config, "http.idle_timeout") / 1000),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)s->head_max * 2, MHD_OPTION_ARRAY, pool,
        MHD_OPTION_END);
}

lh_status
net_network_start(struct lh_server *s, const struct lh_config *config, struct lh_error *err)
{
    sigset_t all, before;

    /* Signals are for the main thread; new threads inherit the mask. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->mhd = daemon_start(s, config);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (s->mhd)
        return LH_OK;
    /* Closed by libmicrohttpd or not, depending on how far it came: closing twice would be worse.
     */
    s->listen_fd = -1;
    return lh_fail(err, LH_UNAVAILABLE, "server.start", "cannot start the network threads");
}

void
net_network_quiesce(struct lh_server *s)
{
    /* The network threads may look at the descriptor until they have ended, so it is closed after
     * them; what makes clients hear "refused" from now on is the shutdown. */
    (void)MHD_quiesce_daemon(s->mhd);
    shutdown(s->listen_fd, SHUT_RDWR);
}

void
net_network_stop(struct lh_server *s)
{
    MHD_stop_daemon(s->mhd);
    s->mhd = NULL;
    close(s->listen_fd);
    s->listen_fd = -1;
}
