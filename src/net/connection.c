#include "net/connection.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

#define FIN_LOOK_MS 200

struct net_connection {
    struct net_connections *set;
    struct net_connection *prev, *next;
    int fd;
    char peer[INET6_ADDRSTRLEN];
    struct in6_addr address; /* IPv4 mapped */
    _Atomic int phase;
    _Atomic int64_t since_ms; /* of the phase */
    _Atomic uint64_t moved;   /* body bytes, ever */
    uint64_t swept;           /* `moved` when progress was last enough */
    int64_t swept_ms;
    int64_t looked_ms; /* `since_ms` of the wait in which a FIN was looked for */
    bool is_cut;
};

struct net_connections {
    struct net_connections_options options;
    _Atomic size_t count;
    struct {
        pthread_mutex_t lock;
        struct net_connection *first;
    } list;
};

static struct in6_addr
address_of(const struct sockaddr *address)
{
    struct in6_addr out = {0};

    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof(v6));
        return v6.sin6_addr;
    }
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof(v4));
        out.s6_addr[10] = out.s6_addr[11] = 0xff;
        memcpy(out.s6_addr + 12, &v4.sin_addr, 4);
    }
    return out;
}

static void
peer_print(struct net_connection *c)
{
    if (IN6_IS_ADDR_V4MAPPED(&c->address))
        inet_ntop(AF_INET, c->address.s6_addr + 12, c->peer, sizeof(c->peer));
    else
        inet_ntop(AF_INET6, &c->address, c->peer, sizeof(c->peer));
}

struct net_connections *
net_connections_new(const struct net_connections_options *options)
{
    struct net_connections *set = LH_NEW(struct net_connections);

    set->options = *options;
    pthread_mutex_init(&set->list.lock, NULL);
    return set;
}

void
net_connections_free(struct net_connections *set)
{
    if (!set)
        return;
    pthread_mutex_destroy(&set->list.lock);
    free(set);
}

size_t
net_connections_count(struct net_connections *set)
{
    return atomic_load_explicit(&set->count, memory_order_relaxed);
}

bool
net_connections_admit(struct net_connections *set, const struct sockaddr *address)
{
    struct in6_addr want;
    size_t same = 0;

    if (set->options.per_address_max == 0)
        return true;
    want = address_of(address);
    LH_AUTO_LOCK(&set->list.lock);
    for (struct net_connection *c = set->list.first; c; c = c->next)
        same += IN6_ARE_ADDR_EQUAL(&c->address, &want) != 0;
    if (same < set->options.per_address_max)
        return true;
    net_traffic_refused(set->options.traffic, NET_REFUSED_ADDRESS);
    return false;
}

struct net_connection *
net_connection_open(struct net_connections *set, int fd, const struct sockaddr *address)
{
    struct net_connection *c = LH_NEW(struct net_connection);

    c->set = set;
    c->fd = fd;
    if (address) {
        c->address = address_of(address);
        peer_print(c);
    }
    atomic_store(&c->since_ms, lh_time_mono_ms());
    pthread_mutex_lock(&set->list.lock);
    c->next = set->list.first;
    if (c->next)
        c->next->prev = c;
    set->list.first = c;
    pthread_mutex_unlock(&set->list.lock);
    atomic_fetch_add(&set->count, 1);
    lh_metric_add(net_traffic_connections(set->options.traffic), 1);
    return c;
}

void
net_connection_close(struct net_connection *c)
{
    struct net_connections *set = c->set;

    pthread_mutex_lock(&set->list.lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        set->list.first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&set->list.lock);
    atomic_fetch_sub(&set->count, 1);
    lh_metric_add(net_traffic_connections(set->options.traffic), -1);
    free(c);
}

void
net_connection_phase(struct net_connection *c, enum net_phase phase)
{
    atomic_store_explicit(&c->since_ms, lh_time_mono_ms(), memory_order_relaxed);
    atomic_store_explicit(&c->phase, phase, memory_order_relaxed);
}

void
net_connection_moved(struct net_connection *c, size_t bytes)
{
    atomic_fetch_add_explicit(&c->moved, bytes, memory_order_relaxed);
}

const char *
net_connection_peer(const struct net_connection *c)
{
    return c->peer;
}

int
net_connection_fd(const struct net_connection *c)
{
    return c->fd;
}

static bool
body_is_stalled(struct net_connection *c, int64_t since, int64_t now)
{
    const struct net_connections_options *o = &c->set->options;
    uint64_t moved = atomic_load_explicit(&c->moved, memory_order_relaxed);

    if (c->swept_ms < since || moved - c->swept >= o->progress_min) {
        c->swept = moved;
        c->swept_ms = now;
    }
    return now - c->swept_ms > o->stall_ms;
}

/* libmicrohttpd 0.9.75 takes a short read for an empty socket and so misses a FIN that came
 * together with the request. One look into each wait for a request finds it; a FIN that comes later
 * makes an event of its own. */
static bool
fin_is_missed(struct net_connection *c, int64_t since, int64_t now)
{
    char byte;

    if (c->looked_ms == since || now - since < FIN_LOOK_MS)
        return false;
    c->looked_ms = since;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void
connection_sweep(struct net_connection *c, int64_t now)
{
    int phase = atomic_load_explicit(&c->phase, memory_order_relaxed);
    int64_t since = atomic_load_explicit(&c->since_ms, memory_order_relaxed);
    enum net_refused why;

    if (c->is_cut)
        return;
    if (phase == NET_PHASE_HEAD && fin_is_missed(c, since, now)) {
        shutdown(c->fd, SHUT_RDWR);
        return;
    }
    if (phase == NET_PHASE_HEAD && now - since > c->set->options.idle_ms)
        why = NET_REFUSED_IDLE;
    else if (phase == NET_PHASE_BODY && body_is_stalled(c, since, now))
        why = NET_REFUSED_STALLED;
    else
        return;
    c->is_cut = true;
    net_traffic_refused(c->set->options.traffic, why);
    shutdown(c->fd, SHUT_RDWR);
}

void
net_connections_sweep(struct net_connections *set)
{
    int64_t now = lh_time_mono_ms();
    /* The lock keeps the descriptors open: a connection leaves the list before its socket is
     * closed. What is done with them here does not wait. */
    LH_AUTO_LOCK(&set->list.lock);

    for (struct net_connection *c = set->list.first; c; c = c->next)
        connection_sweep(c, now);
}
