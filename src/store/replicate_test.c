#include "store/replicate.h"

#include <sys/stat.h>
#include "base/time.h"
#include "store/fixture.h"
#include "store/replica.h"
#include "store/replicate_parts.h"

/* ---- a lake with a rescue bucket ---- */

struct lake {
    char data[64];
    struct lh_config *config;
    struct lh_store *store;
    struct lh_bucket *primary, *second, *spare;
    struct lh_call call;
};

static const char settings[] = "[[bucket]]\nname = \"spare\"\nrole = \"rescue\"\n"
                               "[[bucket]]\nname = \"second\"\n";

static struct lh_bucket *
bucket_named(struct lake *l, const char *name)
{
    struct lh_bucket *b = NULL;

    must(lh_store_bucket(l->store, &l->call, lh_str_of(name), &b, &err));
    return b;
}

static int
lake_setup(void **state)
{
    static const struct lh_config_key *const tables[] = {lh_store_config, NULL};
    struct lake *l = LH_NEW(struct lake);

    fixture_folder(l->data);
    lh_call_init(&l->call);
    must(lh_config_parse(tables, lh_str_of(settings), "test.toml", &l->config, &err));
    must(lh_store_open(l->config, l->data, NULL, &l->store, &err));
    l->primary = lh_store_primary(l->store);
    l->second = bucket_named(l, "second");
    l->spare = bucket_named(l, "spare");
    *state = l;
    return 0;
}

static int
lake_teardown(void **state)
{
    struct lake *l = *state;

    lh_store_free(l->store);
    lh_config_free(l->config);
    lh_call_fini(&l->call);
    (void)lh_dir_remove_tree(l->data, NULL);
    free(l);
    return 0;
}

static void
put(struct lake *l, struct lh_bucket *b, const char *key, const char *text)
{
    must(lh_object_put(b, &l->call, lh_str_of(key), lh_str_bytes(lh_str_of(text)), NULL, NULL,
                       &err));
}

static void delete (struct lake *l, struct lh_bucket *b, const char *key)
{
    must(lh_object_delete(b, &l->call, lh_str_of(key), NULL, &err));
}

static struct lh_replicate_totals
replicate_with(struct lake *l, const struct lh_replicate_options *o)
{
    struct lh_replicate_totals t;

    must(lh_store_replicate(l->store, &l->call, o, &t, &err));
    assert_int_equal(t.seen, t.unchanged + t.copied + t.failed);
    return t;
}

static struct lh_replicate_totals
replicate(struct lake *l)
{
    return replicate_with(l, &(struct lh_replicate_options){.grace_us = -1});
}

static void
assert_copy(struct lake *l, const char *key, const char *text)
{
    LH_AUTO_BUF(out, 1 << 20);
    LH_AUTO_ERROR(err);

    if (lh_object_get(l->spare, &l->call, lh_str_of(key), &out, NULL, &err) != LH_OK)
        fail_msg("%s: %s", key, err.text);
    assert_string_equal(lh_buf_cstr(&out), text);
}

static bool
has_copy(struct lake *l, const char *key)
{
    struct lh_object_info info;

    return lh_object_head(l->spare, &l->call, lh_str_of(key), &info, NULL) == LH_OK;
}

static void
damage(struct lake *l, const char *path)
{
    char whole[200];
    FILE *file;

    (void)snprintf(whole, sizeof(whole), "%s/%s", l->data, path);
    file = fopen(whole, "r+");
    assert_non_null(file);
    fputs("\xff", file);
    fclose(file);
}

/* ---- tests ---- */

static void
all_buckets_are_copied_and_then_only_what_is_new_or_changed(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;

    put(l, l->primary, "_catalog/datasets/d/0000000001.parquet", "manifest");
    put(l, l->primary, "_data/d/1.parquet", "rows");
    put(l, l->primary, "a", "1");
    put(l, l->second, "_data/d/2.parquet", "more");
    t = replicate(l);
    assert_int_equal(t.copied, 4);
    assert_int_equal(t.copied_bytes, 8 + 4 + 1 + 4);
    assert_copy(l, "primary/_catalog/datasets/d/0000000001.parquet", "manifest");
    assert_copy(l, "primary/_data/d/1.parquet", "rows");
    assert_copy(l, "second/_data/d/2.parquet", "more");

    t = replicate(l);
    assert_int_equal(t.copied, 0);
    assert_int_equal(t.unchanged, 4);

    put(l, l->primary, "a", "2");
    put(l, l->primary, "b", "3");
    t = replicate(l);
    assert_int_equal(t.copied, 2);
    assert_copy(l, "primary/a", "2");
    assert_copy(l, "primary/b", "3");
}

