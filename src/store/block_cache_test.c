#include "store/block_fixture.h"

#include <sched.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* ---- what is fetched ---- */

static void
a_read_fetches_its_pages_and_no_more(void **state)
{
    struct far *x = *state;

    far_put(x, "a", 3 * MIB);
    assert_reads(x, "a", 300 * KIB + 10, 100 * KIB);
    assert_requests(x, 1);
    assert_int_equal(atomic_load(&x->bucket->bytes), 104 * KIB);
}

static void
every_range_of_an_object_is_its_bytes(void **state)
{
    struct far *x = *state;
    size_t size = 2 * MIB + 777;

    far_put(x, "a", size);
    for (int i = 0; i < 300; i++) {
        uint64_t offset = lh_random_u64() % size;
        assert_reads(x, "a", offset, 1 + (size_t)(lh_random_u64() % (size - offset)));
    }
    assert_reads(x, "a", size - 1, 1);
    assert_reads(x, "a", 0, size);
    assert_true(atomic_load(&x->bucket->bytes) <= size + 4096 * 300);
}

static void
what_was_read_once_is_not_fetched_again(void **state)
{
    struct far *x = *state;

    far_put(x, "a", 3 * MIB);
    assert_reads(x, "a", 5, 2 * MIB);
    assert_requests(x, 1);
    for (int i = 0; i < 10; i++)
        assert_reads(x, "a", 5 + (size_t)i, MIB);
    assert_requests(x, 1);
}

static void
only_what_is_missing_is_fetched(void **state)
{
    struct far *x = *state;

    far_put(x, "a", 2 * MIB);
    assert_reads(x, "a", 0, 512 * KIB);
    assert_reads(x, "a", MIB, 512 * KIB);
    assert_reads(x, "a", 0, 2 * MIB);
    assert_int_equal(atomic_load(&x->bucket->bytes), 2 * MIB);
    assert_requests(x, 4);
}

static void
a_small_hole_that_is_cached_is_bridged(void **state)
{
    struct far *x = *state;

    far_put(x, "a", 2 * MIB);
    assert_reads(x, "a", MIB, 4 * KIB);
    assert_reads(x, "a", 0, 2 * MIB);
    assert_requests(x, 2);
    assert_int_equal(atomic_load(&x->bucket->bytes), 2 * MIB + 4 * KIB);
}

static void
a_replaced_object_is_another(void **state)
{
    struct far *x = *state;

    far_put(x, "a", MIB);
    assert_reads(x, "a", 0, MIB);
    far_put(x, "a", MIB);
    assert_reads(x, "a", 0, MIB);
    assert_requests(x, 2);
}

static void
the_same_name_in_another_place_is_another_bucket(void **state)
{
    struct far *x = *state;
    struct remote_bucket *before = x->bucket;

    far_put(x, "a", MIB);
    assert_reads(x, "a", 0, MIB);
    x->bucket = remote_new(x->local, x->cache, "elsewhere");
    assert_reads(x, "a", 0, MIB);
    assert_requests(x, 1);
    bucket_free(&x->bucket->base);
    x->bucket = before;
}

static void
a_reader_tells_what_it_moved_and_what_caches_saved(void **state)
{
    struct far *x = *state;
    struct lh_read_tally t = {0};
    struct lh_reader_at *r;

    far_put(x, "a", MIB);
    assert_reads(x, "a", 0, 512 * KIB);
    r = far_open(x, "a");
    lh_reader_at_use(r, &t, true);
    assert_range(x, r, 0, MIB);
    lh_reader_at_free(r);
    assert_int_equal(t.remote_requests, 2); /* the open and one range */
    assert_int_equal(t.remote_bytes, 512 * KIB);
    assert_int_equal(t.memory_bytes, 512 * KIB);
    assert_int_equal(t.disk_bytes, 0);
}

static void
bytes_that_came_with_the_opening_are_counted_once(void **state)
{
    struct far *x = *state;
    struct lh_read_tally t = {0};
    struct lh_reader_at *r;

    far_put(x, "a", MIB);
    x->bucket->first_bytes = 16 * KIB;
    r = far_open(x, "a");
    lh_reader_at_use(r, &t, true);
    assert_range(x, r, 0, 8 * KIB);
    assert_int_equal(t.remote_requests, 1);
    assert_int_equal(t.remote_bytes, 16 * KIB);
    assert_range(x, r, 0, 64 * KIB);
    lh_reader_at_free(r);
    assert_int_equal(t.remote_requests, 2);
    assert_int_equal(t.remote_bytes, 64 * KIB);
}

/* ---- the tiers ---- */

