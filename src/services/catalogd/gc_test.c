/* Collection: takes what no version and no writer names, in the end all of it, and nothing else
 * ever. */
#include "services/test_house.h"

#include <stdatomic.h>

#define FAST "catalog.refresh_interval = \"50ms\"\njournal.refresh_interval = \"0\"\n"
#define ALL "{\"dry_run\":false,\"older_than_s\":0}"

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

static void
collect(struct house *h, const char *body, struct reply *r)
{
    ask(h, "catalogd", LH_POST, "/v1/catalog/gc", body, r);
    assert_answered(r);
}

static void
orphan_put(struct house *h, const char *dataset, const char *name)
{
    LH_AUTO_ARENA(arena);

    (void)data_put(h, &arena, dataset, name, 1);
}

static void
an_orphan_goes_and_what_a_version_names_stays(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    version_make(h, "workers", 1, "two", 20);
    orphan_put(h, "workers", "left");
    orphan_put(h, "never", "left");
    collect(h, ALL, &r);
    assert_int_equal(int_at(r.json, "removed_objects"), 2);
    assert_int_equal(count_at(r.json, "removed"), 2);
    assert_string_equal(text_at(item_at(r.json, "removed", 0), "key"),
                        "_data/workers/left.parquet");
    assert_true(int_at(r.json, "bytes") > 0);
    assert_int_equal(int_at(json_object_get(r.json, "kept"), "reachable"), 2);
    assert_false(object_exists(h, "_data/workers/left.parquet"));
    assert_false(object_exists(h, "_data/never/left.parquet"));
    assert_true(object_exists(h, "_data/workers/one.parquet"));
    assert_true(object_exists(h, "_data/workers/two.parquet"));
    ask(h, "journald", LH_GET, "/v1/journal?entity_type=catalog", NULL, &r);
    assert_string_equal(text_at(item_at(r.json, "events", 0), "action"), "catalog.collected");
}

static void
a_dry_run_removes_nothing_and_is_what_one_gets_without_asking(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    orphan_put(h, "workers", "left");
    collect(h, "{\"older_than_s\":0}", &r);
    assert_true(json_is_true(json_object_get(r.json, "dry_run")));
    assert_int_equal(count_at(r.json, "removed"), 1);
    assert_true(object_exists(h, "_data/workers/left.parquet"));
    collect(h, "{\"dry_run\":false}", &r);
    assert_int_equal(count_at(r.json, "removed"), 0);
    assert_int_equal(int_at(json_object_get(r.json, "kept"), "young"), 1);
    ask(h, "catalogd", LH_POST, "/v1/catalog/gc", "{\"keep_versions\":0}", &r);
    assert_refused(&r, LH_INVALID, "request.field_type");
    ask(h, "catalogd", LH_POST, "/v1/catalog/gc", "{\"dryrun\":true}", &r);
    assert_refused(&r, LH_INVALID, "request.field_unknown");
}

static void
a_living_writer_is_spared_wherever_it_was_announced(void **state)
{
    struct house *h = *state;
    struct house *other;
    struct lh_call call;
    char writer[37];
    AUTO_REPLY(r);

    lh_call_init(&call);
    assert_ok(lh_catalog_writer_begin(h->client, &call, LH_STR("workers"), writer, &err));
    orphan_put(h, "workers", "coming");
    orphan_put(h, "clients", "left");
    other = house_open(h->folder, FAST);
    collect(other, ALL, &r);
    assert_string_equal(text_at(item_at(r.json, "refused", 0), "dataset"), "workers");
    assert_true(object_exists(h, "_data/workers/coming.parquet"));
    assert_false(object_exists(h, "_data/clients/left.parquet"));
    lh_catalog_writer_end(h->client, &call, writer);
    collect(other, ALL, &r);
    assert_int_equal(count_at(r.json, "refused"), 0);
    assert_false(object_exists(h, "_data/workers/coming.parquet"));
    house_close(other);
    lh_call_fini(&call);
}

static void
a_writer_that_died_expires(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    orphan_put(h, "workers", "left");
    object_write(h, "_catalog/writers/6f2d1c1a-94d5-4f3b-8f1e-0b2d7e6a5c41.json",
                 "{\"dataset\":\"workers\",\"expires_at\":\"2020-01-01T00:00:00Z\"}");
    collect(h, ALL, &r);
    assert_false(object_exists(h, "_data/workers/left.parquet"));
    assert_false(object_exists(h, "_catalog/writers/6f2d1c1a-94d5-4f3b-8f1e-0b2d7e6a5c41.json"));
}

