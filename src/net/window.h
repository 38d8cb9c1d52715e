/*
 * window: a ring of bytes with a fixed size, filled by one thread and emptied by another.
 *
 * Owns     its memory, taken at the first byte and given back by fini.
 * Threads  none of its own: whoever holds the lock of the exchange may touch it.
 */
#ifndef LH_NET_WINDOW_H
#define LH_NET_WINDOW_H

#include <stddef.h>
#include <stdint.h>

struct net_window {
    uint8_t *data;
    size_t cap;
    size_t head; /* of the oldest byte */
    size_t len;
};

void net_window_init(struct net_window *w, size_t cap);
void net_window_fini(struct net_window *w);
/* Takes as much as fits and says how much that was. */
size_t net_window_put(struct net_window *w, const void *from, size_t n);
size_t net_window_take(struct net_window *w, void *to, size_t n);
size_t net_window_room(const struct net_window *w);

#endif
