/*
 * seat: what one call under way holds — its place in the epochs, and its scratch memory.
 *
 * Memory that a reader may still look at (slots of removed vectors, tables that were outgrown) is
 * handed on only after every call that was under way when it was unlinked has ended. A call writes
 * the current epoch into its seat when it sits down and zero when it gets up; whoever retires
 * memory advances the epoch and waits, without blocking anybody, until no seat shows an epoch up to
 * the old one (epoch-based reclamation: Fraser, "Practical lock-freedom", UCAM-CL-TR-579,
 * section 5.2.3).
 */
#ifndef LH_ANN_SEAT_H
#define LH_ANN_SEAT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "ann/pool.h"

#define ANN_SEATS_MAX 1024

struct ann_seat {
    _Alignas(64) uint64_t epoch; /* 0 when nobody sits here */
    bool is_taken;
    _Alignas(64) struct ann_visited visited;
    struct ann_pool pool;      /* of the walk */
    struct ann_visited listed; /* nodes that a filter by list allows */
    struct ann_pool chosen;    /* candidates for links, or for answers */
    float *rotated;            /* padded dimensions */
    int8_t *code;              /* of the query, aligned */
    int8_t *owner_code;        /* of the row whose links are chosen, aligned */
    int8_t *row_code;          /* of a row that is compared with others, aligned */
    uint32_t *batch, *ahead;   /* ids gathered at one step, and for the next */
    int32_t *dots;
    float *distances;
    size_t batch_max;
    size_t compared; /* codes, since the call began */
};

struct ann_seats {
    uint64_t epoch; /* from 1 */
    uint32_t count;
    size_t padded;
    struct ann_seat *seat[ANN_SEATS_MAX];
    pthread_mutex_t growing;
};

struct ann_seats *ann_seats_new(size_t padded);
void ann_seats_free(struct ann_seats *s);

struct ann_seat *ann_seat_take(struct ann_seats *s);
void ann_seat_leave(struct ann_seat *seat);

/* Room for `n` gathered ids, what is there kept. */
void ann_seat_batch_reserve(struct ann_seat *seat, size_t n);

/* The tag of what is unlinked by now. */
uint64_t ann_epoch_advance(struct ann_seats *s);
/* True when no call from before the tag is under way. */
bool ann_epoch_passed(struct ann_seats *s, uint64_t tag);

#endif
