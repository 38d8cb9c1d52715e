/*
 * A plain HTTP/1.1 client for timing: one kept-alive connection, a fixed request, answers read and thrown away.
 *
 *   bench_http HOST PORT RUNS METHOD PATH [ACCEPT [BODY]]
 *
 * Prints for each run: nanoseconds from the first byte sent to the last byte read, the status, and the body's bytes. Understands
 * Content-Length and chunked answers.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1 << 20)

static char block[BLOCK + 1];
static size_t have, used;
static int sock;

static int64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
fail(const char *what)
{
    fprintf(stderr, "bench_http: %s\n", what);
    exit(1);
}

static void
fill(void)
{
    if (used < have)
        return;
    ssize_t n = recv(sock, block, BLOCK, 0);
    if (n <= 0)
        fail("the connection ended");
    have = (size_t)n;
    used = 0;
}

static void
line_read(char *line, size_t size)
{
    size_t n = 0;
    for (;;) {
        fill();
        char c = block[used++];
        if (c == '\n')
            break;
        if (c != '\r' && n + 1 < size)
            line[n++] = c;
    }
    line[n] = 0;
}

static void
bytes_skip(uint64_t n)
{
    while (n > 0) {
        fill();
        size_t take = have - used < n ? have - used : (size_t)n;
        used += take;
        n -= take;
    }
}

static uint64_t
answer_read(int *status)
{
    char line[8192];
    uint64_t length = 0, total = 0;
    int chunked = 0;
    line_read(line, sizeof(line));
    *status = atoi(line + 9);
    for (line_read(line, sizeof(line)); line[0]; line_read(line, sizeof(line))) {
        if (strncasecmp(line, "content-length:", 15) == 0)
            length = strtoull(line + 15, NULL, 10);
        if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0)
            chunked = 1;
    }
    if (!chunked) {
        bytes_skip(length);
        return length;
    }
    do {
        line_read(line, sizeof(line));
        length = strtoull(line, NULL, 16);
        bytes_skip(length);
        total += length;
        line_read(line, sizeof(line));
    } while (length > 0);
    return total;
}

int
main(int argc, char **argv)
{
    if (argc < 6)
        fail("usage: bench_http HOST PORT RUNS METHOD PATH [ACCEPT [BODY]]");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    sock = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(sock, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail("cannot connect");
    static char request[65536];
    const char *body = argc > 7 ? argv[7] : "";
    int size = snprintf(request, sizeof(request),
                        "%s %s HTTP/1.1\r\nHost: %s:%s\r\nAccept: %s\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        argv[4], argv[5], argv[1], argv[2], argc > 6 ? argv[6] : "*/*", strlen(body), body);
    for (int i = 0; i < atoi(argv[3]); i++) {
        int status;
        int64_t start = now_ns();
        if (send(sock, request, (size_t)size, MSG_NOSIGNAL) != size)
            fail("cannot send");
        uint64_t bytes = answer_read(&status);
        printf("%lld %d %llu\n", (long long)(now_ns() - start), status, (unsigned long long)bytes);
    }
    close(sock);
    return 0;
}
