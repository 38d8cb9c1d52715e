/*
 * What store/bucket.h promises, held against any bucket: each test uses keys of its own, so one run
 * leaves the others' objects alone.
 *
 *     CONFORMANCE_CONFIG   settings with the bucket; none: a local bucket in a scratch folder
 *     CONFORMANCE_BUCKET   its name; "primary" unless given
 *     CONFORMANCE_SEED     of whatever is drawn at random; told at the start
 *     CONFORMANCE_FAULTY   set when the way to the store loses, breaks and repeats: an operation
 * may then fail as unavailable, but never lie CONFORMANCE_KEYS     how many keys a listing has;
 * 1,100 unless given
 */
#include "base/testing.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/id.h"
#include "base/time.h"
#include "store/store.h"

#define MIB ((size_t)1 << 20)
#define THREADS 8
#define TIME_MS 120000

struct world {
    char folder[64];
    char prefix[64]; /* of this run's keys */
    struct lh_config *config;
    struct lh_secrets *secrets;
    struct lh_store *store;
    struct lh_bucket *bucket;
    bool is_faulty, is_local;
    uint64_t random;
};

static struct world world;

static const struct lh_config_key *const tables[] = {lh_secret_config, lh_store_config,
                                                     lh_s3_config, NULL};

/* ---- small things ---- */

static uint64_t
draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint8_t *
bytes_new(size_t n, uint64_t seed)
{
    uint8_t *bytes = lh_alloc(n + 8);

    seed = seed * 2654435761u + 88172645463325252u;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = draw(&seed);
        memcpy(bytes + i, &v, 8);
    }
    return bytes;
}

struct scene {
    struct lh_call call;
    char keys[8][128];
    int next;
};

static int
scene_open(void **state)
{
    struct scene *s = lh_alloc(sizeof(*s));

    lh_call_init(&s->call);
    s->call.deadline_ms = lh_time_mono_ms() + TIME_MS;
    *state = s;
    return 0;
}

static int
scene_close(void **state)
{
    struct scene *s = *state;

    lh_call_fini(&s->call);
    free(s);
    return 0;
}

static lh_str
key_of(struct scene *s, const char *name)
{
    char *key = s->keys[s->next++ % 8];
    char text[LH_UUID_TEXT];

    (void)snprintf(key, 128, "%s%s-%.8s", world.prefix, name, lh_uuid_format(lh_uuid_v4(), text));
    return lh_str_of(key);
}

/* Over a bad way an operation may fail, and only like this. */
static bool
is_excused(lh_status status)
{
    return world.is_faulty &&
           (status == LH_UNAVAILABLE || status == LH_BUSY || status == LH_TIMEOUT);
}

/* Repeats what may be repeated by whoever asked, as callers do. */
#define persist(expr, err)                                                                         \
    do {                                                                                           \
        lh_status got_ = LH_OK;                                                                    \
        for (int i_ = 0; i_ < 20; i_++) {                                                          \
            lh_error_clear(&(err));                                                                \
            got_ = (expr);                                                                         \
            if (!is_excused(got_))                                                                 \
                break;                                                                             \
        }                                                                                          \
        if (got_ != LH_OK)                                                                         \
            fail_msg("%s: %s", (err).reason, (err).text);                                          \
    } while (0)

#define persist_fails(expr, status, why, err)                                                      \
    do {                                                                                           \
        lh_status got_ = LH_OK;                                                                    \
        for (int i_ = 0; i_ < 20; i_++) {                                                          \
            lh_error_clear(&(err));                                                                \
            got_ = (expr);                                                                         \
            if (!is_excused(got_))                                                                 \
                break;                                                                             \
        }                                                                                          \
        if (got_ != (status))                                                                      \
            fail_msg("%s instead of %s: %s: %s", lh_status_name(got_), lh_status_name(status),     \
                     (err).reason, (err).text);                                                    \
        assert_string_equal((err).reason, (why));                                                  \
        lh_error_clear(&(err));                                                                    \
    } while (0)

