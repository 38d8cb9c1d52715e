#include "store/fixture_faulty.h"
#include "store/probe.h"

/* A bucket that lies as told, and what a look at it finds. */
struct scene {
    struct fixture *f;
    struct faulty *bucket;
    struct lh_bucket_health health;
};

static int
scene_setup(void **state)
{
    struct scene *s = LH_NEW(struct scene);

    fixture_setup((void **)&s->f);
    s->bucket = faulty_new(s->f, "liar");
    *state = s;
    return 0;
}

static int
scene_teardown(void **state)
{
    struct scene *s = *state;

    bucket_free(&s->bucket->base);
    fixture_teardown((void **)&s->f);
    free(s);
    return 0;
}

static void
assert_detail(struct scene *s, const char *part)
{
    if (!strstr(s->health.detail, part))
        fail_msg("\"%s\" is not in \"%s\"", part, s->health.detail);
}

static void
prove(struct scene *s)
{
    LH_AUTO_BUF(keys, 10000);

    lh_bucket_prove(&s->bucket->base, &s->f->call, &s->health);
    (void)keys_of(s->f, "_probe/", 100, &keys);
    assert_string_equal(lh_buf_cstr(&keys), "");
}

static void
an_honest_bucket_is_proven_under_a_race_and_left_clean(void **state)
{
    struct scene *s = *state;
    struct lh_bucket_health *h = &s->health;

    prove(s);
    assert_string_equal(h->detail, "");
    assert_true(h->is_reachable && h->can_write && h->has_create_if_absent &&
                h->has_compare_and_swap && h->has_range && h->has_list && h->has_checksums);
    assert_false(h->ignores_conditions);
}

static void
who_ignores_if_absent_is_found_out(void **state)
{
    struct scene *s = *state;

    s->bucket->ignores_if_absent = true;
    prove(s);
    assert_false(s->health.has_create_if_absent);
    assert_true(s->health.ignores_conditions);
    assert_detail(s, "a second one was not refused");
}

static void
who_ignores_if_match_is_found_out(void **state)
{
    struct scene *s = *state;

    s->bucket->ignores_if_match = true;
    prove(s);
    assert_false(s->health.has_compare_and_swap);
    assert_true(s->health.ignores_conditions);
    assert_detail(s, "a stale ETag was not refused");
}

static void
who_looks_first_and_writes_later_is_found_out_only_by_the_race(void **state)
{
    struct scene *s = *state;

    s->bucket->loses_updates = true;
    lh_bucket_probe(&s->bucket->base, &s->f->call, &s->health);
    assert_true(s->health.has_compare_and_swap);
    prove(s);
    assert_false(s->health.has_compare_and_swap);
    assert_true(s->health.ignores_conditions);
    assert_detail(s, "updates were acknowledged");
}

static void
who_creates_twice_in_a_race_is_found_out(void **state)
{
    struct scene *s = *state;

    s->bucket->creates_late = true;
    lh_bucket_probe(&s->bucket->base, &s->f->call, &s->health);
    assert_true(s->health.has_create_if_absent);
    prove(s);
    assert_false(s->health.has_create_if_absent);
    assert_true(s->health.ignores_conditions);
    assert_detail(s, "writers at once were told that they had created it");
}

static void
other_bytes_than_asked_for_are_noticed(void **state)
{
    struct scene *s = *state;

    s->bucket->shifts_ranges = true;
    prove(s);
    assert_false(s->health.has_range);
    assert_true(s->health.has_create_if_absent && s->health.has_compare_and_swap);
    assert_detail(s, "range");
}

static void
lists_of_other_keys_or_in_another_order_are_noticed(void **state)
{
    struct scene *s = *state;

    s->bucket->lists_backwards = true;
    prove(s);
    assert_false(s->health.has_list);
    s->bucket->lists_backwards = false;
    s->bucket->forgets_prefix = true;
    prove(s);
    assert_false(s->health.has_list);
    assert_detail(s, "list");
}

static void
a_bucket_that_does_not_answer_is_not_called_a_liar(void **state)
{
    struct scene *s = *state;

    atomic_store(&s->bucket->fails_with, LH_UNAVAILABLE);
    prove(s);
    assert_false(s->health.is_reachable);
    assert_false(s->health.ignores_conditions);
    assert_detail(s, "as told");
}

static void
nothing_commits_to_a_bucket_that_is_distrusted(void **state)
{
    struct scene *s = *state;
    const struct lh_put_options absent = {.if_absent = true}, match = {.if_match = "*"};
    struct lh_bucket *b = &s->bucket->base;
    lh_bytes bytes = lh_str_bytes(LH_STR("x"));

    lh_bucket_distrust(b, "seen to");
    must_fail(lh_object_put(b, &s->f->call, LH_STR("k"), bytes, &absent, NULL, &err),
              LH_UNSUPPORTED, "store.conditions_ignored");
    must_fail(lh_object_put(b, &s->f->call, LH_STR("k"), bytes, &match, NULL, &err), LH_UNSUPPORTED,
              "store.conditions_ignored");
    must(lh_object_put(b, &s->f->call, LH_STR("k"), bytes, NULL, NULL, &err));
}

int
main(void)
{
#define scene_test(t) cmocka_unit_test_setup_teardown(t, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        scene_test(an_honest_bucket_is_proven_under_a_race_and_left_clean),
        scene_test(who_ignores_if_absent_is_found_out),
        scene_test(who_ignores_if_match_is_found_out),
        scene_test(who_looks_first_and_writes_later_is_found_out_only_by_the_race),
        scene_test(who_creates_twice_in_a_race_is_found_out),
        scene_test(other_bytes_than_asked_for_are_noticed),
        scene_test(lists_of_other_keys_or_in_another_order_are_noticed),
        scene_test(a_bucket_that_does_not_answer_is_not_called_a_liar),
        scene_test(nothing_commits_to_a_bucket_that_is_distrusted),
    };

    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
