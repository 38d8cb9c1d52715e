/*
 * rounds: a thread that does the same work again and again and rests in between.
 *
 * What a service does in the background. Every round runs on a call of its own, and the rest is
 * counted from the end of a round, so that slow ones leave time between them. Stopping ends a rest
 * at once and cancels a round. Rounds report their own failures; the next one tries again.
 *
 * Owns     the thread and the calls.
 * Threads  start and stop belong to one; `run` and `next_ms` are called on the thread of the
 *          rounds, never both at a time.
 * Fails    as lh_thread_start.
 */
#ifndef LH_SERVICES_ROUNDS_H
#define LH_SERVICES_ROUNDS_H

#include "net/call.h"

struct lh_rounds;

struct lh_rounds_options {
    const char *name; /* of the thread */
    int64_t interval_ms;
    bool is_at_once; /* the first round comes before the first rest */
    void (*run)(void *self, struct lh_call *call);
    int64_t (*next_ms)(void *self); /* the end of a rest (lh_time_mono_ms); NULL: interval_ms */
    void *self;
};

lh_status lh_rounds_start(const struct lh_rounds_options *options, struct lh_rounds **out,
                          struct lh_error *err);
/* Waits for the round that it has canceled, and frees; NULL is fine. */
void lh_rounds_stop(struct lh_rounds *r);

#endif
