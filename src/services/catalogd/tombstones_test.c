/* Deletions by key in memory: what is hidden of which object, what is kept of old ones, and which
 * versions go because of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "services/catalogd/erase_plan.h"
#include "services/catalogd/erase_value.h"
#include "services/catalogd/gc_plan.h"

static const struct lh_catalog_column columns[] = {{.name = "id", .type = "BIGINT"},
                                                   {.name = "mail", .type = "VARCHAR"}};
static const struct lh_catalog_file files[] = {
    {.bucket = "primary", .key = "_data/t/a.parquet", .sha256 = "", .ingest_key = "", .rows = 10},
    {.bucket = "primary", .key = "_data/t/b.parquet", .sha256 = "", .ingest_key = "", .rows = 20},
    {.bucket = "aside", .key = "_data/t/b.parquet", .sha256 = "", .ingest_key = "", .rows = 30},
};
static const char *const values[] = {"1", "2"};

/* A version with the first `count` files. */
static struct catalog_snapshot *
version_new(uint64_t number, size_t count)
{
    struct catalog_snapshot *s = catalog_snapshot_new();

    s->shown.dataset = "t";
    s->shown.version = number;
    s->shown.parent = number - 1;
    s->shown.mode = "append";
    s->shown.columns = columns;
    s->shown.column_count = 2;
    s->shown.files = files;
    s->shown.file_count = count;
    assert_int_equal(catalog_snapshot_seal(s, NULL), LH_OK);
    return s;
}

static struct catalog_tombstone
item_of(uint64_t number, const char *column)
{
    return (struct catalog_tombstone){.number = number,
                                      .key_column = column,
                                      .type = strcmp(column, "id") == 0 ? "BIGINT" : "VARCHAR",
                                      .created_us = 1700000000000000,
                                      .actor = "a",
                                      .reason = "r",
                                      .principal = "p",
                                      .trace_id = "t",
                                      .values = values,
                                      .value_count = 2};
}

/* Versions 1 to 3 with one to three files; `rows` of each file are to be hidden. */
struct scene {
    struct lh_arena arena;
    struct erase_scan scan;
    struct catalog_snapshot *versions[3];
};

static void
scene_make(struct scene *x, size_t first, const uint64_t rows[3])
{
    memset(x, 0, sizeof(*x));
    for (size_t i = first; i < 3; i++)
        x->versions[x->scan.version_count++] = version_new(i + 1, i + 1);
    x->scan.versions = x->versions;
    erase_scan_gather(&x->scan, &x->arena);
    for (size_t i = 0; i < x->scan.object_count; i++)
        for (size_t f = 0; f < 3; f++)
            if (x->scan.objects[i].file->key == files[f].key &&
                strcmp(x->scan.objects[i].file->bucket, files[f].bucket) == 0)
                x->scan.objects[i].rows = rows[f];
}

static void
scene_fini(struct scene *x)
{
    erase_scan_fini(&x->scan);
    lh_arena_fini(&x->arena);
}

static void
each_object_is_gathered_once_with_the_version_that_brought_it(void **state)
{
    struct scene x;

    (void)state;
    scene_make(&x, 0, (const uint64_t[]){0, 0, 0});
    assert_int_equal(x.scan.object_count, 3);
    assert_string_equal(x.scan.objects[0].file->key, "_data/t/a.parquet");
    assert_int_equal(x.scan.objects[0].since, 0);
    assert_string_equal(x.scan.objects[1].file->bucket, "aside");
    assert_int_equal(x.scan.objects[1].since, 2);
    assert_int_equal(x.scan.objects[2].since, 1);
    assert_string_equal(erase_scan_type(&x.scan, "mail"), "VARCHAR");
    assert_null(erase_scan_type(&x.scan, "nobody"));
    scene_fini(&x);
}

static void
an_object_is_hidden_from_by_what_came_after_it(void **state)
{
    struct catalog_tombstone second = item_of(2, "id"), fourth = item_of(4, "mail");
    LH_AUTO(catalog_tombstones) *one = NULL;
    LH_AUTO(catalog_tombstones) *two = NULL;
    struct catalog_erase_outcome outcome;
    struct scene x;

    (void)state;
    scene_make(&x, 0, (const uint64_t[]){3, 0, 0});
    outcome = erase_plan_outcome(&x.scan, &fourth);
    assert_int_equal(outcome.rows_removed, 3);
    assert_int_equal(outcome.object_count, 1);
    one = erase_plan_next(&x.scan, NULL, &second, 3);
    assert_int_equal(one->count, 1);
    assert_int_equal(one->objects[0].first, 2);
    scene_fini(&x);
    scene_make(&x, 0, (const uint64_t[]){1, 5, 7});
    two = erase_plan_next(&x.scan, one, &fourth, 13);
    assert_int_equal(two->count, 2);
    assert_int_equal(two->object_count, 3);
    assert_int_equal(catalog_tombstones_find(two, &files[0])->first, 2);
    assert_int_equal(catalog_tombstones_find(two, &files[0])->rows, 4);
    /* It came with version 2, so tombstone 2 is not before it, and 4 is the first after it. */
    assert_int_equal(catalog_tombstones_find(two, &files[1])->first, 4);
    assert_int_equal(catalog_tombstones_hide(two, files, 3), 16);
    assert_true(erase_plan_is_pending(&x.scan, two));
    scene_fini(&x);
}

