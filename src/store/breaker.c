#include "store/breaker.h"

#include "base/thread.h"

void
store_breaker_init(struct store_breaker *b, unsigned failures_max, int64_t reset_ms)
{
    *b = (struct store_breaker){.failures_max = failures_max, .reset_ms = reset_ms};
    pthread_mutex_init(&b->lock.mutex, NULL);
}

void
store_breaker_fini(struct store_breaker *b)
{
    pthread_mutex_destroy(&b->lock.mutex);
}

bool
store_breaker_enter(struct store_breaker *b, int64_t now_ms)
{
    LH_AUTO_LOCK(&b->lock.mutex);

    if (!b->lock.is_open)
        return true;
    if (b->lock.is_probing || now_ms < b->lock.until_ms)
        return false;
    b->lock.is_probing = true;
    return true;
}

void
store_breaker_good(struct store_breaker *b)
{
    LH_AUTO_LOCK(&b->lock.mutex);

    b->lock.failures = 0;
    b->lock.is_open = false;
    b->lock.is_probing = false;
}

bool
store_breaker_bad(struct store_breaker *b, int64_t now_ms)
{
    LH_AUTO_LOCK(&b->lock.mutex);
    bool was_open = b->lock.is_open;

    b->lock.failures++;
    b->lock.is_probing = false;
    if (b->failures_max == 0 || (!was_open && b->lock.failures < b->failures_max))
        return false;
    b->lock.is_open = true;
    b->lock.until_ms = now_ms + b->reset_ms;
    return !was_open;
}

void
store_breaker_leave(struct store_breaker *b)
{
    LH_AUTO_LOCK(&b->lock.mutex);

    b->lock.is_probing = false;
}

bool
store_breaker_is_open(struct store_breaker *b)
{
    LH_AUTO_LOCK(&b->lock.mutex);

    return b->lock.is_open;
}
