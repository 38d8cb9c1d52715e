/*
 * block_fixture: a bucket that says it is remote, for the tests of the block cache: the objects of
 * a local bucket behind a backend that counts requests and bytes and does what a test wants of it:
 * holds answers back until they are let go, fails, or finds the object changed, as S3 does for a
 * range with If-Match.
 */
#ifndef LH_STORE_BLOCK_FIXTURE_H
#define LH_STORE_BLOCK_FIXTURE_H

#include "store/fixture.h"

#include "base/metrics.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/block_cache.h"

struct remote_bucket {
    struct lh_bucket base; /* first */
    struct lh_bucket *inner;
    atomic_uint opens, requests, running, running_most;
    atomic_uint_fast64_t bytes;
    size_t first_bytes;       /* that come with an opening */
    atomic_int failures_left; /* ranges that fail from here on; -1: all */
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        bool is_held;
        unsigned waiting;
    } gate;
};

struct remote_reader {
    struct lh_reader_at base; /* first */
    struct lh_reader_at *inner;
};

static inline struct remote_bucket *
remote_of(struct lh_bucket *b)
{
    return (struct remote_bucket *)b;
}

static inline lh_status
remote_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
            struct lh_error *err)
{
    struct lh_reader_at *inner;
    struct remote_reader *r;

    atomic_fetch_add(&remote_of(b)->opens, 1);
    LH_TRY(lh_object_open(remote_of(b)->inner, call, key, &inner, NULL, err));
    r = LH_NEW(struct remote_reader);
    r->inner = inner;
    r->base.info = inner->info;
    r->base.first_bytes = remote_of(b)->first_bytes;
    *out = &r->base;
    return LH_OK;
}

/* Held back until the gate opens, or the call ends. */
static inline lh_status
gate_pass(struct remote_bucket *b, struct lh_call *call, struct lh_error *err)
{
    LH_AUTO_LOCK(&b->gate.mutex);
    lh_status status = LH_OK;

    b->gate.waiting++;
    pthread_cond_broadcast(&b->gate.changed);
    while (b->gate.is_held && status == LH_OK) {
        (void)lh_cond_wait_until(&b->gate.changed, &b->gate.mutex, lh_time_mono_ms() + 5);
        status = lh_call_check(call, err);
    }
    b->gate.waiting--;
    return status;
}

static inline bool
is_failing(struct remote_bucket *b)
{
    int left = atomic_load(&b->failures_left);

    if (left > 0)
        atomic_fetch_sub(&b->failures_left, 1);
    return left != 0;
}

static inline lh_status
remote_range(struct remote_bucket *b, struct remote_reader *r, struct lh_call *call,
             uint64_t offset, void *to, size_t n, struct lh_error *err)
{
    struct lh_object_info now;

    LH_TRY(gate_pass(b, call, err));
    if (is_failing(b))
        return lh_fail(err, LH_UNAVAILABLE, "store.unreachable", "the bucket does not answer");
    LH_TRY(lh_object_head(b->inner, call, lh_str_of(r->base.key), &now, err));
    if (strcmp(now.etag, r->base.info.etag) != 0)
        return lh_fail(err, LH_CONFLICT, "store.object_changed",
                       "object '%.200s' was replaced while it was read", r->base.key);
    LH_TRY(lh_reader_at_read(r->inner, call, offset, to, n, err));
    atomic_fetch_add(&b->bytes, n);
    return LH_OK;
}

static inline lh_status
remote_read(struct lh_reader_at *base, struct lh_call *call, uint64_t offset, void *to, size_t n,
            struct lh_error *err)
{
    struct remote_bucket *b = remote_of(base->bucket);
    unsigned running = atomic_fetch_add(&b->running, 1) + 1;
    unsigned most = atomic_load(&b->running_most);
    lh_status status;

    while (running > most && !atomic_compare_exchange_weak(&b->running_most, &most, running))
        continue;
    atomic_fetch_add(&b->requests, 1);
    status = remote_range(b, (struct remote_reader *)base, call, offset, to, n, err);
    atomic_fetch_sub(&b->running, 1);
    return status;
}

static inline void
remote_reader_free(struct lh_reader_at *base)
{
    lh_reader_at_free(((struct remote_reader *)base)->inner);
    free(base);
}

static inline void
remote_free(struct lh_bucket *base)
{
    struct remote_bucket *b = remote_of(base);

    bucket_fini(base);
    pthread_cond_destroy(&b->gate.changed);
    pthread_mutex_destroy(&b->gate.mutex);
    free(b);
}

