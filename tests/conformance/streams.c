/* Objects in parts: ranges and uploads. */
#include "conformance.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/* ---- ranges ---- */

void
ranges_are_exact(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 + 17 };
    struct scene *s = *state;
    lh_str key = key_of(s, "range");
    uint8_t *bytes = bytes_new(SIZE, 7), *got = lh_alloc(SIZE);
    LH_AUTO(lh_reader_at) *r = NULL;
    struct lh_object_info info;
    LH_AUTO_ERROR(err);

    persist(put(s, key, bytes, SIZE, NULL, NULL, &err), err);
    persist(lh_object_open(world.bucket, &s->call, key, &r, &info, &err), err);
    assert_int_equal(info.size_bytes, SIZE);
    for (int i = 0; i < 40; i++) {
        size_t from = draw(&world.random) % SIZE, n = draw(&world.random) % (SIZE - from + 1);

        if (i % 3 == 0)
            n = n % 5000;
        persist(lh_reader_at_read(r, &s->call, from, got, n, &err), err);
        assert_memory_equal(got, bytes + from, n);
    }
    persist(lh_reader_at_read(r, &s->call, SIZE, got, 0, &err), err);
    assert_fails(lh_reader_at_read(r, &s->call, SIZE, got, 1, &err), LH_INVALID, "store.range",
                 err);
    assert_fails(lh_reader_at_read(r, &s->call, UINT64_MAX, got, 2, &err), LH_INVALID,
                 "store.range", err);
    free(bytes);
    free(got);
}

/* Old bytes, or a plain no: never a mixture. */
static void
check_old_or_told(lh_status status, const uint8_t *got, const uint8_t *old, size_t n,
                  const struct lh_error *err)
{
    if (status == LH_OK)
        assert_memory_equal(got, old, n);
    else if (!is_excused(status) && !lh_error_is(err, "store.object_changed") &&
             !lh_error_is(err, "store.no_object"))
        fail_msg("%s: %s", err->reason, err->text);
}

void
a_reader_never_mixes_two_objects(void **state)
{
    enum { SIZE = 2 * 1024 * 1024 };
    struct scene *s = *state;
    lh_str key = key_of(s, "pinned");
    uint8_t *old = bytes_new(SIZE, 1), *new = bytes_new(SIZE, 2), *got = lh_alloc(SIZE);
    LH_AUTO(lh_reader_at) *r = NULL;
    LH_AUTO_ERROR(err);

    persist(put(s, key, old, SIZE, NULL, NULL, &err), err);
    persist(lh_object_open(world.bucket, &s->call, key, &r, NULL, &err), err);
    persist(lh_reader_at_read(r, &s->call, 0, got, 1000, &err), err);
    assert_memory_equal(got, old, 1000);
    persist(put(s, key, new, SIZE, NULL, NULL, &err), err);
    for (size_t at = 0; at < SIZE; at += SIZE / 4) {
        lh_error_clear(&err);
        check_old_or_told(lh_reader_at_read(r, &s->call, at, got, SIZE / 4, &err), got, old + at,
                          SIZE / 4, &err);
    }
    lh_error_clear(&err);
    (void)lh_object_delete(world.bucket, &s->call, key, NULL, NULL);
    check_old_or_told(lh_reader_at_read(r, &s->call, SIZE / 2, got, 1000, &err), got,
                      old + SIZE / 2, 1000, &err);
    free(old);
    free(new);
    free(got);
}

struct parallel {
    struct lh_reader_at *r;
    const uint8_t *bytes;
    size_t size;
    uint64_t seed;
    int wrong;
};

static void *
parallel_read(void *arg)
{
    struct parallel *p = arg;
    uint8_t *got = lh_alloc(65536);
    struct lh_call call;

    thread_call(&call);
    for (int i = 0; i < 10; i++) {
        size_t from = draw(&p->seed) % (p->size - 65536), n = draw(&p->seed) % 65536;
        lh_status status = lh_reader_at_read(p->r, &call, from, got, n, NULL);

        if (status == LH_OK ? memcmp(got, p->bytes + from, n) != 0 : !is_excused(status))
            p->wrong++;
    }
    lh_call_fini(&call);
    free(got);
    return NULL;
}