static lh_status
put(struct scene *s, lh_str key, const void *bytes, size_t n, const struct lh_put_options *o,
    struct lh_object_info *info, struct lh_error *err)
{
    return lh_object_put(world.bucket, &s->call, key, lh_bytes_of(bytes, n), o, info, err);
}

static lh_status
put_text(struct scene *s, lh_str key, const char *text, const struct lh_put_options *o,
         struct lh_object_info *info, struct lh_error *err)
{
    return put(s, key, text, strlen(text), o, info, err);
}

static lh_status
get(struct scene *s, lh_str key, struct lh_buf *out, struct lh_object_info *info,
    struct lh_error *err)
{
    lh_buf_clear(out);
    return lh_object_get(world.bucket, &s->call, key, out, info, err);
}

static void
assert_object(struct scene *s, lh_str key, const void *bytes, size_t n)
{
    LH_AUTO_BUF(out, 64 * MIB);
    struct lh_object_info info;
    LH_AUTO_ERROR(err);

    persist(get(s, key, &out, &info, &err), err);
    assert_int_equal(out.len, n);
    assert_int_equal(info.size_bytes, n);
    if (n > 0)
        assert_memory_equal(out.data, bytes, n);
}

static void
assert_text(struct scene *s, lh_str key, const char *text)
{
    assert_object(s, key, text, strlen(text));
}

static void
assert_absent(struct scene *s, lh_str key)
{
    struct lh_object_info info;
    LH_AUTO_ERROR(err);

    persist_fails(lh_object_head(world.bucket, &s->call, key, &info, &err), LH_NOT_FOUND,
                  "store.no_object", err);
}

static void
hash_text(const void *bytes, size_t n, char text[LH_SHA256_HEX])
{
    uint8_t digest[LH_SHA256_BYTES];

    lh_sha256_of(lh_bytes_of(bytes, n), digest);
    (void)lh_sha256_hex(digest, text);
}

/* ---- puts and gets ---- */

static void
what_was_put_is_read_back(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, 16384, 16385, 65536, 300001};
    struct scene *s = *state;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        lh_str key = key_of(s, "size");
        uint8_t *bytes = bytes_new(sizes[i], i);
        struct lh_object_info info, head;
        char sha256[LH_SHA256_HEX];

        persist(put(s, key, bytes, sizes[i], NULL, &info, &err), err);
        assert_object(s, key, bytes, sizes[i]);
        hash_text(bytes, sizes[i], sha256);
        assert_string_equal(info.sha256, sha256);
        assert_int_equal(info.size_bytes, sizes[i]);
        persist(lh_object_head(world.bucket, &s->call, key, &head, &err), err);
        assert_string_equal(head.etag, info.etag);
        assert_string_equal(head.sha256, sha256);
        assert_int_equal(head.size_bytes, sizes[i]);
        assert_true(llabs(head.modified_us - lh_time_now_us()) < INT64_C(600000000));
        free(bytes);
    }
}

static void
a_put_takes_the_place_of_the_one_before(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "replace");
    struct lh_object_info first, second;
    LH_AUTO_ERROR(err);

    persist(put_text(s, key, "a longer first one", NULL, &first, &err), err);
    persist(put_text(s, key, "second", NULL, &second, &err), err);
    assert_string_not_equal(first.etag, second.etag);
    assert_text(s, key, "second");
}

static void
the_content_type_is_kept(void **state)
{
    const struct lh_put_options o = {.content_type = "text/csv; header=present"};
    struct scene *s = *state;
    lh_str key = key_of(s, "type");
    struct lh_object_info info;
    LH_AUTO_ERROR(err);

    persist(put_text(s, key, "a,b\n", &o, &info, &err), err);
    assert_string_equal(info.content_type, o.content_type);
    persist(lh_object_head(world.bucket, &s->call, key, &info, &err), err);
    assert_string_equal(info.content_type, o.content_type);
}

static void
bytes_that_are_not_the_expected_ones_are_refused(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "expected");
    char sha256[LH_SHA256_HEX];
    struct lh_put_options o = {.expected_sha256 = sha256};
    LH_AUTO_ERROR(err);

    hash_text("right", 5, sha256);
    persist_fails(put_text(s, key, "wrong", &o, NULL, &err), LH_INVALID, "store.checksum_mismatch",
                  err);
    assert_absent(s, key);
    persist(put_text(s, key, "right", &o, NULL, &err), err);
    assert_text(s, key, "right");
}

