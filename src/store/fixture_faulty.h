/*
 * fixture_faulty: a bucket that keeps its objects in a local one and lies or fails as told, for the
 * tests of this room only.
 */
#ifndef LH_STORE_FIXTURE_FAULTY_H
#define LH_STORE_FIXTURE_FAULTY_H

#include "base/time.h"
#include "store/fixture.h"
#include "store/rescue.h"

struct faulty {
    struct lh_bucket base; /* first */
    struct lh_bucket *inner;
    atomic_int fails_with; /* lh_status of every read; LH_OK: none */
    atomic_bool is_slow;   /* reads take until the call's deadline */
    atomic_uint asked;     /* reads that reached it */
    bool ignores_if_absent, ignores_if_match, shifts_ranges, forgets_prefix, lists_backwards;
    bool loses_updates; /* compares well before it swaps */
    bool creates_late;  /* looks for what must be absent well before it creates */
};

struct faulty_upload {
    struct lh_upload base;
    struct lh_upload *inner;
    struct lh_put_options options;
    char if_match[LH_ETAG_MAX];
};

struct faulty_reader {
    struct lh_reader_at base;
    struct lh_reader_at *inner;
};

static inline struct faulty *
faulty_of(struct lh_bucket *b)
{
    return (struct faulty *)b;
}

static inline lh_status
faulty_turn(struct faulty *f, struct lh_call *call, struct lh_error *err)
{
    lh_status status = (lh_status)atomic_load(&f->fails_with);

    atomic_fetch_add(&f->asked, 1);
    if (status != LH_OK)
        return lh_fail(err, status, "test.fault", "as told");
    while (atomic_load(&f->is_slow)) {
        LH_TRY(lh_call_check(call, err));
        usleep(1000);
    }
    return LH_OK;
}

static lh_status
faulty_upload_begin(struct lh_bucket *b, lh_str key, const struct lh_put_options *o,
                    struct lh_upload **out, struct lh_error *err)
{
    struct faulty *f = faulty_of(b);
    struct faulty_upload *u = LH_NEW(struct faulty_upload);
    struct lh_put_options passed = *o;
    static struct lh_call none;
    static atomic_bool is_made;
    lh_status status;

    if (!atomic_exchange(&is_made, true))
        lh_call_init(&none);
    if (f->ignores_if_absent)
        passed.if_absent = false;
    if (f->ignores_if_match)
        passed.if_match = NULL;
    if (f->loses_updates && o->if_match) {
        struct lh_object_info now = {0};
        passed.if_match = NULL;
        (void)lh_object_head(f->inner, &none, key, &now, NULL);
        usleep(2000);
        if (!bucket_etag_meets(o->if_match, now.etag)) {
            free(u);
            return bucket_fail_precondition(b, key, o->if_match, now.etag, err);
        }
    }
    if (f->creates_late && o->if_absent) {
        struct lh_object_info now;
        bool is_there = lh_object_head(f->inner, &none, key, &now, NULL) == LH_OK;
        passed.if_absent = false;
        usleep(2000);
        if (is_there) {
            free(u);
            return bucket_fail_precondition(b, key, NULL, NULL, err);
        }
    }
    status = lh_upload_begin(f->inner, &none, key, &passed, &u->inner, err);
    if (status != LH_OK) {
        free(u);
        return status;
    }
    *out = &u->base;
    return LH_OK;
}

static lh_status
faulty_upload_write(struct lh_upload *u, lh_bytes bytes, struct lh_error *err)
{
    return lh_upload_write(((struct faulty_upload *)u)->inner, bytes, err);
}

static lh_status
faulty_upload_commit(struct lh_upload *u, struct lh_object_info *info, struct lh_error *err)
{
    return lh_upload_commit(((struct faulty_upload *)u)->inner, info, err);
}

static void
faulty_upload_free(struct lh_upload *u)
{
    lh_upload_free(((struct faulty_upload *)u)->inner);
    free(u);
}

