#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

struct place {
    char host[256];
    char port[8];
};

static lh_status
place_parse(const char *address, struct place *out, struct lh_error *err)
{
    lh_str text = lh_str_of(address), host = text, port;
    const char *colon = address ? strrchr(address, ':') : NULL;
    uint64_t number;

    if (!colon)
        return lh_fail(err, LH_INVALID, "server.listen", "\"%s\" is not HOST:PORT",
                       address ? address : "");
    host.len = (size_t)(colon - address);
    port = lh_str_slice(text, host.len + 1, text.len);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = lh_str_slice(host, 1, host.len - 1);
    if (!lh_str_u64(port, &number) || number > 65535 ||
        !lh_str_copy(out->port, sizeof(out->port), port) ||
        !lh_str_copy(out->host, sizeof(out->host), host))
        return lh_fail(err, LH_INVALID, "server.listen", "\"%s\" is not HOST:PORT", address);
    return LH_OK;
}

static int
socket_bind(const struct addrinfo *info)
{
    int on = 1, off = 0;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int kept = errno;

        close(fd);
        errno = kept;
        return -1;
    }
    return fd;
}

lh_status
net_listener_open(const char *address, int *fd, struct lh_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct place place;
    int code, bound = -1;

    LH_TRY(place_parse(address, &place, err));
    code = getaddrinfo(place.host[0] ? place.host : NULL, place.port, &hints, &found);
    if (code != 0)
        return lh_fail(err, LH_INVALID, "server.listen", "cannot resolve \"%s\": %s", address,
                       gai_strerror(code));
    for (struct addrinfo *i = found; i && bound < 0; i = i->ai_next)
        bound = socket_bind(i);
    code = errno;
    freeaddrinfo(found);
    if (bound < 0)
        return lh_fail(err, LH_UNAVAILABLE, "server.bind", "cannot listen on %s: %s", address,
                       strerror(code));
    *fd = bound;
    return LH_OK;
}

static bool
bound_address(int fd, char host[INET6_ADDRSTRLEN], int *port, bool *is_v6)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t len = sizeof(at);

    if (getsockname(fd, &at.any, &len) != 0)
        return false;
    *is_v6 = at.any.sa_family == AF_INET6;
    *port = ntohs(*is_v6 ? at.v6.sin6_port : at.v4.sin_port);
    return inet_ntop(at.any.sa_family, *is_v6 ? (void *)&at.v6.sin6_addr : &at.v4.sin_addr, host,
                     INET6_ADDRSTRLEN) != NULL;
}

void
net_listener_address(int fd, struct lh_buf *out)
{
    char host[INET6_ADDRSTRLEN];
    bool is_v6;
    int port;

    if (bound_address(fd, host, &port, &is_v6))
        lh_buf_printf(out, is_v6 ? "[%s]:%d" : "%s:%d", host, port);
}

int
net_listener_port(int fd)
{
    char host[INET6_ADDRSTRLEN];
    bool is_v6;
    int port = 0;

    bound_address(fd, host, &port, &is_v6);
    return port;
}
