/*
 * call: what one request carries from its first byte to the engine.
 *
 * Every function that does work on behalf of somebody takes a `struct lh_call *`: it says who asks,
 * until when, how to learn that nobody waits any more, and where small memory comes from. A call
 * made inside the process on nobody's behalf (compaction, collection) uses one made by lh_call_init
 * with the principal LH_PRINCIPAL_SYSTEM.
 *
 * Owns     its arena. Borrowed for the duration of the handler; never kept.
 * Threads  one worker thread runs a call; lh_call_cancel may come from any thread.
 */
#ifndef LH_NET_CALL_H
#define LH_NET_CALL_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/arena.h"
#include "base/id.h"
#include "base/status.h"

enum lh_principal_kind {
    LH_PRINCIPAL_ANONYMOUS, /* no token; allowed only where the gateway says so */
    LH_PRINCIPAL_USER,      /* a token of the configuration or of a profile */
    LH_PRINCIPAL_SYSTEM,    /* this installation itself */
};

/* Names are copied into the call's arena. */
struct lh_principal {
    enum lh_principal_kind kind;
    const char *name;    /* "local", "system", or the token's name: never the token */
    const char *profile; /* profile id, or "" for everything */
    bool may_write;
};

struct lh_call {
    struct lh_arena arena;
    struct lh_principal principal;
    struct lh_trace trace;
    int64_t deadline_ms; /* lh_time_mono_ms clock; INT64_MAX for none */
    atomic_bool is_canceled;
    const char *source;     /* where it came in: "http", "cli", "mesh", "internal" */
    struct lh_call *parent; /* whose cancellation is this one's too; NULL: none */
    bool reads_straight;    /* neither a cache nor the rescue bucket answers: for verification */
    /* The bucket that stood in for another on behalf of this call, NULL: none did. The name
     * outlives the call. */
    const char *_Atomic rescued_by;
    struct lh_call_hook {
        pthread_mutex_t lock;
        void (*run)(void *); /* called at most once, by the thread that cancels */
        void *arg;
    } on_cancel;
};

void lh_call_init(struct lh_call *c); /* system principal, new trace, no deadline */
void lh_call_fini(struct lh_call *c);

/* A part of `parent`, which must outlive it, with a deadline of its own: canceled with it, alike in
 * principal and trace. Hooks are not shared. */
void lh_call_init_part(struct lh_call *c, struct lh_call *parent, int64_t deadline_ms);

/* Marks the call as abandoned and runs its hook. */
void lh_call_cancel(struct lh_call *c);
/* Sets (or with NULL removes) what cancelling also does, such as duckdb_interrupt. When the call is
 * already cancelled the hook runs at once. After removal returns, the hook is not running and will
 * not run. The hook must not block. */
void lh_call_on_cancel(struct lh_call *c, void (*run)(void *), void *arg);

/* OK, CANCELED "call.canceled" or TIMEOUT "call.deadline". Cheap; for loops. */
lh_status lh_call_check(const struct lh_call *c, struct lh_error *err);
bool lh_call_is_canceled(const struct lh_call *c); /* itself or what it is a part of */
/* Notes the bucket that stood in, on the call and on all it is a part of. */
void lh_call_rescued_by(struct lh_call *c, const char *bucket);
int64_t
lh_call_remaining_ms(const struct lh_call *c); /* never negative; INT64_MAX without a deadline */

#endif