static void
what_is_not_there_is_not_found(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "nothing");
    LH_AUTO_BUF(out, 100);
    LH_AUTO(lh_reader_at) *r = NULL;
    LH_AUTO_ERROR(err);

    assert_absent(s, key);
    persist_fails(get(s, key, &out, NULL, &err), LH_NOT_FOUND, "store.no_object", err);
    persist_fails(lh_object_open(world.bucket, &s->call, key, &r, NULL, &err), LH_NOT_FOUND,
                  "store.no_object", err);
    persist_fails(lh_object_delete(world.bucket, &s->call, key, NULL, &err), LH_NOT_FOUND,
                  "store.no_object", err);
}

static void
a_buffer_too_small_is_told_so(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "small");
    LH_AUTO_BUF(out, 10);
    LH_AUTO_ERROR(err);

    persist(put_text(s, key, "more than ten bytes", NULL, NULL, &err), err);
    persist_fails(get(s, key, &out, NULL, &err), LH_TOO_BIG, "store.object_too_big", err);
}

static void
odd_keys_name_objects_of_their_own(void **state)
{
    static const char *const names[] = {
        "a b",       "a+b",
        "a%20b",     "a%2Bb",
        "a%b",       "\xC3\xA9t\xC3\xA9",
        "e\xCC\x81", "a&b=c",
        "a?b",       "a#b",
        "a;b",       "a\"b'c",
        "<a>",       "~a",
        "a\\b",      "a:b@c",
        "a,b",       "!$()*",
        "{}|^`",     "\xF0\x9F\x98\x80",
        "a/b/c",     "a...",
        "=a",
    };
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    struct scene *s = *state;
    lh_str folder = key_of(s, "odd");
    LH_AUTO(lh_object_list) *list = NULL;
    LH_AUTO_BUF(prefix, 256);
    LH_AUTO_ERROR(err);

    lh_buf_printf(&prefix, "%.*s/", LH_FMT(folder));
    for (size_t i = 0; i < COUNT; i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s%s", lh_buf_cstr(&prefix), names[i]);
        persist(put_text(s, lh_str_of(key), names[i], NULL, NULL, &err), err);
    }
    for (size_t i = 0; i < COUNT; i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s%s", lh_buf_cstr(&prefix), names[i]);
        assert_text(s, lh_str_of(key), names[i]);
    }
    persist(lh_object_list(world.bucket, &s->call, lh_buf_str(&prefix), LH_STR(""), 0, &list, &err),
            err);
    assert_int_equal(list->count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        lh_str name = lh_str_slice(lh_str_of(list->items[i].key), prefix.len, LH_KEY_MAX);
        LH_AUTO_CHARS text = lh_str_dup(name);
        assert_text(s, lh_str_of(list->items[i].key), text);
    }
}

/* XML cannot hold them, so a store may refuse them, plainly. */
static void
a_key_with_control_characters_is_kept_or_refused(void **state)
{
    struct scene *s = *state;
    LH_AUTO_CHARS key = lh_asprintf("%.*s/\x01\x7F", LH_FMT(key_of(s, "control")));
    LH_AUTO_ERROR(err);
    lh_status status = put_text(s, lh_str_of(key), "x", NULL, NULL, &err);

    if (is_excused(status))
        return;
    assert_true(status == LH_OK || lh_error_is(&err, "s3.refused"));
    if (status == LH_OK)
        assert_text(s, lh_str_of(key), "x");
}

static void
keys_against_the_rules_are_refused(void **state)
{
    static const char *const bad[] = {"", "/a", "a//b", "a/../b", "a/./b", "..", "a\nb", "a/"};
    struct scene *s = *state;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(put_text(s, lh_str_of(bad[i]), "x", NULL, NULL, &err), LH_INVALID, "store.key",
                     err);
}

/* ---- conditions ---- */

