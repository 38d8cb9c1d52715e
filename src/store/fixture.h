/*
 * fixture: a bucket in a scratch folder, for the tests of this room only.
 */
#ifndef LH_STORE_FIXTURE_H
#define LH_STORE_FIXTURE_H

#include "base/testing.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"
#include "store/local.h"

struct fixture {
    char folder[64]; /* scratch; the bucket is in <folder>/b */
    char root[80];
    struct store_limits limits;
    struct store_proven *proven;
    struct lh_bucket *bucket;
    struct lh_call call;
};

/* TMPDIR when set, so that the same tests run on any file system. */
static inline void
fixture_folder(char folder[64])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(folder, 64, "%.40s/lh-store-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static inline void
fixture_open_bucket(struct fixture *f)
{
    const struct local_bucket_options o = {
        .name = "tested", .root = f->root, .limits = &f->limits, .proven = f->proven};
    LH_AUTO_ERROR(err);

    if (local_bucket_open(&o, &f->bucket, &err) != LH_OK)
        fail_msg("%s", err.text);
}

static inline int
fixture_setup(void **state)
{
    struct fixture *f = LH_NEW(struct fixture);

    fixture_folder(f->folder);
    (void)snprintf(f->root, sizeof(f->root), "%s/b", f->folder);
    store_limits_init(&f->limits, (uint64_t)1 << 40, 64);
    f->proven = store_proven_new(1000);
    lh_call_init(&f->call);
    fixture_open_bucket(f);
    *state = f;
    return 0;
}

static inline int
fixture_teardown(void **state)
{
    struct fixture *f = *state;

    bucket_free(f->bucket);
    store_proven_free(f->proven);
    store_limits_fini(&f->limits);
    lh_call_fini(&f->call);
    (void)lh_dir_remove_tree(f->folder, NULL);
    free(f);
    return 0;
}

/* ---- shorthand: `expr` refers to an error of its own as &err ---- */

#define must(expr)                                                                                 \
    do {                                                                                           \
        LH_AUTO_ERROR(err);                                                                        \
        if ((expr) != LH_OK)                                                                       \
            fail_msg("%s: %s %s: %s", #expr, lh_status_name(err.status), err.reason, err.text);    \
    } while (0)

#define must_fail(expr, expected_status, expected_reason)                                          \
    do {                                                                                           \
        LH_AUTO_ERROR(err);                                                                        \
        lh_status got_ = (expr);                                                                   \
        if (got_ != (expected_status) || !lh_error_is(&err, (expected_reason)))                    \
            fail_msg("%s: expected %s %s, got %s %s: %s", #expr, lh_status_name(expected_status),  \
                     (expected_reason), lh_status_name(got_), err.reason, err.text);               \
    } while (0)

static inline lh_status
put_text(struct fixture *f, const char *key, const char *text, const struct lh_put_options *o,
         struct lh_object_info *info, struct lh_error *err)
{
    return lh_object_put(f->bucket, &f->call, lh_str_of(key), lh_str_bytes(lh_str_of(text)), o,
                         info, err);
}

static inline void
assert_object(struct fixture *f, const char *key, const char *text)
{
    LH_AUTO_BUF(out, 1 << 20);
    LH_AUTO_ERROR(err);

    if (lh_object_get(f->bucket, &f->call, lh_str_of(key), &out, NULL, &err) != LH_OK)
        fail_msg("%s: %s", key, err.text);
    assert_string_equal(lh_buf_cstr(&out), text);
}

static inline lh_status
head_of(struct fixture *f, const char *key, struct lh_object_info *info, struct lh_error *err)
{
    return lh_object_head(f->bucket, &f->call, lh_str_of(key), info, err);
}

static inline void
path_of(const struct fixture *f, const char *key, char path[PATH_MAX])
{
    char encoded[LOCAL_PATH_MAX];

    local_path_encode(lh_str_of(key), encoded);
    (void)snprintf(path, PATH_MAX, "%s/%s", f->root, encoded);
}

/* Pages of `limit`, joined by blanks. */
static inline char *
keys_of(struct fixture *f, const char *prefix, size_t limit, struct lh_buf *out)
{
    LH_AUTO(lh_object_list) *page = NULL;
    bool is_more = true;
    LH_AUTO_ERROR(err);
    char after[LH_KEY_MAX + 1] = "";

    while (is_more) {
        lh_object_list_free(page);
        page = NULL;
        if (lh_object_list(f->bucket, &f->call, lh_str_of(prefix), lh_str_of(after), limit, &page,
                           &err) != LH_OK)
            fail_msg("%s", err.text);
        assert_true(page->count <= limit);
        for (size_t i = 0; i < page->count; i++) {
            lh_buf_printf(out, "%s%s", out->len ? " " : "", page->items[i].key);
            (void)snprintf(after, sizeof(after), "%s", page->items[i].key);
        }
        is_more = page->has_more;
    }
    return (char *)out->data;
}

#endif
