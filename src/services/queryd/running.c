#include "services/queryd/running.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

enum { SQL_SHOWN_BYTES = 2000 };

struct query_running {
    size_t max;
    struct {
        pthread_mutex_t lock;
        struct query_entry *head;
        size_t count;
        uint64_t started;
    } now;
};

struct query_running *
query_running_new(size_t max)
{
    struct query_running *r = LH_NEW(struct query_running);

    r->max = max;
    pthread_mutex_init(&r->now.lock, NULL);
    return r;
}

void
query_running_free(struct query_running *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->now.lock);
    free(r);
}

lh_status
query_running_begin(struct query_running *r, struct lh_call *call, lh_str sql,
                    struct query_entry *entry, struct lh_error *err)
{
    lh_uuid_format(lh_uuid_v7(), entry->id);
    entry->call = call;
    entry->sql = sql;
    entry->started_us = lh_time_now_us();
    entry->started_ns = lh_time_mono_ns();

    LH_AUTO_LOCK(&r->now.lock);
    if (r->now.count >= r->max)
        return lh_fail(err, LH_BUSY, "query.too_many",
                       "%zu statements run already, the limit is query.concurrency", r->now.count);
    entry->in = r;
    entry->prev = NULL;
    entry->next = r->now.head;
    if (entry->next)
        entry->next->prev = entry;
    r->now.head = entry;
    r->now.count++;
    r->now.started++;
    return LH_OK;
}

void
query_running_end(struct query_entry *entry)
{
    struct query_running *r = entry->in;

    if (!r)
        return;
    LH_AUTO_LOCK(&r->now.lock);
    if (entry->prev)
        entry->prev->next = entry->next;
    else
        r->now.head = entry->next;
    if (entry->next)
        entry->next->prev = entry->prev;
    r->now.count--;
    entry->in = NULL;
}

void
query_running_reads(struct query_entry *entry, struct lh_snapshot *const *snapshots, size_t count)
{
    LH_AUTO_LOCK(&entry->in->now.lock);

    entry->reading = snapshots;
    entry->reading_count = count;
    entry->is_bound = true;
}

static bool
may_see(const struct lh_principal *who, const struct query_entry *entry)
{
    return !who->profile || who->profile[0] == 0 ||
           strcmp(who->name, entry->call->principal.name) == 0;
}

lh_status
query_running_cancel(struct query_running *r, const struct lh_principal *who, lh_str id,
                     struct lh_error *err)
{
    LH_AUTO_LOCK(&r->now.lock);

    for (struct query_entry *entry = r->now.head; entry; entry = entry->next) {
        if (lh_str_eq(lh_str_of(entry->id), id) && may_see(who, entry)) {
            lh_call_cancel(entry->call);
            return LH_OK;
        }
    }
    return lh_fail(err, LH_NOT_FOUND, "query.unknown", "no statement %.*s is running",
                   LH_FMT(lh_str_fit(id, 64)));
}

static void
reads_print(const struct query_entry *entry, const char *name_key, struct lh_json_writer *w)
{
    for (size_t i = 0; i < entry->reading_count; i++) {
        lh_json_object_begin(w);
        lh_json_set_cstr(w, name_key, entry->reading[i]->dataset);
        lh_json_set_u64(w, "version", entry->reading[i]->version);
        lh_json_object_end(w);
    }
}

static void
entry_print(const struct query_entry *entry, struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "query_id", entry->id);
    lh_json_set_str(w, "sql", lh_str_fit(entry->sql, SQL_SHOWN_BYTES));
    lh_json_set_cstr(w, "principal", entry->call->principal.name);
    lh_json_set_time(w, "started_at", entry->started_us);
    lh_json_set_i64(w, "elapsed_ms", (lh_time_mono_ns() - entry->started_ns) / 1000000);
    lh_json_set_cstr(w, "trace_id", entry->call->trace.trace_id);
    lh_json_key(w, "datasets");
    lh_json_array_begin(w);
    reads_print(entry, "name", w);
    lh_json_array_end(w);
    lh_json_object_end(w);
}

void
query_running_list(struct query_running *r, const struct lh_principal *who,
                   struct lh_json_writer *w)
{
    LH_AUTO_LOCK(&r->now.lock);

    lh_json_array_begin(w);
    for (const struct query_entry *entry = r->now.head; entry; entry = entry->next)
        if (may_see(who, entry))
            entry_print(entry, w);
    lh_json_array_end(w);
}

void
query_running_reading(struct query_running *r, int64_t before_us, struct lh_json_writer *w)
{
    LH_AUTO_LOCK(&r->now.lock);
    uint64_t starting = 0;

    lh_json_object_begin(w);
    lh_json_key(w, "reading");
    lh_json_array_begin(w);
    for (const struct query_entry *entry = r->now.head; entry; entry = entry->next) {
        reads_print(entry, "dataset", w);
        starting += !entry->is_bound && entry->started_us < before_us;
    }
    lh_json_array_end(w);
    lh_json_set_u64(w, "starting", starting);
    lh_json_object_end(w);
}

size_t
query_running_count(struct query_running *r)
{
    LH_AUTO_LOCK(&r->now.lock);

    return r->now.count;
}

uint64_t
query_running_started(struct query_running *r)
{
    LH_AUTO_LOCK(&r->now.lock);

    return r->now.started;
}