static void
a_second_creation_is_refused(void **state)
{
    const struct lh_put_options o = {.if_absent = true};
    struct scene *s = *state;
    lh_str key = key_of(s, "create");
    LH_AUTO_ERROR(err);

    persist(put_text(s, key, "first", &o, NULL, &err), err);
    persist_fails(put_text(s, key, "second", &o, NULL, &err), LH_CONFLICT, "store.precondition",
                  err);
    assert_text(s, key, "first");
}

static void
a_swap_needs_the_etag_of_now(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "swap");
    struct lh_object_info first, second;
    struct lh_put_options o = {.if_match = "0123456789abcdef0123456789abcdef"};
    LH_AUTO_ERROR(err);

    persist_fails(put_text(s, key, "x", &o, NULL, &err), LH_CONFLICT, "store.precondition", err);
    assert_absent(s, key);
    persist(put_text(s, key, "first", NULL, &first, &err), err);
    persist_fails(put_text(s, key, "x", &o, NULL, &err), LH_CONFLICT, "store.precondition", err);
    o.if_match = first.etag;
    persist(put_text(s, key, "second", &o, &second, &err), err);
    persist_fails(put_text(s, key, "third", &o, NULL, &err), LH_CONFLICT, "store.precondition",
                  err);
    assert_text(s, key, "second");
    o.if_match = second.etag;
    persist(put_text(s, key, "third", &o, NULL, &err), err);
    assert_text(s, key, "third");
}

static void
any_etag_is_met_by_whatever_is_there(void **state)
{
    const struct lh_put_options o = {.if_match = "*"};
    struct scene *s = *state;
    lh_str key = key_of(s, "any");
    LH_AUTO_ERROR(err);

    persist_fails(put_text(s, key, "x", &o, NULL, &err), LH_CONFLICT, "store.precondition", err);
    persist(put_text(s, key, "first", NULL, NULL, &err), err);
    persist(put_text(s, key, "second", &o, NULL, &err), err);
    assert_text(s, key, "second");
}

static void
a_removal_looks_at_the_etag(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "remove");
    struct lh_object_info first, second;
    LH_AUTO_ERROR(err);
    lh_status status;

    persist(put_text(s, key, "first", NULL, &first, &err), err);
    persist(put_text(s, key, "second", NULL, &second, &err), err);
    persist_fails(lh_object_delete(world.bucket, &s->call, key, first.etag, &err), LH_CONFLICT,
                  "store.precondition", err);
    assert_text(s, key, "second");
    status = lh_object_delete(world.bucket, &s->call, key, second.etag, &err);
    assert_true(status == LH_OK || is_excused(status));
    if (status != LH_OK)
        (void)lh_object_delete(world.bucket, &s->call, key, second.etag, &err);
    assert_absent(s, key);
}

struct race {
    lh_str key;
    int number;
    lh_status status;
    struct lh_object_info info;
    int swaps, unknown;
    char why[320]; /* of the last failure that is no conflict */
};

static void
thread_call(struct lh_call *call)
{
    lh_call_init(call);
    call->deadline_ms = lh_time_mono_ms() + TIME_MS;
}

static void *
race_create(void *arg)
{
    const struct lh_put_options o = {.if_absent = true};
    struct race *r = arg;
    struct lh_call call;
    char text[32];

    thread_call(&call);
    (void)snprintf(text, sizeof(text), "by %d", r->number);
    r->status = lh_object_put(world.bucket, &call, r->key, lh_str_bytes(lh_str_of(text)), &o,
                              &r->info, NULL);
    lh_call_fini(&call);
    return NULL;
}