static void
what_no_version_names_any_more_is_not_kept(void **state)
{
    struct catalog_tombstone second = item_of(2, "id"), fourth = item_of(4, "mail");
    LH_AUTO(catalog_tombstones) *one = NULL;
    LH_AUTO(catalog_tombstones) *two = NULL;
    struct scene x;

    (void)state;
    scene_make(&x, 0, (const uint64_t[]){3, 0, 0});
    one = erase_plan_next(&x.scan, NULL, &second, 3);
    for (size_t i = 0; i < x.scan.version_count; i++)
        x.versions[i]->shown.files = &files[1];
    x.versions[0]->shown.file_count = x.versions[1]->shown.file_count = 1;
    x.versions[2]->shown.file_count = 2;
    erase_scan_gather(&x.scan, &x.arena);
    assert_false(erase_plan_is_pending(&x.scan, one));
    x.scan.objects[1].rows = 2;
    two = erase_plan_next(&x.scan, one, &fourth, 2);
    assert_int_equal(two->object_count, 1);
    assert_int_equal(two->objects[0].first, 2); /* since version 1 by now */
    scene_fini(&x);
}

static void
a_version_is_read_without_hidden_rows_and_stays_what_it_is(void **state)
{
    struct catalog_tombstone item = item_of(4, "id");
    LH_AUTO(catalog_tombstones) *t = NULL;
    LH_AUTO(catalog_snapshot) *view = NULL;
    struct scene x;

    (void)state;
    scene_make(&x, 0, (const uint64_t[]){3, 0, 7});
    t = erase_plan_next(&x.scan, NULL, &item, 10);
    t->key = "_catalog/tombstones/t/0000000004-x.parquet";
    view = catalog_snapshot_erase(x.versions[2], t, 4, "primary");
    assert_int_equal(view->shown.rows, 50);
    assert_int_equal(view->shown.hidden_rows, 10);
    assert_int_equal(view->shown.erasure->first[0], 4);
    assert_int_equal(view->shown.erasure->first[1], 0);
    assert_int_equal(view->shown.erasure->key_count, 1);
    assert_string_equal(view->shown.erasure->values_uri,
                        "lake://primary/_catalog/tombstones/t/0000000004-x.parquet");
    assert_int_equal(x.versions[2]->shown.rows, 60);
    assert_null(x.versions[2]->shown.erasure);
    scene_fini(&x);
}

static void
the_table_says_the_same_and_a_wrong_one_is_refused(void **state)
{
    struct catalog_tombstone item = item_of(4, "id");
    LH_AUTO(catalog_tombstones) *t = NULL;
    LH_AUTO(catalog_tombstones) *back = NULL;
    LH_AUTO(catalog_tombstones) *none = NULL;
    LH_AUTO(lh_table) *table = NULL;
    LH_AUTO_ERROR(err);
    struct scene x;

    (void)state;
    scene_make(&x, 0, (const uint64_t[]){3, 0, 7});
    t = erase_plan_next(&x.scan, NULL, &item, 10);
    assert_int_equal(catalog_tombstones_to_table(t, LH_STR("t"), &table, NULL), LH_OK);
    assert_int_equal(lh_table_rows(table), 2);
    assert_int_equal(catalog_tombstones_from_table(table, LH_STR("k"), &back, NULL), LH_OK);
    assert_int_equal(back->count, 1);
    assert_string_equal(back->items[0].values[1], "2");
    assert_string_equal(back->items[0].reason, "r");
    assert_int_equal(back->object_count, 2);
    assert_string_equal(back->objects[1].bucket, "aside");
    assert_int_equal(back->objects[1].rows, 7);
    lh_table_meta_set(table, "objects", LH_STR("[{\"bucket\":\"b\",\"key\":\"k\",\"first\":0}]"));
    assert_int_equal(catalog_tombstones_from_table(table, LH_STR("k"), &none, &err), LH_CORRUPT);
    lh_table_meta_set(table, "objects", LH_STR("[]"));
    lh_table_meta_set(table, "tombstones",
                      LH_STR("[{\"number\":4,\"created_us\":1,\"values\":3}]"));
    assert_int_equal(catalog_tombstones_from_table(table, LH_STR("k"), &none, &err), LH_CORRUPT);
    scene_fini(&x);
}

/* ---- collection ---- */

