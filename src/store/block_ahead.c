/*
 * Read-ahead. A reader who goes on where he stopped three times is taken to go on: the crew fetches
 * the next bytes while he works on these, at first twice what he reads at a time, then twice as
 * much each time, up to the limit. A read elsewhere begins anew. Readers who know what they want
 * (DuckDB asks for exactly the column chunks of a statement) are left alone: their neighbouring
 * reads are neighbouring columns, and what follows them nobody asked for.
 */
#include <stdlib.h>
#include "base/thread.h"
#include "store/backend.h"
#include "store/block_fetch.h"

#define STREAK_MIN 3
#define STREAK_MAX 10

void
block_ahead_init(struct block_ahead *a)
{
    pthread_mutex_init(&a->lock.mutex, NULL);
    lh_cond_init(&a->lock.ended);
}

/* Under the lock, because who closes the reader cancels the call of a task that runs. */
static void
task_ended(struct block_ahead *a)
{
    LH_AUTO_LOCK(&a->lock.mutex);
    lh_call_fini(&a->call);
    a->lock.is_running = false;
    pthread_cond_signal(&a->lock.ended);
}

static void
ahead_run(struct block_task *task)
{
    struct block_ahead *a = (struct block_ahead *)task;
    struct block_reader *r =
        (struct block_reader *)((char *)a - offsetof(struct block_reader, ahead));

    /* Whoever reads there finds the failure himself. */
    if (block_read(r, &a->call, a->offset, NULL, (size_t)a->length, NULL) == LH_OK)
        lh_metric_add(r->source->cache->ahead_bytes, (int64_t)a->length);
    task_ended(a);
}

static uint64_t
length_wanted(const struct block_ahead *a, uint64_t n, uint64_t max)
{
    unsigned doublings = a->lock.streak - STREAK_MIN + 1;
    uint64_t wanted = n > (max >> doublings) ? max : n << doublings;

    return wanted < BLOCK_BYTES ? BLOCK_BYTES : wanted;
}

/* Under the lock. True when a->offset and a->length are to be fetched. */
static bool
is_due(struct block_reader *r, uint64_t end, uint64_t n)
{
    struct block_ahead *a = &r->ahead;
    uint64_t size = r->object->info.size_bytes, max = r->source->cache->ahead_max;
    uint64_t wanted;

    if (a->lock.is_running || a->lock.is_closing || a->lock.streak < STREAK_MIN)
        return false;
    wanted = length_wanted(a, n, max);
    a->offset = a->lock.ahead_end > end ? a->lock.ahead_end : end;
    if (a->offset >= size || a->offset - end > wanted / 2)
        return false;
    a->length = wanted < size - a->offset ? wanted : size - a->offset;
    a->lock.ahead_end = a->offset + a->length;
    a->lock.is_running = true;
    return true;
}

static bool
note(struct block_reader *r, uint64_t offset, uint64_t n)
{
    struct block_ahead *a = &r->ahead;
    LH_AUTO_LOCK(&a->lock.mutex);

    if (offset != a->lock.last_end) {
        a->lock.streak = 0;
        a->lock.ahead_end = 0;
    }
    a->lock.streak += a->lock.streak < STREAK_MAX ? 1 : 0;
    a->lock.last_end = offset + n;
    return is_due(r, offset + n, n);
}

void
block_ahead_note(struct block_reader *r, const struct lh_call *call, uint64_t offset, uint64_t n)
{
    struct block_ahead *a = &r->ahead;

    if (r->object->is_exact || r->source->cache->ahead_max == 0 || !note(r, offset, n))
        return;
    block_call_derive(&a->call, call);
    a->task.run = ahead_run;
    if (!block_crew_offer(r->source->cache->crew, &a->task))
        task_ended(a);
}

void
block_ahead_fini(struct block_reader *r)
{
    struct block_ahead *a = &r->ahead;

    pthread_mutex_lock(&a->lock.mutex);
    a->lock.is_closing = true;
    if (a->lock.is_running && block_crew_withdraw(r->source->cache->crew, &a->task)) {
        a->lock.is_running = false;
        lh_call_fini(&a->call);
    } else if (a->lock.is_running) {
        lh_call_cancel(&a->call);
    }
    while (a->lock.is_running)
        pthread_cond_wait(&a->lock.ended, &a->lock.mutex);
    pthread_mutex_unlock(&a->lock.mutex);
    pthread_cond_destroy(&a->lock.ended);
    pthread_mutex_destroy(&a->lock.mutex);
}