static void
race_run(struct race *races, lh_str key, void *(*run)(void *))
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        races[i] = (struct race){.key = key, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, run, &races[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void
of_many_who_create_at_once_one_wins(void **state)
{
    struct scene *s = *state;

    for (int round = 0; round < 5; round++) {
        lh_str key = key_of(s, "race");
        struct race races[THREADS];
        int winners = 0;

        race_run(races, key, race_create);
        for (int i = 0; i < THREADS; i++) {
            char text[32];

            if (races[i].status != LH_OK) {
                assert_true(races[i].status == LH_CONFLICT || is_excused(races[i].status));
                continue;
            }
            (void)snprintf(text, sizeof(text), "by %d", i);
            assert_text(s, key, text);
            winners++;
        }
        assert_true(winners == 1 || (world.is_faulty && winners == 0));
    }
}

/* Adds one to a number until it has done so ten times. */
static void *
race_count(void *arg)
{
    struct race *r = arg;
    struct lh_call call;

    thread_call(&call);
    for (int tries = 0; r->swaps < 10 && tries < 2000; tries++) {
        LH_AUTO_BUF(out, 100);
        LH_AUTO_ERROR(err);
        struct lh_object_info info;
        struct lh_put_options o = {.if_match = info.etag};
        uint64_t number = 0;
        char text[64];

        if (lh_object_get(world.bucket, &call, r->key, &out, &info, &err) != LH_OK) {
            (void)snprintf(r->why, sizeof(r->why), "%s: %.200s", err.reason, err.text);
            continue;
        }
        (void)lh_str_u64(lh_buf_str(&out), &number);
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number + 1);
        r->status = lh_object_put(world.bucket, &call, r->key, lh_str_bytes(lh_str_of(text)), &o,
                                  NULL, &err);
        r->swaps += r->status == LH_OK;
        if (r->status == LH_OK || r->status == LH_CONFLICT)
            continue;
        r->unknown++;
        (void)snprintf(r->why, sizeof(r->why), "%s: %.200s", err.reason, err.text);
    }
    lh_call_fini(&call);
    return NULL;
}

static void
no_swap_is_lost_and_none_counts_twice(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "count");
    struct race races[THREADS];
    LH_AUTO_BUF(out, 100);
    uint64_t number = 0;
    int swaps = 0, unknown = 0;
    LH_AUTO_ERROR(err);

    persist(put_text(s, key, "0", NULL, NULL, &err), err);
    race_run(races, key, race_count);
    for (int i = 0; i < THREADS; i++) {
        swaps += races[i].swaps;
        unknown += races[i].unknown;
    }
    persist(get(s, key, &out, NULL, &err), err);
    assert_true(lh_str_u64(lh_buf_str(&out), &number));
    /* A store far away may fail at any time, and Ceph does when many swap at once: 500. */
    if (swaps != 10 * THREADS || (world.is_local && unknown > 0))
        fail_msg("%d swaps, %d unknown; the last: %s", swaps, unknown, races[0].why);
    assert_in_range(number, swaps, swaps + unknown);
}

/* ---- ranges ---- */

static void
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

static void
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

static void
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

static void
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

static void
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

static void
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

static void
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

static void
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

static void
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

/* ---- lists ---- */

struct filler {
    const char *prefix;
    int from, to, failed;
};

static void *
fill(void *arg)
{
    struct filler *f = arg;
    struct lh_call call;

    thread_call(&call);
    for (int i = f->from; i < f->to; i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s/%05d", f->prefix, i);
        int tries = 0;
        while (lh_object_put(world.bucket, &call, lh_str_of(key), lh_str_bytes(LH_STR("x")), NULL,
                             NULL, NULL) != LH_OK &&
               ++tries < 20)
            continue;
        f->failed += tries == 20;
    }
    lh_call_fini(&call);
    return NULL;
}

static int
keys_wanted(void)
{
    const char *text = getenv("CONFORMANCE_KEYS");

    return text ? atoi(text) : 1100;
}

