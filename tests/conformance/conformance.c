/*
 * What store/bucket.h promises, held against any bucket: each test uses keys of its own, so one run
 * leaves the others' objects alone.
 *
 *     CONFORMANCE_CONFIG   settings with the bucket; none: a local bucket in a scratch folder
 *     CONFORMANCE_BUCKET   its name; "primary" unless given
 *     CONFORMANCE_SEED     of whatever is drawn at random; told at the start
 *     CONFORMANCE_FAULTY   set when the way to the store loses, breaks and repeats: an operation
 *                          may then fail as unavailable, but never lie
 *     CONFORMANCE_KEYS     how many keys a listing has; 1,100 unless given
 */
#include "conformance.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

struct world world;

static const struct lh_config_key *const tables[] = {lh_secret_config, lh_store_config,
                                                     lh_s3_config, NULL};

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
