/* catalogd behind its client and its routes: versions, gates, races, isolation, rehydration. */
#include "services/test_house.h"

#include <sys/wait.h>

#include "services/catalogd/manifest.h"

#define FAST "catalog.refresh_interval = \"50ms\"\njournal.refresh_interval = \"0\"\n"

static int
setup(void **state)
{
    *state = house_open(NULL, FAST);
    return 0;
}

static int
teardown(void **state)
{
    house_close_and_remove(*state);
    return 0;
}

/* ---- versions ---- */

static void
a_commit_is_read_back_as_it_was_made(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    LH_AUTO(lh_snapshot) *s = NULL;
    struct lh_catalog_file file = data_put(h, &arena, "workers", "one", 10);
    struct lh_catalog_commit w = wish("workers", 0, "replace", &file, 1);
    char fingerprint[LH_SHA256_HEX];

    w.ingest_key = "one";
    assert_ok(commit_try(h, &w, NULL, &err));
    assert_ok(snapshot_get(h, "workers", 0, &s, &err));
    lh_catalog_fingerprint(house_columns, 2, fingerprint);
    assert_string_equal(s->dataset, "workers");
    assert_int_equal(s->version, 1);
    assert_int_equal(s->parent, 0);
    assert_int_equal(s->rows, 10);
    assert_int_equal(s->size_bytes, file.size_bytes);
    assert_string_equal(s->fingerprint, fingerprint);
    assert_string_equal(s->mode, "replace");
    assert_int_equal(s->file_count, 1);
    assert_string_equal(s->files[0].key, file.key);
    assert_string_equal(s->files[0].sha256, file.sha256);
    assert_int_equal(s->ingest_key_count, 1);
    assert_string_equal(s->ingest_keys[0], "one");
    assert_string_equal(s->columns[0].max, "9");
    assert_null(s->columns[1].max);
    assert_false(s->is_deleted);
}

static void
an_old_version_stays_readable(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_snapshot) *old = NULL;
    LH_AUTO(lh_snapshot) *head = NULL;

    version_make(h, "workers", 0, "one", 10);
    version_make(h, "workers", 1, "two", 20);
    assert_ok(snapshot_get(h, "workers", 1, &old, &err));
    assert_ok(snapshot_get(h, "workers", 0, &head, &err));
    assert_int_equal(old->rows, 10);
    assert_int_equal(head->rows, 20);
    assert_int_equal(head->version, 2);
}

static void
a_stale_commit_is_refused(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, "workers", "late", 5);
    struct lh_catalog_commit first = wish("workers", 0, "replace", &file, 1);
    struct lh_catalog_commit ahead = wish("workers", 7, "replace", &file, 1);

    version_make(h, "workers", 0, "one", 10);
    assert_fails(commit_try(h, &first, NULL, &err), LH_CONFLICT, "catalog.version_taken");
    assert_fails(commit_try(h, &ahead, NULL, &err), LH_CONFLICT, "catalog.version_taken");
}

static void
a_commit_of_objects_that_are_not_there_is_refused(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, "workers", "one", 5);
    struct lh_catalog_commit w = wish("workers", 0, "replace", &file, 1);

    file.size_bytes++;
    assert_fails(commit_try(h, &w, NULL, &err), LH_INVALID, "catalog.object");
    file.size_bytes--;
    file.key = "_data/workers/none.parquet";
    assert_fails(commit_try(h, &w, NULL, &err), LH_INVALID, "catalog.object");
    file.key = "_data/clients/one.parquet";
    assert_fails(commit_try(h, &w, NULL, &err), LH_INVALID, "catalog.object");
    file.key = "../escape";
    assert_fails(commit_try(h, &w, NULL, &err), LH_INVALID, "store.key");
    w.dataset = "no good";
    assert_fails(commit_try(h, &w, NULL, &err), LH_INVALID, "catalog.name");
    w.dataset = "pg_tables";
    assert_fails(commit_try(h, &w, NULL, &err), LH_INVALID, "catalog.name");
}

