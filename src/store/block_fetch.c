#include "store/block_fetch.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/backend.h"

#define LOOK_MS 50 /* how often a caller who waits for helpers looks whether he still should */

struct fetch;

struct helper {
    struct block_task task; /* first */
    struct fetch *fetch;
    struct lh_call call;
};

struct fetch {
    struct block_reader *r;
    struct block_range *ranges;
    size_t count;
    struct helper *helpers;
    size_t helper_count;
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t ended;
        size_t next;    /* range */
        size_t helping; /* helpers that were taken and have not ended */
        struct lh_error failure;
    } lock;
};

void
block_call_derive(struct lh_call *own, const struct lh_call *of)
{
    lh_call_init(own);
    own->principal = of->principal;
    own->trace = of->trace;
    own->deadline_ms = of->deadline_ms;
    own->source = of->source;
    if (atomic_load(&of->is_canceled))
        lh_call_cancel(own);
}

void
block_range_fini(struct block_range *range)
{
    for (size_t i = 0; i < range->block_count; i++)
        block_unref(range->blocks[i]);
    free(range->blocks);
    range->blocks = NULL;
    range->block_count = 0;
}

/* ---- one range ---- */

/* What of the range has not come with the opening. */
static size_t
asked_for(const struct block_reader *r, uint64_t offset, size_t n)
{
    size_t first = r->object->first_bytes;

    if (offset >= first)
        return n;
    return first - (size_t)offset < n ? n - (first - (size_t)offset) : 0;
}

static void
request_count(struct block_reader *r)
{
    lh_metric_add(r->source->requests, 1);
    if (r->object->tally)
        atomic_fetch_add_explicit(&r->object->tally->remote_requests, 1, memory_order_relaxed);
}

static void
bytes_count(struct block_reader *r, size_t bytes, int64_t began_ns)
{
    block_cost_note(&r->source->cost, bytes, (uint64_t)(lh_time_mono_ns() - began_ns));
    lh_metric_add(r->source->bytes, (int64_t)bytes);
    if (r->object->tally)
        atomic_fetch_add_explicit(&r->object->tally->remote_bytes, bytes, memory_order_relaxed);
}

static void
range_cut_up(struct block_reader *r, struct block_range *range, const uint8_t *bytes, size_t n)
{
    uint64_t page = range->first, end = range->first + range->count;
    uint64_t first_block = page / BLOCK_PAGES;

    range->block_count = (size_t)((end - 1) / BLOCK_PAGES - first_block + 1);
    range->blocks = lh_alloc_array(range->block_count, sizeof(struct block *));
    for (size_t i = 0; i < range->block_count; i++) {
        struct block_id id = {.number = first_block + i};
        size_t first = (size_t)(page % BLOCK_PAGES);
        size_t room = BLOCK_BYTES - (first << BLOCK_PAGE_LOG2);
        size_t part = n < room ? n : room;

        memcpy(id.object, r->digest, sizeof(id.object));
        range->blocks[i] = block_make(&id, first, bytes, part);
        bytes += part;
        n -= part;
        page += BLOCK_PAGES - first;
    }
}

static lh_status
range_fetch(struct block_reader *r, struct lh_call *call, struct block_range *range,
            struct lh_error *err)
{
    uint64_t offset = range->first << BLOCK_PAGE_LOG2;
    uint64_t left = r->object->info.size_bytes - offset;
    size_t n = (size_t)(range->count << BLOCK_PAGE_LOG2), asked;
    LH_AUTO_CHARS bytes = NULL;
    int64_t began_ns = lh_time_mono_ns();

    n = n < left ? n : (size_t)left;
    asked = asked_for(r, offset, n);
    bytes = lh_alloc(n);
    if (asked > 0)
        request_count(r);
    LH_TRY(r->object->bucket->ops->read(r->object, call, offset, bytes, n, err));
    if (asked > 0)
        bytes_count(r, asked, began_ns);
    range_cut_up(r, range, (const uint8_t *)bytes, n);
    return LH_OK;
}

/* ---- all of them ---- */

static struct block_range *
range_next(struct fetch *f)
{
    LH_AUTO_LOCK(&f->lock.mutex);

    if (f->lock.failure.status != LH_OK || f->lock.next == f->count)
        return NULL;
    return &f->ranges[f->lock.next++];
}

static void
failed(struct fetch *f, const struct lh_error *err)
{
    LH_AUTO_LOCK(&f->lock.mutex);

    if (f->lock.failure.status == LH_OK)
        lh_error_copy(&f->lock.failure, err);
}

