/*
 * breaker: leaves a peer alone that keeps failing; for this folder.
 *
 * Closed, every call may pass. After so many failures in a row it opens: for a while nobody passes.
 * Then one call may try; if that succeeds it closes, if not it stays open for another while. A
 * trial that never reports back (its caller left) is forgotten after the same while.
 *
 * Threads  the owner's lock. The clock is given, so that this is a pure decision.
 */
#ifndef LH_AIBRIDGE_BREAKER_H
#define LH_AIBRIDGE_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bridge_breaker {
    size_t failures_max;
    int64_t cooldown_ms;
    size_t failures;  /* in a row */
    int64_t until_ms; /* nobody passes before, when it is open */
};

static inline bool
bridge_breaker_is_open(const struct bridge_breaker *b)
{
    return b->failures >= b->failures_max;
}

/* Whether a call may go out now. The one that is let through an open breaker is its trial: others
 * wait for another while. */
bool bridge_breaker_pass(struct bridge_breaker *b, int64_t now_ms);
void bridge_breaker_report(struct bridge_breaker *b, bool is_ok, int64_t now_ms);

#endif