static void
another_schema_is_refused_with_the_difference(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(drift);
    LH_AUTO_JSON extra = NULL;
    const struct lh_catalog_column columns[] = {{.name = "id", .type = "VARCHAR"},
                                                {.name = "state", .type = "VARCHAR"}};
    struct lh_catalog_file file = data_put(h, &arena, "workers", "two", 5);
    struct lh_catalog_commit w = wish("workers", 1, "replace", &file, 1);

    version_make(h, "workers", 0, "one", 10);
    w.columns = columns;
    assert_int_equal(commit_try(h, &w, NULL, &drift), LH_CONFLICT);
    assert_true(lh_error_is(&drift, "catalog.schema_drift"));
    extra = json_loads(drift.extra, 0, NULL);
    assert_string_equal(text_at(item_at(extra, "added", 0), "name"), "state");
    assert_string_equal(text_at(item_at(extra, "removed", 0), "name"), "city");
    assert_string_equal(text_at(item_at(extra, "retyped", 0), "from"), "BIGINT");
    assert_string_equal(text_at(item_at(extra, "retyped", 0), "to"), "VARCHAR");
    w.may_evolve = true;
    assert_ok(commit_try(h, &w, NULL, &err));
}

static void
an_unknown_dataset_is_answered_with_near_names(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_snapshot) *s = NULL;
    LH_AUTO_ERROR(unknown);
    LH_AUTO_JSON extra = NULL;

    version_make(h, "workers", 0, "one", 1);
    version_make(h, "clients", 0, "one", 1);
    assert_int_equal(snapshot_get(h, "Wokers", 0, &s, &unknown), LH_NOT_FOUND);
    assert_true(lh_error_is(&unknown, "catalog.unknown_dataset"));
    extra = json_loads(unknown.extra, 0, NULL);
    assert_int_equal(count_at(extra, "near"), 1);
    assert_string_equal(json_string_value(item_at(extra, "near", 0)), "workers");
    assert_fails(snapshot_get(h, "workers", 9, &s, &err), LH_NOT_FOUND, "catalog.unknown_version");
}

/* ---- hiding and rolling back ---- */

static void
a_deleted_dataset_is_hidden_until_it_is_rolled_back(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_snapshot) *s = NULL;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    ask(h, "catalogd", LH_DELETE, "/v1/catalog/datasets/workers", NULL, &r);
    assert_answered(&r);
    assert_int_equal(int_at(r.json, "version"), 2);
    assert_fails(snapshot_get(h, "workers", 0, &s, &err), LH_NOT_FOUND, "catalog.unknown_dataset");
    assert_fails(snapshot_get(h, "workers", 1, &s, &err), LH_NOT_FOUND, "catalog.unknown_dataset");
    ask(h, "catalogd", LH_DELETE, "/v1/catalog/datasets/workers", NULL, &r);
    assert_refused(&r, LH_NOT_FOUND, "catalog.unknown_dataset");
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets", NULL, &r);
    assert_int_equal(count_at(r.json, "datasets"), 0);
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets/workers/versions", NULL, &r);
    assert_int_equal(count_at(r.json, "versions"), 2);
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/rollback", "{\"version\":2}", &r);
    assert_refused(&r, LH_INVALID, "catalog.rollback");
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/rollback", "{\"version\":1}", &r);
    assert_answered(&r);
    assert_ok(snapshot_get(h, "workers", 0, &s, &err));
    assert_int_equal(s->version, 3);
    assert_int_equal(s->rows, 10);
}