static void
a_commit_of_an_expired_writer_is_refused(void **state)
{
    struct house *h = *state;
    LH_AUTO_ARENA(arena);
    struct lh_catalog_file file = data_put(h, &arena, "workers", "one", 1);
    struct lh_catalog_commit w = wish("workers", 0, "replace", &file, 1);

    w.writer_id = "6f2d1c1a-94d5-4f3b-8f1e-0b2d7e6a5c41";
    assert_fails(commit_try(h, &w, NULL, &err), LH_CONFLICT, "catalog.writer_expired");
}

static void
a_dataset_with_a_broken_manifest_is_left_alone(void **state)
{
    struct house *h = *state;
    struct house *again;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    version_make(h, "workers", 1, "two", 20);
    version_make(h, "clients", 0, "one", 10);
    orphan_put(h, "workers", "left");
    orphan_put(h, "clients", "left");
    object_write(h, "_catalog/datasets/workers/0000000001.parquet", "broken");
    again = house_open(h->folder, FAST);
    collect(again, ALL, &r);
    assert_int_equal(count_at(r.json, "refused"), 1);
    assert_true(object_exists(h, "_data/workers/one.parquet"));
    assert_true(object_exists(h, "_data/workers/left.parquet"));
    assert_false(object_exists(h, "_data/clients/left.parquet"));
    house_close(again);
}

static void
old_versions_expire_but_never_the_head(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_snapshot) *s = NULL;
    AUTO_REPLY(r);

    for (uint64_t v = 0; v < 4; v++) {
        char name[16];

        snprintf(name, sizeof(name), "n%llu", (unsigned long long)v);
        version_make(h, "workers", v, name, v + 1);
        assert_ok(snapshot_get(h, "workers", v + 1, &s, &err));
        lh_snapshot_unref(lh_take(s));
    }
    ask(h, "catalogd", LH_POST, "/v1/catalog/datasets/workers/rollback", "{\"version\":1}", &r);
    assert_answered(&r);
    collect(h, "{\"dry_run\":false,\"older_than_s\":0,\"keep_versions\":2}", &r);
    assert_int_equal(int_at(r.json, "removed_versions"), 3);
    assert_int_equal(int_at(r.json, "removed_objects"), 2);
    assert_true(object_exists(h, "_data/workers/n0.parquet"));
    assert_false(object_exists(h, "_data/workers/n1.parquet"));
    assert_true(object_exists(h, "_data/workers/n3.parquet"));
    assert_fails(snapshot_get(h, "workers", 2, &s, &err), LH_NOT_FOUND,
                 "catalog.version_collected");
    assert_ok(snapshot_get(h, "workers", 0, &s, &err));
    assert_int_equal(s->version, 5);
    assert_int_equal(s->rows, 1);
    version_make(h, "workers", 5, "n5", 6);
}

static void
a_hidden_dataset_goes_when_its_versions_do(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    version_make(h, "workers", 0, "one", 10);
    ask(h, "catalogd", LH_DELETE, "/v1/catalog/datasets/workers", NULL, &r);
    assert_answered(&r);
    collect(h, ALL, &r);
    assert_true(object_exists(h, "_data/workers/one.parquet"));
    collect(h, "{\"dry_run\":false,\"older_than_s\":0,\"keep_versions\":1}", &r);
    assert_false(object_exists(h, "_data/workers/one.parquet"));
    version_make(h, "workers", 2, "two", 5);
}

/* ---- random histories beside a collector ---- */

enum { WRITERS = 3, STEPS = 12 };

struct worker {
    struct house *h;
    unsigned number;
};

static void
named_objects_check(struct house *h, const char *dataset, uint64_t version)
{
    LH_AUTO(lh_snapshot) *s = NULL;

    if (snapshot_get(h, dataset, version, &s, NULL) != LH_OK)
        return;
    for (size_t i = 0; i < s->file_count; i++)
        assert_true(object_exists(h, s->files[i].key));
}

/* Announce, put, perhaps walk away, else append to whatever the head is; every third time give the
 * same object again, as a retry of an ingest does. */