static void
expire(size_t count, const int64_t *created, const int *dirty, uint64_t keep, int64_t before,
       const char *expected)
{
    struct gc_version versions[8] = {{0}};
    struct gc_plan plan = {.versions = versions, .version_count = count};
    struct catalog_hidden hidden = {
        .bucket = "primary", .key = files[0].key, .first = 1, .rows = 1};
    LH_AUTO(catalog_tombstones) *t = catalog_tombstones_new();
    char gone[9] = "";

    t->objects = &hidden;
    t->object_count = 1;
    plan.tombstones = t;
    for (size_t i = 0; i < count; i++) {
        versions[i].number = i + 1;
        versions[i].created_us = created[i];
        versions[i].snapshot = version_new(i + 1, 1);
        if (!dirty[i])
            versions[i].snapshot->shown.files = &files[1];
    }
    gc_plan_expire(&plan, keep, before);
    for (size_t i = 0; i < count; i++) {
        gone[i] = versions[i].is_expired ? 'x' : '-';
        catalog_snapshot_unref(versions[i].snapshot);
    }
    assert_string_equal(gone, expected);
}

static void
versions_go_from_the_oldest_on_when_the_next_is_old_enough(void **state)
{
    const int64_t created[] = {10, 20, 30, 40};
    const int clean[] = {0, 0, 0, 0};

    (void)state;
    expire(4, created, clean, 0, 100, "----");
    expire(4, created, clean, 1, 100, "xxx-");
    expire(4, created, clean, 3, 100, "x---");
    expire(4, created, clean, 9, 100, "----");
    expire(4, created, clean, 1, 30, "xx--");
    expire(4, created, clean, 1, 19, "----");
}

static void
versions_with_deleted_rows_go_with_all_before_them_but_never_the_head(void **state)
{
    const int64_t created[] = {10, 20, 30, 40};

    (void)state;
    expire(4, created, (const int[]){0, 1, 0, 0}, 0, 100, "xx--");
    expire(4, created, (const int[]){1, 0, 1, 0}, 0, 100, "xxx-");
    expire(4, created, (const int[]){1, 0, 1, 0}, 0, 39, "x---");
    expire(4, created, (const int[]){0, 0, 0, 1}, 0, 100, "----");
    expire(4, created, (const int[]){1, 0, 0, 0}, 2, 100, "xx--");
}

static void
a_version_that_is_read_stays_and_all_later_ones(void **state)
{
    struct gc_version versions[3] = {
        {.number = 4, .is_expired = true}, {.number = 5, .is_expired = true}, {.number = 6}};
    struct gc_plan plan = {.versions = versions, .version_count = 3};

    (void)state;
    assert_int_equal(gc_plan_floor(&plan), 6);
    gc_plan_spare(&plan, 5);
    assert_int_equal(gc_plan_floor(&plan), 5);
    assert_true(versions[0].is_expired);
}

/* ---- values ---- */

static void
values_are_of_the_columns_kind(void **state)
{
    static const struct {
        const char *type, *json, *text; /* text NULL: refused */
    } rows[] = {
        {"BIGINT", "7", "7"},
        {"BIGINT", "\"-9223372036854775808\"", "-9223372036854775808"},
        {"BIGINT", "\"7.0\"", NULL},
        {"BIGINT", "7.5", NULL},
        {"BIGINT", "true", NULL},
        {"DECIMAL(18,3)", "\"1.250\"", "1.250"},
        {"DECIMAL(18,3)", "1.25", "1.25"},
        {"DECIMAL(18,3)", "\"1.\"", NULL},
        {"DOUBLE", "1.5", "1.5"},
        {"DOUBLE", "\"1.5\"", NULL},
        {"BOOLEAN", "true", "true"},
        {"BOOLEAN", "1", NULL},
        {"VARCHAR", "\"x\"", "x"},
        {"VARCHAR", "null", NULL},
        {"VARCHAR", "1", NULL},
        {"DATE", "\"2021-01-01\"", "2021-01-01"},
        {"BIGINT[]", "1", NULL},
        {"STRUCT(a BIGINT)", "{}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        LH_AUTO_JSON value = json_loads(rows[i].json, JSON_DECODE_ANY, NULL);
        LH_AUTO_ARENA(arena);
        const char *text = NULL;

        assert_non_null(value);
        if (erase_value_text(value, erase_kind_of(rows[i].type), &arena, &text) !=
            (rows[i].text != NULL))
            fail_msg("%s as %s", rows[i].json, rows[i].type);
        if (rows[i].text != NULL)
            assert_string_equal(text, rows[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_object_is_gathered_once_with_the_version_that_brought_it),
        cmocka_unit_test(an_object_is_hidden_from_by_what_came_after_it),
        cmocka_unit_test(what_no_version_names_any_more_is_not_kept),
        cmocka_unit_test(a_version_is_read_without_hidden_rows_and_stays_what_it_is),
        cmocka_unit_test(the_table_says_the_same_and_a_wrong_one_is_refused),
        cmocka_unit_test(versions_go_from_the_oldest_on_when_the_next_is_old_enough),
        cmocka_unit_test(versions_with_deleted_rows_go_with_all_before_them_but_never_the_head),
        cmocka_unit_test(a_version_that_is_read_stays_and_all_later_ones),
        cmocka_unit_test(values_are_of_the_columns_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
