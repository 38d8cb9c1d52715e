#include "store/block_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "store/backend.h"
#include "store/block_parts.h"

/* ---- the cache ---- */

static void
metrics_init(struct block_cache *c)
{
    static const char *const tiers[BLOCK_TIER_COUNT] = {"memory", "disk"};

    for (int i = 0; i < BLOCK_TIER_COUNT; i++) {
        c->hits[i] = lh_counter("lakehouse_store_cache_hits_total",
                                "Blocks of remote objects that a cache answered in whole or in "
                                "part.",
                                "tier", tiers[i], NULL);
        c->hit_bytes[i] = lh_counter("lakehouse_store_cache_hit_bytes_total",
                                     "Bytes of remote objects that a cache answered, in pages.",
                                     "tier", tiers[i], NULL);
    }
    c->misses = lh_counter("lakehouse_store_cache_misses_total",
                           "Blocks of which no cache had all that was asked for.", "", NULL);
    c->shared = lh_counter("lakehouse_store_cache_shared_total",
                           "Blocks that a reader took from another's request under way.", "", NULL);
    c->bad_memory = lh_counter("lakehouse_store_cache_bad_total",
                               "Cached blocks that did not match their checksums and were dropped.",
                               "tier", "memory", NULL);
    c->ahead_bytes = lh_counter("lakehouse_store_read_ahead_bytes_total",
                                "Bytes of remote objects read ahead of a reader.", "", NULL);
}

struct block_cache *
block_cache_new(const struct block_cache_options *o)
{
    struct block_cache *c = LH_NEW(struct block_cache);

    c->memory = block_memory_new(o->memory_max);
    c->disk = block_disk_new(o->folder, o->disk_max);
    c->flights = block_flights_new();
    c->crew = block_crew_new(o->threads_max);
    c->per_object = o->per_object > 0 ? o->per_object : 1;
    c->ahead_max = o->ahead_max;
    metrics_init(c);
    return c;
}

void
block_cache_free(struct block_cache *c)
{
    if (!c)
        return;
    block_crew_free(c->crew);
    block_flights_free(c->flights);
    block_disk_free(c->disk);
    block_memory_free(c->memory);
    free(c);
}

void
block_cache_settle(struct block_cache *c)
{
    block_crew_settle(c->crew);
}

/* ---- a bucket ---- */

struct block_source *
block_source_new(struct block_cache *c, const char *bucket, lh_str identity)
{
    struct block_source *s = LH_NEW(struct block_source);

    s->cache = c;
    lh_sha256_of(lh_str_bytes(identity), s->identity);
    block_cost_init(&s->cost);
    s->requests = lh_counter("lakehouse_store_remote_requests_total",
                             "Requests for ranges of objects in a remote bucket, and to open them.",
                             "bucket", bucket, NULL);
    s->bytes =
        lh_counter("lakehouse_store_remote_bytes_total",
                   "Bytes that came from a remote bucket with these.", "bucket", bucket, NULL);
    return s;
}

void
block_source_free(struct block_source *s)
{
    free(s);
}

/* ---- an object ---- */

static void
digest_add(struct lh_sha256 *h, const char *text)
{
    lh_sha256_add(h, text, strlen(text) + 1);
}

static void
digest_make(struct block_reader *r)
{
    const struct lh_object_info *info = &r->object->info;
    struct lh_sha256 h;
    char size[32];

    (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)info->size_bytes);
    lh_sha256_init(&h);
    lh_sha256_add(&h, r->source->identity, sizeof(r->source->identity));
    digest_add(&h, r->object->key);
    digest_add(&h, info->etag);
    digest_add(&h, size);
    lh_sha256_final(&h, r->digest);
}

struct block_reader *
block_reader_new(struct block_source *s, struct lh_reader_at *object)
{
    struct block_reader *r;

    if (object->info.etag[0] == '\0')
        return NULL;
    r = LH_NEW(struct block_reader);
    r->source = s;
    r->object = object;
    r->serial = atomic_fetch_add(&s->cache->readers, 1) + 1;
    atomic_init(&r->running, 0);
    block_ahead_init(&r->ahead);
    digest_make(r);
    lh_metric_add(s->requests, 1);
    lh_metric_add(s->bytes, (int64_t)object->first_bytes);
    return r;
}

void
block_reader_free(struct block_reader *r)
{
    if (!r)
        return;
    block_ahead_fini(r);
    free(r);
}

lh_status
block_reader_read(struct block_reader *r, struct lh_call *call, uint64_t offset, void *to, size_t n,
                  struct lh_error *err)
{
    LH_TRY(block_read(r, call, offset, to, n, err));
    block_ahead_note(r, call, offset, n);
    return LH_OK;
}
