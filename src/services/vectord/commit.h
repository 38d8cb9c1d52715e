/*
 * commit: changes to items, many waiters, one batch.
 *
 * A change is handed in and waited for. Whoever finds nobody at work leads: it takes all that
 * waits, settles what each id becomes, puts one Parquet batch with If-None-Match, brings it into
 * memory, and wakes the others. What was acknowledged is in the bucket. When another process was
 * first with that number, its batch is read and the work begins again on top of it.
 *
 * A change is all or nothing, later changes win over earlier ones, and of a repeated id the last
 * item wins.
 */
#ifndef LH_SERVICES_VECTORD_COMMIT_H
#define LH_SERVICES_VECTORD_COMMIT_H

#include <pthread.h>
#include "base/arena.h"
#include "net/call.h"

/* A change of one id. Everything is borrowed. */
struct vector_row {
    lh_str id;
    const float *vector; /* NULL in a removal */
    lh_str text;         /* ptr NULL: none */
    lh_str metadata;     /* JSON object; ptr NULL: none */
    int64_t sequence;    /* given by the commit */
    bool is_removal;
    bool keeps_metadata;   /* that of the item that is there */
    int64_t only_sequence; /* of a removal: only the item that came with this batch; 0: any */
};

struct vector_change {
    struct vector_row *rows;
    size_t count;
    uint64_t batch; /* number it got */
    size_t known;   /* how many of the ids were there before */
    /* of the queue */
    struct vector_change *next;
    bool is_done;
    struct lh_error error;
};

struct vector_commits {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct vector_change *first, *last;
    size_t waiting, rows;
    bool has_leader;
};

struct vector_generation;

void vector_commits_init(struct vector_commits *c);
void vector_commits_fini(struct vector_commits *c);

/* Returns when the change is in the bucket and found by searches. BUSY "vectors.queue_full". */
lh_status vector_commit(struct vector_generation *g, struct lh_call *call,
                        struct vector_change *change, struct lh_error *err);

#endif
