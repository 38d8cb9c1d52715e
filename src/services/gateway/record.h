/*
 * record: one Idempotency-Key in the bucket, as a claim or as an answer.
 *
 * Owns     nothing: everything it points to lives in the arena it was decoded into, or belongs to
 * the caller. Fails    CORRUPT "idempotency.record" when decoding. Format
 * docs/decisions/idempotency-keys.md
 */
#ifndef LH_SERVICES_GATEWAY_RECORD_H
#define LH_SERVICES_GATEWAY_RECORD_H

#include "base/hash.h"
#include "net/http.h"

/* Which process wrote a claim, exactly enough to find out on the same machine that it is gone. */
struct gateway_owner {
    const char *id;      /* of one gateway instance, UUID */
    const char *machine; /* boot id and process namespace */
    int64_t pid;
    int64_t started; /* clock ticks after boot: pids are used again */
};

struct gateway_record {
    struct gateway_owner owner;
    int64_t time_us;
    int64_t lease_ms;
    bool is_answer;
    const char *request_sha256;
    int status;
    bool is_kept; /* the body is there */
    struct lh_header headers[LH_RESPONSE_HEADERS_MAX];
    size_t header_count;
    lh_bytes body;
};

void gateway_record_encode(const struct gateway_record *r, struct lh_buf *out);
lh_status gateway_record_decode(lh_str text, struct lh_arena *arena, struct gateway_record *out,
                                struct lh_error *err);

/* This process. */
struct gateway_owner gateway_owner_new(struct lh_arena *arena);
/* Certain that the owner of a claim does not run any more: same machine, and no such process. */
bool gateway_owner_is_gone(const struct gateway_owner *owner, const struct gateway_owner *self);

#endif