static void
folder_fill(const char *prefix, int count)
{
    struct filler fillers[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        fillers[i] = (struct filler){prefix, count * i / THREADS, count * (i + 1) / THREADS, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, fill, &fillers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(fillers[i].failed, 0);
    }
}

/* One listing from `after`, whose keys must be those from number `from` on. Gives how many. */
static size_t
list_check(struct scene *s, const char *prefix, lh_str after, size_t limit, int from, int count)
{
    LH_AUTO(lh_object_list) *list = NULL;
    LH_AUTO_CHARS folder = lh_asprintf("%s/", prefix);
    LH_AUTO_ERROR(err);

    persist(lh_object_list(world.bucket, &s->call, lh_str_of(folder), after, limit, &list, &err),
            err);
    for (size_t i = 0; i < list->count; i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s%05d", folder, from + (int)i);
        assert_string_equal(list->items[i].key, key);
        assert_int_equal(list->items[i].info.size_bytes, 1);
        assert_true(list->items[i].info.etag[0] && list->items[i].info.modified_us > 0);
    }
    assert_int_equal(list->has_more, from + (int)list->count < count);
    return list->count;
}

static void
lists_are_whole_and_in_order_however_they_are_cut(void **state)
{
    static const size_t limits[] = {1, 7, 0, 1000, 1001, 5000};
    struct scene *s = *state;
    LH_AUTO_CHARS prefix = lh_str_dup(key_of(s, "list"));
    int count = keys_wanted();
    LH_AUTO_CHARS middle = lh_asprintf("%s/%05d", prefix, count / 2);
    LH_AUTO_CHARS between = lh_asprintf("%s/%05d!", prefix, count / 2);
    LH_AUTO_CHARS before = lh_asprintf("%s!", prefix);

    folder_fill(prefix, count);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        int expected = limits[i] == 0 ? 1000 : (int)limits[i];
        size_t got = list_check(s, prefix, LH_STR(""), limits[i], 0, count);
        assert_int_equal(got, expected < count ? expected : count);
    }
    assert_int_equal(list_check(s, prefix, lh_str_of(middle), 5, count / 2 + 1, count), 5);
    assert_int_equal(list_check(s, prefix, lh_str_of(between), 5, count / 2 + 1, count), 5);
    assert_int_equal(list_check(s, prefix, lh_str_of(before), 5, 0, count), 5);
    assert_int_equal(list_check(s, prefix, LH_STR("\x7F"), 5, count, count), 0);
}

static lh_status
count_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    (void)entry;
    (void)err;
    (*(int *)self)++;
    return LH_OK;
}

static void
a_prefix_need_not_end_at_a_slash(void **state)
{
    static const char *const names[] = {"a", "ab", "abc", "abd/x", "abd/y", "b"};
    struct scene *s = *state;
    LH_AUTO_CHARS folder = lh_str_dup(key_of(s, "prefix"));
    LH_AUTO_CHARS prefix = lh_asprintf("%s/ab", folder);
    int count = 0;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s/%s", folder, names[i]);
        persist(put_text(s, lh_str_of(key), "x", NULL, NULL, &err), err);
    }
    persist((count = 0,
             lh_object_walk(world.bucket, &s->call, lh_str_of(prefix), count_visit, &count, &err)),
            err);
    assert_int_equal(count, 4);
}

static void
everything_under_a_prefix_can_be_removed_at_once(void **state)
{
    static const char *const names[] = {"a", "a&b", "<c>", "d e", "\xC3\xA9", "x/y/z", "\"q\""};
    struct scene *s = *state;
    LH_AUTO_CHARS folder = lh_str_dup(key_of(s, "under"));
    LH_AUTO_CHARS prefix = lh_asprintf("%s/", folder);
    LH_AUTO_CHARS beside = lh_asprintf("%s-beside", folder);
    int count = 0;
    LH_AUTO_ERROR(err);

    persist(put_text(s, lh_str_of(beside), "stays", NULL, NULL, &err), err);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s%s", prefix, names[i]);
        persist(put_text(s, lh_str_of(key), "goes", NULL, NULL, &err), err);
    }
    folder_fill(folder, 30);
    persist(lh_object_delete_under(world.bucket, &s->call, lh_str_of(prefix), &err), err);
    persist((count = 0,
             lh_object_walk(world.bucket, &s->call, lh_str_of(prefix), count_visit, &count, &err)),
            err);
    assert_int_equal(count, 0);
    assert_text(s, lh_str_of(beside), "stays");
    persist(lh_object_delete_under(world.bucket, &s->call, lh_str_of(prefix), &err), err);
}

/* ---- calls that end ---- */