static const struct bucket_ops remote_ops = {
    .backend = "fixture",
    .is_remote = true,
    .open = remote_open,
    .read = remote_read,
    .reader_free = remote_reader_free,
    .free = remote_free,
};

static inline struct remote_bucket *
remote_new(struct fixture *f, struct block_cache *cache, const char *identity)
{
    struct remote_bucket *b = LH_NEW(struct remote_bucket);

    bucket_init(&b->base, &remote_ops, "far", &f->limits);
    pthread_mutex_init(&b->gate.mutex, NULL);
    lh_cond_init(&b->gate.changed);
    b->inner = f->bucket;
    b->base.blocks = block_source_new(cache, "far", lh_str_of(identity));
    return b;
}

static inline void
gate_hold(struct remote_bucket *b, bool is_held)
{
    LH_AUTO_LOCK(&b->gate.mutex);

    b->gate.is_held = is_held;
    pthread_cond_broadcast(&b->gate.changed);
}

static inline void
gate_await(struct remote_bucket *b, unsigned waiting)
{
    LH_AUTO_LOCK(&b->gate.mutex);

    while (b->gate.waiting < waiting)
        pthread_cond_wait(&b->gate.changed, &b->gate.mutex);
}

/* ---- a lake with one cache and one remote bucket ---- */

struct far {
    struct fixture *local;
    struct block_cache *cache;
    struct remote_bucket *bucket;
    uint8_t *bytes; /* of the last object put */
    size_t size;
    char cache_folder[128];
    struct lh_call call;
};

static inline void
far_start(struct far *x, uint64_t memory_max, uint64_t disk_max)
{
    const struct block_cache_options o = {
        .folder = x->cache_folder,
        .memory_max = memory_max,
        .disk_max = disk_max,
        .threads_max = 8,
        .per_object = 4,
        .ahead_max = 0,
    };

    x->cache = block_cache_new(&o);
    x->bucket = remote_new(x->local, x->cache, "there");
}

static inline void
far_stop(struct far *x)
{
    bucket_free(&x->bucket->base);
    block_cache_free(x->cache);
}

/* As after a restart: memory is empty, the disk is as it is. */
static inline void
far_restart(struct far *x, uint64_t memory_max, uint64_t disk_max)
{
    far_stop(x);
    far_start(x, memory_max, disk_max);
}

static inline int
far_setup(void **state)
{
    struct far *x = LH_NEW(struct far);

    assert_int_equal(fixture_setup((void **)&x->local), 0);
    (void)snprintf(x->cache_folder, sizeof(x->cache_folder), "%s/cache/blocks", x->local->folder);
    lh_call_init(&x->call);
    far_start(x, (uint64_t)64 << 20, (uint64_t)64 << 20);
    *state = x;
    return 0;
}

static inline int
far_teardown(void **state)
{
    struct far *x = *state;

    far_stop(x);
    lh_call_fini(&x->call);
    free(x->bytes);
    (void)fixture_teardown((void **)&x->local);
    free(x);
    return 0;
}

/* Bytes without a pattern that a mix-up would keep. */
static inline void
far_put(struct far *x, const char *key, size_t size)
{
    x->bytes = lh_realloc_array(x->bytes, size, 1);
    x->size = size;
    lh_random_bytes(x->bytes, size);
    must(lh_object_put(x->local->bucket, &x->call, lh_str_of(key), lh_bytes_of(x->bytes, size),
                       NULL, NULL, &err));
}

static inline struct lh_reader_at *
far_open(struct far *x, const char *key)
{
    struct lh_reader_at *r;

    must(lh_object_open(&x->bucket->base, &x->call, lh_str_of(key), &r, NULL, &err));
    return r;
}

static inline void
assert_range(struct far *x, struct lh_reader_at *r, uint64_t offset, size_t n)
{
    uint8_t *got = lh_alloc(n + 1);

    must(lh_reader_at_read(r, &x->call, offset, got, n, &err));
    assert_memory_equal(got, x->bytes + offset, n);
    free(got);
}

/* Opened, read and closed. */
static inline void
assert_reads(struct far *x, const char *key, uint64_t offset, size_t n)
{
    LH_AUTO(lh_reader_at) *r = far_open(x, key);

    assert_range(x, r, offset, n);
}

static inline void
assert_requests(struct far *x, unsigned expected)
{
    assert_int_equal(atomic_load(&x->bucket->requests), expected);
}

#endif