static void
a_restart_finds_its_blocks_on_disk(void **state)
{
    struct far *x = *state;
    struct lh_read_tally t = {0};
    struct lh_reader_at *r;

    far_put(x, "a", MIB + 1);
    assert_reads(x, "a", 0, MIB + 1);
    block_cache_settle(x->cache);
    far_restart(x, 64 * MIB, 64 * MIB);
    r = far_open(x, "a");
    lh_reader_at_use(r, &t, true);
    assert_range(x, r, 0, MIB + 1);
    lh_reader_at_free(r);
    assert_requests(x, 0);
    assert_int_equal(t.disk_bytes, MIB + 4096);
}

static void
without_any_cache_every_read_is_answered(void **state)
{
    struct far *x = *state;

    far_restart(x, 0, 0);
    far_put(x, "a", 20 * MIB);
    assert_reads(x, "a", 1, 20 * MIB - 1);
    assert_reads(x, "a", 1, 20 * MIB - 1);
    assert_int_equal(atomic_load(&x->bucket->bytes), 40 * MIB);
}

static void
the_folder_may_be_deleted_at_any_moment(void **state)
{
    struct far *x = *state;

    far_restart(x, 0, 64 * MIB);
    far_put(x, "a", 3 * MIB);
    for (int i = 0; i < 5; i++) {
        assert_reads(x, "a", 0, 3 * MIB);
        block_cache_settle(x->cache);
        assert_reads(x, "a", MIB, MIB); /* from disk */
        (void)lh_dir_remove_tree(x->cache_folder, NULL);
    }
    assert_int_equal(atomic_load(&x->bucket->bytes), 5 * 3 * MIB);
}

static void
a_folder_that_cannot_be_written_costs_only_the_cache(void **state)
{
    struct far *x = *state;

    (void)snprintf(x->cache_folder, sizeof(x->cache_folder), "/proc/nowhere");
    far_restart(x, 0, 64 * MIB);
    far_put(x, "a", 2 * MIB);
    assert_reads(x, "a", 0, 2 * MIB);
    assert_reads(x, "a", 0, 2 * MIB);
}

/* ---- many at once ---- */

struct racer {
    struct far *x;
    uint64_t offset;
    size_t n;
    struct lh_call call;
    lh_status status;
    char reason[LH_ERROR_REASON_MAX];
    bool is_equal;
    pthread_t id;
};

static void *
racer_run(void *arg)
{
    struct racer *r = arg;
    LH_AUTO(lh_reader_at) *reader = NULL;
    LH_AUTO_ERROR(err);
    uint8_t *got = lh_alloc(r->n);

    r->status = lh_object_open(&r->x->bucket->base, &r->call, LH_STR("a"), &reader, NULL, &err);
    if (r->status == LH_OK)
        r->status = lh_reader_at_read(reader, &r->call, r->offset, got, r->n, &err);
    (void)lh_str_copy(r->reason, sizeof(r->reason), lh_str_of(err.reason));
    r->is_equal = memcmp(got, r->x->bytes + r->offset, r->n) == 0;
    free(got);
    return NULL;
}

static void
racer_start(struct racer *r, struct far *x, uint64_t offset, size_t n)
{
    r->x = x;
    r->offset = offset;
    r->n = n;
    lh_call_init(&r->call);
    must(lh_thread_start(&r->id, "racer", racer_run, r, &err));
}

static void
racer_join(struct racer *r)
{
    lh_thread_join(r->id);
    lh_call_fini(&r->call);
}

static void
a_long_read_is_fetched_in_parallel_parts_within_the_limit_of_the_object(void **state)
{
    struct far *x = *state;
    struct racer one;

    far_put(x, "a", 40 * MIB);
    gate_hold(x->bucket, true);
    racer_start(&one, x, 0, 40 * MIB);
    gate_await(x->bucket, 4);
    gate_hold(x->bucket, false);
    racer_join(&one);
    assert_int_equal(one.status, LH_OK);
    assert_true(one.is_equal);
    assert_true(atomic_load(&x->bucket->requests) > 4);
    assert_int_equal(atomic_load(&x->bucket->running_most), 4);
    assert_int_equal(atomic_load(&x->bucket->bytes), 40 * MIB);
}

static int64_t
shared_now(void)
{
    return lh_metric_value(lh_counter("lakehouse_store_cache_shared_total", "", "", NULL));
}

static void
shared_await(int64_t value)
{
    while (shared_now() < value)
        sched_yield();
}

static void
readers_of_one_block_make_one_request(void **state)
{
    struct far *x = *state;
    struct racer racers[6];
    int64_t before = shared_now();

    far_put(x, "a", MIB);
    gate_hold(x->bucket, true);
    for (int i = 0; i < 6; i++)
        racer_start(&racers[i], x, 4096, 64 * KIB);
    gate_await(x->bucket, 1);
    shared_await(before + 5);
    gate_hold(x->bucket, false);
    for (int i = 0; i < 6; i++) {
        racer_join(&racers[i]);
        assert_int_equal(racers[i].status, LH_OK);
        assert_true(racers[i].is_equal);
    }
    assert_requests(x, 1);
}

