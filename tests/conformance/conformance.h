/*
 * conformance: what the tests of buckets share: the bucket, a call and keys for each test, and
 * assertions that allow for a bad way to the store.
 */
#ifndef LH_TESTS_CONFORMANCE_H
#define LH_TESTS_CONFORMANCE_H

#include "base/testing.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
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

extern struct world world;

static inline uint64_t
draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline uint8_t *
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

static inline int
scene_open(void **state)
{
    struct scene *s = lh_alloc(sizeof(*s));

    lh_call_init(&s->call);
    s->call.deadline_ms = lh_time_mono_ms() + TIME_MS;
    *state = s;
    return 0;
}

static inline int
scene_close(void **state)
{
    struct scene *s = *state;

    lh_call_fini(&s->call);
    free(s);
    return 0;
}

static inline lh_str
key_of(struct scene *s, const char *name)
{
    char *key = s->keys[s->next++ % 8];
    char text[LH_UUID_TEXT];

    (void)snprintf(key, 128, "%s%s-%.8s", world.prefix, name, lh_uuid_format(lh_uuid_v4(), text));
    return lh_str_of(key);
}

/* Over a bad way an operation may fail, and only like this. */
static inline bool
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

static inline lh_status
put(struct scene *s, lh_str key, const void *bytes, size_t n, const struct lh_put_options *o,
    struct lh_object_info *info, struct lh_error *err)
{
    return lh_object_put(world.bucket, &s->call, key, lh_bytes_of(bytes, n), o, info, err);
}

static inline lh_status
put_text(struct scene *s, lh_str key, const char *text, const struct lh_put_options *o,
         struct lh_object_info *info, struct lh_error *err)
{
    return put(s, key, text, strlen(text), o, info, err);
}

static inline lh_status
get(struct scene *s, lh_str key, struct lh_buf *out, struct lh_object_info *info,
    struct lh_error *err)
{
    lh_buf_clear(out);
    return lh_object_get(world.bucket, &s->call, key, out, info, err);
}

static inline void
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

static inline void
assert_text(struct scene *s, lh_str key, const char *text)
{
    assert_object(s, key, text, strlen(text));
}

static inline void
assert_absent(struct scene *s, lh_str key)
{
    struct lh_object_info info;
    LH_AUTO_ERROR(err);

    persist_fails(lh_object_head(world.bucket, &s->call, key, &info, &err), LH_NOT_FOUND,
                  "store.no_object", err);
}

static inline void
hash_text(const void *bytes, size_t n, char text[LH_SHA256_HEX])
{
    uint8_t digest[LH_SHA256_BYTES];

    lh_sha256_of(lh_bytes_of(bytes, n), digest);
    (void)lh_sha256_hex(digest, text);
}

static inline void
thread_call(struct lh_call *call)
{
    lh_call_init(call);
    call->deadline_ms = lh_time_mono_ms() + TIME_MS;
}

/* ---- the tests, by file ---- */

/* objects.c */
void what_was_put_is_read_back(void **state);
void a_put_takes_the_place_of_the_one_before(void **state);
void the_content_type_is_kept(void **state);
void bytes_that_are_not_the_expected_ones_are_refused(void **state);
void what_is_not_there_is_not_found(void **state);
void a_buffer_too_small_is_told_so(void **state);
void odd_keys_name_objects_of_their_own(void **state);
void a_key_with_control_characters_is_kept_or_refused(void **state);
void keys_against_the_rules_are_refused(void **state);
void a_second_creation_is_refused(void **state);
void a_swap_needs_the_etag_of_now(void **state);
void any_etag_is_met_by_whatever_is_there(void **state);
void a_removal_looks_at_the_etag(void **state);
void of_many_who_create_at_once_one_wins(void **state);
void no_swap_is_lost_and_none_counts_twice(void **state);

/* streams.c */
void ranges_are_exact(void **state);
void a_reader_never_mixes_two_objects(void **state);
void one_reader_serves_many_threads(void **state);
void an_upload_becomes_the_object_as_a_whole(void **state);
void an_upload_that_is_given_up_leaves_no_trace(void **state);
void a_large_creation_is_refused_when_there_is_one(void **state);
void a_large_swap_needs_the_etag_of_now(void **state);
void a_file_is_taken(void **state);
void a_file_that_is_refused_stays(void **state);

/* lists.c */
void lists_are_whole_and_in_order_however_they_are_cut(void **state);
void a_prefix_need_not_end_at_a_slash(void **state);
void everything_under_a_prefix_can_be_removed_at_once(void **state);
void a_call_that_is_over_does_nothing(void **state);

/* history.c */
void a_history_of_operations_makes_sense(void **state);

#endif
