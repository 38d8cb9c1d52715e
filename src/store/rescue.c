/*
 * One decision for all kinds of reads (rescued_read): who is asked first, what counts as a failure,
 * and what the caller hears. A kind of read is a pair of functions, one that asks the bucket and
 * one that asks the copy.
 *
 * The time that a bucket gets grows with what is asked of it, so that a large read over a slow line
 * is no failure.
 */
#include "store/rescue.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

#define INDEX_FRESH_MS 5000
#define BYTES_PER_MS ((uint64_t)4 << 10) /* a bucket that is slower than 4 MiB a second is slow */

struct rescued {
    struct lh_bucket *bucket;
    struct lh_call *call;
    lh_str key;
    uint64_t size_bytes; /* of what is read now */
    lh_status (*from_bucket)(struct rescued *x, struct lh_call *call, struct lh_error *err);
    lh_status (*from_copy)(struct rescued *x, struct lh_bucket *rescue,
                           const struct replica_entry *e, struct lh_error *err);
    /* of the kinds */
    struct lh_object_info *info;
    struct lh_reader_at **out;
    struct lh_reader_at *reader;
    uint64_t offset;
    void *to;
    int *fd;
};

struct bucket_rescue *
bucket_rescue_new(struct rescue_hub *hub, struct lh_bucket *b)
{
    struct bucket_rescue *r = LH_NEW(struct bucket_rescue);

    r->hub = hub;
    r->bucket = b;
    store_breaker_init(&r->breaker, hub->failures_max, hub->reset_ms);
    pthread_mutex_init(&r->lock.mutex, NULL);
    r->rescued =
        lh_counter("lakehouse_store_rescued_total",
                   "Reads of a bucket that the rescue bucket answered.", "bucket", b->name, NULL);
    r->missed = lh_counter("lakehouse_store_rescue_misses_total",
                           "Failed reads of a bucket for which the rescue bucket had no copy.",
                           "bucket", b->name, NULL);
    r->opened = lh_counter("lakehouse_store_breaker_opened_total",
                           "How often a bucket was found to be failing, and spared from then on.",
                           "bucket", b->name, NULL);
    r->is_open = lh_gauge("lakehouse_store_breaker_open", "1 while the bucket is spared.", "bucket",
                          b->name, NULL);
    return r;
}

void
bucket_rescue_free(struct bucket_rescue *r)
{
    if (!r)
        return;
    for (int i = 0; i < REPLICA_CLASS_COUNT; i++)
        replica_index_free(r->lock.index[i]);
    pthread_mutex_destroy(&r->lock.mutex);
    store_breaker_fini(&r->breaker);
    free(r);
}

/* ---- the lists of copies ---- */

static struct replica_index *
index_known(struct bucket_rescue *r, enum replica_class class, bool *is_fresh)
{
    LH_AUTO_LOCK(&r->lock.mutex);
    struct replica_index *known = r->lock.index[class];

    *is_fresh = lh_time_mono_ms() < r->lock.fresh_until_ms[class];
    return known ? replica_index_ref(known) : NULL;
}

static void
index_keep(struct bucket_rescue *r, enum replica_class class, struct replica_index *x)
{
    struct replica_index *old;
    {
        LH_AUTO_LOCK(&r->lock.mutex);
        old = r->lock.index[class];
        r->lock.index[class] = replica_index_ref(x);
        r->lock.fresh_until_ms[class] = lh_time_mono_ms() + INDEX_FRESH_MS;
    }
    replica_index_free(old);
}

static lh_status
index_get(struct bucket_rescue *r, struct lh_bucket *rescue, struct lh_call *call,
          enum replica_class class, struct replica_index **out, struct lh_error *err)
{
    bool is_fresh, is_current = false;
    LH_AUTO(replica_index) *known = index_known(r, class, &is_fresh);

    if (known && !is_fresh)
        LH_TRY(replica_index_is_current(known, call, &is_current, err));
    if (!known || !(is_fresh || is_current)) {
        replica_index_free(lh_take(known));
        LH_TRY(replica_index_open(rescue, call, r->bucket->name, class, &known, err));
    }
    if (!is_fresh)
        index_keep(r, class, known);
    *out = lh_take(known);
    return LH_OK;
}

/* ---- the decision ---- */

static bool
is_bucket_failure(lh_status status)
{
    return status == LH_UNAVAILABLE || status == LH_TIMEOUT || status == LH_IO ||
           status == LH_CORRUPT;
}

