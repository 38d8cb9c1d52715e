#include "store/block_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/metrics.h"
#include "base/thread.h"

#define NEW_SHARE 5 /* the new may have a fifth before the kept must give */
#define BYTES_A_SLOT ((uint64_t)64 << 10)
#define SLOTS_MIN ((size_t)64)
#define SLOTS_MAX ((size_t)1 << 20)

struct entry {
    struct block *block;
    struct entry *chain;
    struct entry *newer, *older;
    uint64_t reader; /* who brought it */
    bool is_kept;
};

struct list {
    struct entry *newest, *oldest;
    uint64_t bytes;
};

struct block_memory {
    uint64_t bytes_max;
    size_t slots; /* a power of two */
    struct lh_metric *bytes, *evicted;
    struct {
        pthread_mutex_t mutex;
        struct entry **table;
        struct list fresh, kept;
    } lock;
};

struct block_memory *
block_memory_new(uint64_t bytes_max)
{
    struct block_memory *m = LH_NEW(struct block_memory);

    m->bytes_max = bytes_max;
    for (m->slots = SLOTS_MIN; m->slots < SLOTS_MAX && m->slots < bytes_max / BYTES_A_SLOT;)
        m->slots *= 2;
    m->bytes = lh_gauge("lakehouse_store_cache_bytes", "Bytes of remote objects that are cached.",
                        "tier", "memory", NULL);
    m->evicted =
        lh_counter("lakehouse_store_cache_evicted_total",
                   "Cached blocks of remote objects that made room.", "tier", "memory", NULL);
    pthread_mutex_init(&m->lock.mutex, NULL);
    m->lock.table = lh_alloc_array(m->slots, sizeof(struct entry *));
    return m;
}

/* ---- under the lock ---- */

static struct entry **
slot_find(struct block_memory *m, const struct block_id *id)
{
    struct entry **at = &m->lock.table[lh_xxh64(id, sizeof(*id), 0) & (m->slots - 1)];

    while (*at && !block_id_eq(&(*at)->block->id, id))
        at = &(*at)->chain;
    return at;
}

static struct list *
list_of(struct block_memory *m, const struct entry *e)
{
    return e->is_kept ? &m->lock.kept : &m->lock.fresh;
}

static uint64_t
cost_of(const struct entry *e)
{
    return sizeof(*e) + block_size(e->block);
}

static void
list_take_out(struct block_memory *m, struct entry *e)
{
    struct list *l = list_of(m, e);

    *(e->newer ? &e->newer->older : &l->newest) = e->older;
    *(e->older ? &e->older->newer : &l->oldest) = e->newer;
    e->newer = e->older = NULL;
    l->bytes -= cost_of(e);
}

static void
list_put_first(struct block_memory *m, struct entry *e)
{
    struct list *l = list_of(m, e);

    e->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = e;
    l->newest = e;
    l->bytes += cost_of(e);
}

static uint64_t
bytes_now(const struct block_memory *m)
{
    return m->lock.fresh.bytes + m->lock.kept.bytes;
}

/* The block is handed to the caller, who lets go of it without the lock. */
static struct block *
entry_remove(struct block_memory *m, struct entry **slot)
{
    struct entry *e = *slot;
    struct block *b = e->block;

    list_take_out(m, e);
    *slot = e->chain;
    free(e);
    lh_metric_set(m->bytes, (int64_t)bytes_now(m));
    return b;
}

static struct block *
evict_one(struct block_memory *m)
{
    LH_AUTO_LOCK(&m->lock.mutex);
    bool is_new_first = m->lock.fresh.bytes > m->bytes_max / NEW_SHARE;
    struct entry *victim =
        is_new_first || !m->lock.kept.oldest ? m->lock.fresh.oldest : m->lock.kept.oldest;

    return victim && bytes_now(m) > m->bytes_max ? entry_remove(m, slot_find(m, &victim->block->id))
                                                 : NULL;
}

/* Puts `next` in the place of `now` (NULL: of nothing); false when something else is there. Takes a
 * reference of its own, and hands back that of `now`. */
static bool
replace(struct block_memory *m, struct block *now, struct block *next, uint64_t reader)
{
    LH_AUTO_LOCK(&m->lock.mutex);
    struct entry **slot = slot_find(m, &next->id), *e = *slot;

    if ((e ? e->block : NULL) != now)
        return false;
    if (e) {
        list_take_out(m, e);
    } else {
        e = *slot = LH_NEW(struct entry);
        e->reader = reader;
    }
    e->block = block_ref(next);
    list_put_first(m, e);
    lh_metric_set(m->bytes, (int64_t)bytes_now(m));
    return true;
}

/* ---- public ---- */

void
block_memory_free(struct block_memory *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->slots; i++)
        while (m->lock.table[i])
            block_unref(entry_remove(m, &m->lock.table[i]));
    pthread_mutex_destroy(&m->lock.mutex);
    free(m->lock.table);
    free(m);
}

struct block *
block_memory_find(struct block_memory *m, const struct block_id *id, uint64_t reader)
{
    LH_AUTO_LOCK(&m->lock.mutex);
    struct entry *e = *slot_find(m, id);

    if (!e)
        return NULL;
    list_take_out(m, e);
    e->is_kept = e->is_kept || e->reader != reader;
    list_put_first(m, e);
    return block_ref(e->block);
}

static struct block *
peek(struct block_memory *m, const struct block_id *id)
{
    LH_AUTO_LOCK(&m->lock.mutex);
    struct entry *e = *slot_find(m, id);

    return e ? block_ref(e->block) : NULL;
}

static bool
add_once(struct block_memory *m, struct block *b, uint64_t reader)
{
    struct block *now = peek(m, &b->id), *next;
    bool is_done;

    if (now && (b->pages & ~now->pages) == 0) {
        block_unref(now);
        return true;
    }
    next = now && (now->pages & ~b->pages) != 0 ? block_merge(now, b) : block_ref(b);
    is_done = replace(m, now, next, reader);
    if (is_done)
        block_unref(now); /* the reference of the table */
    block_unref(now);
    block_unref(next);
    return is_done;
}

void
block_memory_add(struct block_memory *m, struct block *b, uint64_t reader)
{
    struct block *gone;

    if (sizeof(struct entry) + block_size(b) > m->bytes_max)
        return;
    while (!add_once(m, b, reader))
        continue;
    while ((gone = evict_one(m)) != NULL) {
        lh_metric_add(m->evicted, 1);
        block_unref(gone);
    }
}

static struct block *
take_out(struct block_memory *m, const struct block *b)
{
    LH_AUTO_LOCK(&m->lock.mutex);
    struct entry **slot = slot_find(m, &b->id);

    return *slot && (*slot)->block == b ? entry_remove(m, slot) : NULL;
}

void
block_memory_drop(struct block_memory *m, const struct block *b)
{
    block_unref(take_out(m, b));
}

uint64_t
block_memory_bytes(struct block_memory *m)
{
    LH_AUTO_LOCK(&m->lock.mutex);
    return bytes_now(m);
}
