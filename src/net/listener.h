/*
 * listener: the listening socket of a server, bound before anything else starts.
 *
 * Fails    INVALID "server.listen" when the text is no HOST:PORT, else UNAVAILABLE "server.bind".
 */
#ifndef LH_NET_LISTENER_H
#define LH_NET_LISTENER_H

#include "base/buf.h"

/* "127.0.0.1:3100", "[::1]:0", "localhost:80", ":3100" for every address. The socket does not
 * block. */
lh_status net_listener_open(const char *address, int *fd, struct lh_error *err);
/* Where it is bound, port 0 resolved. */
void net_listener_address(int fd, struct lh_buf *out);
int net_listener_port(int fd);

#endif