static void
a_call_that_is_over_does_nothing(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "over");
    struct lh_call call;
    LH_AUTO_ERROR(err);

    lh_call_init(&call);
    lh_call_cancel(&call);
    assert_fails(lh_object_put(world.bucket, &call, key, lh_bytes_of("x", 1), NULL, NULL, &err),
                 LH_CANCELED, "call.canceled", err);
    lh_call_fini(&call);
    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms();
    assert_fails(lh_object_put(world.bucket, &call, key, lh_bytes_of("x", 1), NULL, NULL, &err),
                 LH_TIMEOUT, "call.deadline", err);
    lh_call_fini(&call);
    assert_absent(s, key);
}

/* ---- a history ---- */

/* What may be under a key: after an operation whose outcome is not known, more than one thing. */
struct belief {
    char key[128];
    int values[8]; /* -1: absent */
    int count;
    int created; /* the last one put if absent; 0: none */
};

static void
believe(struct belief *b, int value)
{
    b->values[0] = value;
    b->count = 1;
}

/* A first copy of a creation that is late on its way may come true after the removal; no client of
 * S3 can prevent that. */
static void
believe_removed(struct belief *b)
{
    believe(b, -1);
    if (world.is_faulty && b->created)
        b->values[b->count++] = b->created;
}

static void
believe_also(struct belief *b, int value)
{
    if (b->count < 8)
        b->values[b->count++] = value;
    else
        b->values[7] = value;
}

static bool
is_believed(const struct belief *b, int value)
{
    for (int i = 0; i < b->count; i++) {
        if (b->values[i] == value)
            return true;
    }
    return false;
}

static void
step_get(struct scene *s, struct belief *b)
{
    LH_AUTO_BUF(out, 100);
    LH_AUTO_ERROR(err);
    lh_status status = get(s, lh_str_of(b->key), &out, NULL, &err);
    int value = -1;

    if (is_excused(status))
        return;
    assert_true(status == LH_OK || status == LH_NOT_FOUND);
    if (status == LH_OK)
        value = atoi(lh_buf_cstr(&out));
    if (!is_believed(b, value))
        fail_msg("%s holds %d, which nobody put or somebody removed", b->key, value);
    believe(b, value);
}

static void
step_put(struct scene *s, struct belief *b, int value, bool if_absent)
{
    const struct lh_put_options o = {.if_absent = if_absent};
    LH_AUTO_ERROR(err);
    char text[32];
    lh_status status;

    (void)snprintf(text, sizeof(text), "%d", value);
    b->created = if_absent ? value : b->created;
    status = put_text(s, lh_str_of(b->key), text, &o, NULL, &err);
    if (status == LH_OK) {
        assert_true(!if_absent || is_believed(b, -1));
        believe(b, value);
    } else if (status == LH_CONFLICT) {
        assert_true(if_absent && !(b->count == 1 && b->values[0] == -1));
    } else if (is_excused(status)) {
        believe_also(b, value);
    } else {
        fail_msg("%s: %s", err.reason, err.text);
    }
}

static void
step_remove(struct scene *s, struct belief *b)
{
    LH_AUTO_ERROR(err);
    lh_status status = lh_object_delete(world.bucket, &s->call, lh_str_of(b->key), NULL, &err);

    if (status == LH_OK)
        believe_removed(b);
    else if (status == LH_NOT_FOUND)
        assert_true(is_believed(b, -1)), believe_removed(b);
    else if (is_excused(status))
        believe_also(b, -1);
    else
        fail_msg("%s: %s", err.reason, err.text);
}

static void
a_history_of_operations_makes_sense(void **state)
{
    enum { KEYS = 6, STEPS = 150 };
    struct scene *s = *state;
    struct belief beliefs[KEYS];

    for (int i = 0; i < KEYS; i++) {
        (void)lh_str_copy(beliefs[i].key, sizeof(beliefs[i].key), key_of(s, "history"));
        beliefs[i].created = 0;
        believe(&beliefs[i], -1);
    }
    for (int i = 1; i <= STEPS; i++) {
        struct belief *b = &beliefs[draw(&world.random) % KEYS];

        switch (draw(&world.random) % 6) {
        case 0:
        case 1:
            step_put(s, b, i, false);
            break;
        case 2:
            step_put(s, b, i, true);
            break;
        case 3:
            step_remove(s, b);
            break;
        default:
            step_get(s, b);
        }
    }
    for (int i = 0; i < KEYS; i++)
        step_get(s, &beliefs[i]);
}

