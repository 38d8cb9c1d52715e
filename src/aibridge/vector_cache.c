#include "aibridge/vector_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/metrics.h"
#include "base/thread.h"

#define BUCKETS_MIN 64

struct entry {
    struct bridge_vector_key key;
    struct entry *next; /* in its bucket */
    struct entry *newer, *older;
    size_t dim;
    float vector[];
};

struct bridge_vector_cache {
    pthread_mutex_t lock;
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    struct entry *newest, *oldest;
    struct bridge_vector_cache_stats stats;
    struct lh_metric *hits, *misses, *evictions, *bytes;
};

static struct lh_metric *
lookups(const char *result)
{
    return lh_counter("lakehouse_bridge_cache_total",
                      "Embeddings that were looked up in, or dropped from, the cache.", "result",
                      result, NULL);
}

struct bridge_vector_cache *
bridge_vector_cache_new(size_t bytes_max)
{
    struct bridge_vector_cache *c = LH_NEW(struct bridge_vector_cache);

    pthread_mutex_init(&c->lock, NULL);
    c->bucket_count = BUCKETS_MIN;
    c->buckets = lh_alloc_array(c->bucket_count, sizeof(struct entry *));
    c->stats.bytes_max = bytes_max;
    c->hits = lookups("hit");
    c->misses = lookups("miss");
    c->evictions = lookups("evicted");
    c->bytes = lh_gauge("lakehouse_bridge_cache_bytes", "Memory of cached embeddings.", "", NULL);
    return c;
}

void
bridge_vector_cache_free(struct bridge_vector_cache *c)
{
    if (!c)
        return;
    for (struct entry *e = c->newest, *older; e; e = older) {
        older = e->older;
        free(e);
    }
    free(c->buckets);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

struct bridge_vector_key
bridge_vector_key_of(lh_str model, lh_str text)
{
    struct bridge_vector_key key = {0};
    struct lh_sha256 h;

    lh_sha256_init(&h);
    lh_sha256_add(&h, model.ptr, model.len);
    lh_sha256_add(&h, "", 1);
    lh_sha256_add(&h, text.ptr, text.len);
    lh_sha256_final(&h, key.bytes);
    return key;
}

static struct entry **
bucket_of(const struct bridge_vector_cache *c, const struct bridge_vector_key *key)
{
    uint64_t hash;

    memcpy(&hash, key->bytes, sizeof(hash));
    return &c->buckets[hash & (c->bucket_count - 1)];
}

static struct entry *
entry_find(const struct bridge_vector_cache *c, const struct bridge_vector_key *key)
{
    struct entry *e = *bucket_of(c, key);

    while (e && memcmp(e->key.bytes, key->bytes, sizeof(key->bytes)) != 0)
        e = e->next;
    return e;
}

static void
order_leave(struct bridge_vector_cache *c, struct entry *e)
{
    if (e->newer)
        e->newer->older = e->older;
    else
        c->newest = e->older;
    if (e->older)
        e->older->newer = e->newer;
    else
        c->oldest = e->newer;
}

static void
order_lead(struct bridge_vector_cache *c, struct entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    if (c->newest)
        c->newest->newer = e;
    else
        c->oldest = e;
    c->newest = e;
}

static size_t
entry_bytes(size_t dim)
{
    return sizeof(struct entry) + dim * sizeof(float) + sizeof(struct entry *);
}

static void
entry_drop(struct bridge_vector_cache *c, struct entry *e)
{
    struct entry **at = bucket_of(c, &e->key);

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    order_leave(c, e);
    c->stats.entries--;
    c->stats.bytes -= entry_bytes(e->dim);
    free(e);
}

static void
buckets_double(struct bridge_vector_cache *c)
{
    free(c->buckets);
    c->bucket_count *= 2;
    c->buckets = lh_alloc_array(c->bucket_count, sizeof(struct entry *));
    for (struct entry *e = c->newest; e; e = e->older) {
        struct entry **bucket = bucket_of(c, &e->key);
        e->next = *bucket;
        *bucket = e;
    }
}

bool
bridge_vector_cache_get(struct bridge_vector_cache *c, const struct bridge_vector_key *key,
                        float *out, size_t dim)
{
    LH_AUTO_LOCK(&c->lock);
    struct entry *e = entry_find(c, key);
    bool is_hit = e && e->dim == dim;

    lh_metric_add(is_hit ? c->hits : c->misses, 1);
    c->stats.hits += is_hit;
    c->stats.misses += !is_hit;
    if (!is_hit)
        return false;
    order_leave(c, e);
    order_lead(c, e);
    memcpy(out, e->vector, dim * sizeof(*out));
    return true;
}

static void
room_make(struct bridge_vector_cache *c, size_t bytes)
{
    while (c->oldest && c->stats.bytes + bytes > c->stats.bytes_max) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): another is the oldest then */
        entry_drop(c, c->oldest);
        c->stats.evictions++;
        lh_metric_add(c->evictions, 1);
    }
}

void
bridge_vector_cache_put(struct bridge_vector_cache *c, const struct bridge_vector_key *key,
                        const float *vector, size_t dim)
{
    LH_AUTO_LOCK(&c->lock);
    struct entry *e = entry_find(c, key);
    size_t bytes = entry_bytes(dim);

    if (e)
        entry_drop(c, e);
    room_make(c, bytes);
    if (c->stats.bytes + bytes <= c->stats.bytes_max) {
        e = lh_alloc(sizeof(*e) + dim * sizeof(float));
        e->key = *key;
        e->dim = dim;
        memcpy(e->vector, vector, dim * sizeof(float));
        e->next = *bucket_of(c, key);
        *bucket_of(c, key) = e;
        order_lead(c, e);
        c->stats.bytes += bytes;
        if (++c->stats.entries > c->bucket_count)
            buckets_double(c);
    }
    lh_metric_set(c->bytes, (int64_t)c->stats.bytes);
}

void
bridge_vector_cache_stats_get(struct bridge_vector_cache *c, struct bridge_vector_cache_stats *out)
{
    LH_AUTO_LOCK(&c->lock);
    *out = c->stats;
}
