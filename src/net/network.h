/*
 * network: what libmicrohttpd calls, on its own threads.
 *
 * Nothing here waits: each call looks where the exchange stands and takes one step (exchange.h,
 * enum net_stage).
 */
#ifndef LH_NET_NETWORK_H
#define LH_NET_NETWORK_H

#include "net/exchange.h"

/* Starts the threads on server->listen_fd. UNAVAILABLE "server.start". */
lh_status
net_network_start(struct lh_server *server, const struct lh_config *config, struct lh_error *err);
/* Stops listening; open connections are served on. */
void net_network_quiesce(struct lh_server *server);
/* Closes what is left, after quiesce. No connection may wait for a worker any more. */
void net_network_stop(struct lh_server *server);

#endif
