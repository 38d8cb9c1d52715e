#include "store/fixture.h"

#include <sys/stat.h>
#include "store/record.h"
#include "store/store.h"

/* ---- a store in a scratch folder ---- */

struct lake {
    char data[64];
    struct lh_config *config;
    struct lh_store *store;
    struct lh_call call;
};

static void
lake_configure(struct lake *l, const char *toml)
{
    static const struct lh_config_key *const tables[] = {lh_store_config, NULL};

    lh_config_free(l->config);
    l->config = NULL;
    must(lh_config_parse(tables, lh_str_of(toml), "test.toml", &l->config, &err));
}

static void
lake_open(struct lake *l, const char *toml)
{
    lake_configure(l, toml);
    must(lh_store_open(l->config, l->data, NULL, &l->store, &err));
}

static void
lake_reopen(struct lake *l, const char *toml)
{
    lh_store_free(l->store);
    l->store = NULL;
    lake_open(l, toml);
}

static int
lake_setup(void **state)
{
    struct lake *l = LH_NEW(struct lake);

    fixture_folder(l->data);
    lh_call_init(&l->call);
    lake_open(l, "");
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

static struct lh_bucket *
bucket_named(struct lake *l, const char *name)
{
    struct lh_bucket *b = NULL;

    must(lh_store_bucket(l->store, &l->call, lh_str_of(name), &b, &err));
    return b;
}

static lh_status
add(struct lake *l, const char *name, const char *root, struct lh_error *err)
{
    const struct lh_bucket_spec spec = {.name = name, .backend = "local", .root = root};

    return lh_store_bucket_add(l->store, &l->call, &spec, err);
}

static lh_status
find(struct lake *l, const char *name, struct lh_error *err)
{
    struct lh_bucket *b;

    return lh_store_bucket(l->store, &l->call, lh_str_of(name), &b, err);
}

static void
name_append(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct lh_buf *out = self;

    lh_buf_printf(out, "%s%s%s", out->len ? " " : "", spec->name, b ? "" : "(closed)");
}

static void
assert_buckets(struct lake *l, const char *expected)
{
    LH_AUTO_BUF(names, 10000);

    must(lh_store_buckets(l->store, &l->call, name_append, &names, &err));
    assert_string_equal(lh_buf_cstr(&names), expected);
}

static void
exists(const char *path, bool expected)
{
    struct stat st;

    assert_int_equal(stat(path, &st) == 0, expected);
}

/* ---- tests ---- */

static void
primary_is_there_without_any_setting(void **state)
{
    struct lake *l = *state;
    char path[PATH_MAX];

    assert_ptr_equal(bucket_named(l, "primary"), lh_store_primary(l->store));
    must(lh_object_put(lh_store_primary(l->store), &l->call, LH_STR("x"), lh_str_bytes(LH_STR("1")),
                       NULL, NULL, &err));
    (void)snprintf(path, sizeof(path), "%s/primary/x", l->data);
    exists(path, true);
    assert_buckets(l, "primary");
}

static void
an_unknown_bucket_is_not_found(void **state)
{
    struct lake *l = *state;

    must_fail(find(l, "nowhere", &err), LH_NOT_FOUND, "store.no_bucket");
    must_fail(find(l, "../../etc", &err), LH_NOT_FOUND, "store.no_bucket");
    must_fail(find(l, "", &err), LH_NOT_FOUND, "store.no_bucket");
}

static void
configured_buckets_are_opened_and_protected(void **state)
{
    struct lake *l = *state;

    lake_reopen(l,
                "[[bucket]]\nname = \"cold\"\n[[bucket]]\nname = \"attic\"\nroot = \"up/there\"\n");
    assert_buckets(l, "primary cold attic");
    assert_string_equal(lh_bucket_name(bucket_named(l, "cold")), "cold");
    must_fail(lh_store_bucket_remove(l->store, &l->call, LH_STR("cold"), &err), LH_DENIED,
              "store.bucket_protected");
    must_fail(lh_store_bucket_remove(l->store, &l->call, LH_STR("primary"), &err), LH_DENIED,
              "store.bucket_protected");
}

static void
primary_can_be_configured_to_lie_elsewhere(void **state)
{
    struct lake *l = *state;
    char path[PATH_MAX];

    lake_reopen(l, "[[bucket]]\nname = \"primary\"\nroot = \"main\"\n");
    (void)snprintf(path, sizeof(path), "%s/main", l->data);
    exists(path, true);
    assert_buckets(l, "primary");
}

static void
a_bucket_configured_twice_stops_the_start(void **state)
{
    struct lake *l = *state;
    struct lh_store *s;

    lh_store_free(l->store);
    l->store = NULL;
    lake_configure(l, "[[bucket]]\nname = \"cold\"\n[[bucket]]\nname = \"cold\"\n");
    must_fail(lh_store_open(l->config, l->data, NULL, &s, &err), LH_INVALID, "store.bucket_exists");
}

static void
an_added_bucket_is_found_by_every_store_over_the_same_data(void **state)
{
    struct lake *l = *state;
    struct lh_store *other = NULL;
    struct lh_bucket *b;

    must(lh_store_open(l->config, l->data, NULL, &other, &err));
    must(add(l, "extra", "", &err));
    must(lh_object_put(bucket_named(l, "extra"), &l->call, LH_STR("k"), lh_str_bytes(LH_STR("v")),
                       NULL, NULL, &err));
    must(lh_store_bucket(other, &l->call, LH_STR("extra"), &b, &err));
    must(lh_object_head(b, &l->call, LH_STR("k"), &(struct lh_object_info){0}, &err));
    lh_store_free(other);

    lake_reopen(l, "");
    assert_buckets(l, "primary extra");
}

static void
a_removed_bucket_is_gone_and_its_objects_stay(void **state)
{
    struct lake *l = *state;
    struct lh_bucket *before;
    char path[PATH_MAX];

    must(add(l, "extra", "", &err));
    before = bucket_named(l, "extra");
    must(lh_object_put(before, &l->call, LH_STR("k"), lh_str_bytes(LH_STR("v")), NULL, NULL, &err));
    must(lh_store_bucket_remove(l->store, &l->call, LH_STR("extra"), &err));
    must_fail(find(l, "extra", &err), LH_NOT_FOUND, "store.no_bucket");
    assert_buckets(l, "primary");
    (void)snprintf(path, sizeof(path), "%s/buckets/extra/k", l->data);
    exists(path, true);
    must_fail(lh_store_bucket_remove(l->store, &l->call, LH_STR("extra"), &err), LH_NOT_FOUND,
              "store.no_bucket");

    must(add(l, "extra", "", &err));
    assert_ptr_equal(bucket_named(l, "extra"), before);
}

static void
a_name_is_given_once(void **state)
{
    struct lake *l = *state;

    must(add(l, "extra", "", &err));
    must_fail(add(l, "extra", "", &err), LH_EXISTS, "store.bucket_exists");
    must_fail(add(l, "primary", "", &err), LH_EXISTS, "store.bucket_exists");
}

static void
bad_buckets_are_refused(void **state)
{
    struct lake *l = *state;
    const struct lh_bucket_spec s3 = {.name = "faraway", .backend = "magnetic", .root = ""};
    char inside[PATH_MAX];

    must_fail(add(l, "A", "", &err), LH_INVALID, "store.bucket_name");
    must_fail(lh_store_bucket_add(l->store, &l->call, &s3, &err), LH_UNSUPPORTED, "store.backend");
    must_fail(add(l, "extra", "relative", &err), LH_INVALID, "store.bucket_root");
    must_fail(add(l, "extra", "/tmp/../etc", &err), LH_INVALID, "store.bucket_root");
    (void)snprintf(inside, sizeof(inside), "%s/primary/sub", l->data);
    must_fail(add(l, "extra", inside, &err), LH_INVALID, "store.bucket_root");
    exists(inside, false);
    must_fail(add(l, "extra", l->data, &err), LH_INVALID, "store.bucket_root");
}

static void
a_link_does_not_lead_a_new_bucket_into_another(void **state)
{
    struct lake *l = *state;
    char target[PATH_MAX], alias[PATH_MAX];

    (void)snprintf(target, sizeof(target), "%s/primary", l->data);
    (void)snprintf(alias, sizeof(alias), "%s/alias", l->data);
    assert_int_equal(symlink(target, alias), 0);
    must_fail(add(l, "extra", alias, &err), LH_INVALID, "store.bucket_root");
    must_fail(find(l, "extra", &err), LH_NOT_FOUND, "store.no_bucket");
}

static void
roots_can_be_confined(void **state)
{
    struct lake *l = *state;
    LH_AUTO_CHARS toml = lh_asprintf("[store]\nbucket_roots = [\"%s/mnt\"]\n", l->data);
    LH_AUTO_CHARS good = lh_asprintf("%s/mnt/one", l->data);
    LH_AUTO_CHARS bad = lh_asprintf("%s/mntx/one", l->data);

    lake_reopen(l, toml);
    must_fail(add(l, "extra", bad, &err), LH_INVALID, "store.bucket_root");
    must(add(l, "extra", good, &err));
}

static void
a_broken_record_is_told_as_corrupt(void **state)
{
    struct lake *l = *state;

    must(lh_object_put(lh_store_primary(l->store), &l->call, LH_STR("_storage/buckets/extra.json"),
                       lh_str_bytes(LH_STR("{}")), NULL, NULL, &err));
    must_fail(find(l, "extra", &err), LH_CORRUPT, "store.bucket_record");
    assert_buckets(l, "primary");
}

static void
limits_hold_by_prefix_and_in_general(void **state)
{
    struct lake *l = *state;
    struct lh_bucket *b;

    lake_reopen(l,
                "[store]\nobject_max = 10\n[[store.limit]]\nprefix = \"small/\"\nsize_max = 3\n");
    b = lh_store_primary(l->store);
    must(lh_object_put(b, &l->call, LH_STR("x"), lh_str_bytes(LH_STR("0123456789")), NULL, NULL,
                       &err));
    must_fail(lh_object_put(b, &l->call, LH_STR("x"), lh_str_bytes(LH_STR("0123456789a")), NULL,
                            NULL, &err),
              LH_TOO_BIG, "store.object_too_big");
    must_fail(lh_object_put(b, &l->call, LH_STR("small/x"), lh_str_bytes(LH_STR("0123")), NULL,
                            NULL, &err),
              LH_TOO_BIG, "store.object_too_big");
    must(lh_object_put(b, &l->call, LH_STR("small/x"), lh_str_bytes(LH_STR("012")), NULL, NULL,
                       &err));
}

static void
the_spool_is_the_processes_own_and_goes_with_it(void **state)
{
    struct lake *l = *state;
    struct lh_store *other = NULL;
    char path[PATH_MAX], folder[PATH_MAX];
    int fd = -1;

    must(lh_store_spool_file(l->store, ".parquet", path, sizeof(path), &fd, &err));
    assert_true(lh_str_ends(lh_str_of(path), LH_STR(".parquet")));
    assert_true(lh_str_starts(lh_str_of(path), lh_str_of(lh_store_spool_dir(l->store))));
    close(fd);
    /* Another process starting does not touch it. */
    must(lh_store_open(l->config, l->data, NULL, &other, &err));
    assert_string_not_equal(lh_store_spool_dir(other), lh_store_spool_dir(l->store));
    exists(path, true);
    lh_store_free(other);

    (void)snprintf(folder, sizeof(folder), "%s", lh_store_spool_dir(l->store));
    lake_reopen(l, "");
    exists(folder, false);
}

static void
a_spool_path_that_does_not_fit_leaves_nothing(void **state)
{
    struct lake *l = *state;
    char path[8];
    int fd = -1;

    must_fail(lh_store_spool_file(l->store, "", path, sizeof(path), &fd, &err), LH_INVALID,
              "store.spool_path");
    assert_int_equal(fd, -1);
}

static void
lake_uris_are_taken_apart(void **state)
{
    lh_str bucket, key;

    (void)state;
    assert_true(lh_lake_uri_parse(LH_STR("lake://primary/a/b.parquet"), &bucket, &key));
    assert_true(lh_str_eq(bucket, LH_STR("primary")));
    assert_true(lh_str_eq(key, LH_STR("a/b.parquet")));
    assert_false(lh_lake_uri_parse(LH_STR("lake://primary"), &bucket, &key));
    assert_false(lh_lake_uri_parse(LH_STR("lake://primary/"), &bucket, &key));
    assert_false(lh_lake_uri_parse(LH_STR("lake://primary/../x"), &bucket, &key));
    assert_false(lh_lake_uri_parse(LH_STR("lake:///x"), &bucket, &key));
    assert_false(lh_lake_uri_parse(LH_STR("s3://primary/x"), &bucket, &key));
}

static void
every_bucket_proves_what_it_can_do(void **state)
{
    struct lake *l = *state;
    LH_AUTO(lh_object_list) *page = NULL;
    struct lh_bucket_health h;

    lh_bucket_probe(lh_store_primary(l->store), &l->call, &h);
    assert_string_equal(h.detail, "");
    assert_true(h.is_reachable && h.can_write && h.has_create_if_absent && h.has_compare_and_swap);
    assert_true(h.has_range && h.has_list && h.has_checksums);
    must(lh_object_list(lh_store_primary(l->store), &l->call, LH_STR("_probe/"), LH_STR(""), 10,
                        &page, &err));
    assert_int_equal(page->count, 0);
}

static void
a_proof_is_written_down_and_holds_for_its_place(void **state)
{
    struct lake *l = *state;
    struct lh_bucket_proof first, second, elsewhere;
    LH_AUTO_BUF(json, 10000);
    LH_AUTO_CHARS root = lh_asprintf("%s-elsewhere", l->data);

    must(add(l, "second", "", &err));
    must(lh_store_prove(l->store, &l->call, LH_STR("second"), false, &first, &err));
    assert_true(first.health.has_create_if_absent && first.health.has_compare_and_swap);
    must(lh_object_get(lh_store_primary(l->store), &l->call, LH_STR("_storage/proofs/second.json"),
                       &json, NULL, &err));
    assert_non_null(strstr(lh_buf_cstr(&json), "\"compare_and_swap\":true"));
    must(lh_store_prove(l->store, &l->call, LH_STR("second"), false, &second, &err));
    assert_int_equal(second.proven_us, first.proven_us);
    must(lh_store_prove(l->store, &l->call, LH_STR("second"), true, &second, &err));
    assert_true(second.proven_us > first.proven_us);

    must(lh_store_bucket_remove(l->store, &l->call, LH_STR("second"), &err));
    must(add(l, "second", root, &err));
    must(lh_store_prove(l->store, &l->call, LH_STR("second"), false, &elsewhere, &err));
    assert_true(elsewhere.proven_us > second.proven_us);
    (void)lh_dir_remove_tree(root, NULL);
}

static void
what_another_process_found_a_liar_is_distrusted(void **state)
{
    struct lake *l = *state;
    const struct lh_put_options absent = {.if_absent = true};
    struct lh_bucket *primary = lh_store_primary(l->store);
    struct lh_bucket_proof proof;
    LH_AUTO_BUF(json, 10000);
    LH_AUTO_CHARS lie = NULL;
    lh_bytes x = lh_str_bytes(LH_STR("x"));
    char *at;

    must(lh_store_prove(l->store, &l->call, LH_STR("primary"), false, &proof, &err));
    must(lh_object_get(primary, &l->call, LH_STR("_storage/proofs/primary.json"), &json, NULL,
                       &err));
    at = strstr(lh_buf_cstr(&json), "\"ignores_conditions\":false");
    assert_non_null(at);
    lie = lh_asprintf("%.*s\"ignores_conditions\":true%s", (int)(at - lh_buf_cstr(&json)),
                      lh_buf_cstr(&json), at + strlen("\"ignores_conditions\":false"));
    must(lh_object_put(primary, &l->call, LH_STR("_storage/proofs/primary.json"),
                       lh_str_bytes(lh_str_of(lie)), NULL, NULL, &err));
    must(lh_object_put(primary, &l->call, LH_STR("a"), x, &absent, NULL, &err));
    must(lh_store_prove(l->store, &l->call, LH_STR("primary"), false, &proof, &err));
    assert_true(proof.health.ignores_conditions);
    must_fail(lh_object_put(primary, &l->call, LH_STR("b"), x, &absent, NULL, &err), LH_UNSUPPORTED,
              "store.conditions_ignored");
}

#define lake_test(f) cmocka_unit_test_setup_teardown(f, lake_setup, lake_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        lake_test(primary_is_there_without_any_setting),
        lake_test(a_proof_is_written_down_and_holds_for_its_place),
        lake_test(what_another_process_found_a_liar_is_distrusted),
        lake_test(an_unknown_bucket_is_not_found),
        lake_test(configured_buckets_are_opened_and_protected),
        lake_test(primary_can_be_configured_to_lie_elsewhere),
        lake_test(a_bucket_configured_twice_stops_the_start),
        lake_test(an_added_bucket_is_found_by_every_store_over_the_same_data),
        lake_test(a_removed_bucket_is_gone_and_its_objects_stay),
        lake_test(a_name_is_given_once),
        lake_test(bad_buckets_are_refused),
        lake_test(a_link_does_not_lead_a_new_bucket_into_another),
        lake_test(roots_can_be_confined),
        lake_test(a_broken_record_is_told_as_corrupt),
        lake_test(limits_hold_by_prefix_and_in_general),
        lake_test(the_spool_is_the_processes_own_and_goes_with_it),
        lake_test(a_spool_path_that_does_not_fit_leaves_nothing),
        cmocka_unit_test(lake_uris_are_taken_apart),
        lake_test(every_bucket_proves_what_it_can_do),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
