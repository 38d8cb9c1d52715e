/*
 * cache: shared values by text key, bounded in bytes, least recently used first out.
 *
 * For values that never change once made and are counted: decoded manifests, decoded batches of a
 * log. A find hands out a reference of the caller's own, so that a value may fall out of the cache
 * while somebody still reads it.
 *
 * Owns     a copy of every key and one reference to every value.
 * Threads  all functions may be called from any thread; `ref` and `unref` are called under the
 *          cache's lock and must not call back.
 */
#ifndef LH_SERVICES_CACHE_H
#define LH_SERVICES_CACHE_H

#include "base/status.h"
#include "base/str.h"

struct lh_cache;

struct lh_cache_kind {
    void (*ref)(void *value);
    void (*unref)(void *value);
};

struct lh_cache *lh_cache_new(const struct lh_cache_kind *kind, size_t bytes_max);
void lh_cache_free(struct lh_cache *c);
LH_AUTO_DEFINE(lh_cache)

/* NULL when absent; else the caller unrefs it. */
void *lh_cache_find(struct lh_cache *c, lh_str key);
/* Takes a reference of its own. A value larger than the whole cache is not kept. */
void lh_cache_put(struct lh_cache *c, lh_str key, void *value, size_t size_bytes);
void lh_cache_drop(struct lh_cache *c, lh_str key);

struct lh_cache_stats {
    uint64_t entries, bytes, hits, misses;
};
struct lh_cache_stats lh_cache_stats_get(struct lh_cache *c);

#endif