void
one_reader_serves_many_threads(void **state)
{
    enum { SIZE = 1024 * 1024 };
    struct scene *s = *state;
    lh_str key = key_of(s, "many");
    uint8_t *bytes = bytes_new(SIZE, 9);
    LH_AUTO(lh_reader_at) *r = NULL;
    struct parallel parts[THREADS];
    pthread_t threads[THREADS];
    LH_AUTO_ERROR(err);

    persist(put(s, key, bytes, SIZE, NULL, NULL, &err), err);
    persist(lh_object_open(world.bucket, &s->call, key, &r, NULL, &err), err);
    for (int i = 0; i < THREADS; i++) {
        parts[i] = (struct parallel){r, bytes, SIZE, (uint64_t)i + 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, parallel_read, &parts[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(parts[i].wrong, 0);
    }
    free(bytes);
}

/* ---- uploads ---- */

/* In pieces of odd sizes. */
static lh_status
upload(struct scene *s, lh_str key, const uint8_t *bytes, size_t n, const struct lh_put_options *o,
       struct lh_object_info *info, struct lh_error *err)
{
    LH_AUTO(lh_upload) *u = NULL;
    size_t piece = 1;

    LH_TRY(lh_upload_begin(world.bucket, &s->call, key, o, &u, err));
    for (size_t at = 0; at < n; at += piece) {
        piece = piece * 3 + 1 < 700000 ? piece * 3 + 1 : 700001;
        piece = piece < n - at ? piece : n - at;
        LH_TRY(lh_upload_write(u, lh_bytes_of(bytes + at, piece), err));
    }
    return lh_upload_commit(u, info, err);
}

void
an_upload_becomes_the_object_as_a_whole(void **state)
{
    static const size_t sizes[] = {0, 100, 4 * MIB, 5 * MIB, 5 * MIB + 1, 12 * MIB + 345};
    struct scene *s = *state;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        lh_str key = key_of(s, "upload");
        uint8_t *bytes = bytes_new(sizes[i], i + 100);
        const struct lh_put_options o = {.content_type = "text/plain"};
        struct lh_object_info info, head;
        char sha256[LH_SHA256_HEX];

        persist(upload(s, key, bytes, sizes[i], &o, &info, &err), err);
        assert_object(s, key, bytes, sizes[i]);
        hash_text(bytes, sizes[i], sha256);
        assert_string_equal(info.sha256, sha256);
        assert_int_equal(info.size_bytes, sizes[i]);
        persist(lh_object_head(world.bucket, &s->call, key, &head, &err), err);
        assert_string_equal(head.etag, info.etag);
        assert_string_equal(head.content_type, "text/plain");
        free(bytes);
    }
}

void
an_upload_that_is_given_up_leaves_no_trace(void **state)
{
    static const size_t sizes[] = {100, 11 * MIB};
    struct scene *s = *state;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < 2; i++) {
        lh_str key = key_of(s, "given-up");
        uint8_t *bytes = bytes_new(sizes[i], i);
        LH_AUTO(lh_upload) *u = NULL;
        lh_status status;

        persist(lh_upload_begin(world.bucket, &s->call, key, NULL, &u, &err), err);
        status = lh_upload_write(u, lh_bytes_of(bytes, sizes[i]), &err);
        assert_true(status == LH_OK || is_excused(status));
        lh_upload_free(lh_take(u));
        assert_absent(s, key);
        free(bytes);
    }
}

void
a_large_creation_is_refused_when_there_is_one(void **state)
{
    enum { SIZE = 11 * 1024 * 1024 };
    const struct lh_put_options o = {.if_absent = true};
    struct scene *s = *state;
    lh_str key = key_of(s, "large"), other = key_of(s, "large");
    uint8_t *bytes = bytes_new(SIZE, 3);
    LH_AUTO_ERROR(err);

    persist(upload(s, key, bytes, SIZE, &o, NULL, &err), err);
    assert_object(s, key, bytes, SIZE);
    persist(put_text(s, other, "small", NULL, NULL, &err), err);
    persist_fails(upload(s, other, bytes, SIZE, &o, NULL, &err), LH_CONFLICT, "store.precondition",
                  err);
    assert_text(s, other, "small");
    free(bytes);
}

void
a_large_swap_needs_the_etag_of_now(void **state)
{
    enum { SIZE = 6 * 1024 * 1024 };
    struct scene *s = *state;
    lh_str key = key_of(s, "large-swap");
    uint8_t *bytes = bytes_new(SIZE, 4);
    struct lh_object_info info;
    struct lh_put_options o = {.if_match = info.etag};
    LH_AUTO_ERROR(err);

    persist(put_text(s, key, "small", NULL, &info, &err), err);
    persist(upload(s, key, bytes, SIZE, &o, NULL, &err), err);
    assert_object(s, key, bytes, SIZE);
    persist_fails(upload(s, key, bytes, SIZE - 1, &o, NULL, &err), LH_CONFLICT,
                  "store.precondition", err);
    assert_object(s, key, bytes, SIZE);
    free(bytes);
}

static void
file_make(const char *path, const uint8_t *bytes, size_t n)
{
    assert_int_equal(lh_file_write_atomic(path, lh_bytes_of(bytes, n), 0600, NULL), LH_OK);
}

void
a_file_is_taken(void **state)
{
    static const size_t sizes[] = {0, 1000, 11 * MIB + 5};
    struct scene *s = *state;
    LH_AUTO_CHARS path = lh_asprintf("%s/file", world.folder);
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int conditional = 0; conditional < 2; conditional++) {
            const struct lh_put_options o = {.if_absent = conditional};
            lh_str key = key_of(s, "file");
            uint8_t *bytes = bytes_new(sizes[i], i + 50);
            struct lh_object_info info;
            char sha256[LH_SHA256_HEX];

            file_make(path, bytes, sizes[i]);
            persist(lh_object_put_file(world.bucket, &s->call, key, path, &o, &info, &err), err);
            assert_object(s, key, bytes, sizes[i]);
            hash_text(bytes, sizes[i], sha256);
            assert_string_equal(info.sha256, sha256);
            persist(lh_object_head(world.bucket, &s->call, key, &info, &err), err);
            assert_string_equal(info.sha256, sha256);
            assert_int_equal(access(path, F_OK), -1);
            free(bytes);
        }
    }
}

void
a_file_that_is_refused_stays(void **state)
{
    const struct lh_put_options o = {.if_absent = true};
    struct scene *s = *state;
    LH_AUTO_CHARS path = lh_asprintf("%s/file", world.folder);
    lh_str key = key_of(s, "file-refused");
    LH_AUTO_ERROR(err);

    persist(put_text(s, key, "first", NULL, NULL, &err), err);
    file_make(path, (const uint8_t *)"second", 6);
    persist_fails(lh_object_put_file(world.bucket, &s->call, key, path, &o, NULL, &err),
                  LH_CONFLICT, "store.precondition", err);
    assert_text(s, key, "first");
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
}
