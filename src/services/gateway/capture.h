/*
 * capture: both ends of one request while a key guards it.
 *
 * A *body hash* stands before the request's body and hashes the bytes on their way to the handler.
 * A *capture* stands before the response's sink and holds the answer back until the caller releases
 * it; an answer that outgrows the limit is let through as it comes, and is then not kept.
 *
 * Owns     the held-back bytes. Lives on the stack of the request; one thread.
 */
#ifndef LH_SERVICES_GATEWAY_CAPTURE_H
#define LH_SERVICES_GATEWAY_CAPTURE_H

#include "base/hash.h"
#include "net/http.h"

struct gateway_body_hash {
    struct lh_source from;
    struct lh_sha256 hash;
    bool is_at_end;
};

/* Starts with what else makes two requests the same: their query and the header fields that
 * change what a mutation does. `is_streamed`:
 * the handler reads the source; otherwise the body is whole in body_bytes. */
void gateway_body_hash_begin(struct gateway_body_hash *b, struct lh_request *req, bool is_streamed);
/* Reads what the handler left, and gives the hash. */
lh_status gateway_body_hash_end(struct gateway_body_hash *b, struct lh_request *req,
                                char hex[LH_SHA256_HEX], struct lh_error *err);
void gateway_body_hash_fini(struct gateway_body_hash *b);

struct gateway_capture {
    struct lh_response *res;
    struct lh_sink to;
    int status; /* 0: nothing yet */
    struct lh_header headers[LH_RESPONSE_HEADERS_MAX];
    size_t header_count;
    int64_t length;
    struct lh_buf body;
    bool is_through; /* too long to hold back */
};

void gateway_capture_begin(struct gateway_capture *c, struct lh_response *res, size_t body_max);
/* Gives the response its sink back and sends what was held. */
lh_status gateway_capture_release(struct gateway_capture *c, struct lh_error *err);
/* Gives the response its sink back as if nothing had been answered; only while nothing went
 * through. */
void gateway_capture_drop(struct gateway_capture *c);
void gateway_capture_fini(struct gateway_capture *c);

#endif