static void
ranges_work(struct fetch *f, struct lh_call *call)
{
    LH_AUTO_ERROR(err);
    struct block_range *range;

    while ((range = range_next(f)) != NULL)
        if (range_fetch(f->r, call, range, &err) != LH_OK)
            failed(f, &err);
}

static void
helper_run(struct block_task *task)
{
    struct helper *h = (struct helper *)task;
    struct fetch *f = h->fetch;

    ranges_work(f, &h->call);
    pthread_mutex_lock(&f->lock.mutex);
    f->lock.helping--;
    pthread_cond_signal(&f->lock.ended);
    pthread_mutex_unlock(&f->lock.mutex);
}

/* One more helper for this object, when its limit allows. */
static bool
is_granted(struct block_reader *r)
{
    if (atomic_fetch_add(&r->running, 1) + 1 < r->source->cache->per_object)
        return true;
    atomic_fetch_sub(&r->running, 1);
    return false;
}

static void
helpers_call(struct fetch *f, const struct lh_call *call)
{
    size_t wanted = f->count - 1;

    if (wanted >= f->r->source->cache->per_object)
        wanted = f->r->source->cache->per_object - 1;
    f->helpers = lh_alloc_array(wanted + 1, sizeof(*f->helpers));
    while (f->helper_count < wanted && is_granted(f->r)) {
        struct helper *h = &f->helpers[f->helper_count];

        h->task.run = helper_run;
        h->fetch = f;
        block_call_derive(&h->call, call);
        pthread_mutex_lock(&f->lock.mutex);
        f->lock.helping++;
        pthread_mutex_unlock(&f->lock.mutex);
        f->helper_count++;
        if (block_crew_offer(f->r->source->cache->crew, &h->task))
            continue;
        pthread_mutex_lock(&f->lock.mutex);
        f->lock.helping--;
        pthread_mutex_unlock(&f->lock.mutex);
        break;
    }
}

static void
helpers_withdraw(struct fetch *f)
{
    for (size_t i = 0; i < f->helper_count; i++) {
        if (!block_crew_withdraw(f->r->source->cache->crew, &f->helpers[i].task))
            continue;
        pthread_mutex_lock(&f->lock.mutex);
        f->lock.helping--;
        pthread_mutex_unlock(&f->lock.mutex);
    }
}

static bool
helpers_wait(struct fetch *f, struct lh_call *call)
{
    LH_AUTO_LOCK(&f->lock.mutex);

    while (f->lock.helping > 0) {
        if (f->lock.failure.status != LH_OK)
            return false;
        if (lh_call_check(call, &f->lock.failure) != LH_OK)
            return false;
        (void)lh_cond_wait_until(&f->lock.ended, &f->lock.mutex, lh_time_mono_ms() + LOOK_MS);
    }
    return true;
}

static void
helpers_cancel(struct fetch *f)
{
    for (size_t i = 0; i < f->helper_count; i++)
        lh_call_cancel(&f->helpers[i].call);
    LH_AUTO_LOCK(&f->lock.mutex);
    while (f->lock.helping > 0)
        pthread_cond_wait(&f->lock.ended, &f->lock.mutex);
}

static void
helpers_dismiss(struct fetch *f, struct lh_call *call)
{
    helpers_withdraw(f);
    if (!helpers_wait(f, call))
        helpers_cancel(f);
    for (size_t i = 0; i < f->helper_count; i++)
        lh_call_fini(&f->helpers[i].call);
    if (f->helper_count > 0)
        atomic_fetch_sub(&f->r->running, (unsigned)f->helper_count);
    free(f->helpers);
}

lh_status
block_fetch(struct block_reader *r, struct lh_call *call, struct block_range *ranges, size_t count,
            struct lh_error *err)
{
    struct fetch f = {.r = r, .ranges = ranges, .count = count};
    lh_status status;

    if (count == 0)
        return LH_OK;
    if (count == 1)
        return range_fetch(r, call, ranges, err);
    pthread_mutex_init(&f.lock.mutex, NULL);
    lh_cond_init(&f.lock.ended);
    helpers_call(&f, call);
    ranges_work(&f, call);
    helpers_dismiss(&f, call);
    status = f.lock.failure.status;
    if (status != LH_OK && err)
        lh_error_copy(err, &f.lock.failure);
    lh_error_clear(&f.lock.failure);
    pthread_cond_destroy(&f.lock.ended);
    pthread_mutex_destroy(&f.lock.mutex);
    return status;
}
