/*
 * Connections that run something on behalf of a call stand in one list. The thread sleeps until the
 * earliest deadline among them, or until a call is canceled. `wake_at_ms` is what it sleeps for:
 * tying a connection with a later deadline needs no wake-up, so a busy server does not switch
 * threads for each statement. After an early wake it looks again and sleeps on.
 *
 * The hook of a call only wakes the thread, which then asks every call of the list. So one call may
 * hold several connections, of either engine.
 */
#include "engine/watchdog.h"

#include "base/thread.h"
#include "base/time.h"
#include "engine/lake_io.h"

enum { REPEAT_MS = 5 };

static struct {
    pthread_mutex_t start_lock; /* guards users and thread */
    unsigned users;
    pthread_t thread;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;
    bool has_cond, is_stopping;
    struct engine_watch *head;
    int64_t wake_at_ms;
} dog = {.start_lock = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

/* Interrupts what is over; returns when to look again. */
static int64_t
round_run(void)
{
    int64_t now = lh_time_mono_ms(), next = INT64_MAX;

    for (struct engine_watch *w = dog.head; w; w = w->next) {
        int64_t due = w->call->deadline_ms;

        if (atomic_load(&w->call->is_canceled) || due <= now) {
            engine_reads_cancel(w->reads);
            duckdb_interrupt(w->connection);
            due = now + REPEAT_MS;
        }
        if (due < next)
            next = due;
    }
    return next;
}

static void *
dog_main(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&dog.lock);
    while (!dog.is_stopping) {
        dog.wake_at_ms = round_run();
        if (dog.wake_at_ms == INT64_MAX)
            pthread_cond_wait(&dog.wake, &dog.lock);
        else
            (void)lh_cond_wait_until(&dog.wake, &dog.lock, dog.wake_at_ms);
    }
    pthread_mutex_unlock(&dog.lock);
    return NULL;
}

static void
dog_wake(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&dog.lock);
    pthread_cond_signal(&dog.wake);
    pthread_mutex_unlock(&dog.lock);
}

lh_status
engine_watchdog_ref(struct lh_error *err)
{
    LH_AUTO_LOCK(&dog.start_lock);

    if (dog.users == 0) {
        if (!dog.has_cond)
            lh_cond_init(&dog.wake);
        dog.has_cond = true;
        dog.is_stopping = false;
        dog.wake_at_ms = INT64_MAX;
        LH_TRY(lh_thread_start(&dog.thread, "sql-watchdog", dog_main, NULL, err));
    }
    dog.users++;
    return LH_OK;
}

void
engine_watchdog_unref(void)
{
    LH_AUTO_LOCK(&dog.start_lock);

    if (--dog.users > 0)
        return;
    pthread_mutex_lock(&dog.lock);
    dog.is_stopping = true;
    pthread_cond_signal(&dog.wake);
    pthread_mutex_unlock(&dog.lock);
    lh_thread_join(dog.thread);
}

static void
list_add(struct engine_watch *w)
{
    LH_AUTO_LOCK(&dog.lock);

    w->prev = NULL;
    w->next = dog.head;
    if (dog.head)
        dog.head->prev = w;
    dog.head = w;
    if (w->call->deadline_ms < dog.wake_at_ms)
        pthread_cond_signal(&dog.wake);
}

/* True when another connection of the same call remains. */
static bool
list_remove(struct engine_watch *w)
{
    LH_AUTO_LOCK(&dog.lock);

    if (w->prev)
        w->prev->next = w->next;
    else
        dog.head = w->next;
    if (w->next)
        w->next->prev = w->prev;
    for (struct engine_watch *other = dog.head; other; other = other->next)
        if (other->call == w->call)
            return true;
    return false;
}

void
engine_watch_tie(struct engine_watch *w, struct lh_call *call)
{
    w->call = call;
    if (!call)
        return;
    list_add(w);
    lh_call_on_cancel(call, dog_wake, NULL);
}

void
engine_watch_untie(struct engine_watch *w)
{
    if (!w->call)
        return;
    if (!list_remove(w))
        lh_call_on_cancel(w->call, NULL, NULL);
    w->call = NULL;
}