static void
many_objects_over_many_pages_are_copied_once_each(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;

    for (int i = 0; i < 1200; i++) {
        char key[40];
        (void)snprintf(key, sizeof(key), "%s%05d", i % 3 ? "_data/d/" : "u/", i);
        put(l, l->primary, key, key);
    }
    t = replicate(l);
    assert_int_equal(t.copied, 1200);
    put(l, l->primary, "_data/d/00001x", "between");
    t = replicate(l);
    assert_int_equal(t.copied, 1);
    assert_int_equal(t.unchanged, 1200);
    assert_copy(l, "primary/u/00000", "u/00000");
    assert_copy(l, "primary/_data/d/01198", "_data/d/01198");
}

static void
what_is_damaged_never_takes_the_place_of_a_good_copy(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;
    LH_AUTO_BUF(out, 1 << 20);

    put(l, l->primary, "good", "value");
    (void)replicate(l);
    damage(l, "primary/good");
    put(l, l->primary, "bad", "value");
    damage(l, "primary/bad");
    t = replicate(l);
    assert_int_equal(t.failed, 1);
    assert_non_null(strstr(t.first_failure, "bad"));
    assert_copy(l, "primary/good", "value");
    assert_false(has_copy(l, "primary/bad"));
    must(lh_object_get(l->primary, &l->call, LH_STR("good"), &out, NULL, &err));
    assert_string_equal(lh_buf_cstr(&out), "value");
    assert_string_equal(atomic_load(&l->call.rescued_by), "spare");
}

static void
deletes_follow_after_the_grace_and_pointers_before_data(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;
    LH_AUTO_BUF(out, 1 << 20);

    put(l, l->primary, "_catalog/datasets/d/0000000001.parquet", "manifest");
    put(l, l->primary, "_catalog/datasets/d/0000000002.parquet", "manifest");
    put(l, l->primary, "_data/d/1.parquet", "rows");
    put(l, l->primary, "_data/d/2.parquet", "rows");
    (void)replicate(l);
    delete (l, l->primary, "_catalog/datasets/d/0000000001.parquet");
    delete (l, l->primary, "_data/d/1.parquet");
    t = replicate(l);
    assert_int_equal(t.gone, 2);
    assert_int_equal(t.deleted, 0);
    assert_true(has_copy(l, "primary/_data/d/1.parquet"));
    must_fail(lh_object_get(l->primary, &l->call, LH_STR("_data/d/1.parquet"), &out, NULL, &err),
              LH_NOT_FOUND, "store.no_object");

    t = replicate_with(l, &(struct lh_replicate_options){.grace_us = 0});
    assert_int_equal(t.gone, 0);
    assert_int_equal(t.deleted, 2);
    assert_false(has_copy(l, "primary/_data/d/1.parquet"));
    assert_false(has_copy(l, "primary/_catalog/datasets/d/0000000001.parquet"));
    assert_true(has_copy(l, "primary/_data/d/2.parquet"));
    t = replicate_with(l, &(struct lh_replicate_options){.grace_us = 0});
    assert_int_equal(t.deleted, 0);
}

static void
an_object_that_comes_back_is_copied_again(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;

    put(l, l->primary, "k", "1");
    put(l, l->primary, "other", "1");
    (void)replicate(l);
    delete (l, l->primary, "k");
    (void)replicate(l);
    put(l, l->primary, "k", "2");
    t = replicate(l);
    assert_int_equal(t.copied, 1);
    assert_copy(l, "primary/k", "2");
    t = replicate(l);
    assert_int_equal(t.copied + t.gone, 0);
}

static void
a_bucket_that_seems_empty_is_not_believed(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;

    put(l, l->second, "a", "1");
    put(l, l->second, "b", "1");
    (void)replicate(l);
    delete (l, l->second, "a");
    delete (l, l->second, "b");
    must_fail(lh_store_replicate(l->store, &l->call, &(struct lh_replicate_options){.grace_us = 0},
                                 &t, &err),
              LH_CONFLICT, "store.replicate_vanished");
    assert_true(has_copy(l, "second/a"));
    t = replicate_with(
        l, &(struct lh_replicate_options){.grace_us = 3600000000, .may_lose_most = true});
    assert_int_equal(t.gone, 2);
}

static void
who_is_at_work_is_left_out(void **state)
{
    struct lake *l = *state;

    put(l, l->primary, "_catalog/writers/w.json", "{}");
    put(l, l->primary, "k", "1");
    assert_int_equal(replicate(l).copied, 1);
}