static void
who_waits_gets_the_error_of_who_fetched(void **state)
{
    struct far *x = *state;
    struct racer racers[3];
    int64_t before = shared_now();

    far_put(x, "a", MIB);
    atomic_store(&x->bucket->failures_left, 1);
    gate_hold(x->bucket, true);
    for (int i = 0; i < 3; i++)
        racer_start(&racers[i], x, 0, MIB);
    shared_await(before + 2 * 4); /* four blocks each */
    gate_hold(x->bucket, false);
    for (int i = 0; i < 3; i++) {
        racer_join(&racers[i]);
        assert_int_equal(racers[i].status, LH_UNAVAILABLE);
        assert_string_equal(racers[i].reason, "store.unreachable");
    }
    assert_requests(x, 1);
    assert_reads(x, "a", 0, MIB);
}

static void
who_waits_goes_on_when_who_fetched_goes_away(void **state)
{
    struct far *x = *state;
    struct racer first, second;
    int64_t before = shared_now();

    far_put(x, "a", MIB);
    gate_hold(x->bucket, true);
    racer_start(&first, x, 0, 64 * KIB);
    gate_await(x->bucket, 1);
    racer_start(&second, x, 0, 64 * KIB);
    shared_await(before + 1);
    lh_call_cancel(&first.call);
    racer_join(&first);
    gate_hold(x->bucket, false);
    racer_join(&second);
    assert_int_equal(first.status, LH_CANCELED);
    assert_int_equal(second.status, LH_OK);
    assert_true(second.is_equal);
}

static void
a_canceled_read_ends_its_helpers(void **state)
{
    struct far *x = *state;
    struct racer one;

    far_put(x, "a", 16 * MIB);
    gate_hold(x->bucket, true);
    racer_start(&one, x, 0, 16 * MIB);
    gate_await(x->bucket, 4);
    lh_call_cancel(&one.call);
    racer_join(&one);
    assert_int_equal(one.status, LH_CANCELED);
    assert_int_equal(atomic_load(&x->bucket->running), 0);
    gate_hold(x->bucket, false);
    assert_reads(x, "a", 0, 16 * MIB);
}

static void
readers_race_while_blocks_are_evicted_and_deleted(void **state)
{
    struct far *x = *state;
    struct racer racers[8];

    far_restart(x, MIB, 2 * MIB);
    far_put(x, "a", 6 * MIB);
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 8; i++) {
            uint64_t offset = lh_random_u64() % (5 * MIB);
            racer_start(&racers[i], x, offset, 1 + (size_t)(lh_random_u64() % MIB));
        }
        if (round % 2)
            (void)lh_dir_remove_tree(x->cache_folder, NULL);
        for (int i = 0; i < 8; i++) {
            racer_join(&racers[i]);
            assert_int_equal(racers[i].status, LH_OK);
            assert_true(racers[i].is_equal);
        }
    }
}

/* ---- failures ---- */

static void
an_object_replaced_while_it_is_read_is_an_error_and_never_a_mixture(void **state)
{
    struct far *x = *state;
    LH_AUTO(lh_reader_at) *r = NULL;
    uint8_t got[16];
    uint8_t *before;

    far_put(x, "a", MIB);
    r = far_open(x, "a");
    assert_range(x, r, 0, 64 * KIB);
    before = lh_alloc(64 * KIB);
    memcpy(before, x->bytes, 64 * KIB);
    far_put(x, "a", MIB);
    must_fail(lh_reader_at_read(r, &x->call, 512 * KIB, got, sizeof(got), &err), LH_CONFLICT,
              "store.object_changed");
    must(lh_reader_at_read(r, &x->call, 100, got, sizeof(got), &err)); /* of the version opened */
    assert_memory_equal(got, before + 100, sizeof(got));
    free(before);
}

static void
a_part_that_fails_fails_the_read_and_the_rest_is_kept(void **state)
{
    struct far *x = *state;
    LH_AUTO(lh_reader_at) *r = NULL;
    uint8_t *got = lh_alloc(16 * MIB);

    far_put(x, "a", 16 * MIB);
    r = far_open(x, "a");
    assert_range(x, r, 15 * MIB, MIB);
    atomic_store(&x->bucket->failures_left, 1);
    must_fail(lh_reader_at_read(r, &x->call, 0, got, 16 * MIB, &err), LH_UNAVAILABLE,
              "store.unreachable");
    assert_range(x, r, 0, 16 * MIB);
    assert_int_equal(atomic_load(&x->bucket->bytes), 16 * MIB);
    free(got);
}