static void
what_was_deleted_may_be_made_again_with_another_schema(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    const struct lh_catalog_column columns[] = {{.name = "other", .type = "VARCHAR"}};
    struct lh_catalog_file file = data_put(h, &arena, "workers", "new", 5);
    struct lh_catalog_commit w = wish("workers", 0, "replace", &file, 1);
    uint64_t version = 0;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    ask(h, "catalogd", LH_DELETE, "/v1/catalog/datasets/workers", NULL, &r);
    assert_answered(&r);
    w.columns = columns;
    w.column_count = 1;
    assert_ok(commit_try(h, &w, &version, &err));
    assert_int_equal(version, 3);
}

static void
a_rollback_is_a_new_version_of_the_old_objects(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_snapshot) *one = NULL;
    LH_AUTO(lh_snapshot) *head = NULL;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    version_make(h, "workers", 1, "two", 20);
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/rollback", "{\"version\":1}", &r);
    assert_answered(&r);
    assert_int_equal(r.http, 201);
    assert_int_equal(int_at(r.json, "version"), 3);
    assert_string_equal(text_at(r.json, "source"), "version 1");
    assert_ok(snapshot_get(h, "workers", 1, &one, &err));
    assert_ok(snapshot_get(h, "workers", 0, &head, &err));
    assert_string_equal(head->mode, "rollback");
    assert_string_equal(head->files[0].key, one->files[0].key);
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/rollback", "{\"version\":3}", &r);
    assert_answered(&r);
    assert_int_equal(r.http, 200);
    assert_true(json_is_true(json_object_get(r.json, "unchanged")));
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/rollback", "{\"version\":9}", &r);
    assert_refused(&r, LH_NOT_FOUND, "catalog.unknown_version");
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/rollback", "{\"verion\":1}", &r);
    assert_refused(&r, LH_INVALID, "request.field_unknown");
}

/* ---- lists and detail ---- */

static void
lists_come_in_pages(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    version_make(h, "a", 0, "one", 1);
    version_make(h, "b", 0, "one", 2);
    version_make(h, "c", 0, "one", 3);
    version_make(h, "c", 1, "two", 4);
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets?limit=2", NULL, &r);
    assert_int_equal(count_at(r.json, "datasets"), 2);
    assert_string_equal(text_at(r.json, "next_cursor"), "b");
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets?limit=2&cursor=b", NULL, &r);
    assert_int_equal(count_at(r.json, "datasets"), 1);
    assert_null(json_object_get(r.json, "next_cursor"));
    assert_int_equal(int_at(item_at(r.json, "datasets", 0), "rows"), 4);
    assert_int_equal(int_at(item_at(r.json, "datasets", 0), "columns"), 2);
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets/c/versions?limit=1", NULL, &r);
    assert_int_equal(int_at(item_at(r.json, "versions", 0), "version"), 2);
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets/c/versions?limit=1&cursor=2", NULL, &r);
    assert_int_equal(int_at(item_at(r.json, "versions", 0), "version"), 1);
    assert_true(json_is_null(json_object_get(item_at(r.json, "versions", 0), "parent")));
    assert_null(json_object_get(r.json, "next_cursor"));
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets?limit=0", NULL, &r);
    assert_refused(&r, LH_INVALID, "request.query");
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets?limt=1", NULL, &r);
    assert_refused(&r, LH_INVALID, "request.query_unknown");
    ask(h, "catalogd", LH_GET, "/internal/catalog/names", NULL, &r);
    assert_int_equal(json_array_size(r.json), 3);
}

static void
a_detail_tells_columns_objects_and_lineage(void **state)
{
    struct house *h = *state;
    const json_t *id, *city;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets/workers", NULL, &r);
    assert_answered(&r);
    id = item_at(r.json, "columns", 0);
    city = item_at(r.json, "columns", 1);
    assert_string_equal(text_at(id, "type"), "BIGINT");
    assert_string_equal(text_at(id, "max"), "9");
    assert_int_equal(int_at(city, "distinct_estimate"), 2);
    assert_int_equal(count_at(r.json, "objects"), 1);
    assert_int_equal(int_at(item_at(r.json, "objects", 0), "rows"), 10);
    assert_string_equal(text_at(json_object_get(r.json, "lineage"), "mode"), "replace");
    assert_string_equal(text_at(json_object_get(r.json, "lineage"), "source"), "test.csv");
    assert_string_equal(text_at(r.json, "description"), "");
}

