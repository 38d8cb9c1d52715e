/*
 * watchdog: one thread of the process that interrupts statements whose time is over or whose caller
 * has gone.
 *
 * DuckDB forgets an interrupt that comes before execution starts, so the interrupt is repeated
 * every few milliseconds until the connection is untied. It only raises a flag; the verdict is read
 * from the call itself (engine_error).
 *
 * Threads  all functions from any thread. The thread starts with the first use and ends with the
 * last engine.
 */
#ifndef LH_ENGINE_WATCHDOG_H
#define LH_ENGINE_WATCHDOG_H

#include <duckdb.h>
#include "net/call.h"

struct engine_reads;

struct engine_watch {
    struct lh_call *call;
    duckdb_connection connection;
    struct engine_reads *reads;
    struct engine_watch *next, *prev;
};

lh_status engine_watchdog_ref(struct lh_error *err);
void engine_watchdog_unref(void);

/* Between tie and untie the connection is interrupted when `call` ends. */
void engine_watch_tie(struct engine_watch *w, struct lh_call *call);
void engine_watch_untie(struct engine_watch *w);

#endif
