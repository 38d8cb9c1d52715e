#include "store/block_crew.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"

#define TASKS_A_THREAD 8

struct block_crew {
    unsigned threads_max;
    pthread_t *threads;
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t work, settled;
        struct block_task *first, **last;
        size_t waiting;
        unsigned started, idle;
        bool is_over;
    } lock;
};

struct block_crew *
block_crew_new(unsigned threads_max)
{
    struct block_crew *c = LH_NEW(struct block_crew);

    c->threads_max = threads_max;
    c->threads = lh_alloc_array(threads_max ? threads_max : 1, sizeof(*c->threads));
    pthread_mutex_init(&c->lock.mutex, NULL);
    lh_cond_init(&c->lock.work);
    lh_cond_init(&c->lock.settled);
    c->lock.last = &c->lock.first;
    return c;
}

/* ---- under the lock ---- */

static struct block_task *
task_take_out(struct block_crew *c, struct block_task **at)
{
    struct block_task *task = *at;

    *at = task->next;
    if (!task->next)
        c->lock.last = at;
    task->next = NULL;
    c->lock.waiting--;
    return task;
}

static struct block_task *
task_next(struct block_crew *c)
{
    LH_AUTO_LOCK(&c->lock.mutex);

    c->lock.idle++;
    if (c->lock.waiting == 0 && c->lock.idle == c->lock.started)
        pthread_cond_broadcast(&c->lock.settled);
    while (c->lock.waiting == 0 && !c->lock.is_over)
        pthread_cond_wait(&c->lock.work, &c->lock.mutex);
    c->lock.idle--;
    return c->lock.waiting > 0 ? task_take_out(c, &c->lock.first) : NULL;
}

static void *
member_run(void *arg)
{
    struct block_crew *c = arg;
    struct block_task *task;

    while ((task = task_next(c)) != NULL)
        task->run(task);
    return NULL;
}

static bool
has_hands(struct block_crew *c)
{
    if (c->lock.idle > c->lock.waiting || c->lock.started == c->threads_max)
        return c->lock.started > 0;
    if (lh_thread_start(&c->threads[c->lock.started], "lake-blocks", member_run, c, NULL) == LH_OK)
        c->lock.started++;
    return c->lock.started > 0;
}

/* ---- public ---- */

void
block_crew_free(struct block_crew *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock.mutex);
    c->lock.is_over = true;
    pthread_cond_broadcast(&c->lock.work);
    pthread_mutex_unlock(&c->lock.mutex);
    for (unsigned i = 0; i < c->lock.started; i++)
        lh_thread_join(c->threads[i]);
    pthread_cond_destroy(&c->lock.work);
    pthread_cond_destroy(&c->lock.settled);
    pthread_mutex_destroy(&c->lock.mutex);
    free(c->threads);
    free(c);
}

bool
block_crew_offer(struct block_crew *c, struct block_task *task)
{
    LH_AUTO_LOCK(&c->lock.mutex);

    if (c->lock.waiting >= (size_t)c->threads_max * TASKS_A_THREAD || !has_hands(c))
        return false;
    task->next = NULL;
    *c->lock.last = task;
    c->lock.last = &task->next;
    c->lock.waiting++;
    pthread_cond_signal(&c->lock.work);
    return true;
}

bool
block_crew_withdraw(struct block_crew *c, struct block_task *task)
{
    LH_AUTO_LOCK(&c->lock.mutex);

    for (struct block_task **at = &c->lock.first; *at; at = &(*at)->next) {
        if (*at != task)
            continue;
        (void)task_take_out(c, at);
        return true;
    }
    return false;
}

void
block_crew_settle(struct block_crew *c)
{
    LH_AUTO_LOCK(&c->lock.mutex);

    while (c->lock.waiting > 0 || c->lock.idle < c->lock.started)
        pthread_cond_wait(&c->lock.settled, &c->lock.mutex);
}
