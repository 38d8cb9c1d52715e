/*
 * Entries are few (datasets somebody chose), so they stand in a list with the least recently used
 * last.
 *
 * A load happens outside the lock with `is_loading` set, so that loads come one after the other and
 * their sizes can be told apart. Room is made after the load, when the size is known; the engine's
 * own memory limit bounds what a load can take meanwhile.
 */
#include "services/queryd/hot.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/queryd/tables.h"

struct entry {
    char *dataset;
    uint64_t version, bytes, hits;
    bool is_pinned;
    struct entry *next;
};

struct query_hot {
    struct queryd *q;
    uint64_t bytes_max;
    pthread_t thread;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct entry *head; /* most recently used first */
        uint64_t bytes, hits, misses, loads;
        char *wanted;         /* a pinned dataset that has a newer version */
        struct lh_call *call; /* of the background load, to end it with */
        bool is_loading, is_stopping, has_thread;
    } now;
};

struct query_hot *
query_hot_new(struct queryd *q, uint64_t bytes_max)
{
    struct query_hot *h = LH_NEW(struct query_hot);

    h->q = q;
    h->bytes_max = bytes_max;
    pthread_mutex_init(&h->now.lock, NULL);
    lh_cond_init(&h->now.changed);
    return h;
}

static void
entry_free(struct entry *e)
{
    free(e->dataset);
    free(e);
}

void
query_hot_free(struct query_hot *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->now.lock);
    h->now.is_stopping = true;
    if (h->now.call)
        lh_call_cancel(h->now.call);
    pthread_cond_broadcast(&h->now.changed);
    pthread_mutex_unlock(&h->now.lock);
    if (h->now.has_thread)
        lh_thread_join(h->thread);
    while (h->now.head) {
        struct entry *e = h->now.head;

        h->now.head = e->next;
        entry_free(e);
    }
    free(h->now.wanted);
    pthread_cond_destroy(&h->now.changed);
    pthread_mutex_destroy(&h->now.lock);
    free(h);
}

/* ---- the list, under the lock ---- */

/* version 0: any. */
static struct entry **
slot_find(struct query_hot *h, lh_str dataset, uint64_t version)
{
    struct entry **slot = &h->now.head;

    while (*slot && (!lh_str_eq(lh_str_of((*slot)->dataset), dataset) ||
                     (version != 0 && (*slot)->version != version)))
        slot = &(*slot)->next;
    return slot;
}

static struct entry *
slot_take(struct query_hot *h, struct entry **slot)
{
    struct entry *e = *slot;

    *slot = e->next;
    e->next = NULL;
    h->now.bytes -= e->bytes;
    return e;
}

static void
entry_add(struct query_hot *h, struct entry *e)
{
    e->next = h->now.head;
    h->now.head = e;
    h->now.bytes += e->bytes;
}

/* The last entry that is not pinned and not `keep`. */
static struct entry **
slot_least_used(struct query_hot *h, const struct entry *keep)
{
    struct entry **found = NULL;

    for (struct entry **slot = &h->now.head; *slot; slot = &(*slot)->next)
        if (!(*slot)->is_pinned && *slot != keep)
            found = slot;
    return found;
}

/* ---- dropping ---- */

static void
entries_drop(struct query_hot *h, struct entry *list)
{
    struct lh_engine *engine;
    LH_AUTO_ERROR(err);
    bool has_engine = list && lh_env_query_engine(h->q->env, &engine, &err) == LH_OK;

    while (list) {
        struct entry *e = list;

        list = e->next;
        if (has_engine)
            lh_hot_drop(engine, lh_str_of(e->dataset), e->version);
        entry_free(e);
    }
}

static void
push(struct entry **list, struct entry *e)
{
    e->next = *list;
    *list = e;
}

/* ---- loading ---- */

static void
loading_begin(struct query_hot *h)
{
    pthread_mutex_lock(&h->now.lock);
    while (h->now.is_loading)
        pthread_cond_wait(&h->now.changed, &h->now.lock);
    h->now.is_loading = true;
    pthread_mutex_unlock(&h->now.lock);
}

