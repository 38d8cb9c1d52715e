/* manifest: what is written is read back, and anything that does not agree with itself is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/catalogd/manifest.h"
#include "services/catalogd/name.h"
#include "services/catalogd/schema.h"

static const char sha[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static const struct lh_catalog_column columns[] = {
    {.name = "id", .type = "BIGINT", .null_count = 1, .min = "1", .max = "9"},
    {.name = "größe \"x\"", .type = "STRUCT(a BIGINT, b VARCHAR[])", .null_count = 0},
};

static const char *const ingest_keys[] = {"k1", "k2"};

/* A version that keeps every rule. */
static struct catalog_snapshot *
snapshot_make(void)
{
    static const struct lh_catalog_file files[] = {
        {.bucket = "primary",
         .key = "_data/workers/a.parquet",
         .sha256 = sha,
         .ingest_key = "k1",
         .size_bytes = 100,
         .rows = 7},
        {.bucket = "primary",
         .key = "_data/workers/b.parquet",
         .sha256 = sha,
         .ingest_key = "k2",
         .size_bytes = 200,
         .rows = 3},
    };
    struct catalog_snapshot *s = catalog_snapshot_new();

    s->shown = (struct lh_snapshot){.dataset = "workers",
                                    .version = 3,
                                    .parent = 2,
                                    .created_us = 1700000000123456,
                                    .mode = "append",
                                    .source = "arbeiter.csv",
                                    .content_sha256 = sha,
                                    .rejects = "lake://primary/_data/workers/r.parquet",
                                    .rows_rejected = 2,
                                    .columns = columns,
                                    .column_count = 2,
                                    .files = files,
                                    .file_count = 2,
                                    .ingest_keys = ingest_keys,
                                    .ingest_key_count = 2};
    s->ingest_key = "k2";
    s->actor = "ana";
    s->trace_id = "0af7651916cd43dd8448eb211c80319c";
    s->commit_id = "6f2d1c1a-94d5-4f3b-8f1e-0b2d7e6a5c41";
    assert_int_equal(catalog_snapshot_seal(s, NULL), LH_OK);
    return s;
}

static struct lh_table *
table_make(const struct catalog_snapshot *s)
{
    struct lh_table *t = NULL;

    assert_int_equal(catalog_manifest_to_table(s, &t, NULL), LH_OK);
    return t;
}

static void
a_manifest_is_read_back_as_it_was_written(void **state)
{
    LH_AUTO(catalog_snapshot) *s = snapshot_make();
    LH_AUTO(catalog_snapshot) *back = NULL;
    LH_AUTO(lh_table) *t = table_make(s);
    LH_AUTO_BUF(before, 65536);
    LH_AUTO_BUF(after, 65536);

    (void)state;
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_OK);
    assert_int_equal(catalog_manifest_from_table(t, LH_STR("workers"), 3, &back, NULL), LH_OK);
    catalog_snapshot_print(s, &before);
    catalog_snapshot_print(back, &after);
    assert_string_equal(lh_buf_cstr(&before), lh_buf_cstr(&after));
    assert_int_equal(back->shown.rows, 10);
    assert_int_equal(back->shown.size_bytes, 300);
    assert_string_equal(back->shown.fingerprint, s->shown.fingerprint);
}

#define TOMBSTONES                                                                                 \
    "_catalog/tombstones/workers/0000000002-6f2d1c1a-94d5-4f3b-8f1e-0b2d7e6a5c41.parquet"

static struct catalog_snapshot *
tombstoned_make(uint64_t hidden_rows)
{
    struct catalog_snapshot *s = snapshot_make();

    s->tombstones = TOMBSTONES;
    s->shown.erased = 2;
    s->shown.hidden_rows = hidden_rows;
    s->reason = "ticket 17";
    s->requested_by = "ann";
    return s;
}

static void
what_is_hidden_of_a_version_is_read_back_by_who_knows_of_it(void **state)
{
    LH_AUTO(catalog_snapshot) *s = tombstoned_make(4);
    LH_AUTO(catalog_snapshot) *back = NULL;
    LH_AUTO(lh_table) *t = NULL;

    (void)state;
    assert_int_equal(catalog_snapshot_seal(s, NULL), LH_OK);
    assert_int_equal(s->shown.rows, 6);
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_OK);
    t = table_make(s);
    /* A reader of the first format would show the rows, so it must refuse. */
    assert_true(lh_str_eq(lh_table_meta(t, "format"), LH_STR("lakehouse.manifest/2")));
    assert_int_equal(catalog_manifest_from_table(t, LH_STR("workers"), 3, &back, NULL), LH_OK);
    assert_int_equal(back->shown.rows, 6);
    assert_int_equal(back->shown.hidden_rows, 4);
    assert_int_equal(back->shown.erased, 2);
    assert_string_equal(back->tombstones, TOMBSTONES);
    assert_string_equal(back->reason, "ticket 17");
    assert_string_equal(back->requested_by, "ann");
}