/* ---- metadata ---- */

static void
metadata_is_patched_by_who_saw_the_newest(void **state)
{
    static const char path[] = "/v1/catalog/datasets/workers";
    struct house *h = *state;
    AUTO_REPLY(seen);
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    ask_if_match(h, LH_GET, path, NULL, NULL, &seen);
    ask_if_match(h, LH_PATCH, path, "{\"owner\":\"ana\",\"columns\":{\"id\":\"the number\"}}",
                 seen.etag, &r);
    assert_answered(&r);
    assert_string_equal(text_at(r.json, "owner"), "ana");
    assert_string_equal(text_at(item_at(r.json, "columns", 0), "description"), "the number");
    ask_if_match(h, LH_PATCH, path, "{\"owner\":\"bo\"}", seen.etag, &r);
    assert_refused(&r, LH_CONFLICT, "catalog.precondition");
    assert_int_equal(lh_problem_status(&r.err), 412);
    ask_if_match(h, LH_PATCH, path, "{\"tags\":[\"hr\",\"il\"],\"description\":\"people\"}", NULL,
                 &r);
    assert_answered(&r);
    assert_string_equal(text_at(r.json, "owner"), "ana");
    ask_if_match(h, LH_GET, path, NULL, NULL, &seen);
    ask_if_match(h, LH_PATCH, path, "{\"owner\":null}", seen.etag, &r);
    assert_string_equal(text_at(r.json, "owner"), "");
    assert_string_equal(text_at(r.json, "description"), "people");
    ask_if_match(h, LH_PATCH, path, "{\"colour\":\"red\"}", NULL, &r);
    assert_refused(&r, LH_INVALID, "request.field_unknown");
    ask_if_match(h, LH_PATCH, path, "{\"tags\":\"hr\"}", NULL, &r);
    assert_refused(&r, LH_INVALID, "request.field_type");
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets?tag=hr", NULL, &r);
    assert_int_equal(count_at(r.json, "datasets"), 1);
    ask(h, "catalogd", LH_GET, "/v1/catalog/datasets?tag=none", NULL, &r);
    assert_int_equal(count_at(r.json, "datasets"), 0);
    ask(h, "journald", LH_GET, "/v1/journal?entity=workers", NULL, &r);
    assert_string_equal(text_at(item_at(r.json, "events", 0), "action"), "dataset.described");
    assert_string_equal(text_at(json_object_get(item_at(r.json, "events", 0), "old"), "owner"),
                        "ana");
}

/* ---- the journal ---- */

static void
every_version_has_its_event(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    version_make(h, "workers", 1, "two", 20);
    ask(h, "journald", LH_GET, "/v1/journal?entity_type=dataset&entity=workers", NULL, &r);
    assert_answered(&r);
    assert_int_equal(count_at(r.json, "events"), 2);
    assert_string_equal(text_at(item_at(r.json, "events", 0), "action"), "version.committed");
    assert_int_equal(int_at(json_object_get(item_at(r.json, "events", 0), "new"), "version"), 2);
    assert_int_equal(int_at(json_object_get(item_at(r.json, "events", 0), "old"), "version"), 1);
    assert_true(json_is_null(json_object_get(item_at(r.json, "events", 1), "old")));
}

/* ---- isolation ---- */

