#include "store/block_flight.h"

#include <assert.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

#define LOOK_MS 50 /* how often a waiter looks whether its caller still waits */

struct block_flight {
    struct block_id id;
    uint64_t pages;
    struct block_flight *next;
    size_t refs;
    bool is_over;
    struct block *block;
    struct lh_error why; /* OK while it flies and when it landed well */
};

struct block_flights {
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t landed;
        struct block_flight *first;
    } lock;
};

struct block_flights *
block_flights_new(void)
{
    struct block_flights *f = LH_NEW(struct block_flights);

    pthread_mutex_init(&f->lock.mutex, NULL);
    lh_cond_init(&f->lock.landed);
    return f;
}

void
block_flights_free(struct block_flights *f)
{
    if (!f)
        return;
    assert(!f->lock.first);
    pthread_cond_destroy(&f->lock.landed);
    pthread_mutex_destroy(&f->lock.mutex);
    free(f);
}

void
block_flights_claim(struct block_flights *f, const struct block_id *id, uint64_t wanted,
                    struct block_flight **own, struct block_flight **other)
{
    LH_AUTO_LOCK(&f->lock.mutex);

    *own = *other = NULL;
    for (struct block_flight *x = f->lock.first; x; x = x->next) {
        if (!(x->pages & wanted) || !block_id_eq(&x->id, id))
            continue;
        wanted &= ~x->pages;
        if (*other)
            continue;
        x->refs++;
        *other = x;
    }
    if (wanted == 0)
        return;
    *own = LH_NEW(struct block_flight);
    (*own)->id = *id;
    (*own)->pages = wanted;
    (*own)->refs = 1;
    (*own)->next = f->lock.first;
    f->lock.first = *own;
}

uint64_t
block_flight_pages(const struct block_flight *own)
{
    return own ? own->pages : 0;
}

/* Under the lock. Whether it was the last: then it is released without the lock. */
static bool
is_last(struct block_flight *x)
{
    return --x->refs == 0;
}

static void
flight_free(struct block_flight *x)
{
    block_unref(x->block);
    lh_error_clear(&x->why);
    free(x);
}

static bool
land(struct block_flights *f, struct block_flight *own, struct block *block,
     const struct lh_error *why)
{
    LH_AUTO_LOCK(&f->lock.mutex);
    struct block_flight **at = &f->lock.first;

    while (*at != own)
        at = &(*at)->next;
    *at = own->next;
    own->is_over = true;
    if (block)
        own->block = block_ref(block);
    else
        lh_error_copy(&own->why, why);
    pthread_cond_broadcast(&f->lock.landed);
    return is_last(own);
}

void
block_flight_land(struct block_flights *f, struct block_flight *own, struct block *block,
                  const struct lh_error *why)
{
    if (land(f, own, block, why))
        flight_free(own);
}

/* Its own caller's end is no failure of the bucket. */
static bool
is_of_its_caller(lh_status status)
{
    return status == LH_CANCELED || status == LH_TIMEOUT;
}

static lh_status
wait(struct block_flights *f, struct block_flight *other, struct lh_call *call,
     struct block **block, struct lh_error *err)
{
    LH_AUTO_LOCK(&f->lock.mutex);

    while (!other->is_over) {
        LH_TRY(lh_call_check(call, err));
        (void)lh_cond_wait_until(&f->lock.landed, &f->lock.mutex, lh_time_mono_ms() + LOOK_MS);
    }
    *block = other->block ? block_ref(other->block) : NULL;
    if (other->block || is_of_its_caller(other->why.status))
        return LH_OK;
    if (err)
        lh_error_copy(err, &other->why);
    return other->why.status;
}

lh_status
block_flight_wait(struct block_flights *f, struct block_flight *other, struct lh_call *call,
                  struct block **block, struct lh_error *err)
{
    lh_status status;

    *block = NULL;
    status = wait(f, other, call, block, err);
    block_flight_let_go(f, other);
    return status;
}

void
block_flight_let_go(struct block_flights *f, struct block_flight *other)
{
    bool is_gone;

    if (!other)
        return;
    pthread_mutex_lock(&f->lock.mutex);
    is_gone = is_last(other);
    pthread_mutex_unlock(&f->lock.mutex);
    if (is_gone)
        flight_free(other);
}