static void
rows_that_nothing_of_the_dataset_hides_are_refused(void **state)
{
    LH_AUTO(catalog_snapshot) *s = tombstoned_make(11);

    (void)state;
    assert_int_equal(catalog_snapshot_seal(s, NULL), LH_INVALID);
    s->shown.hidden_rows = 4;
    assert_int_equal(catalog_snapshot_seal(s, NULL), LH_OK);
    s->tombstones = "";
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_INVALID);
    s->tombstones = "_catalog/tombstones/workers2/x.parquet";
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_INVALID);
    s->tombstones = TOMBSTONES;
    s->shown.erased = 4; /* of version 3 */
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_INVALID);
    s->shown.erased = 2;
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_OK);
}

static void
a_snapshot_travels_as_json(void **state)
{
    LH_AUTO(catalog_snapshot) *s = snapshot_make();
    LH_AUTO(catalog_snapshot) *back = NULL;
    LH_AUTO_BUF(text, 65536);
    LH_AUTO_BUF(again, 65536);
    LH_AUTO_JSON value = NULL;

    (void)state;
    catalog_snapshot_print(s, &text);
    assert_int_equal(lh_json_parse(lh_buf_str(&text), &value, NULL), LH_OK);
    assert_int_equal(catalog_snapshot_read(value, &back, NULL), LH_OK);
    catalog_snapshot_print(back, &again);
    assert_string_equal(lh_buf_cstr(&text), lh_buf_cstr(&again));
    assert_string_equal(back->shown.dataset_id, s->shown.dataset_id);
}

static void
metadata_that_does_not_agree_is_refused(void **state)
{
    static const struct {
        const char *key, *value;
    } changes[] = {
        {"format", "lakehouse.manifest/9"},
        {"dataset", "clients"},
        {"dataset_id", "6f2d1c1a-94d5-4f3b-8f1e-0b2d7e6a5c41"},
        {"version", "4"},
        {"version", "0"},
        {"parent", "1"},
        {"parent", "x"},
        {"created_at", "yesterday"},
        {"mode", "merge"},
        {"content_sha256", "abc"},
        {"fingerprint", sha},
        {"rows", "11"},
        {"size_bytes", "1"},
        {"rows_rejected", "-1"},
        {"commit_id", "none"},
        {"columns", "[]"},
        {"columns", "{}"},
        {"columns", "[{\"name\":\"id\"}]"},
        {"columns", "not json"},
        {"ingest_keys", "[1]"},
        {"ingest_keys", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        LH_AUTO(catalog_snapshot) *s = snapshot_make();
        LH_AUTO(catalog_snapshot) *back = NULL;
        LH_AUTO(lh_table) *t = table_make(s);
        LH_AUTO_ERROR(why);

        lh_table_meta_set(t, changes[i].key, lh_str_of(changes[i].value));
        if (catalog_manifest_from_table(t, LH_STR("workers"), 3, &back, &why) != LH_CORRUPT)
            fail_msg("%s=%s was taken", changes[i].key, changes[i].value);
        assert_true(lh_error_is(&why, "catalog.manifest"));
    }
}

static void
rows_that_break_a_rule_are_refused(void **state)
{
    static const struct {
        size_t column;
        const char *text; /* NULL: no value */
    } changes[] = {{0, NULL}, {0, "NO"}, {1, "/abs"}, {1, "a/../b"}, {1, "_data/workers/b.parquet"},
                   {2, "x"},  {2, NULL}, {1, NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        LH_AUTO(catalog_snapshot) *s = snapshot_make();
        LH_AUTO(catalog_snapshot) *back = NULL;
        LH_AUTO(lh_table) *t = table_make(s);

        lh_table_set_text(t, 0, changes[i].column, lh_str_of(changes[i].text));
        assert_int_equal(catalog_manifest_from_table(t, LH_STR("workers"), 3, &back, NULL),
                         LH_CORRUPT);
    }
}

static void
counts_must_be_counts(void **state)
{
    LH_AUTO(catalog_snapshot) *s = snapshot_make();
    LH_AUTO(catalog_snapshot) *back = NULL;
    LH_AUTO(lh_table) *t = table_make(s);

    (void)state;
    lh_table_set_i64(t, 0, 4, -100);
    assert_int_equal(catalog_manifest_from_table(t, LH_STR("workers"), 3, &back, NULL), LH_CORRUPT);
}

static void
what_breaks_a_rule_is_not_committed(void **state)
{
    static const struct lh_catalog_column twice[] = {{.name = "id", .type = "BIGINT"},
                                                     {.name = "ID", .type = "VARCHAR"}};
    LH_AUTO(catalog_snapshot) *s = snapshot_make();

    (void)state;
    s->shown.columns = twice;
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_INVALID);
    s->shown.columns = columns;
    s->shown.rows = 0;
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_INVALID);
    s->shown.rows = 10;
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_OK);
    s->shown.is_deleted = true;
    assert_int_equal(catalog_snapshot_check(s, NULL), LH_INVALID);
}

