#include "ann/seat.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"
#include "base/thread.h"

/* Threads begin their search for a seat at different places, and find the same one again. */
static uint32_t next_hint;
static _Thread_local uint32_t hint = UINT32_MAX;

static void *
aligned_new(size_t size)
{
    size_t rounded = (size + 63) / 64 * 64;
    void *p = NULL;

    if (posix_memalign(&p, 64, rounded) != 0)
        abort();
    memset(p, 0, rounded);
    return p;
}

struct ann_seats *
ann_seats_new(size_t padded)
{
    struct ann_seats *s = LH_NEW(struct ann_seats);

    s->epoch = 1;
    s->padded = padded;
    pthread_mutex_init(&s->growing, NULL);
    return s;
}

static void
seat_free(struct ann_seat *seat)
{
    ann_visited_fini(&seat->visited);
    ann_visited_fini(&seat->listed);
    ann_pool_fini(&seat->pool);
    ann_pool_fini(&seat->chosen);
    free(seat->rotated);
    free(seat->code);
    free(seat->owner_code);
    free(seat->row_code);
    free(seat->batch);
    free(seat->ahead);
    free(seat->dots);
    free(seat->distances);
    free(seat);
}

void
ann_seats_free(struct ann_seats *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->count; i++)
        seat_free(s->seat[i]);
    pthread_mutex_destroy(&s->growing);
    free(s);
}

static bool
seat_try(struct ann_seat *seat)
{
    if (__atomic_load_n(&seat->is_taken, __ATOMIC_RELAXED))
        return false;
    return !__atomic_exchange_n(&seat->is_taken, true, __ATOMIC_ACQUIRE);
}

static struct ann_seat *
seat_add(struct ann_seats *s)
{
    LH_AUTO_LOCK(&s->growing);
    uint32_t count = s->count;

    if (count == ANN_SEATS_MAX)
        return NULL;
    struct ann_seat *seat = aligned_new(sizeof(*seat));
    seat->rotated = aligned_new(s->padded * sizeof(float));
    seat->code = aligned_new(s->padded);
    seat->owner_code = aligned_new(s->padded);
    seat->row_code = aligned_new(s->padded);
    ann_seat_batch_reserve(seat, 256);
    seat->is_taken = true;
    s->seat[count] = seat;
    __atomic_store_n(&s->count, count + 1, __ATOMIC_RELEASE);
    return seat;
}

static struct ann_seat *
seat_find(struct ann_seats *s)
{
    uint32_t count = __atomic_load_n(&s->count, __ATOMIC_ACQUIRE);

    if (hint == UINT32_MAX)
        hint = __atomic_fetch_add(&next_hint, 1, __ATOMIC_RELAXED) % ANN_SEATS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct ann_seat *seat = s->seat[(hint + i) % count];
        if (seat_try(seat))
            return seat;
    }
    return seat_add(s);
}

/* The exchange is a full barrier: what the call reads afterwards is read after its epoch can be
 * seen, so a writer that does not see it has unlinked before. */
struct ann_seat *
ann_seat_take(struct ann_seats *s)
{
    struct ann_seat *seat;

    while ((seat = seat_find(s)) == NULL)
        sched_yield();
    uint64_t now = __atomic_load_n(&s->epoch, __ATOMIC_SEQ_CST);
    (void)__atomic_exchange_n(&seat->epoch, now, __ATOMIC_SEQ_CST);
    seat->compared = 0;
    return seat;
}

void
ann_seat_leave(struct ann_seat *seat)
{
    __atomic_store_n(&seat->epoch, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&seat->is_taken, false, __ATOMIC_RELEASE);
}

void
ann_seat_batch_reserve(struct ann_seat *seat, size_t n)
{
    if (n <= seat->batch_max)
        return;
    size_t max = n + n / 2;
    seat->batch = lh_realloc_array(seat->batch, max, sizeof(uint32_t));
    seat->ahead = lh_realloc_array(seat->ahead, max, sizeof(uint32_t));
    seat->dots = lh_realloc_array(seat->dots, max, sizeof(int32_t));
    seat->distances = lh_realloc_array(seat->distances, max, sizeof(float));
    seat->batch_max = max;
}

uint64_t
ann_epoch_advance(struct ann_seats *s)
{
    return __atomic_fetch_add(&s->epoch, 1, __ATOMIC_SEQ_CST);
}

bool
ann_epoch_passed(struct ann_seats *s, uint64_t tag)
{
    uint32_t count = __atomic_load_n(&s->count, __ATOMIC_SEQ_CST);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t epoch = __atomic_load_n(&s->seat[i]->epoch, __ATOMIC_SEQ_CST);
        if (epoch != 0 && epoch <= tag)
            return false;
    }
    return true;
}