static lh_status
faulty_put_file(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *path,
                const struct lh_put_options *o, uint64_t size_max, struct lh_object_info *info,
                struct lh_error *err)
{
    (void)size_max;
    return lh_object_put_file(faulty_of(b)->inner, call, key, path, o, info, err);
}

static lh_status
faulty_remove(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
              struct lh_error *err)
{
    return lh_object_delete(faulty_of(b)->inner, call, key, if_match, err);
}

static lh_status
faulty_head(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *info,
            struct lh_error *err)
{
    LH_TRY(faulty_turn(faulty_of(b), call, err));
    return lh_object_head(faulty_of(b)->inner, call, key, info, err);
}

static lh_status
faulty_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
            struct lh_error *err)
{
    struct faulty_reader *r = LH_NEW(struct faulty_reader);
    lh_status status = faulty_turn(faulty_of(b), call, err);

    if (status == LH_OK)
        status = lh_object_open(faulty_of(b)->inner, call, key, &r->inner, &r->base.info, err);
    if (status != LH_OK) {
        free(r);
        return status;
    }
    *out = &r->base;
    return LH_OK;
}

static lh_status
faulty_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to, size_t n,
            struct lh_error *err)
{
    struct faulty *f = faulty_of(r->bucket);

    LH_TRY(faulty_turn(f, call, err));
    if (f->shifts_ranges && offset > 0 && n > 0)
        offset--;
    return lh_reader_at_read(((struct faulty_reader *)r)->inner, call, offset, to, n, err);
}

static lh_status
faulty_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, uint64_t length, int *fd,
            struct lh_error *err)
{
    LH_TRY(faulty_turn(faulty_of(r->bucket), call, err));
    return lh_reader_at_file(((struct faulty_reader *)r)->inner, call, offset, length, fd, err);
}

static bool
faulty_is_proven(const struct lh_reader_at *r, uint64_t offset, uint64_t length)
{
    (void)r, (void)offset, (void)length;
    return false;
}

static void
faulty_reader_free(struct lh_reader_at *r)
{
    lh_reader_at_free(((struct faulty_reader *)r)->inner);
    free(r);
}

static lh_status
faulty_list(struct lh_bucket *b, struct lh_call *call, struct object_lister *l,
            struct lh_error *err)
{
    struct faulty *f = faulty_of(b);
    LH_AUTO(lh_object_list) *all = NULL;

    LH_TRY(faulty_turn(f, call, err));
    LH_TRY(lh_object_list(f->inner, call, f->forgets_prefix ? LH_STR("") : l->prefix, l->after,
                          100000, &all, err));
    for (size_t i = 0; i < all->count; i++) {
        size_t at = f->lists_backwards ? all->count - 1 - i : i;
        if (!object_lister_has_room(l))
            break;
        object_lister_add(l, lh_str_of(all->items[at].key), &all->items[at].info);
    }
    return LH_OK;
}

static void
faulty_free(struct lh_bucket *b)
{
    bucket_fini(b);
    free(b);
}

static const struct bucket_ops faulty_ops = {
    .backend = "faulty",
    .upload_begin = faulty_upload_begin,
    .upload_write = faulty_upload_write,
    .upload_commit = faulty_upload_commit,
    .upload_free = faulty_upload_free,
    .put_file = faulty_put_file,
    .remove = faulty_remove,
    .head = faulty_head,
    .open = faulty_open,
    .read = faulty_read,
    .file = faulty_file,
    .is_proven = faulty_is_proven,
    .reader_free = faulty_reader_free,
    .list = faulty_list,
    .free = faulty_free,
};

/* Over the bucket of the fixture, which outlives it. */
static inline struct faulty *
faulty_new(struct fixture *f, const char *name)
{
    struct faulty *b = LH_NEW(struct faulty);

    bucket_init(&b->base, &faulty_ops, name, &f->limits);
    b->inner = f->bucket;
    return b;
}

#endif
