#include "services/cache.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/thread.h"

struct entry {
    struct entry *newer, *older; /* by use; the ring's head is in the cache */
    struct entry *next;          /* in the slot */
    uint64_t hash;
    char *key;
    size_t key_len;
    void *value;
    size_t size_bytes;
};

struct lh_cache {
    struct lh_cache_kind kind;
    size_t bytes_max;
    pthread_mutex_t lock;
    struct {
        struct entry ring; /* ring.older is the newest, ring.newer the oldest */
        struct entry **slots;
        size_t slot_count, count, bytes;
        uint64_t hits, misses;
    } locked;
};

enum { SLOTS_MIN = 64 };

static uint64_t
key_hash(lh_str key)
{
    return lh_xxh64(key.ptr, key.len, 0);
}

static struct entry **
slot_find(struct lh_cache *c, lh_str key, uint64_t hash)
{
    struct entry **at = &c->locked.slots[hash & (c->locked.slot_count - 1)];

    while (*at != NULL &&
           ((*at)->hash != hash || !lh_str_eq((lh_str){(*at)->key, (*at)->key_len}, key)))
        at = &(*at)->next;
    return at;
}

static void
ring_remove(struct entry *e)
{
    e->newer->older = e->older;
    e->older->newer = e->newer;
}

static void
ring_push(struct lh_cache *c, struct entry *e)
{
    struct entry *ring = &c->locked.ring;

    e->newer = ring;
    e->older = ring->older;
    ring->older->newer = e;
    ring->older = e;
}

static void
entry_remove(struct lh_cache *c, struct entry **at)
{
    struct entry *e = *at;

    *at = e->next;
    ring_remove(e);
    c->locked.count--;
    c->locked.bytes -= e->size_bytes;
    c->kind.unref(e->value);
    free(e->key);
    free(e);
}

static void
oldest_remove(struct lh_cache *c)
{
    struct entry *e = c->locked.ring.newer;

    entry_remove(c, slot_find(c, (lh_str){e->key, e->key_len}, e->hash));
}

static void
slots_grow(struct lh_cache *c)
{
    size_t count = c->locked.slot_count * 2;
    struct entry **slots = lh_alloc_array(count, sizeof(*slots));

    for (struct entry *e = c->locked.ring.older; e != &c->locked.ring; e = e->older) {
        struct entry **to = &slots[e->hash & (count - 1)];

        e->next = *to;
        *to = e;
    }
    free(c->locked.slots);
    c->locked.slots = slots;
    c->locked.slot_count = count;
}

struct lh_cache *
lh_cache_new(const struct lh_cache_kind *kind, size_t bytes_max)
{
    struct lh_cache *c = LH_NEW(struct lh_cache);

    c->kind = *kind;
    c->bytes_max = bytes_max;
    pthread_mutex_init(&c->lock, NULL);
    c->locked.ring.newer = c->locked.ring.older = &c->locked.ring;
    c->locked.slot_count = SLOTS_MIN;
    c->locked.slots = lh_alloc_array(SLOTS_MIN, sizeof(*c->locked.slots));
    return c;
}

void
lh_cache_free(struct lh_cache *c)
{
    if (c == NULL)
        return;
    while (c->locked.count > 0)
        oldest_remove(c);
    free(c->locked.slots);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void *
lh_cache_find(struct lh_cache *c, lh_str key)
{
    uint64_t hash = key_hash(key);
    LH_AUTO_LOCK(&c->lock);
    struct entry *e = *slot_find(c, key, hash);

    if (e == NULL) {
        c->locked.misses++;
        return NULL;
    }
    c->locked.hits++;
    ring_remove(e);
    ring_push(c, e);
    c->kind.ref(e->value);
    return e->value;
}

static struct entry *
entry_new(struct lh_cache *c, lh_str key, uint64_t hash, void *value, size_t size_bytes)
{
    struct entry *e = LH_NEW(struct entry);

    e->hash = hash;
    e->key = lh_str_dup(key);
    e->key_len = key.len;
    e->value = value;
    e->size_bytes = size_bytes;
    c->kind.ref(value);
    return e;
}

void
lh_cache_put(struct lh_cache *c, lh_str key, void *value, size_t size_bytes)
{
    uint64_t hash = key_hash(key);
    LH_AUTO_LOCK(&c->lock);
    struct entry **at = slot_find(c, key, hash);
    struct entry *e;

    if (size_bytes > c->bytes_max)
        return;
    e = entry_new(c, key, hash, value, size_bytes);
    if (*at != NULL)
        entry_remove(c, at);
    while (c->locked.bytes + size_bytes > c->bytes_max)
        oldest_remove(c);
    if (c->locked.count >= c->locked.slot_count)
        slots_grow(c);
    at = slot_find(c, key, hash);
    *at = e;
    ring_push(c, e);
    c->locked.count++;
    c->locked.bytes += size_bytes;
}

void
lh_cache_drop(struct lh_cache *c, lh_str key)
{
    uint64_t hash = key_hash(key);
    LH_AUTO_LOCK(&c->lock);
    struct entry **at = slot_find(c, key, hash);

    if (*at != NULL)
        entry_remove(c, at);
}

struct lh_cache_stats
lh_cache_stats_get(struct lh_cache *c)
{
    LH_AUTO_LOCK(&c->lock);

    return (struct lh_cache_stats){.entries = c->locked.count,
                                   .bytes = c->locked.bytes,
                                   .hits = c->locked.hits,
                                   .misses = c->locked.misses};
}
