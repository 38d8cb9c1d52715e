/*
 * idempotency: a mutation with an Idempotency-Key is carried out once, and answered the same
 * however often it is sent.
 *
 * The key belongs to a principal, a method and a path; the request it stands for is its query,
 * content type and body. The record is one object in the primary bucket, so any gateway of the
 * installation knows it, and it outlives all of them:
 *
 *     claim    written with create-if-absent before the handler runs: whoever writes it runs,
 * everybody else waits answer   replaces the claim when the handler has succeeded, and before the
 * caller sees the answer
 *
 * A failed request leaves no record: it changed nothing, and sending it again is how one finds out
 * whether it still fails. A claim whose process is gone, or whose lease is over, is taken over.
 *
 * Threads  any.
 * Fails    INVALID "idempotency.mismatch" (422) for another request under a used key, CONFLICT
 * "idempotency.in_progress" (409), CONFLICT "idempotency.answer_not_kept", INVALID
 * "idempotency.key"; else as the handler or the store. Format   docs/decisions/idempotency-keys.md
 * Source   draft-ietf-httpapi-idempotency-key-header-06.
 */
#ifndef LH_SERVICES_GATEWAY_IDEMPOTENCY_H
#define LH_SERVICES_GATEWAY_IDEMPOTENCY_H

#include "net/http.h"
#include "store/bucket.h"

struct gateway_idempotency;

struct gateway_idempotency_options {
    struct lh_bucket *bucket;
    int64_t ttl_ms;         /* how long an answer is kept */
    int64_t lease_ms;       /* how long a claim of a process on another machine is believed */
    size_t answer_max;      /* longer answers are not kept */
    int64_t sweep_every_ms; /* how often outdated records are removed; 0: never */
};

lh_status gateway_idempotency_open(const struct gateway_idempotency_options *options,
                                   struct gateway_idempotency **out, struct lh_error *err);
/* Stops the sweeping; running requests must have ended. */
void gateway_idempotency_close(struct gateway_idempotency *i);

/* What is guarded: the request is handed on, the response is begun by it. */
typedef lh_status (*gateway_next)(void *arg, struct lh_call *call, struct lh_request *req,
                                  struct lh_response *res, struct lh_error *err);

/* Without the header it only calls `next`. `is_streamed` as the route's flag says. */
lh_status gateway_idempotency_run(struct gateway_idempotency *i, struct lh_call *call,
                                  struct lh_request *req, struct lh_response *res, bool is_streamed,
                                  gateway_next next, void *arg, struct lh_error *err);

#endif