static void
history_step(struct worker *w, unsigned step)
{
    const char *dataset = lh_random_u64() % 2 ? "left" : "right";
    LH_AUTO_ARENA(arena);
    LH_AUTO(lh_snapshot) *head = NULL;
    LH_AUTO_ERROR(why);
    struct lh_catalog_file files[64];
    struct lh_catalog_commit wanted;
    struct lh_call call;
    char writer[37], name[32];
    size_t count = 0;

    snprintf(name, sizeof(name), "w%u-%u", w->number, step % 3 ? step : step / 2);
    lh_call_init(&call);
    assert_ok(lh_catalog_writer_begin(w->h->client, &call, lh_str_of(dataset), writer, &err));
    files[count++] = data_put(w->h, &arena, dataset, name, 1);
    for (int tries = 0; lh_random_u64() % 4 != 0 && tries < 10; tries++) {
        lh_status status = snapshot_get(w->h, dataset, 0, &head, NULL);

        count = 1;
        for (size_t i = 0; status == LH_OK && i < head->file_count && count < 60; i++)
            if (strcmp(head->files[i].key, files[0].key) != 0)
                files[count++] = head->files[i];
        wanted = wish(dataset, status == LH_OK ? head->version : 0, "append", files, count);
        wanted.writer_id = writer;
        status = commit_try(w->h, &wanted, NULL, &why);
        lh_snapshot_unref(lh_take(head));
        if (status == LH_OK)
            break;
        assert_true(lh_error_is(&why, "catalog.version_taken"));
    }
    named_objects_check(w->h, dataset, 0);
    lh_catalog_writer_end(w->h->client, &call, writer);
    lh_call_fini(&call);
}

static void *
history_run(void *arg)
{
    for (unsigned i = 0; i < STEPS; i++)
        history_step(arg, i);
    return NULL;
}

struct collector {
    struct house *h;
    atomic_bool is_over;
};

static void *
collector_run(void *arg)
{
    struct collector *c = arg;

    while (!atomic_load(&c->is_over)) {
        AUTO_REPLY(r);

        collect(c->h, ALL, &r);
    }
    return NULL;
}

/* Every object of every version is there, and after a last run nothing else is. */
static void
end_check(struct house *h, const char *dataset)
{
    LH_AUTO(lh_snapshot) *head = NULL;
    AUTO_REPLY(r);

    if (snapshot_get(h, dataset, 0, &head, NULL) != LH_OK)
        return;
    for (uint64_t v = 1; v <= head->version; v++)
        named_objects_check(h, dataset, v);
    collect(h, "{\"dry_run\":true,\"older_than_s\":0}", &r);
    assert_int_equal(count_at(r.json, "removed"), 0);
    assert_int_equal(count_at(r.json, "refused"), 0);
}

static void
random_histories_beside_a_collector_lose_nothing(void **state)
{
    struct house *h = *state;
    struct collector collector = {.h = house_open(h->folder, FAST)};
    struct worker workers[WRITERS];
    pthread_t threads[WRITERS], collecting;
    AUTO_REPLY(r);

    assert_ok(lh_thread_start(&collecting, "collector", collector_run, &collector, &err));
    for (unsigned i = 0; i < WRITERS; i++) {
        workers[i] = (struct worker){.h = h, .number = i};
        assert_ok(lh_thread_start(&threads[i], "history", history_run, &workers[i], &err));
    }
    for (unsigned i = 0; i < WRITERS; i++)
        lh_thread_join(threads[i]);
    atomic_store(&collector.is_over, true);
    lh_thread_join(collecting);
    collect(h, ALL, &r);
    assert_int_equal(count_at(r.json, "refused"), 0);
    end_check(h, "left");
    end_check(h, "right");
    house_close(collector.h);
}

#define in_a_house(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        in_a_house(an_orphan_goes_and_what_a_version_names_stays),
        in_a_house(a_dry_run_removes_nothing_and_is_what_one_gets_without_asking),
        in_a_house(a_living_writer_is_spared_wherever_it_was_announced),
        in_a_house(a_writer_that_died_expires),
        in_a_house(a_commit_of_an_expired_writer_is_refused),
        in_a_house(a_dataset_with_a_broken_manifest_is_left_alone),
        in_a_house(old_versions_expire_but_never_the_head),
        in_a_house(a_hidden_dataset_goes_when_its_versions_do),
        in_a_house(random_histories_beside_a_collector_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
