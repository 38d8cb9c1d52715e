/*
 * breaker: whether a bucket that has been failing is asked again.
 *
 * Closed, everything goes through. After `failures_max` failures in a row it opens, and nothing
 * does, until `reset_ms` later one caller is let through as a probe: its success closes the
 * breaker, its failure opens it for as long again. Time comes in from outside.
 *
 * Threads  all functions may be called from any thread.
 */
#ifndef LH_STORE_BREAKER_H
#define LH_STORE_BREAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct store_breaker {
    unsigned failures_max; /* 0: never opens */
    int64_t reset_ms;
    struct {
        pthread_mutex_t mutex;
        unsigned failures; /* in a row */
        bool is_open, is_probing;
        int64_t until_ms; /* of an open one: when to probe */
    } lock;
};

void store_breaker_init(struct store_breaker *b, unsigned failures_max, int64_t reset_ms);
void store_breaker_fini(struct store_breaker *b);

/* Whoever was let through says how it went, in one of the ways below. */
bool store_breaker_enter(struct store_breaker *b, int64_t now_ms);
void store_breaker_good(struct store_breaker *b);
/* True when this failure opened it. */
bool store_breaker_bad(struct store_breaker *b, int64_t now_ms);
/* It told nothing of the bucket: the caller gave up, or one object is damaged. */
void store_breaker_leave(struct store_breaker *b);

bool store_breaker_is_open(struct store_breaker *b);

#endif