static void
loading_end(struct query_hot *h)
{
    LH_AUTO_LOCK(&h->now.lock);

    h->now.is_loading = false;
    pthread_cond_broadcast(&h->now.changed);
}

/* Older versions of the dataset go, then what is used least, until the new entry fits; false when
 * it cannot. */
static bool
entry_admit(struct query_hot *h, struct entry *fresh, struct entry **gone)
{
    LH_AUTO_LOCK(&h->now.lock);
    struct entry **slot;

    while (*(slot = slot_find(h, lh_str_of(fresh->dataset), 0)))
        push(gone, slot_take(h, slot));
    entry_add(h, fresh);
    h->now.loads++;
    while (h->now.bytes > h->bytes_max && (slot = slot_least_used(h, fresh)) != NULL)
        push(gone, slot_take(h, slot));
    if (h->now.bytes <= h->bytes_max)
        return true;
    push(gone, slot_take(h, slot_find(h, lh_str_of(fresh->dataset), fresh->version)));
    return false;
}

/* An entry whose table is gone, because the engine had to start anew, is taken out. */
static bool
is_loaded(struct query_hot *h, struct lh_engine *engine, const struct lh_snapshot *snapshot)
{
    LH_AUTO_LOCK(&h->now.lock);
    lh_str dataset = lh_str_of(snapshot->dataset);
    struct entry **slot = slot_find(h, dataset, snapshot->version);

    if (!*slot)
        return false;
    if (!lh_hot_has(engine, dataset, snapshot->version)) {
        entry_free(slot_take(h, slot));
        return false;
    }
    (*slot)->is_pinned = true;
    return true;
}

static lh_status
snapshot_keep(struct query_hot *h, struct lh_call *call, const struct lh_snapshot *snapshot,
              struct lh_error *err)
{
    struct lh_statement_source source;
    struct lh_engine *engine;
    struct entry *fresh, *gone = NULL;
    uint64_t bytes;
    bool fits;

    LH_TRY(lh_env_query_engine(h->q->env, &engine, err));
    if (is_loaded(h, engine, snapshot))
        return LH_OK;
    query_source_init(&source, &call->arena, snapshot);
    LH_TRY(lh_hot_load(engine, call, &source, &bytes, err));
    fresh = LH_NEW(struct entry);
    fresh->dataset = lh_strdup(snapshot->dataset);
    fresh->version = snapshot->version;
    fresh->bytes = bytes;
    fresh->is_pinned = true;
    fits = entry_admit(h, fresh, &gone);
    entries_drop(h, gone);
    if (fits)
        return LH_OK;
    return lh_fail(err, LH_TOO_BIG, "query.hot_full",
                   "\"%s\" takes %llu bytes in memory; with what is pinned that is more than "
                   "query.hot_max, %llu",
                   snapshot->dataset, (unsigned long long)bytes, (unsigned long long)h->bytes_max);
}

static lh_status
head_keep(struct query_hot *h, struct lh_call *call, lh_str dataset, struct lh_error *err)
{
    LH_AUTO(lh_snapshot) *snapshot = NULL;
    lh_status status;

    LH_TRY(lh_catalog_snapshot(h->q->catalog, call, dataset, 0, &snapshot, err));
    loading_begin(h);
    status = snapshot_keep(h, call, snapshot, err);
    loading_end(h);
    return status;
}

/* ---- the background thread ---- */

static char *
wanted_wait(struct query_hot *h)
{
    LH_AUTO_LOCK(&h->now.lock);

    while (!h->now.wanted && !h->now.is_stopping)
        pthread_cond_wait(&h->now.changed, &h->now.lock);
    return h->now.is_stopping ? NULL : lh_take(h->now.wanted);
}

static void
call_note(struct query_hot *h, struct lh_call *call)
{
    LH_AUTO_LOCK(&h->now.lock);

    h->now.call = call;
    if (call && h->now.is_stopping)
        lh_call_cancel(call);
}

