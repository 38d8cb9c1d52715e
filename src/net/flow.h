/*
 * flow: the two-way passage between the network thread that owns a connection and the worker that
 * handles its request.
 *
 * The network thread never waits. When it has nothing to do for a connection until the worker
 * moves, it suspends the connection and notes what for; the worker, once that has come true,
 * resumes it. Both happen under the one lock, so a resume can never overtake its suspend, and the
 * connection is alive whenever it is suspended: libmicrohttpd neither times out nor closes a
 * suspended connection.
 *
 *   body      network ── net_flow_body_put ──► window ── source.read ──► worker
 *   answer    worker ── sink.write ──► window, buffer or file ── net_flow_answer_take ──► network
 *
 * HTTP/1.1 as libmicrohttpd speaks it is half duplex: an answer leaves when the request has been
 * read. A handler that answers more than a window while it has not read its body to the end gives
 * up the rest of the body: it is thrown away.
 *
 * An answer known to be short is collected whole and sent in one piece; a longer one streams
 * through the window; a file that is the whole answer goes out by sendfile(2).
 *
 * Fails    the worker's calls: CANCELED "call.canceled" | "net.reset" (the client has gone),
 *          TIMEOUT "call.deadline" (reading only) | "net.stalled" (too few bytes within stall_ms),
 *          TOO_BIG "request.too_big", BUG "request.body_dropped".
 * Threads  one network thread and one worker; net_flow_wake from anywhere.
 */
#ifndef LH_NET_FLOW_H
#define LH_NET_FLOW_H

#include <pthread.h>
#include "net/http.h"
#include "net/window.h"

#define NET_FLOW_WINDOW_BYTES ((size_t)256 << 10)
#define NET_FLOW_INLINE_MAX ((size_t)64 << 20)

struct MHD_Connection;

struct net_flow_limits {
    int64_t stall_ms;
    uint64_t progress_min; /* bytes within stall_ms */
};

enum net_answer_kind { NET_ANSWER_NONE, NET_ANSWER_WHOLE, NET_ANSWER_STREAM, NET_ANSWER_FILE };

struct net_answer {
    enum net_answer_kind kind;
    int status;
    int64_t length; /* -1: chunked */
    struct lh_buf whole;
    int fd;
    uint64_t offset;
    bool is_broken;
};

/* What the network thread should do next. */
enum net_flow_next {
    NET_FLOW_WAIT,   /* nothing: the connection is suspended */
    NET_FLOW_BODY,   /* bring the body */
    NET_FLOW_ANSWER, /* send the answer */
};

/* What a suspended connection waits for. */
enum net_flow_waits_for {
    NET_FLOW_FOR_NOTHING,
    NET_FLOW_FOR_WORKER,
    NET_FLOW_FOR_ROOM,
    NET_FLOW_FOR_OUTPUT
};

struct net_flow {
    struct MHD_Connection *mhd;
    const struct lh_call *call;
    struct net_flow_limits limits;
    uint64_t body_max;
    bool is_inline; /* the handler runs on the network thread: answers are collected whole */
    struct net_answer answer;
    struct net_patience {
        int64_t waited_ms; /* since progress was last enough */
        uint64_t moved;
    } reading, writing; /* the worker's */
    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        enum net_flow_waits_for suspended_for;
        bool is_gone;         /* the connection has ended */
        bool is_body_wanted;  /* the handler has begun to read */
        bool is_body_ended;   /* all of it is in the window or beyond */
        bool is_body_dropped; /* nobody wants the rest */
        bool is_body_too_big;
        bool is_answer_ready; /* the network thread may send what there is */
        bool is_answer_ended;
        uint64_t body_bytes; /* brought so far */
        struct net_window in, out;
    } state;
};

void net_flow_init(struct net_flow *f);
void net_flow_fini(struct net_flow *f);
/* Ready for another request; keeps small buffers. Nobody may be using it. */
void net_flow_reset(struct net_flow *f);

/* ---- network side ---- */

/* Suspends the connection when there is nothing to do but wait for the worker. */
enum net_flow_next net_flow_next(struct net_flow *f);
/* Takes what there is room for; suspends the connection when that is not all. */
size_t net_flow_body_put(struct net_flow *f, const void *from, size_t n);
void net_flow_body_end(struct net_flow *f);
/* Whether a short answer is there before its body is. */
bool net_flow_is_cut_short(struct net_flow *f);
/* Whether the handler has done with the body, so that the rest of it is thrown away. */
bool net_flow_is_body_dropped(struct net_flow *f);
/* Bytes of the answer, 0 when the connection was suspended, -1 at the end, -2 when it broke off. */
ssize_t net_flow_answer_take(struct net_flow *f, void *to, size_t max);
uint64_t net_flow_body_bytes(struct net_flow *f); /* brought so far */
/* The connection has ended; whoever waits fails. True when the answer was not over. */
bool net_flow_gone(struct net_flow *f);

/* ---- worker side ---- */

struct lh_source net_flow_source(struct net_flow *f, int64_t length);
struct lh_sink net_flow_sink(struct net_flow *f);
/* The call was cancelled: look. */
void net_flow_wake(struct net_flow *f);

#endif
