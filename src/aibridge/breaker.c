#include "aibridge/breaker.h"

bool
bridge_breaker_pass(struct bridge_breaker *b, int64_t now_ms)
{
    if (!bridge_breaker_is_open(b))
        return true;
    if (now_ms < b->until_ms)
        return false;
    b->until_ms = now_ms + b->cooldown_ms;
    return true;
}

void
bridge_breaker_report(struct bridge_breaker *b, bool is_ok, int64_t now_ms)
{
    if (is_ok) {
        b->failures = 0;
        return;
    }
    b->failures++;
    if (bridge_breaker_is_open(b))
        b->until_ms = now_ms + b->cooldown_ms;
}