static void
one_broken_manifest_hides_nothing_else(void **state)
{
    struct house *h = *state;
    struct house *again;
    LH_AUTO(lh_snapshot) *s = NULL;
    AUTO_REPLY(r);

    version_make(h, "broken", 0, "one", 1);
    version_make(h, "broken", 1, "two", 2);
    version_make(h, "workers", 0, "one", 10);
    object_write(h, "_catalog/datasets/broken/0000000002.parquet", "not a manifest");
    again = house_open(h->folder, FAST);
    ask(again, "catalogd", LH_GET, "/v1/catalog/datasets", NULL, &r);
    assert_answered(&r);
    assert_int_equal(count_at(r.json, "datasets"), 1);
    assert_string_equal(text_at(item_at(r.json, "datasets", 0), "name"), "workers");
    assert_string_equal(text_at(item_at(r.json, "broken", 0), "object"),
                        "_catalog/datasets/broken/0000000002.parquet");
    assert_ok(snapshot_get(again, "workers", 0, &s, &err));
    lh_snapshot_unref(lh_take(s));
    assert_fails(snapshot_get(again, "broken", 0, &s, &err), LH_CORRUPT, "catalog.manifest");
    assert_ok(snapshot_get(again, "broken", 1, &s, &err));
    assert_int_equal(s->rows, 1);
    ask(again, "catalogd", LH_GET, "/v1/catalog/datasets/broken", NULL, &r);
    assert_refused(&r, LH_CORRUPT, "catalog.manifest");
    assert_non_null(strstr(r.err.text, "_catalog/datasets/broken/0000000002.parquet"));
    ask(again, "journald", LH_GET, "/v1/errors?service=catalogd", NULL, &r);
    assert_int_equal(count_at(r.json, "errors"), 1);
    assert_string_equal(text_at(item_at(r.json, "errors", 0), "code"), "catalog.manifest");
    assert_string_equal(text_at(item_at(r.json, "errors", 0), "object"),
                        "_catalog/datasets/broken/0000000002.parquet");
    assert_int_equal(int_at(item_at(r.json, "errors", 0), "count"), 1);
    ask(again, "catalogd", LH_POST, "/v1/catalog/datasets/broken/rollback", "{\"version\":1}", &r);
    assert_answered(&r);
    assert_int_equal(int_at(r.json, "version"), 3);
    house_close(again);
}

static void
a_manifest_under_another_name_is_refused(void **state)
{
    struct house *h = *state;
    struct house *again;
    LH_AUTO(lh_snapshot) *s = NULL;
    LH_AUTO_BUF(bytes, LH_BUF_UNLIMITED);
    struct lh_call call;

    version_make(h, "workers", 0, "one", 10);
    lh_call_init(&call);
    assert_ok(lh_object_get(lh_store_primary(h->store), &call,
                            LH_STR("_catalog/datasets/workers/0000000001.parquet"), &bytes, NULL,
                            &err));
    assert_ok(lh_object_put(lh_store_primary(h->store), &call,
                            LH_STR("_catalog/datasets/clients/0000000001.parquet"),
                            lh_buf_bytes(&bytes), NULL, NULL, &err));
    assert_ok(lh_object_put(lh_store_primary(h->store), &call,
                            LH_STR("_catalog/datasets/workers/0000000002.parquet"),
                            lh_buf_bytes(&bytes), NULL, NULL, &err));
    lh_call_fini(&call);
    again = house_open(h->folder, FAST);
    assert_fails(snapshot_get(again, "clients", 0, &s, &err), LH_CORRUPT, "catalog.manifest");
    assert_fails(snapshot_get(again, "workers", 0, &s, &err), LH_CORRUPT, "catalog.manifest");
    assert_ok(snapshot_get(again, "workers", 1, &s, &err));
    house_close(again);
}

/* ---- other processes ---- */