static void
breaker_note(struct bucket_rescue *r, const struct rescued *x, lh_status status)
{
    if (status == LH_CANCELED || status == LH_CORRUPT ||
        (status == LH_TIMEOUT && lh_call_check(x->call, NULL) != LH_OK))
        store_breaker_leave(&r->breaker);
    else if (!is_bucket_failure(status))
        store_breaker_good(&r->breaker);
    else if (store_breaker_bad(&r->breaker, lh_time_mono_ms()))
        lh_metric_add(r->opened, 1);
    lh_metric_set(r->is_open, store_breaker_is_open(&r->breaker) ? 1 : 0);
}

/* With haste: the call, cut to the time that a bucket has. */
static lh_status
bucket_ask(struct bucket_rescue *r, struct rescued *x, bool with_haste, struct lh_error *err)
{
    int64_t time_ms = r->hub->after_ms + (int64_t)(x->size_bytes / BYTES_PER_MS);
    struct lh_call part;
    lh_status status;

    if (!with_haste || r->hub->after_ms == 0) {
        status = x->from_bucket(x, x->call, err);
    } else {
        lh_call_init_part(&part, x->call, lh_time_mono_ms() + time_ms);
        status = x->from_bucket(x, &part, err);
        lh_call_fini(&part);
    }
    breaker_note(r, x, status);
    return status;
}

static void
tell(struct bucket_rescue *r, struct rescued *x, struct lh_bucket *rescue,
     const struct lh_error *why)
{
    const struct lh_rescue told = {
        .bucket = r->bucket->name,
        .key = x->key,
        .rescue = rescue->name,
        .reason = why->reason[0] ? why->reason : "store.bucket_spared",
        .text = why->text[0] ? why->text : "it has been failing and is spared for a while",
    };

    lh_metric_add(r->rescued, 1);
    lh_call_rescued_by(x->call, rescue->name);
    if (r->hub->listener)
        r->hub->listener(r->hub->listener_self, x->call, &told);
}

static lh_status
copy_ask(struct bucket_rescue *r, struct rescued *x, const struct lh_error *why,
         struct lh_error *err)
{
    struct lh_bucket *rescue = atomic_load(&r->hub->rescue);
    LH_AUTO(replica_index) *index = NULL;
    struct replica_entry e;

    LH_TRY(index_get(r, rescue, x->call, replica_class_of(x->key), &index, err));
    LH_TRY(replica_index_find(index, x->call, x->key, &e, err));
    LH_TRY(x->from_copy(x, rescue, &e, err));
    tell(r, x, rescue, why);
    return LH_OK;
}

/* The bucket has failed; its failure stands unless a copy or, where it was only slow, more time
 * helps. */
static lh_status
copy_or_failure(struct bucket_rescue *r, struct rescued *x, struct lh_error *why,
                struct lh_error *err)
{
    lh_status status = why->status;
    LH_AUTO_ERROR(none);

    if (copy_ask(r, x, why, &none) == LH_OK)
        return LH_OK;
    lh_metric_add(r->missed, 1);
    if (status == LH_TIMEOUT && lh_call_check(x->call, NULL) == LH_OK)
        return bucket_ask(r, x, false, err);
    lh_error_copy(err, why);
    return status;
}

static lh_status
rescued_read(struct rescued *x, struct lh_error *err)
{
    struct bucket_rescue *r = x->bucket->rescue;
    LH_AUTO_ERROR(why);
    lh_status status;

    if (!atomic_load(&r->hub->rescue) || x->call->reads_straight || replica_is_left_out(x->key))
        return x->from_bucket(x, x->call, err);
    if (!store_breaker_enter(&r->breaker, lh_time_mono_ms())) {
        LH_AUTO_ERROR(none);
        if (copy_ask(r, x, &why, &none) == LH_OK)
            return LH_OK;
    }
    status = bucket_ask(r, x, true, &why);
    if (is_bucket_failure(status) && lh_call_check(x->call, NULL) == LH_OK)
        return copy_or_failure(r, x, &why, err);
    if (status != LH_OK)
        lh_error_copy(err, &why);
    return status;
}

/* ---- the kinds ---- */

static lh_status
copy_changed(const struct replica_entry *e, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "store.no_replica",
                   "the copy of '%.300s' is not the one that is listed", e->key);
}

static bool
is_the_copy(const struct replica_entry *e, const struct lh_object_info *found)
{
    return strcmp(found->etag, e->replica_etag) == 0 && found->size_bytes == e->info.size_bytes &&
           (!found->sha256[0] || !e->info.sha256[0] || strcmp(found->sha256, e->info.sha256) == 0);
}

static lh_status
head_from_bucket(struct rescued *x, struct lh_call *call, struct lh_error *err)
{
    return bucket_head(x->bucket, call, x->key, x->info, err);
}

static lh_status
head_from_copy(struct rescued *x, struct lh_bucket *rescue, const struct replica_entry *e,
               struct lh_error *err)
{
    char key[LH_KEY_MAX + 1];
    struct lh_object_info found;

