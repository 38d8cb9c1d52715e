/*
 * connection: what the server remembers of each open socket, and the limits that are about sockets.
 *
 * libmicrohttpd closes a connection on which nothing moves. That leaves clients which move one byte
 * at a time; the sweep finds them: a request head must be complete within the idle time, and a body
 * that nobody else minds must make a minimum of progress. Cutting is shutdown(2), upon which the
 * network thread that owns the connection closes it.
 *
 * Owns     the records. A record lives from open to close; its descriptor belongs to the network
 *          thread.
 * Threads  open, close and phase on network threads; sweep on the watcher's.
 */
#ifndef LH_NET_CONNECTION_H
#define LH_NET_CONNECTION_H

#include <netinet/in.h>
#include "net/traffic.h"

struct net_connections;

enum net_phase {
    NET_PHASE_HEAD, /* waits for a request, or for the rest of its head */
    NET_PHASE_BODY, /* collects a body */
    NET_PHASE_BUSY, /* somebody else minds the time */
};

struct net_connection;

struct net_connections_options {
    size_t per_address_max; /* 0: no limit */
    int64_t idle_ms;
    int64_t stall_ms;
    uint64_t progress_min; /* bytes within stall_ms */
    struct net_traffic *traffic;
};

struct net_connections *net_connections_new(const struct net_connections_options *options);
void net_connections_free(struct net_connections *set);
size_t net_connections_count(struct net_connections *set);
/* False when the address has as many connections as it may. */
bool net_connections_admit(struct net_connections *set, const struct sockaddr *address);
void net_connections_sweep(struct net_connections *set);

struct net_connection *
net_connection_open(struct net_connections *set, int fd, const struct sockaddr *address);
void net_connection_close(struct net_connection *c);
void net_connection_phase(struct net_connection *c, enum net_phase phase);
void net_connection_moved(struct net_connection *c, size_t bytes);
const char *net_connection_peer(const struct net_connection *c);
int net_connection_fd(const struct net_connection *c);

#endif
