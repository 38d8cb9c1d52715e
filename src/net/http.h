/*
 * http: requests and responses as the handlers of every service see them.
 *
 * The same handler serves a socket and an in-process call: a request reads its body from a
 * *source*, a response writes into a *sink*, and the server, the mesh and the tests each bring
 * their own. A handler either
 *
 *   answers at once   lh_response_json(res, 200, &buf) and the like, or returns a failing status,
 *                     which becomes application/problem+json; or
 *   streams           lh_response_begin(…), then lh_response_write(…) as often as it likes. Writing
 *                     blocks the worker while the client is slow (bounded by a window) and fails
 *                     with CANCELED when it has gone. A failure after begin cuts the connection,
 *                     so that nobody takes half for whole.
 *
 * A streamed body is read to its end before a long answer begins: HTTP/1.1 is half duplex here
 * (net/flow.h), and what is left of the body is given up when the answer outgrows its window.
 *
 * Source   RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 9457 (problem details).
 */
#ifndef LH_NET_HTTP_H
#define LH_NET_HTTP_H

#include <sys/types.h>
#include "base/buf.h"
#include "base/json.h"
#include "net/call.h"

enum lh_method {
    LH_GET,
    LH_HEAD,
    LH_POST,
    LH_PUT,
    LH_PATCH,
    LH_DELETE,
    LH_OPTIONS,
    LH_METHOD_COUNT
};

const char *lh_method_name(enum lh_method m);
bool lh_method_parse(lh_str s, enum lh_method *out);

struct lh_header {
    lh_str name;
    lh_str value;
};

/* ---- request ---- */

/* Where body bytes come from. `read` blocks until at least one byte is there; *got 0 is the end. */
struct lh_source {
    lh_status (*read)(void *self, void *to, size_t size, size_t *got, struct lh_error *err);
    void *self;
    int64_t length; /* Content-Length, or -1 when not known */
};

#define LH_REQUEST_PARAMS_MAX 8

struct lh_request {
    enum lh_method method;
    lh_str target; /* path and query as they came, still encoded; starts with '/' */
    lh_str path;   /* percent-decoded except that %2F stays; starts with '/' */
    const struct lh_header *headers; /* names as received */
    size_t header_count;
    const struct lh_header *query; /* decoded, in order */
    size_t query_count;
    struct lh_source body;
    lh_bytes body_bytes; /* whole body, for routes without LH_ROUTE_STREAMS_BODY */
    struct lh_header params[LH_REQUEST_PARAMS_MAX]; /* {name} of the route, decoded */
    size_t param_count;
    const char *route; /* the pattern that matched, for metrics */
    lh_str peer;       /* address of the client, "" in process */
};

/* "" (ptr NULL) when absent; header names ignore case. */
lh_str lh_request_header(const struct lh_request *r, const char *name);
lh_str lh_request_param(const struct lh_request *r, const char *name);
lh_str lh_request_query(const struct lh_request *r, const char *name);
bool lh_request_has_query(const struct lh_request *r, const char *name);

/* Query values by type: absent leaves *out; malformed is INVALID "request.query". */
lh_status lh_request_query_i64(const struct lh_request *r, const char *name, int64_t min,
                               int64_t max, int64_t *out, struct lh_error *err);
lh_status lh_request_query_bool(const struct lh_request *r, const char *name, bool *out,
                                struct lh_error *err);
/* INVALID "request.query_unknown" for the first parameter that is not in the NULL-ended list. */
lh_status
lh_request_query_only(const struct lh_request *r, const char *const *names, struct lh_error *err);
/* The body as a JSON object; an empty body is {} when `may_be_empty`. Caller json_decref. */
lh_status
lh_request_json(const struct lh_request *r, bool may_be_empty, json_t **out, struct lh_error *err);
lh_status
lh_request_read(struct lh_request *r, void *to, size_t size, size_t *got, struct lh_error *err);

/* ---- response ---- */

/* Where response bytes go. begin is called once, before any write; end(complete=false) means that
 * the answer broke off. */
struct lh_sink {
    lh_status (*begin)(void *self, int status, const struct lh_header *headers, size_t count,
                       int64_t length, struct lh_error *err);
    lh_status (*write)(void *self, lh_bytes bytes, struct lh_error *err);
    /* Sends `length` bytes of an open file from `offset`; takes the descriptor. NULL: the response
     * reads and writes. */
    lh_status (*send_file)(void *self, int fd, uint64_t offset, uint64_t length,
                           struct lh_error *err);
    void (*end)(void *self, bool complete);
    void *self;
};

#define LH_RESPONSE_HEADERS_MAX 128

struct lh_response {
    struct lh_sink sink;
    struct lh_arena *arena; /* the call's: header values are copied there */
    struct lh_header headers[LH_RESPONSE_HEADERS_MAX];
    size_t header_count;
    int status;     /* 0 until begun */
    int64_t length; /* as given to begin; -1 for chunked */
    bool is_head;   /* body bytes are dropped, Content-Length kept */
    bool is_broken; /* failed after begin: what was sent is not the whole answer */
    uint64_t sent_bytes;
};

/* Sets (replaces) a header before begin. `name` is borrowed; control characters in the value, CR
 * and LF among them, become blanks (RFC 9110 5.5). */
void lh_response_header(struct lh_response *r, const char *name, lh_str value);
void lh_response_headerf(struct lh_response *r, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* length -1: chunked. */
lh_status lh_response_begin(struct lh_response *r, int status, const char *content_type,
                            int64_t length, struct lh_error *err);
lh_status lh_response_write(struct lh_response *r, lh_bytes bytes, struct lh_error *err);
lh_status lh_response_send_file(struct lh_response *r, int fd, uint64_t offset, uint64_t length,
                                struct lh_error *err);

/* Whole answers. A failed buffer becomes BUG "response.buffer". */
lh_status lh_response_bytes(struct lh_response *r, int status, const char *content_type,
                            lh_bytes body, struct lh_error *err);
lh_status lh_response_json(struct lh_response *r, int status, const struct lh_buf *body,
                           struct lh_error *err);
lh_status lh_response_empty(struct lh_response *r, int status, struct lh_error *err);

/* Every byte that begin promised has been written and nothing broke. */
bool lh_response_is_complete(const struct lh_response *r);
/* Tells the sink that no more comes. For whoever owns the sink, once, after the handler. */
void lh_response_end(struct lh_response *r);

/* ---- problems ---- */

/* The one table from a failure to HTTP. Reason first (auth.required 401, store.precondition 412,
 * request.method 405, ingest.unknown_format 415, ingest.unreadable 422, idempotency.mismatch 422,
 * …), then status: INVALID 400, NOT_FOUND 404, EXISTS and CONFLICT 409, DENIED 403, BUSY and
 * UNAVAILABLE 503, TOO_BIG 413, NO_SPACE 507, TIMEOUT 408, CANCELED 499, UNSUPPORTED 501, CORRUPT,
 * IO and BUG 500. */
int lh_problem_status(const struct lh_error *err);
/* {"type","title","status","detail","code","trace_id","retryable", …extra} */
void lh_problem_print(const struct lh_error *err, const struct lh_trace *trace, struct lh_buf *out);
/* Sends it, with Retry-After where the status asks for one. When the response has begun, only marks
 * it broken. */
void lh_response_problem(struct lh_response *r, const struct lh_error *err,
                         const struct lh_trace *trace);
/* Back from an answer of a peer: status and reason restored from the problem document. Returns
 * err->status. */
lh_status lh_problem_decode(int http_status, lh_bytes body, struct lh_error *err);

#endif
