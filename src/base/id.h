/*
 * id: identifiers. UUID version 4, 5 and 7 by RFC 9562; W3C trace and span ids.
 *
 * Threads  all safe; randomness is getrandom(2).
 */
#ifndef LH_BASE_ID_H
#define LH_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

#define LH_UUID_TEXT 37 /* with NUL */

typedef struct lh_uuid {
    uint8_t bytes[16];
} lh_uuid;

lh_uuid lh_uuid_v4(void);
lh_uuid lh_uuid_v5(lh_uuid space, lh_str name);
lh_uuid lh_uuid_v7(void); /* ordered by time within a process */
char *lh_uuid_format(lh_uuid id, char text[LH_UUID_TEXT]);
bool lh_uuid_parse(lh_str s, lh_uuid *out);

void lh_random_bytes(void *ptr, size_t n);
uint64_t lh_random_u64(void); /* fast, for jitter and sampling; not for secrets */

/* W3C Trace Context, https://www.w3.org/TR/trace-context/ */
struct lh_trace {
    char trace_id[33]; /* 32 lower-case hex digits and NUL */
    char span_id[17];
    bool is_sampled;
};

void lh_trace_new(struct lh_trace *t);
/* Accepts a `traceparent` header and gives this hop a span of its own; false leaves *t untouched.
 */
bool lh_trace_parse(lh_str traceparent, struct lh_trace *t);
#define LH_TRACEPARENT_TEXT 56
char *lh_trace_format(const struct lh_trace *t, char text[LH_TRACEPARENT_TEXT]);

#endif
