/*
 * workers: a fixed number of threads and a bounded queue in front of them.
 *
 * A job goes straight to the worker that went idle last, whose caches are warm; only when all are
 * busy does it queue, and when the queue is full too the push is refused.
 *
 * Owns     its threads. Jobs belong to the caller and are touched no more once run was called.
 * Threads  push from any thread; start, close and free from the owner's.
 */
#ifndef LH_NET_WORKERS_H
#define LH_NET_WORKERS_H

#include "base/metrics.h"
#include "base/status.h"

struct net_job {
    void (*run)(struct net_job *job);
    struct net_job *next;
};

struct net_workers;

struct net_workers_options {
    const char *name; /* of the threads */
    size_t threads;
    size_t queue_max;
    struct lh_metric *queued; /* gauges */
    struct lh_metric *running;
};

lh_status net_workers_start(const struct net_workers_options *options, struct net_workers **out,
                            struct lh_error *err);
/* False when the queue is full or closed. */
bool net_workers_push(struct net_workers *w, struct net_job *job);
/* Refuses further jobs; those in the queue still run. */
void net_workers_close(struct net_workers *w);
/* Closes and waits for every job to end. Pushing is still safe, and still refused. */
void net_workers_join(struct net_workers *w);
void net_workers_free(struct net_workers *w); /* joins first */

#endif