static void
a_house_with_an_empty_disk_knows_everything_from_the_bucket(void **state)
{
    struct house *h = *state;
    struct house *again;
    LH_AUTO(lh_snapshot) *s = NULL;
    AUTO_REPLY(r);

    for (unsigned i = 0; i < 20; i++) {
        char name[16];

        snprintf(name, sizeof(name), "d%02u", i);
        version_make(h, name, 0, "one", i);
        version_make(h, name, 1, "two", i * 2);
    }
    again = house_open(h->folder, FAST);
    ask(again, "catalogd", LH_GET, "/v1/catalog/datasets", NULL, &r);
    assert_int_equal(count_at(r.json, "datasets"), 20);
    assert_int_equal(int_at(item_at(r.json, "datasets", 19), "rows"), 38);
    assert_ok(snapshot_get(again, "d07", 1, &s, &err));
    assert_int_equal(s->rows, 7);
    ask(again, "journald", LH_GET, "/v1/journal?limit=1000", NULL, &r);
    assert_int_equal(count_at(r.json, "events"), 40);
    house_close(again);
}

static void
a_version_of_another_process_is_found(void **state)
{
    struct house *h = *state;
    struct house *other = house_open(h->folder, FAST);
    LH_AUTO(lh_snapshot) *s = NULL;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file;
    struct lh_catalog_commit w;

    version_make(h, "workers", 0, "one", 10);
    assert_ok(snapshot_get(other, "workers", 1, &s, &err));
    lh_snapshot_unref(lh_take(s));
    version_make(h, "workers", 1, "two", 20);
    file = data_put(other, &arena, "workers", "three", 30);
    w = wish("workers", 1, "replace", &file, 1);
    assert_fails(commit_try(other, &w, NULL, &err), LH_CONFLICT, "catalog.version_taken");
    assert_ok(snapshot_get(other, "workers", 0, &s, &err));
    assert_int_equal(s->version, 2);
    house_close(other);
}

/* ---- races ---- */

enum { RACERS = 4, RACE_VERSIONS = 8 };

struct racer {
    struct house *h;
    unsigned number, won;
};

/* Makes versions on whatever the head is until there are enough, and counts its own. */
static void *
racer_run(void *arg)
{
    struct racer *r = arg;

    for (unsigned i = 0;; i++) {
        LH_AUTO_ARENA(arena);
        LH_AUTO_ERROR(why);
        LH_AUTO(lh_snapshot) *s = NULL;
        struct lh_catalog_file file;
        struct lh_catalog_commit w;
        char name[32];
        lh_status status = snapshot_get(r->h, "race", 0, &s, NULL);
        uint64_t head = status == LH_OK ? s->version : 0;

        if (head >= RACE_VERSIONS)
            return NULL;
        snprintf(name, sizeof(name), "r%u-%u", r->number, i);
        file = data_put(r->h, &arena, "race", name, 1);
        w = wish("race", head, "replace", &file, 1);
        w.ingest_key = file.ingest_key;
        status = commit_try(r->h, &w, NULL, &why);
        if (status == LH_OK)
            r->won++;
        else if (status != LH_CONFLICT)
            fail_msg("%s: %s", why.reason, why.text);
    }
}

static void
race_check(struct house *h, unsigned won)
{
    LH_AUTO(lh_snapshot) *head = NULL;
    AUTO_REPLY(r);

    assert_ok(snapshot_get(h, "race", 0, &head, &err));
    assert_int_equal(won, head->version);
    for (uint64_t v = 1; v <= head->version; v++) {
        LH_AUTO(lh_snapshot) *s = NULL;

        assert_ok(snapshot_get(h, "race", v, &s, &err));
        assert_int_equal(s->parent, v - 1);
    }
    ask(h, "journald", LH_GET, "/v1/journal?entity=race&limit=1000", NULL, &r);
    assert_answered(&r);
    assert_int_equal(count_at(r.json, "events"), head->version);
}

static void
each_version_has_one_winner_among_threads(void **state)
{
    struct house *h = *state;
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    unsigned won = 0;

    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.h = h, .number = i};
        assert_ok(lh_thread_start(&threads[i], "racer", racer_run, &racers[i], &err));
    }
    for (unsigned i = 0; i < RACERS; i++) {
        lh_thread_join(threads[i]);
        won += racers[i].won;
    }
    race_check(h, won);
}

