#include "store/proven.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/time.h"

#define WORD_BITS 64

/* File systems stamp changes with the kernel's coarse clock, which ticks every 1 to 10 ms; two
 * ticks are safe. */
#define SETTLED_AFTER_US 20000

struct file_id {
    uint64_t dev, ino, size, ctime_ns, mtime_ns;
};

struct store_proven_file {
    struct file_id id;
    struct store_proven_file *chain;         /* in its hash bucket */
    struct store_proven_file *newer, *older; /* in order of use */
    size_t refs;                             /* under the cache's lock */
    _Atomic uint64_t bits[STORE_BLOCKS_MAX / WORD_BITS];
};

struct store_proven {
    size_t files_max;
    size_t slots; /* a power of two */
    struct lh_metric *files;
    struct {
        pthread_mutex_t mutex;
        struct store_proven_file **table;
        struct store_proven_file *newest, *oldest;
        size_t count;
    } lock;
};

static uint64_t
time_ns(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static struct file_id
id_of(const struct stat *st)
{
    return (struct file_id){
        .dev = (uint64_t)st->st_dev,
        .ino = (uint64_t)st->st_ino,
        .size = (uint64_t)st->st_size,
        .ctime_ns = time_ns(st->st_ctim),
        .mtime_ns = time_ns(st->st_mtim),
    };
}

struct store_proven *
store_proven_new(size_t files_max)
{
    struct store_proven *p = LH_NEW(struct store_proven);

    p->files_max = files_max > 0 ? files_max : 1;
    for (p->slots = 64; p->slots < p->files_max;)
        p->slots *= 2;
    p->files = lh_gauge("lakehouse_store_proven_files", "Files whose proven blocks are remembered.",
                        "", NULL);
    pthread_mutex_init(&p->lock.mutex, NULL);
    p->lock.table = lh_alloc_array(p->slots, sizeof(struct store_proven_file *));
    return p;
}

void
store_proven_free(struct store_proven *p)
{
    if (!p)
        return;
    lh_metric_add(p->files, -(int64_t)p->lock.count);
    for (struct store_proven_file *f = p->lock.newest, *next; f; f = next) {
        assert(f->refs == 0);
        next = f->older;
        free(f);
    }
    pthread_mutex_destroy(&p->lock.mutex);
    free(p->lock.table);
    free(p);
}

static struct store_proven_file **
slot_of(struct store_proven *p, const struct file_id *id)
{
    return &p->lock.table[lh_xxh64(id, sizeof(*id), 0) & (p->slots - 1)];
}

static void
order_take_out(struct store_proven *p, struct store_proven_file *f)
{
    *(f->newer ? &f->newer->older : &p->lock.newest) = f->older;
    *(f->older ? &f->older->newer : &p->lock.oldest) = f->newer;
    f->newer = f->older = NULL;
}

static void
order_put_first(struct store_proven *p, struct store_proven_file *f)
{
    f->older = p->lock.newest;
    f->newer = NULL;
    *(p->lock.newest ? &p->lock.newest->newer : &p->lock.oldest) = f;
    p->lock.newest = f;
}

static void
file_drop(struct store_proven *p, struct store_proven_file *f)
{
    struct store_proven_file **at = slot_of(p, &f->id);

    while (*at != f)
        at = &(*at)->chain;
    *at = f->chain;
    order_take_out(p, f);
    p->lock.count--;
    lh_metric_add(p->files, -1);
    free(f);
}

static void
make_room(struct store_proven *p)
{
    struct store_proven_file *f = p->lock.oldest;

    while (f && p->lock.count >= p->files_max) {
        struct store_proven_file *next = f->newer;
        if (f->refs == 0)
            file_drop(p, f);
        f = next;
    }
}

static struct store_proven_file *
file_find(struct store_proven *p, const struct file_id *id)
{
    struct store_proven_file *f = *slot_of(p, id);

    while (f && memcmp(&f->id, id, sizeof(*id)) != 0)
        f = f->chain;
    return f;
}

static struct store_proven_file *
file_add(struct store_proven *p, const struct file_id *id)
{
    struct store_proven_file *f = LH_NEW(struct store_proven_file);
    struct store_proven_file **slot;

    make_room(p);
    f->id = *id;
    slot = slot_of(p, id);
    f->chain = *slot;
    *slot = f;
    order_put_first(p, f);
    p->lock.count++;
    lh_metric_add(p->files, 1);
    return f;
}

struct store_proven_file *
store_proven_ref(struct store_proven *p, const struct stat *st)
{
    struct file_id id = id_of(st);
    LH_AUTO_LOCK(&p->lock.mutex);
    struct store_proven_file *f = file_find(p, &id);

    if (!f)
        f = file_add(p, &id);
    f->refs++;
    order_take_out(p, f);
    order_put_first(p, f);
    return f;
}

void
store_proven_unref(struct store_proven *p, struct store_proven_file *f)
{
    if (!f)
        return;
    LH_AUTO_LOCK(&p->lock.mutex);
    f->refs--;
}

bool
store_proven_has(const struct store_proven_file *f, size_t block)
{
    uint64_t word = atomic_load_explicit(&f->bits[block / WORD_BITS], memory_order_relaxed);

    return (word >> (block % WORD_BITS)) & 1;
}

void
store_proven_add(struct store_proven_file *f, size_t block)
{
    int64_t changed_us = (int64_t)(f->id.ctime_ns / 1000);

    if (lh_time_now_us() - changed_us < SETTLED_AFTER_US)
        return;
    atomic_fetch_or_explicit(&f->bits[block / WORD_BITS], (uint64_t)1 << (block % WORD_BITS),
                             memory_order_relaxed);
}

size_t
store_proven_count(struct store_proven *p)
{
    LH_AUTO_LOCK(&p->lock.mutex);
    return p->lock.count;
}
