/*
 * client: outgoing HTTP over libcurl with pooled connections.
 *
 * One client object is shared by all threads; each request takes an idle handle of the pool
 * (keep-alive) or makes one, up to a limit per origin. The deadline and the cancel flag of the call
 * end a transfer within milliseconds. Only http and https are spoken, TLS is verified, redirects
 * are answers like others, and proxies named in the environment are not used.
 *
 * Fails    UNAVAILABLE "net.connect" | "net.tls" (the peer is not who it should be) | "net.reset"
 *          (was_sent tells whether the peer may have
 *          acted), TIMEOUT, CANCELED, TOO_BIG for an answer past the given limit, and whatever
 *          the body source or the answer sink failed with. An HTTP error status is not a failure
 *          here: see `status`.
 */
#ifndef LH_NET_CLIENT_H
#define LH_NET_CLIENT_H

#include "net/http.h"

struct lh_client;

struct lh_client *lh_client_new(size_t max_per_origin);
/* Certificates that https trusts instead of the system's: a PEM file. Before sharing; copied. */
void lh_client_ca_file_set(struct lh_client *c, const char *path);
void lh_client_free(struct lh_client *c);

struct lh_client_request {
    enum lh_method method;
    const char *url;
    const struct lh_header *headers;
    size_t header_count;
    lh_bytes body;
    struct lh_source *body_source; /* instead of body: streamed */
    size_t answer_max;             /* bytes of a buffered answer; 0: 64 MiB */
    struct lh_sink *answer_sink;   /* instead of buffering; ended if it was begun */
    int64_t connect_timeout_ms;    /* 0: 5 s */
    bool is_sent_once; /* never repeated behind the caller's back, whatever the method */
};

struct lh_client_answer {
    int status;
    struct lh_header *headers; /* in the call's arena, hop-by-hop fields left out */
    size_t header_count;
    struct lh_buf body;
    bool was_sent; /* set on failures too */
};

lh_status
lh_client_send(struct lh_client *c, struct lh_call *call, const struct lh_client_request *request,
               struct lh_client_answer *answer, struct lh_error *err);
void lh_client_answer_fini(struct lh_client_answer *a);
lh_str lh_client_answer_header(const struct lh_client_answer *a, const char *name);

#endif