/* What this program does when it is started with a folder and a number: race, and say by its exit
 * status how often it won. */
static int
child_race(const char *folder, const char *number)
{
    struct racer r = {.h = house_open(folder, FAST), .number = (unsigned)atoi(number)};

    racer_run(&r);
    house_close(r.h);
    return (int)r.won;
}

static void
each_version_has_one_winner_among_processes(void **state)
{
    struct house *h = *state, *again;
    pid_t children[3];
    unsigned won = 0;

    for (unsigned i = 0; i < 3; i++) {
        char number[8];

        snprintf(number, sizeof(number), "%u", i);
        children[i] = house_child_start(h->folder, number);
    }
    for (unsigned i = 0; i < 3; i++) {
        int status;

        waitpid(children[i], &status, 0);
        assert_true(WIFEXITED(status));
        won += (unsigned)WEXITSTATUS(status);
    }
    again = house_open(h->folder, FAST);
    race_check(again, won);
    house_close(again);
}

/* ---- crashes ---- */

/* A version whose process died before its event, as the bucket shows it: the manifest alone. */
static void
events_forget(const char *folder)
{
    LH_AUTO_CHARS path = lh_asprintf("%s/primary/_journal", folder);

    assert_ok(lh_dir_remove_tree(path, &err));
}

static void
a_version_without_its_event_gets_it_at_the_next_start(void **state)
{
    struct house *h = house_open(NULL, FAST);
    char folder[80];
    AUTO_REPLY(r);

    (void)state;
    snprintf(folder, sizeof(folder), "%s", h->folder);
    version_make(h, "workers", 0, "one", 10);
    version_make(h, "workers", 1, "two", 20);
    house_close(h);
    events_forget(folder);
    h = house_open(folder, FAST);
    for (int i = 0; i < 200; i++) {
        ask(h, "journald", LH_GET, "/v1/journal?entity=workers", NULL, &r);
        if (count_at(r.json, "events") == 2)
            break;
        usleep(20000);
    }
    assert_int_equal(count_at(r.json, "events"), 2);
    assert_string_equal(text_at(item_at(r.json, "events", 0), "source"), "recovered");
    assert_int_equal(int_at(json_object_get(item_at(r.json, "events", 0), "new"), "version"), 2);
    house_close_and_remove(h);
}

static void
the_same_commit_sent_twice_makes_one_version(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, "workers", "one", 1);
    const char *body = lh_arena_printf(
        &arena,
        "{\"dataset\":\"workers\",\"commit_id\":\"6f2d1c1a-94d5-4f3b-8f1e-0b2d7e6a5c41\","
        "\"expected_head\":0,\"mode\":\"replace\",\"columns\":[{\"name\":\"id\",\"type\":"
        "\"BIGINT\"}],"
        "\"files\":[{\"bucket\":\"primary\",\"key\":\"%s\",\"sha256\":\"%s\",\"size_bytes\":%llu,"
        "\"rows\":1}]}",
        file.key, file.sha256, (unsigned long long)file.size_bytes);
    AUTO_REPLY(r);

    ask(h, "catalogd", LH_POST, "/internal/catalog/commit", body, &r);
    assert_answered(&r);
    ask(h, "catalogd", LH_POST, "/internal/catalog/commit", body, &r);
    assert_answered(&r);
    assert_int_equal(int_at(r.json, "version"), 1);
    ask(h, "journald", LH_GET, "/v1/journal?entity=workers", NULL, &r);
    assert_int_equal(count_at(r.json, "events"), 1);
}

/* ---- resync ---- */

