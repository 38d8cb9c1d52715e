#include "store/s3_retry.h"

#include <time.h>
#include "base/time.h"

#define RETRY 100  /* what one costs */
#define REFILL 20  /* what a success gives back */
#define STEP_MS 20 /* a canceled call is noticed within */
#define RETRY_AFTER_MAX_MS INT64_C(3600000)

void
s3_budget_init(struct s3_budget *b, unsigned retries)
{
    b->max = (int64_t)retries * RETRY;
    atomic_init(&b->left, b->max);
}

bool
s3_budget_take(struct s3_budget *b)
{
    long long left = atomic_load(&b->left);

    while (left >= RETRY) {
        if (atomic_compare_exchange_weak(&b->left, &left, left - RETRY))
            return true;
    }
    return false;
}

void
s3_budget_refill(struct s3_budget *b)
{
    long long left = atomic_load(&b->left);

    while (left < b->max) {
        long long more = left + REFILL < b->max ? left + REFILL : b->max;
        if (atomic_compare_exchange_weak(&b->left, &left, more))
            return;
    }
}

int64_t
s3_backoff_ms(unsigned n, int64_t first_ms, int64_t max_ms, int64_t retry_after_ms, uint64_t random)
{
    int64_t bound = first_ms, wait;

    for (unsigned i = 2; i < n && bound < max_ms; i++)
        bound *= 2;
    if (bound > max_ms)
        bound = max_ms;
    wait = (int64_t)(random % (uint64_t)(bound + 1));
    return wait > retry_after_ms ? wait : retry_after_ms;
}

int64_t
s3_retry_after_ms(lh_str field, int64_t now_us)
{
    uint64_t seconds;
    int64_t at_us, ms = 0;

    field = lh_str_trim(field);
    if (lh_str_u64(field, &seconds))
        ms = seconds < (uint64_t)RETRY_AFTER_MAX_MS / 1000 ? (int64_t)seconds * 1000
                                                           : RETRY_AFTER_MAX_MS;
    else if (lh_time_parse_http(field, &at_us))
        ms = (at_us - now_us) / 1000;
    if (ms < 0)
        return 0;
    return ms < RETRY_AFTER_MAX_MS ? ms : RETRY_AFTER_MAX_MS;
}

bool
s3_wait(struct lh_call *call, int64_t ms)
{
    int64_t until_ms = lh_time_mono_ms() + ms;

    if (lh_call_remaining_ms(call) <= ms)
        return false;
    for (int64_t left = ms; left > 0; left = until_ms - lh_time_mono_ms()) {
        int64_t step = left < STEP_MS ? left : STEP_MS;
        struct timespec t = {.tv_nsec = (long)(step * 1000000)};

        if (lh_call_is_canceled(call))
            return false;
        nanosleep(&t, NULL);
    }
    return true;
}