static void *
hot_main(void *arg)
{
    struct query_hot *h = arg;
    char *dataset;

    while ((dataset = wanted_wait(h)) != NULL) {
        LH_AUTO_ERROR(err);
        struct lh_call call;

        lh_call_init(&call);
        call_note(h, &call);
        if (head_keep(h, &call, lh_str_of(dataset), &err) != LH_OK) {
            /* Not again for each statement: the dataset is read from its objects until somebody
             * pins it anew. */
            lh_log_error(LH_LOG_WARN, "queryd", "hot reload failed", &err);
            query_hot_evict(h, lh_str_of(dataset));
        }
        call_note(h, NULL);
        lh_call_fini(&call);
        free(dataset);
    }
    return NULL;
}

static lh_status
thread_start_once(struct query_hot *h, struct lh_error *err)
{
    LH_AUTO_LOCK(&h->now.lock);

    if (h->now.has_thread)
        return LH_OK;
    LH_TRY(lh_thread_start(&h->thread, "query-hot", hot_main, h, err));
    h->now.has_thread = true;
    return LH_OK;
}

/* ---- the door ---- */

lh_status
query_hot_pin(struct query_hot *h, struct lh_call *call, lh_str dataset, struct lh_error *err)
{
    LH_TRY(thread_start_once(h, err));
    return head_keep(h, call, dataset, err);
}

size_t
query_hot_evict(struct query_hot *h, lh_str dataset)
{
    struct entry *gone = NULL;
    size_t count = 0;

    pthread_mutex_lock(&h->now.lock);
    for (struct entry **slot = &h->now.head; *slot;) {
        if (dataset.len > 0 && !lh_str_eq(lh_str_of((*slot)->dataset), dataset)) {
            slot = &(*slot)->next;
            continue;
        }
        push(&gone, slot_take(h, slot));
        count++;
    }
    pthread_mutex_unlock(&h->now.lock);
    entries_drop(h, gone);
    return count;
}

/* Moves the entry to the front. */
static void
hit(struct query_hot *h, struct entry **slot)
{
    struct entry *e = slot_take(h, slot);

    entry_add(h, e);
    e->hits++;
    h->now.hits++;
}

static void
miss(struct query_hot *h, const struct lh_snapshot *snapshot)
{
    struct entry *e = *slot_find(h, lh_str_of(snapshot->dataset), 0);

    h->now.misses++;
    if (e && e->is_pinned && snapshot->version >= e->version && !h->now.wanted) {
        h->now.wanted = lh_strdup(snapshot->dataset);
        pthread_cond_broadcast(&h->now.changed);
    }
}

void
query_hot_note(struct query_hot *h, struct lh_engine *engine, struct lh_snapshot *const *snapshots,
               size_t count)
{
    LH_AUTO_LOCK(&h->now.lock);

    for (size_t i = 0; i < count; i++) {
        struct entry **slot = slot_find(h, lh_str_of(snapshots[i]->dataset), snapshots[i]->version);

        if (*slot && lh_hot_has(engine, lh_str_of(snapshots[i]->dataset), snapshots[i]->version))
            hit(h, slot);
        else
            miss(h, snapshots[i]);
    }
}

static void
entry_print(const struct entry *e, struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "dataset", e->dataset);
    lh_json_set_u64(w, "version", e->version);
    lh_json_set_u64(w, "bytes", e->bytes);
    lh_json_set_bool(w, "pinned", e->is_pinned);
    lh_json_set_u64(w, "hits", e->hits);
    lh_json_object_end(w);
}

void
query_hot_print(struct query_hot *h, struct lh_json_writer *w, bool with_entries)
{
    LH_AUTO_LOCK(&h->now.lock);

    lh_json_object_begin(w);
    lh_json_set_u64(w, "bytes", h->now.bytes);
    lh_json_set_u64(w, "bytes_max", h->bytes_max);
    lh_json_set_u64(w, "hits", h->now.hits);
    lh_json_set_u64(w, "misses", h->now.misses);
    lh_json_set_u64(w, "loads", h->now.loads);
    if (with_entries) {
        lh_json_key(w, "entries");
        lh_json_array_begin(w);
        for (const struct entry *e = h->now.head; e; e = e->next)
            entry_print(e, w);
        lh_json_array_end(w);
    }
    lh_json_object_end(w);
}