static void
a_resync_puts_wrong_counts_right(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    LH_AUTO(lh_snapshot) *s = NULL;
    struct lh_catalog_file file = data_put(h, &arena, "workers", "one", 10);
    struct lh_catalog_commit w = wish("workers", 0, "replace", &file, 1);
    AUTO_REPLY(r);

    file.rows = 12;
    assert_ok(commit_try(h, &w, NULL, &err));
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/resync", NULL, &r);
    assert_answered(&r);
    assert_true(json_is_true(json_object_get(r.json, "committed")));
    assert_true(count_at(r.json, "differences") >= 1);
    assert_string_equal(text_at(item_at(r.json, "differences", 0), "what"), "rows");
    assert_ok(snapshot_get(h, "workers", 0, &s, &err));
    assert_int_equal(s->version, 2);
    assert_int_equal(s->rows, 10);
    assert_string_equal(s->mode, "resync");
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/resync", NULL, &r);
    assert_answered(&r);
    assert_int_equal(count_at(r.json, "differences"), 0);
    assert_true(json_is_false(json_object_get(r.json, "committed")));
}

/* ---- speed ---- */

static void
a_hundred_datasets_start_quickly(void **state)
{
    struct house *h = *state, *again;
    int64_t began, started, listed;
    AUTO_REPLY(r);

    for (unsigned i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "d%03u", i);
        version_make(h, name, 0, "one", 1);
    }
    began = lh_time_mono_ns();
    again = house_open(h->folder, FAST);
    started = lh_time_mono_ns();
    ask(again, "catalogd", LH_GET, "/v1/catalog/datasets", NULL, &r);
    listed = lh_time_mono_ns();
    assert_int_equal(count_at(r.json, "datasets"), 100);
    print_message("100 datasets: open %.1f ms, first list %.1f ms\n",
                  (double)(started - began) / 1e6, (double)(listed - started) / 1e6);
    house_close(again);
}

static void
an_unchanged_head_costs_little(void **state)
{
    struct house *h = *state;
    int64_t began;
    enum { ROUNDS = 5000 };

    version_make(h, "workers", 0, "one", 10);
    began = lh_time_mono_ns();
    for (int i = 0; i < ROUNDS; i++) {
        LH_AUTO(lh_snapshot) *s = NULL;

        assert_ok(snapshot_get(h, "workers", 0, &s, &err));
    }
    print_message("snapshot of an unchanged head: %.1f us\n",
                  (double)(lh_time_mono_ns() - began) / 1000.0 / ROUNDS);
}

#define in_a_house(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        in_a_house(a_commit_is_read_back_as_it_was_made),
        in_a_house(an_old_version_stays_readable),
        in_a_house(a_stale_commit_is_refused),
        in_a_house(a_commit_of_objects_that_are_not_there_is_refused),
        in_a_house(another_schema_is_refused_with_the_difference),
        in_a_house(an_unknown_dataset_is_answered_with_near_names),
        in_a_house(a_deleted_dataset_is_hidden_until_it_is_rolled_back),
        in_a_house(what_was_deleted_may_be_made_again_with_another_schema),
        in_a_house(a_rollback_is_a_new_version_of_the_old_objects),
        in_a_house(lists_come_in_pages),
        in_a_house(a_detail_tells_columns_objects_and_lineage),
        in_a_house(metadata_is_patched_by_who_saw_the_newest),
        in_a_house(every_version_has_its_event),
        in_a_house(one_broken_manifest_hides_nothing_else),
        in_a_house(a_manifest_under_another_name_is_refused),
        in_a_house(a_house_with_an_empty_disk_knows_everything_from_the_bucket),
        in_a_house(a_version_of_another_process_is_found),
        in_a_house(each_version_has_one_winner_among_threads),
        in_a_house(each_version_has_one_winner_among_processes),
        cmocka_unit_test(a_version_without_its_event_gets_it_at_the_next_start),
        in_a_house(the_same_commit_sent_twice_makes_one_version),
        in_a_house(a_resync_puts_wrong_counts_right),
        in_a_house(an_unchanged_head_costs_little),
        in_a_house(a_hundred_datasets_start_quickly),
    };

    if (argc == 3)
        return child_race(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
