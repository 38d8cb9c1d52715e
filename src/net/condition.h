/*
 * condition: Range and conditional header fields.
 *
 * Source   RFC 9110 13.1 (If-Match, If-None-Match, If-Range), 8.8.3 (comparison of entity tags),
 *          14.1 and 14.2 (Range).
 * Threads  pure functions.
 */
#ifndef LH_NET_CONDITION_H
#define LH_NET_CONDITION_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

/*
 * Reads "bytes=first-last", "bytes=first-" or "bytes=-suffix" against a thing of `size` bytes.
 * False when the field is to be ignored and the whole thing sent: absent, not bytes, malformed, or
 * several ranges (which a server may answer whole). True with *is_satisfiable false asks for 416
 * and "Content-Range: bytes * /size"; true with *is_satisfiable true asks for 206 with *length
 * bytes from *from.
 */
bool lh_range_parse(lh_str header, uint64_t size, uint64_t *from, uint64_t *length,
                    bool *is_satisfiable);

/* `list` is "*" or a comma-separated list of entity tags, with quotes and perhaps W/; `etag` is the
 * current one in the same form, or empty when there is none (then nothing matches, "*" neither).
 * Strong comparison never matches a weak tag. */
bool lh_etag_match(lh_str list, lh_str etag, bool weak);

enum lh_condition {
    LH_CONDITION_NONE,         /* go on */
    LH_CONDITION_NOT_MODIFIED, /* 304 */
    LH_CONDITION_FAILED,       /* 412 */
};

/* If-Match, then If-None-Match, in the order of RFC 9110 13.2.2. `etag` empty: the thing does not
 * exist. Absent fields are views with ptr NULL. */
enum lh_condition
lh_condition_check(lh_str if_match, lh_str if_none_match, lh_str etag, bool is_read);

/* Whether Range still counts: If-Range is absent, or names the current tag strongly. A date never
 * does: tags are what this system compares. */
bool lh_if_range_holds(lh_str if_range, lh_str etag);

#endif
