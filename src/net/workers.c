#include "net/workers.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"

struct worker {
    struct net_workers *pool;
    pthread_t thread;
    pthread_cond_t given;
    struct net_job *job;
    struct worker *next_idle;
};

struct net_workers {
    struct worker *list;
    size_t count; /* of started threads */
    size_t joined;
    size_t queue_max;
    struct lh_metric *queued;
    struct lh_metric *running;
    struct {
        pthread_mutex_t lock;
        struct worker *idle; /* the last one to go idle first */
        struct net_job *first, *last;
        size_t queue_len;
        bool is_closed;
    } state;
};

static struct net_job *
queue_pop(struct net_workers *p)
{
    struct net_job *job = p->state.first;

    if (!job)
        return NULL;
    p->state.first = job->next;
    if (!p->state.first)
        p->state.last = NULL;
    p->state.queue_len--;
    lh_metric_add(p->queued, -1);
    return job;
}

static void
queue_push(struct net_workers *p, struct net_job *job)
{
    job->next = NULL;
    if (p->state.last)
        p->state.last->next = job;
    else
        p->state.first = job;
    p->state.last = job;
    p->state.queue_len++;
    lh_metric_add(p->queued, 1);
}

/* NULL when the pool is closed and nothing is left. */
static struct net_job *
job_next(struct worker *self)
{
    struct net_workers *p = self->pool;
    struct net_job *job;

    pthread_mutex_lock(&p->state.lock);
    job = queue_pop(p);
    if (!job && !p->state.is_closed) {
        self->next_idle = p->state.idle;
        p->state.idle = self;
        /* Whoever gives a job takes this worker off the idle list; closing empties the list. */
        while (!self->job && !p->state.is_closed)
            pthread_cond_wait(&self->given, &p->state.lock);
        job = self->job;
        self->job = NULL;
    }
    pthread_mutex_unlock(&p->state.lock);
    return job;
}

static void *
worker_run(void *arg)
{
    struct worker *self = arg;
    struct net_job *job;

    while ((job = job_next(self))) {
        lh_metric_add(self->pool->running, 1);
        job->run(job);
        lh_metric_add(self->pool->running, -1);
    }
    return NULL;
}

lh_status
net_workers_start(const struct net_workers_options *options, struct net_workers **out,
                  struct lh_error *err)
{
    struct net_workers *p = LH_NEW(struct net_workers);

    p->list = lh_alloc_array(options->threads, sizeof(*p->list));
    p->queue_max = options->queue_max;
    p->queued = options->queued;
    p->running = options->running;
    pthread_mutex_init(&p->state.lock, NULL);
    for (; p->count < options->threads; p->count++) {
        struct worker *w = &p->list[p->count];

        w->pool = p;
        pthread_cond_init(&w->given, NULL);
        if (lh_thread_start(&w->thread, options->name, worker_run, w, err) != LH_OK) {
            net_workers_free(p);
            return err ? err->status : LH_IO;
        }
    }
    *out = p;
    return LH_OK;
}

bool
net_workers_push(struct net_workers *p, struct net_job *job)
{
    struct worker *w;
    bool is_taken = false;

    pthread_mutex_lock(&p->state.lock);
    w = p->state.idle;
    if (p->state.is_closed) {
        is_taken = false;
    } else if (w) {
        p->state.idle = w->next_idle;
        w->job = job;
        pthread_cond_signal(&w->given);
        is_taken = true;
    } else if (p->state.queue_len < p->queue_max) {
        queue_push(p, job);
        is_taken = true;
    }
    pthread_mutex_unlock(&p->state.lock);
    return is_taken;
}

void
net_workers_close(struct net_workers *p)
{
    pthread_mutex_lock(&p->state.lock);
    p->state.is_closed = true;
    p->state.idle = NULL;
    for (size_t i = 0; i < p->count; i++)
        pthread_cond_signal(&p->list[i].given);
    pthread_mutex_unlock(&p->state.lock);
}

void
net_workers_join(struct net_workers *p)
{
    net_workers_close(p);
    for (; p->joined < p->count; p->joined++)
        lh_thread_join(p->list[p->joined].thread);
}

void
net_workers_free(struct net_workers *p)
{
    if (!p)
        return;
    net_workers_join(p);
    for (size_t i = 0; i < p->count; i++)
        pthread_cond_destroy(&p->list[i].given);
    pthread_mutex_destroy(&p->state.lock);
    free(p->list);
    free(p);
}