static void
what_was_copied_but_not_listed_is_not_copied_again(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;
    char index[LH_KEY_MAX + 1], path[200 + LH_KEY_MAX];

    put(l, l->primary, "k", "value");
    (void)replicate(l);
    replica_index_key("primary", REPLICA_DATA, index);
    (void)snprintf(path, sizeof(path), "%s/buckets/spare/%s", l->data, index);
    assert_int_equal(unlink(path), 0);
    t = replicate(l);
    assert_int_equal(t.copied, 1);
    assert_int_equal(t.copied_bytes, 0);
}

static void
who_is_canceled_stops_and_goes_on_later(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;

    put(l, l->primary, "k", "value");
    atomic_store(&l->call.is_canceled, true);
    must_fail(lh_store_replicate(l->store, &l->call, &(struct lh_replicate_options){.grace_us = -1},
                                 &t, &err),
              LH_CANCELED, "call.canceled");
    atomic_store(&l->call.is_canceled, false);
    assert_int_equal(replicate(l).copied, 1);
}

static void
cancel_when_something_is_copied(void *self, const struct lh_replicate_totals *so_far)
{
    struct lake *l = self;

    if (so_far->copied > 1000)
        atomic_store(&l->call.is_canceled, true);
}

static void
the_list_is_saved_on_the_way_so_that_a_broken_run_is_gone_on_with(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;
    const struct lh_replicate_options o = {
        .grace_us = -1, .save_every = 1, .progress = cancel_when_something_is_copied, .self = l};

    for (int i = 0; i < 1200; i++) {
        char key[40];
        (void)snprintf(key, sizeof(key), "u/%05d", i);
        put(l, l->primary, key, key);
    }
    must_fail(lh_store_replicate(l->store, &l->call, &o, &t, &err), LH_CANCELED, "call.canceled");
    atomic_store(&l->call.is_canceled, false);
    t = replicate(l);
    assert_int_equal(t.unchanged, 1000);
    assert_int_equal(t.copied, 200);
    t = replicate(l);
    assert_int_equal(t.unchanged, 1200);
}

static void
copies_keep_to_the_pace(void **state)
{
    struct lake *l = *state;
    struct replicate_pace pace;
    int64_t began_ns = lh_time_mono_ns();

    replicate_pace_init(&pace, 200 << 10);
    for (int i = 0; i < 3; i++)
        must(replicate_pace_wait(&pace, &l->call, 20 << 10, &err));
    assert_true(lh_time_mono_ns() - began_ns >= 190000000);
    atomic_store(&l->call.is_canceled, true);
    must_fail(replicate_pace_wait(&pace, &l->call, 200 << 10, &err), LH_CANCELED, "call.canceled");
    atomic_store(&l->call.is_canceled, false);
    replicate_pace_fini(&pace);
}

static void
only_a_rescue_bucket_is_filled(void **state)
{
    struct lake *l = *state;
    struct lh_replicate_totals t;

    must_fail(lh_store_replicate(
                  l->store, &l->call,
                  &(struct lh_replicate_options){.to = LH_STR("second"), .grace_us = -1}, &t, &err),
              LH_INVALID, "store.no_rescue_bucket");
    assert_int_equal(
        replicate_with(l, &(struct lh_replicate_options){.to = LH_STR("spare"), .grace_us = -1})
            .failed,
        0);
}

int
main(void)
{
#define lake_test(t) cmocka_unit_test_setup_teardown(t, lake_setup, lake_teardown)
    const struct CMUnitTest tests[] = {
        lake_test(all_buckets_are_copied_and_then_only_what_is_new_or_changed),
        lake_test(many_objects_over_many_pages_are_copied_once_each),
        lake_test(what_is_damaged_never_takes_the_place_of_a_good_copy),
        lake_test(deletes_follow_after_the_grace_and_pointers_before_data),
        lake_test(an_object_that_comes_back_is_copied_again),
        lake_test(a_bucket_that_seems_empty_is_not_believed),
        lake_test(who_is_at_work_is_left_out),
        lake_test(what_was_copied_but_not_listed_is_not_copied_again),
        lake_test(who_is_canceled_stops_and_goes_on_later),
        lake_test(the_list_is_saved_on_the_way_so_that_a_broken_run_is_gone_on_with),
        lake_test(copies_keep_to_the_pace),
        lake_test(only_a_rescue_bucket_is_filled),
    };

    return cmocka_run_group_tests_name("replicate", tests, NULL, NULL);
}
