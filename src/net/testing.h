/*
 * testing: a server on a free port, and a client made of nothing but a socket.
 *
 * For `*_test.c` files only. Nothing here sleeps for a time: what has to happen is waited for, and
 * a test fails when it has not happened within WAIT_MS.
 */
#ifndef LH_NET_TESTING_H
#define LH_NET_TESTING_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/testing.h"
#include "base/time.h"
#include "net/server.h"

#define WAIT_MS 20000

/* Waits until the expression is true. */
#define wait_for(expr)                                                                             \
    do {                                                                                           \
        int64_t wait_until_ = lh_time_mono_ms() + WAIT_MS;                                         \
        while (!(expr)) {                                                                          \
            if (lh_time_mono_ms() > wait_until_)                                                   \
                fail_msg("waited in vain for %s", #expr);                                          \
            sched_yield();                                                                         \
        }                                                                                          \
    } while (0)

struct lab {
    struct lh_config *config;
    struct lh_router *router;
    struct lh_server *server;
    int port;
};

/* `toml` may be NULL; `o` may leave out what the lab has: name, address, router, config. */
static inline void
lab_start_with(struct lab *lab, const struct lh_route *routes, void *service, const char *toml,
               struct lh_server_options o)
{
    static const struct lh_config_key *const tables[] = {lh_server_config, NULL};
    LH_AUTO_ERROR(err);

    *lab = (struct lab){0};
    assert_ok(lh_config_parse(tables, lh_str_of(toml ? toml : ""), "test", &lab->config, &err),
              err);
    lab->router = lh_router_new();
    lh_router_add(lab->router, routes, service);
    o.name = o.name ? o.name : "test";
    o.listen = o.listen ? o.listen : "127.0.0.1:0";
    o.router = lab->router;
    o.config = lab->config;
    assert_ok(lh_server_start(&o, &lab->server, &err), err);
    lab->port = lh_server_port(lab->server);
}

static inline void
lab_start(struct lab *lab, const struct lh_route *routes, void *service, const char *toml)
{
    lab_start_with(lab, routes, service, toml, (struct lh_server_options){0});
}

static inline void
lab_stop(struct lab *lab)
{
    lh_server_free(lab->server);
    lh_router_free(lab->router);
    lh_config_free(lab->config);
    *lab = (struct lab){0};
}

/* ---- a client ---- */

static inline int
dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* False when the peer has closed. */
static inline bool
say_bytes(int fd, const void *from, size_t n)
{
    const char *at = from;

    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

        if (sent < 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

static inline bool
say(int fd, const char *text)
{
    return say_bytes(fd, text, strlen(text));
}

/* One recv, after waiting for something. 0 at the end, -1 when the connection was reset. */
static inline ssize_t
hear(int fd, void *to, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (poll(&p, 1, WAIT_MS) != 1)
        fail_msg("the server says nothing");
    return recv(fd, to, size, 0);
}

/* Everything until the peer closes. */
static inline void
hear_all(int fd, struct lh_buf *out)
{
    char step[16384];
    ssize_t n;

    while ((n = hear(fd, step, sizeof(step))) > 0)
        lh_buf_add(out, step, (size_t)n);
}

/* Until `text` has been said. */
static inline void
hear_until(int fd, struct lh_buf *out, const char *text)
{
    size_t at;

    while (!lh_str_find(lh_buf_str(out), lh_str_of(text), &at)) {
        char step[4096];
        ssize_t n = hear(fd, step, sizeof(step));

        if (n <= 0)
            fail_msg("closed before \"%s\": \"%s\"", text, lh_buf_cstr(out));
        lh_buf_add(out, step, (size_t)n);
    }
}

/* One request on a connection of its own, which the request must ask to close. Caller frees. */
static inline char *
ask(int port, const char *request)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    int fd = dial(port);

    say(fd, request);
    hear_all(fd, &out);
    close(fd);
    return lh_buf_take_cstr(&out);
}

static inline char *
ask_simply(int port, const char *method, const char *target)
{
    LH_AUTO_CHARS request = NULL;

    if (asprintf(&request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method,
                 target) < 0)
        abort();
    return ask(port, request);
}

static inline int
status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

static inline const char *
body_of(const char *answer)
{
    const char *at = strstr(answer, "\r\n\r\n");

    return at ? at + 4 : "";
}

#define assert_holds(text, part)                                                                   \
    do {                                                                                           \
        if (!strstr((text), (part)))                                                               \
            fail_msg("\"%s\" does not hold \"%s\"", (text), (part));                               \
    } while (0)

#define assert_lacks(text, part)                                                                   \
    do {                                                                                           \
        if (strstr((text), (part)))                                                                \
            fail_msg("\"%s\" holds \"%s\"", (text), (part));                                       \
    } while (0)

#define assert_answer(answer, status)                                                              \
    do {                                                                                           \
        if (status_of(answer) != (status))                                                         \
            fail_msg("not %d: \"%s\"", (status), (answer));                                        \
    } while (0)

#endif
