/*
 * running: the statements that run now, so that they can be counted, listed and stopped.
 *
 * Threads  all functions from any thread; an entry borrows its call until query_running_end.
 * Fails    BUSY "query.too_many"; NOT_FOUND "query.unknown".
 */
#ifndef LH_SERVICES_QUERYD_RUNNING_H
#define LH_SERVICES_QUERYD_RUNNING_H

#include "net/call.h"
#include "base/json.h"
#include "services/catalogd/client.h"

struct query_running;

struct query_entry {
    char id[LH_UUID_TEXT];
    struct lh_call *call;
    lh_str sql; /* borrowed too */
    int64_t started_us, started_ns;
    struct query_running *in;           /* NULL: not entered */
    struct lh_snapshot *const *reading; /* what it reads, borrowed */
    size_t reading_count;
    bool is_bound; /* it is known what it reads */
    struct query_entry *next, *prev;
};

struct query_running *query_running_new(size_t max);
void query_running_free(struct query_running *r);

/* Gives the entry its id. */
lh_status query_running_begin(struct query_running *r, struct lh_call *call, lh_str sql,
                              struct query_entry *entry, struct lh_error *err);
void query_running_end(struct query_entry *entry);
/* From here on it is known what the statement reads; the snapshots must outlive the entry. */
void
query_running_reads(struct query_entry *entry, struct lh_snapshot *const *snapshots, size_t count);

/* Who may see and stop a statement: whoever asked it, and a principal without a profile. */
lh_status query_running_cancel(struct query_running *r, const struct lh_principal *who, lh_str id,
                               struct lh_error *err);
/* An array of {query_id, sql, principal, started_at, elapsed_ms, trace_id, datasets}. */
void query_running_list(struct query_running *r, const struct lh_principal *who,
                        struct lh_json_writer *w);
/* Appends {"reading":[{"dataset","version"}],"starting":n}: what collection must leave alone.
 * `starting` counts statements that began before `before_us` and do not know yet what they read. */
void query_running_reading(struct query_running *r, int64_t before_us, struct lh_json_writer *w);
size_t query_running_count(struct query_running *r);
uint64_t query_running_started(struct query_running *r);

#endif
