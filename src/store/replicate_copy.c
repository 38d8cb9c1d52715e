#include <time.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/block_cache.h"
#include "store/replicate_parts.h"

#define STEP_BYTES ((size_t)256 << 10)
#define NAP_NS_MAX INT64_C(100000000) /* so that who is canceled notices */

/* ---- pace ---- */

void
replicate_pace_init(struct replicate_pace *p, uint64_t bytes_per_second)
{
    *p = (struct replicate_pace){.bytes_per_second = bytes_per_second};
    pthread_mutex_init(&p->lock.mutex, NULL);
}

void
replicate_pace_fini(struct replicate_pace *p)
{
    pthread_mutex_destroy(&p->lock.mutex);
}

/* Each taker books the time that its bytes take, behind those who came before. */
static int64_t
turn_book(struct replicate_pace *p, size_t bytes)
{
    LH_AUTO_LOCK(&p->lock.mutex);
    int64_t now = lh_time_mono_ns();
    int64_t turn = p->lock.next_ns > now ? p->lock.next_ns : now;

    p->lock.next_ns = turn + (int64_t)((double)bytes * 1e9 / (double)p->bytes_per_second);
    return turn;
}

lh_status
replicate_pace_wait(struct replicate_pace *p, struct lh_call *call, size_t bytes,
                    struct lh_error *err)
{
    int64_t turn, rest;

    if (p->bytes_per_second == 0)
        return lh_call_check(call, err);
    turn = turn_book(p, bytes);
    while ((rest = turn - lh_time_mono_ns()) > 0) {
        struct timespec nap = {.tv_nsec = rest < NAP_NS_MAX ? rest : NAP_NS_MAX - 1};
        LH_TRY(lh_call_check(call, err));
        (void)nanosleep(&nap, NULL);
    }
    return lh_call_check(call, err);
}

/* ---- one object ---- */

struct copy {
    struct lh_bucket *to;
    struct lh_call *call;
    struct replicate_pace *pace;
    struct lh_reader_at *source;
    struct lh_upload *upload;
    struct lh_sha256 hash;
    char sha256[LH_SHA256_HEX];
};

static lh_status
bytes_copy(struct copy *c, struct lh_error *err)
{
    LH_AUTO_CHARS step = lh_alloc(STEP_BYTES);
    uint64_t size = c->source->info.size_bytes;

    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < STEP_BYTES ? (size_t)(size - at) : STEP_BYTES;
        LH_TRY(replicate_pace_wait(c->pace, c->call, n, err));
        LH_TRY(bucket_read(c->source, c->call, at, step, n, err));
        lh_sha256_add(&c->hash, step, n);
        LH_TRY(lh_upload_write(c->upload, lh_bytes_of(step, n), err));
        at += n;
    }
    return LH_OK;
}

static lh_status
sums_compare(struct copy *c, const char *known, const char *whose, struct lh_error *err)
{
    if (!known[0] || strcmp(known, c->sha256) == 0)
        return LH_OK;
    return bucket_fail_checksum(c->source->bucket, lh_str_of(c->source->key), whose, err);
}

static lh_status
copy_run(struct copy *c, const char *key, struct lh_object_info *made, struct lh_error *err)
{
    const struct lh_object_info *info = &c->source->info;
    bool keeps = lh_bucket_keeps_metadata(c->to);
    const struct lh_put_options o = {.content_type = info->content_type,
                                     .size_hint = info->size_bytes,
                                     .metadata =
                                         keeps ? lh_reader_at_metadata(c->source) : LH_STR_NONE};
    uint8_t digest[LH_SHA256_BYTES];

    LH_TRY(bucket_upload_begin(c->to, c->call, lh_str_of(key), &o, &c->upload, err));
    LH_TRY(bytes_copy(c, err));
    lh_sha256_final(&c->hash, digest);
    (void)lh_sha256_hex(digest, c->sha256);
    LH_TRY(sums_compare(c, info->sha256, "what was read is not what was put", err));
    LH_TRY(lh_upload_commit(c->upload, made, err));
    return sums_compare(c, made->sha256, "the copy is not what was read", err);
}

/* A copy of the same content that an earlier run made and could not list any more. */
static bool
copy_exists(struct lh_bucket *to, struct lh_call *call, const char *key,
            const struct lh_object_info *info, struct lh_object_info *found)
{
    return info->sha256[0] && bucket_head(to, call, lh_str_of(key), found, NULL) == LH_OK &&
           found->size_bytes == info->size_bytes && strcmp(found->sha256, info->sha256) == 0;
}

static lh_status
copy_make(struct copy *c, const char *key, struct replica_entry *e, struct lh_error *err)
{
    struct lh_object_info made;
    lh_status status;

    lh_sha256_init(&c->hash);
    status = copy_run(c, key, &made, err);
    lh_sha256_fini(&c->hash);
    lh_upload_free(c->upload);
    LH_TRY(status);
    memcpy(e->info.sha256, c->sha256, sizeof(e->info.sha256));
    memcpy(e->replica_etag, made.etag, sizeof(e->replica_etag));
    return LH_OK;
}

lh_status
replicate_copy(struct lh_bucket *from, struct lh_bucket *to, struct lh_call *call,
               struct replicate_pace *pace, lh_str key, struct replica_entry *e, uint64_t *bytes,
               struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *source = NULL;
    struct copy c = {.to = to, .call = call, .pace = pace};
    char copy_key[LH_KEY_MAX + 1];
    struct lh_object_info found;

    *bytes = 0;
    replica_key(from->name, key, copy_key);
    LH_TRY(bucket_open(from, call, key, &source, err));
    block_reader_free(lh_take(source->blocks)); /* read once: not for the cache */
    memset(e, 0, sizeof(*e));
    (void)lh_str_copy(e->key, sizeof(e->key), key);
    e->info = source->info;
    if (copy_exists(to, call, copy_key, &e->info, &found)) {
        memcpy(e->replica_etag, found.etag, sizeof(e->replica_etag));
        return LH_OK;
    }
    c.source = source;
    LH_TRY(copy_make(&c, copy_key, e, err));
    *bytes = e->info.size_bytes;
    return LH_OK;
}