static void
cached_ranges_are_answered_while_the_bucket_fails(void **state)
{
    struct far *x = *state;
    uint8_t got[16];
    LH_AUTO(lh_reader_at) *r = NULL;

    far_put(x, "a", MIB);
    assert_reads(x, "a", 0, 512 * KIB);
    atomic_store(&x->bucket->failures_left, -1);
    assert_reads(x, "a", 0, 512 * KIB);
    r = far_open(x, "a");
    must_fail(lh_reader_at_read(r, &x->call, 600 * KIB, got, sizeof(got), &err), LH_UNAVAILABLE,
              "store.unreachable");
}

/* ---- read-ahead ---- */

static void
ahead_start(struct far *x)
{
    struct block_cache_options o = {.folder = x->cache_folder,
                                    .memory_max = 64 * MIB,
                                    .threads_max = 4,
                                    .per_object = 4,
                                    .ahead_max = 4 * MIB};

    far_stop(x);
    x->cache = block_cache_new(&o);
    x->bucket = remote_new(x->local, x->cache, "there");
}

static void
who_reads_on_is_read_ahead_of(void **state)
{
    struct far *x = *state;
    LH_AUTO(lh_reader_at) *r = NULL;

    ahead_start(x);
    far_put(x, "a", 8 * MIB);
    r = far_open(x, "a");
    for (size_t at = 0; at < 8 * MIB; at += 64 * KIB) {
        assert_range(x, r, at, 64 * KIB);
        block_cache_settle(x->cache);
    }
    assert_true(atomic_load(&x->bucket->requests) < 20);
    assert_int_equal(atomic_load(&x->bucket->bytes), 8 * MIB);
}

static void
who_jumps_or_says_that_he_is_exact_is_not(void **state)
{
    struct far *x = *state;
    struct lh_read_tally t = {0};
    LH_AUTO(lh_reader_at) *jumps = NULL;
    LH_AUTO(lh_reader_at) *exact = NULL;

    ahead_start(x);
    far_put(x, "a", 8 * MIB);
    jumps = far_open(x, "a");
    for (size_t i = 0; i < 8; i++)
        assert_range(x, jumps, i * MIB, 4 * KIB);
    exact = far_open(x, "a");
    lh_reader_at_use(exact, &t, true);
    for (size_t i = 0; i < 8; i++)
        assert_range(x, exact, 128 * KIB + i * 4 * KIB, 4 * KIB);
    block_cache_settle(x->cache);
    assert_int_equal(atomic_load(&x->bucket->bytes), 16 * 4 * KIB);
}

static void
a_reader_closed_while_it_is_read_ahead_waits_for_nobody_else(void **state)
{
    struct far *x = *state;
    struct lh_reader_at *r;

    ahead_start(x);
    far_put(x, "a", 8 * MIB);
    assert_reads(x, "a", 0, 4 * 64 * KIB);
    r = far_open(x, "a");
    gate_hold(x->bucket, true);
    for (size_t i = 0; i < 4; i++)
        assert_range(x, r, i * 64 * KIB, 64 * KIB);
    gate_await(x->bucket, 1);
    lh_reader_at_free(r); /* cancels it: the gate is still shut */
    gate_hold(x->bucket, false);
    assert_reads(x, "a", 0, 8 * MIB);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, far_setup, far_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_read_fetches_its_pages_and_no_more),
        CASE(every_range_of_an_object_is_its_bytes),
        CASE(what_was_read_once_is_not_fetched_again),
        CASE(only_what_is_missing_is_fetched),
        CASE(a_small_hole_that_is_cached_is_bridged),
        CASE(a_long_read_is_fetched_in_parallel_parts_within_the_limit_of_the_object),
        CASE(a_replaced_object_is_another),
        CASE(the_same_name_in_another_place_is_another_bucket),
        CASE(a_reader_tells_what_it_moved_and_what_caches_saved),
        CASE(bytes_that_came_with_the_opening_are_counted_once),
        CASE(a_restart_finds_its_blocks_on_disk),
        CASE(without_any_cache_every_read_is_answered),
        CASE(the_folder_may_be_deleted_at_any_moment),
        CASE(a_folder_that_cannot_be_written_costs_only_the_cache),
        CASE(readers_of_one_block_make_one_request),
        CASE(who_waits_gets_the_error_of_who_fetched),
        CASE(who_waits_goes_on_when_who_fetched_goes_away),
        CASE(a_canceled_read_ends_its_helpers),
        CASE(readers_race_while_blocks_are_evicted_and_deleted),
        CASE(an_object_replaced_while_it_is_read_is_an_error_and_never_a_mixture),
        CASE(a_part_that_fails_fails_the_read_and_the_rest_is_kept),
        CASE(cached_ranges_are_answered_while_the_bucket_fails),
        CASE(who_reads_on_is_read_ahead_of),
        CASE(who_jumps_or_says_that_he_is_exact_is_not),
        CASE(a_reader_closed_while_it_is_read_ahead_waits_for_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
