/*
 * block_parts: the insides of the block cache, for its files only.
 */
#ifndef LH_STORE_BLOCK_PARTS_H
#define LH_STORE_BLOCK_PARTS_H

#include <pthread.h>
#include "base/metrics.h"
#include "store/block_cache.h"
#include "store/block_crew.h"
#include "store/block_disk.h"
#include "store/block_flight.h"
#include "store/block_memory.h"
#include "store/block_plan.h"

enum block_tier { BLOCK_MEMORY, BLOCK_DISK, BLOCK_TIER_COUNT };

struct block_cache {
    struct block_memory *memory;
    struct block_disk *disk;
    struct block_flights *flights;
    struct block_crew *crew;
    unsigned per_object;
    uint64_t ahead_max;
    atomic_uint_fast64_t readers; /* ever opened: tells them apart */
    struct lh_metric *hits[BLOCK_TIER_COUNT], *hit_bytes[BLOCK_TIER_COUNT];
    struct lh_metric *misses, *shared, *bad_memory, *ahead_bytes;
};

struct block_source {
    struct block_cache *cache;
    uint8_t identity[LH_SHA256_BYTES];
    struct block_cost cost;
    struct lh_metric *requests, *bytes;
};

/* Reading on while the reader works, by one task at a time. */
struct block_ahead {
    struct block_task task;
    struct lh_call call;
    uint64_t offset, length;
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t ended;
        uint64_t last_end;  /* of the last read */
        uint64_t ahead_end; /* what is fetched or being fetched */
        unsigned streak;    /* reads that went on where the one before ended */
        bool is_running, is_closing;
    } lock;
};

struct block_reader {
    struct block_source *source;
    struct lh_reader_at *object;
    uint64_t serial;
    uint8_t digest[LH_SHA256_BYTES]; /* block_id.object */
    atomic_uint running;             /* ranges of this object under way by helpers */
    struct block_ahead ahead;
};

/* [offset, offset + n) of the object; `to` NULL: only into the cache (block_read.c). */
lh_status block_read(struct block_reader *r, struct lh_call *call, uint64_t offset, uint8_t *to,
                     size_t n, struct lh_error *err);

void block_ahead_init(struct block_ahead *a);
void block_ahead_fini(struct block_reader *r); /* waits for the task that runs */
/* A read of the caller has ended well: perhaps go on with what comes next (block_ahead.c). */
void
block_ahead_note(struct block_reader *r, const struct lh_call *call, uint64_t offset, uint64_t n);

#endif
