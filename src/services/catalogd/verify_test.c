#include "services/test_house.h"

/* ---- a house with one dataset, and what its verification says ---- */

static int
setup(void **state)
{
    *state = house_open(NULL, "");
    return 0;
}

static int
teardown(void **state)
{
    house_close_and_remove(*state);
    return 0;
}

static void
verify(struct house *h, bool is_deep, struct reply *r)
{
    ask(h, "catalogd", LH_POST, "/v1/catalog/verify", is_deep ? "{\"deep\":true}" : "{}", r);
    assert_answered(r);
}

static void
assert_one(const struct reply *r, const char *what, const char *key, const char *expected,
           const char *found)
{
    const json_t *d = item_at(r->json, "differences", 0);

    if (count_at(r->json, "differences") != 1) {
        LH_AUTO_CHARS text = json_dumps(r->json, 0);
        fail_msg("%s", text);
    }
    assert_string_equal(text_at(d, "what"), what);
    assert_string_equal(text_at(d, "bucket"), "primary");
    assert_non_null(strstr(text_at(d, "key"), key));
    if (expected)
        assert_string_equal(text_at(d, "expected"), expected);
    if (found)
        assert_string_equal(text_at(d, "found"), found);
}

static void
commit(struct house *h, const struct lh_catalog_file *file, const struct lh_catalog_column *columns)
{
    struct lh_catalog_commit w = wish("people", 0, "replace", file, 1);

    if (columns)
        w.columns = columns;
    assert_ok(commit_try(h, &w, NULL, &err));
}

/* ---- tests ---- */

static void
what_is_as_it_was_written_has_no_difference(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(shallow);
    AUTO_REPLY(deep);

    version_make(h, "people", 0, "a", 5);
    version_make(h, "people", 1, "b", 7);
    verify(h, false, &shallow);
    assert_int_equal(count_at(shallow.json, "differences"), 0);
    assert_int_equal(int_at(json_object_get(shallow.json, "checked"), "objects"), 4);
    verify(h, true, &deep);
    assert_int_equal(count_at(deep.json, "differences"), 0);
    assert_true(int_at(json_object_get(deep.json, "checked"), "bytes") > 0);
}

static void
rows_that_the_footer_has_not_are_told(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, "people", "a", 5);
    AUTO_REPLY(r);

    file.rows = 6;
    commit(h, &file, NULL);
    verify(h, false, &r);
    assert_one(&r, "rows", "_data/people/a.parquet", "6", "5");
}

static void
a_checksum_that_is_another_is_told(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, "people", "a", 5);
    AUTO_REPLY(r);

    file.sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    commit(h, &file, NULL);
    verify(h, false, &r);
    assert_one(&r, "checksum", "_data/people/a.parquet", file.sha256, NULL);
}

static void
a_column_of_another_type_is_told(void **state)
{
    static const struct lh_catalog_column columns[] = {
        {.name = "id", .type = "VARCHAR", .null_count = 0, .min = NULL, .max = NULL},
        {.name = "city", .type = "VARCHAR", .null_count = 0, .min = NULL, .max = NULL},
    };
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, "people", "a", 5);
    AUTO_REPLY(r);

    commit(h, &file, columns);
    verify(h, false, &r);
    assert_one(&r, "schema", "_data/people/a.parquet", "id VARCHAR", "id BIGINT");
}

static void
an_object_of_many_versions_is_looked_at_once(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, "people", "a", 5);
    struct lh_catalog_commit again = wish("people", 1, "replace", &file, 1);
    AUTO_REPLY(r);

    file.rows = 6;
    commit(h, &file, NULL);
    assert_ok(commit_try(h, &again, NULL, &err));
    verify(h, false, &r);
    assert_one(&r, "rows", "_data/people/a.parquet", "6", "5");
}

static void
which_datasets_name_a_bucket_is_told(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(used);
    AUTO_REPLY(unused);

    version_make(h, "people", 0, "a", 5);
    ask(h, "catalogd", LH_GET, "/internal/catalog/bucket?name=primary", "", &used);
    assert_answered(&used);
    assert_string_equal(json_string_value(item_at(used.json, "datasets", 0)), "people");
    ask(h, "catalogd", LH_GET, "/internal/catalog/bucket?name=other", "", &unused);
    assert_int_equal(count_at(unused.json, "datasets"), 0);
}

static void
deletions_by_key_are_looked_at_too(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(made);
    AUTO_REPLY(listed);
    AUTO_REPLY(sound);
    AUTO_REPLY(broken);

    version_make(h, "people", 0, "a", 5);
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/people/tombstone",
        "{\"key_column\":\"id\",\"values\":[1,3],\"actor\":\"a\",\"reason\":\"r\"}", &made);
    assert_answered(&made);
    assert_int_equal(int_at(made.json, "rows_removed"), 2);
    verify(h, true, &sound);
    assert_int_equal(count_at(sound.json, "differences"), 0);
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets/people/tombstones", NULL, &listed);
    object_write(h, text_at(listed.json, "object"), "not what it was");
    verify(h, true, &broken);
    assert_one(&broken, "tombstones", "_catalog/tombstones/people/", NULL, NULL);
}

int
main(void)
{
#define house_test(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        house_test(what_is_as_it_was_written_has_no_difference),
        house_test(rows_that_the_footer_has_not_are_told),
        house_test(a_checksum_that_is_another_is_told),
        house_test(a_column_of_another_type_is_told),
        house_test(an_object_of_many_versions_is_looked_at_once),
        house_test(which_datasets_name_a_bucket_is_told),
        house_test(deletions_by_key_are_looked_at_too),
    };

    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