    replica_key(x->bucket->name, x->key, key);
    LH_TRY(bucket_head(rescue, x->call, lh_str_of(key), &found, err));
    if (!is_the_copy(e, &found))
        return copy_changed(e, err);
    *x->info = e->info;
    return LH_OK;
}

lh_status
rescue_head(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *info,
            struct lh_error *err)
{
    struct rescued x = {.bucket = b,
                        .call = call,
                        .key = key,
                        .from_bucket = head_from_bucket,
                        .from_copy = head_from_copy,
                        .info = info};

    return rescued_read(&x, err);
}

static lh_status
open_from_bucket(struct rescued *x, struct lh_call *call, struct lh_error *err)
{
    return bucket_open(x->bucket, call, x->key, x->out, err);
}

static lh_status
open_from_copy(struct rescued *x, struct lh_bucket *rescue, const struct replica_entry *e,
               struct lh_error *err)
{
    char key[LH_KEY_MAX + 1];
    LH_AUTO(lh_reader_at) *r = NULL;

    replica_key(x->bucket->name, x->key, key);
    LH_TRY(bucket_open(rescue, x->call, lh_str_of(key), &r, err));
    if (!is_the_copy(e, &r->info))
        return copy_changed(e, err);
    r->shown = e->info;
    r->is_copy = true;
    *x->out = lh_take(r);
    return LH_OK;
}

lh_status
rescue_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
            struct lh_error *err)
{
    struct rescued x = {.bucket = b,
                        .call = call,
                        .key = key,
                        .from_bucket = open_from_bucket,
                        .from_copy = open_from_copy,
                        .out = out};

    return rescued_read(&x, err);
}

/* The reader of the copy, opened at the first need and kept with the reader that failed. Its object
 * must be the very one that the failing reader has pinned. */
static lh_status
stand_in(struct rescued *x, struct lh_bucket *rescue, const struct replica_entry *e,
         struct lh_reader_at **out, struct lh_error *err)
{
    struct lh_reader_at *fresh = NULL, *found = atomic_load(&x->reader->stand_in);
    struct rescued opening = *x;

    *out = found;
    if (found)
        return LH_OK;
    if (strcmp(e->info.etag, x->reader->info.etag) != 0)
        return copy_changed(e, err);
    opening.out = &fresh;
    LH_TRY(open_from_copy(&opening, rescue, e, err));
    lh_reader_at_use(fresh, x->reader->tally, x->reader->is_exact);
    if (atomic_compare_exchange_strong(&x->reader->stand_in, &found, fresh))
        found = fresh;
    else
        lh_reader_at_free(fresh);
    *out = found;
    return LH_OK;
}

static lh_status
read_from_bucket(struct rescued *x, struct lh_call *call, struct lh_error *err)
{
    return bucket_read(x->reader, call, x->offset, x->to, (size_t)x->size_bytes, err);
}

static lh_status
read_from_copy(struct rescued *x, struct lh_bucket *rescue, const struct replica_entry *e,
               struct lh_error *err)
{
    struct lh_reader_at *copy;

    LH_TRY(stand_in(x, rescue, e, &copy, err));
    return bucket_read(copy, x->call, x->offset, x->to, (size_t)x->size_bytes, err);
}

lh_status
rescue_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to, size_t n,
            struct lh_error *err)
{
    struct rescued x = {.bucket = r->bucket,
                        .call = call,
                        .key = lh_str_of(r->key),
                        .size_bytes = n,
                        .from_bucket = read_from_bucket,
                        .from_copy = read_from_copy,
                        .reader = r,
                        .offset = offset,
                        .to = to};

    return rescued_read(&x, err);
}

static lh_status
file_from_bucket(struct rescued *x, struct lh_call *call, struct lh_error *err)
{
    return bucket_file(x->reader, call, x->offset, x->size_bytes, x->fd, err);
}

static lh_status
file_from_copy(struct rescued *x, struct lh_bucket *rescue, const struct replica_entry *e,
               struct lh_error *err)
{
    struct lh_reader_at *copy;

    LH_TRY(stand_in(x, rescue, e, &copy, err));
    return bucket_file(copy, x->call, x->offset, x->size_bytes, x->fd, err);
}

lh_status
rescue_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, uint64_t length, int *fd,
            struct lh_error *err)
{
    struct rescued x = {.bucket = r->bucket,
                        .call = call,
                        .key = lh_str_of(r->key),
                        .size_bytes = length,
                        .from_bucket = file_from_bucket,
                        .from_copy = file_from_copy,
                        .reader = r,
                        .offset = offset,
                        .fd = fd};

    return rescued_read(&x, err);
}

bool
lh_bucket_is_spared(struct lh_bucket *b)
{
    return b->rescue && store_breaker_is_open(&b->rescue->breaker);
}