static void
keys_name_dataset_and_version(void **state)
{
    char text[CATALOG_KEY_TEXT];
    uint64_t version;
    lh_str dataset;

    (void)state;
    assert_string_equal(catalog_manifest_key(LH_STR("workers"), 12, text).ptr,
                        "_catalog/datasets/workers/0000000012.parquet");
    assert_true(catalog_manifest_key_parse(lh_str_of(text), &dataset, &version));
    assert_true(lh_str_eq(dataset, LH_STR("workers")));
    assert_int_equal(version, 12);
    assert_false(catalog_manifest_key_parse(LH_STR("_catalog/datasets/workers/12.parquet"),
                                            &dataset, &version));
    assert_false(catalog_manifest_key_parse(LH_STR("_catalog/datasets/w-x/0000000012.parquet"),
                                            &dataset, &version));
    assert_false(catalog_manifest_key_parse(LH_STR("_catalog/datasets/w/0000000000.parquet"),
                                            &dataset, &version));
    assert_false(catalog_manifest_key_parse(LH_STR("_catalog/meta/w.json"), &dataset, &version));
}

/* Fixed for ever: clients keep these ids. The fingerprint is SHA-256 of "id\x1fBIGINT\x1e". */
static void
ids_and_fingerprints_never_change(void **state)
{
    static const struct lh_catalog_column one[] = {{.name = "id", .type = "BIGINT"}};
    uint8_t digest[LH_SHA256_BYTES];
    char fingerprint[LH_SHA256_HEX], expected[LH_SHA256_HEX], id[LH_UUID_TEXT];

    (void)state;
    lh_sha256_of(lh_str_bytes(LH_STR("id\x1f"
                                     "BIGINT\x1e")),
                 digest);
    lh_catalog_fingerprint(one, 1, fingerprint);
    assert_string_equal(fingerprint, lh_sha256_hex(digest, expected));
    lh_uuid_format(catalog_name_id(LH_STR("workers")), id);
    assert_string_equal(id, "c3def130-a725-5c2d-a064-24840af32166");
    assert_int_equal(id[14], '5');
}

static void
names_follow_the_rule(void **state)
{
    static const char *const good[] = {"a", "_x", "Workers_2024", "select", NULL};
    static const char *const bad[] = {"",
                                      "2x",
                                      "a-b",
                                      "a.b",
                                      "größe",
                                      "pg_class",
                                      "DuckDB_tables",
                                      "information_schema",
                                      "sqlite_master",
                                      "pragma_x",
                                      NULL};

    (void)state;
    for (size_t i = 0; good[i] != NULL; i++)
        assert_int_equal(lh_catalog_name_check(lh_str_of(good[i]), NULL), LH_OK);
    for (size_t i = 0; bad[i] != NULL; i++)
        assert_int_equal(lh_catalog_name_check(lh_str_of(bad[i]), NULL), LH_INVALID);
    assert_int_equal(catalog_name_distance(LH_STR("Workers"), LH_STR("wokers"), 2), 1);
    assert_int_equal(catalog_name_distance(LH_STR("workers"), LH_STR("timesheets"), 2), 3);
    assert_int_equal(catalog_name_distance(LH_STR(""), LH_STR("ab"), 5), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_is_read_back_as_it_was_written),
        cmocka_unit_test(what_is_hidden_of_a_version_is_read_back_by_who_knows_of_it),
        cmocka_unit_test(rows_that_nothing_of_the_dataset_hides_are_refused),
        cmocka_unit_test(a_snapshot_travels_as_json),
        cmocka_unit_test(metadata_that_does_not_agree_is_refused),
        cmocka_unit_test(rows_that_break_a_rule_are_refused),
        cmocka_unit_test(counts_must_be_counts),
        cmocka_unit_test(what_breaks_a_rule_is_not_committed),
        cmocka_unit_test(keys_name_dataset_and_version),
        cmocka_unit_test(ids_and_fingerprints_never_change),
        cmocka_unit_test(names_follow_the_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
