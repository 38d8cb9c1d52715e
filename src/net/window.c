#include "net/window.h"

#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"

void
net_window_init(struct net_window *w, size_t cap)
{
    *w = (struct net_window){.cap = cap};
}

void
net_window_fini(struct net_window *w)
{
    free(w->data);
    *w = (struct net_window){0};
}

size_t
net_window_room(const struct net_window *w)
{
    return w->cap - w->len;
}

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t
net_window_put(struct net_window *w, const void *from, size_t n)
{
    size_t tail = (w->head + w->len) % w->cap, first;

    n = smaller(n, net_window_room(w));
    if (n == 0)
        return 0;
    if (!w->data)
        w->data = lh_realloc_array(NULL, w->cap, 1);
    first = smaller(n, w->cap - tail);
    memcpy(w->data + tail, from, first);
    memcpy(w->data, (const uint8_t *)from + first, n - first);
    w->len += n;
    return n;
}

size_t
net_window_take(struct net_window *w, void *to, size_t n)
{
    size_t first;

    n = smaller(n, w->len);
    if (n == 0)
        return 0;
    first = smaller(n, w->cap - w->head);
    memcpy(to, w->data + w->head, first);
    memcpy((uint8_t *)to + first, w->data, n - first);
    w->len -= n;
    /* An empty ring starts over, so that short bursts stay in the same cache lines. */
    w->head = w->len ? (w->head + n) % w->cap : 0;
    return n;
}
