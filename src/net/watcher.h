/*
 * watcher: one thread that minds sockets while nobody else looks at them.
 *
 * libmicrohttpd forgets a suspended socket, so a client that hangs up while a worker is busy for it
 * would go unnoticed. The watcher has an epoll set of its own for such sockets, only for hang-ups.
 *
 *   reset, or closed both ways   the exchange is told at once
 *   half closed (FIN came)       the exchange is told after a short grace. TCP cannot tell a
 *                                client that closed from one that only finished sending (`nc -N`);
 *                                within the grace quick answers still reach the latter, and after
 *                                it the former's query stops. nginx and Go's net/http decide the
 *                                same, without grace.
 *
 * It also *lingers*: a refused upload is answered before it was read, and closing the socket with
 * unread bytes would make the kernel reset the connection and destroy the answer on its way. The
 * watcher keeps a duplicate of the descriptor, throws away what still comes, and closes when the
 * client does or the time is over (RFC 9112 9.6).
 *
 * Owns     its thread, and descriptors given to linger. Watched descriptors belong to others, who
 *          remove them before closing.
 * Threads  all functions from any thread. `gone` and `tick` run on the watcher's thread (or that of
 *          net_watcher_gone_all), without its lock.
 */
#ifndef LH_NET_WATCHER_H
#define LH_NET_WATCHER_H

#include "base/status.h"
#include <stdint.h>

struct net_watcher;

struct net_watcher_options {
    int64_t grace_ms;
    void (*ref)(void *watched);
    void (*unref)(void *watched);
    void (*gone)(void *watched); /* at most once for each add */
    void (*tick)(void *self);    /* about once a second */
    void *self;
};

lh_status net_watcher_start(const struct net_watcher_options *options, struct net_watcher **out,
                            struct lh_error *err);
void net_watcher_free(struct net_watcher *w); /* stops; closes what lingers */

void net_watcher_add(struct net_watcher *w, int fd, void *watched);
void net_watcher_remove(struct net_watcher *w, int fd, const void *watched);
/* Treats everybody who is watched as gone. */
void net_watcher_gone_all(struct net_watcher *w);
/* Takes the descriptor. */
void net_watcher_linger(struct net_watcher *w, int fd);

#endif