/* ---- the world ---- */

static void
config_read(struct lh_buf *toml)
{
    const char *path = getenv("CONFORMANCE_CONFIG");
    LH_AUTO_ERROR(err);

    if (path)
        assert_ok(lh_file_read(path, 65536, toml, &err), err);
}

static int
world_open(void **state)
{
    const char *name = getenv("CONFORMANCE_BUCKET"), *seed = getenv("CONFORMANCE_SEED");
    LH_AUTO_BUF(toml, 65536);
    struct lh_call call;
    LH_AUTO_ERROR(err);
    char text[LH_UUID_TEXT];

    (void)state;
    strcpy(world.folder, "/tmp/conformance_XXXXXX");
    assert_non_null(mkdtemp(world.folder));
    (void)snprintf(world.prefix, sizeof(world.prefix), "c-%.13s/",
                   lh_uuid_format(lh_uuid_v7(), text));
    world.random = seed ? strtoull(seed, NULL, 10) * 2 + 1 : lh_random_u64() | 1;
    world.is_local = getenv("CONFORMANCE_CONFIG") == NULL;
    world.is_faulty = getenv("CONFORMANCE_FAULTY") != NULL;
    print_message("seed state %llu\n", (unsigned long long)world.random);
    config_read(&toml);
    assert_ok(lh_config_parse(tables, lh_buf_str(&toml), "conformance", &world.config, &err), err);
    world.secrets = lh_secrets_open(world.config);
    assert_ok(lh_store_open(world.config, world.folder, world.secrets, &world.store, &err), err);
    lh_call_init(&call);
    assert_ok(lh_store_bucket(world.store, &call, lh_str_of(name ? name : "primary"), &world.bucket,
                              &err),
              err);
    lh_call_fini(&call);
    return 0;
}

static int
world_close(void **state)
{
    (void)state;
    lh_store_free(world.store);
    lh_secrets_free(world.secrets);
    lh_config_free(world.config);
    (void)lh_dir_remove_tree(world.folder, NULL);
    return 0;
}

int
main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)
    const struct CMUnitTest tests[] = {
        SCENE(what_was_put_is_read_back),
        SCENE(a_put_takes_the_place_of_the_one_before),
        SCENE(the_content_type_is_kept),
        SCENE(bytes_that_are_not_the_expected_ones_are_refused),
        SCENE(what_is_not_there_is_not_found),
        SCENE(a_buffer_too_small_is_told_so),
        SCENE(odd_keys_name_objects_of_their_own),
        SCENE(a_key_with_control_characters_is_kept_or_refused),
        SCENE(keys_against_the_rules_are_refused),
        SCENE(a_second_creation_is_refused),
        SCENE(a_swap_needs_the_etag_of_now),
        SCENE(any_etag_is_met_by_whatever_is_there),
        SCENE(a_removal_looks_at_the_etag),
        SCENE(of_many_who_create_at_once_one_wins),
        SCENE(no_swap_is_lost_and_none_counts_twice),
        SCENE(ranges_are_exact),
        SCENE(a_reader_never_mixes_two_objects),
        SCENE(one_reader_serves_many_threads),
        SCENE(an_upload_becomes_the_object_as_a_whole),
        SCENE(an_upload_that_is_given_up_leaves_no_trace),
        SCENE(a_large_creation_is_refused_when_there_is_one),
        SCENE(a_large_swap_needs_the_etag_of_now),
        SCENE(a_file_is_taken),
        SCENE(a_file_that_is_refused_stays),
        SCENE(lists_are_whole_and_in_order_however_they_are_cut),
        SCENE(a_prefix_need_not_end_at_a_slash),
        SCENE(everything_under_a_prefix_can_be_removed_at_once),
        SCENE(a_call_that_is_over_does_nothing),
        SCENE(a_history_of_operations_makes_sense),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
