#include "store/fixture_faulty.h"
#include "store/replicate_parts.h"

/* A bucket that fails as told, and a rescue bucket beside it. */
struct scene {
    struct fixture *f;
    struct faulty *source;
    struct lh_bucket *rescue;
    char rescue_root[90];
    struct rescue_hub hub;
    unsigned told;
    char told_reason[LH_ERROR_REASON_MAX], told_key[100];
};

static void
listen(void *self, struct lh_call *call, const struct lh_rescue *told)
{
    struct scene *s = self;

    (void)call;
    assert_string_equal(told->bucket, "source");
    assert_string_equal(told->rescue, "spare");
    (void)lh_str_copy(s->told_reason, sizeof(s->told_reason), lh_str_of(told->reason));
    (void)lh_str_copy(s->told_key, sizeof(s->told_key), told->key);
    s->told++;
}

static int
scene_setup(void **state)
{
    struct scene *s = LH_NEW(struct scene);
    struct local_bucket_options o;

    fixture_setup((void **)&s->f);
    (void)snprintf(s->rescue_root, sizeof(s->rescue_root), "%s/spare", s->f->folder);
    o = (struct local_bucket_options){
        .name = "spare", .root = s->rescue_root, .limits = &s->f->limits, .proven = s->f->proven};
    must(local_bucket_open(&o, &s->rescue, &err));
    s->rescue->is_rescue = true;
    s->source = faulty_new(s->f, "source");
    s->hub = (struct rescue_hub){.after_ms = 50,
                                 .failures_max = 3,
                                 .reset_ms = 3600000,
                                 .listener = listen,
                                 .listener_self = s};
    atomic_store(&s->hub.rescue, s->rescue);
    s->source->base.rescue = bucket_rescue_new(&s->hub, &s->source->base);
    *state = s;
    return 0;
}

static int
scene_teardown(void **state)
{
    struct scene *s = *state;

    bucket_free(&s->source->base);
    bucket_free(s->rescue);
    fixture_teardown((void **)&s->f);
    free(s);
    return 0;
}

/* ---- shorthand ---- */

static void
put(struct scene *s, const char *key, const char *text)
{
    must(lh_object_put(&s->source->base, &s->f->call, lh_str_of(key), lh_str_bytes(lh_str_of(text)),
                       NULL, NULL, &err));
}

/* As replication does, with a list of just these keys (ascending). */
static void
copy(struct scene *s, const char *const *keys)
{
    struct replicate_pace pace;
    LH_AUTO_BUF(list, 1 << 20);
    LH_AUTO(lh_upload) *u = NULL;
    char index[LH_KEY_MAX + 1];

    replicate_pace_init(&pace, 0);
    for (; *keys; keys++) {
        struct replica_entry e;
        uint64_t bytes;
        must(replicate_copy(&s->source->base, s->rescue, &s->f->call, &pace, lh_str_of(*keys), &e,
                            &bytes, &err));
        replica_entry_print(&e, &list);
    }
    replicate_pace_fini(&pace);
    replica_index_key("source", REPLICA_DATA, index);
    must(bucket_upload_begin(s->rescue, &s->f->call, lh_str_of(index), NULL, &u, &err));
    must(lh_upload_write(u, lh_buf_bytes(&list), &err));
    must(lh_upload_commit(u, NULL, &err));
}

static lh_status
get(struct scene *s, const char *key, struct lh_buf *out, struct lh_object_info *info,
    struct lh_error *err)
{
    lh_buf_clear(out);
    atomic_store(&s->f->call.rescued_by, NULL);
    return lh_object_get(&s->source->base, &s->f->call, lh_str_of(key), out, info, err);
}

static void
assert_got(struct scene *s, const char *key, const char *text, bool is_rescued)
{
    LH_AUTO_BUF(out, 1 << 20);

    must(get(s, key, &out, NULL, &err));
    assert_string_equal(lh_buf_cstr(&out), text);
    assert_int_equal(atomic_load(&s->f->call.rescued_by) != NULL, is_rescued);
}

static void
fail_with(struct scene *s, lh_status status)
{
    atomic_store(&s->source->fails_with, (int)status);
}

/* ---- tests ---- */

static void
while_the_bucket_works_nobody_is_rescued(void **state)
{
    struct scene *s = *state;

    put(s, "k", "value");
    copy(s, (const char *const[]){"k", NULL});
    assert_got(s, "k", "value", false);
    assert_int_equal(s->told, 0);
}

static void
each_failure_of_a_bucket_is_answered_by_the_copy_under_the_name_of_the_original(void **state)
{
    static const lh_status failures[] = {LH_UNAVAILABLE, LH_IO, LH_CORRUPT, LH_TIMEOUT};
    struct scene *s = *state;
    struct lh_object_info original, rescued, head;
    LH_AUTO_BUF(out, 1 << 20);

    put(s, "a/b", "value");
    put(s, "other", "x");
    copy(s, (const char *const[]){"a/b", "other", NULL});
    must(lh_object_head(&s->source->base, &s->f->call, LH_STR("a/b"), &original, &err));
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        fail_with(s, failures[i]);
        must(get(s, "a/b", &out, &rescued, &err));
        assert_string_equal(lh_buf_cstr(&out), "value");
        assert_string_equal(rescued.etag, original.etag);
        assert_string_equal(rescued.sha256, original.sha256);
        assert_int_equal(rescued.modified_us, original.modified_us);
        assert_string_equal(atomic_load(&s->f->call.rescued_by), "spare");
        must(lh_object_head(&s->source->base, &s->f->call, LH_STR("a/b"), &head, &err));
        assert_string_equal(head.etag, original.etag);
        store_breaker_good(&s->source->base.rescue->breaker);
    }
    assert_string_equal(s->told_key, "a/b");
    assert_string_equal(s->told_reason, "test.fault");
    assert_true(s->told >= 8);
}

static void
what_is_not_copied_fails_as_it_did(void **state)
{
    struct scene *s = *state;
    LH_AUTO_BUF(out, 1 << 20);

    put(s, "k", "value");
    put(s, "late", "value");
    copy(s, (const char *const[]){"k", NULL});
    fail_with(s, LH_UNAVAILABLE);
    must_fail(get(s, "late", &out, NULL, &err), LH_UNAVAILABLE, "test.fault");
    assert_int_equal(s->told, 0);
}

static void
an_object_that_is_not_there_is_an_answer(void **state)
{
    struct scene *s = *state;
    LH_AUTO_BUF(out, 1 << 20);

    put(s, "k", "value");
    copy(s, (const char *const[]){"k", NULL});
    must(lh_object_delete(&s->source->base, &s->f->call, LH_STR("k"), NULL, &err));
    must_fail(get(s, "k", &out, NULL, &err), LH_NOT_FOUND, "store.no_object");
    assert_int_equal(s->told, 0);
}

static void
an_open_reader_goes_on_with_the_copy_of_the_very_object_it_has(void **state)
{
    struct scene *s = *state;
    LH_AUTO(lh_reader_at) *same = NULL;
    LH_AUTO(lh_reader_at) *newer = NULL;
    char got[6] = "";

    put(s, "k", "first");
    copy(s, (const char *const[]){"k", NULL});
    must(lh_object_open(&s->source->base, &s->f->call, LH_STR("k"), &same, NULL, &err));
    put(s, "k", "other");
    must(lh_object_open(&s->source->base, &s->f->call, LH_STR("k"), &newer, NULL, &err));
    fail_with(s, LH_IO);
    must(lh_reader_at_read(same, &s->f->call, 1, got, 4, &err));
    assert_string_equal(got, "irst");
    must_fail(lh_reader_at_read(newer, &s->f->call, 1, got, 4, &err), LH_IO, "test.fault");
}

static void
a_copy_that_was_changed_or_damaged_stands_in_for_nothing(void **state)
{
    struct scene *s = *state;
    LH_AUTO_BUF(out, 1 << 20);
    LH_AUTO(lh_upload) *u = NULL;
    char path[300];
    FILE *file;

    put(s, "changed", "value");
    put(s, "damaged", "value");
    copy(s, (const char *const[]){"changed", "damaged", NULL});
    must(bucket_upload_begin(s->rescue, &s->f->call, LH_STR("source/changed"), NULL, &u, &err));
    must(lh_upload_write(u, lh_str_bytes(LH_STR("other")), &err));
    must(lh_upload_commit(u, NULL, &err));
    (void)snprintf(path, sizeof(path), "%s/source/damaged", s->rescue_root);
    file = fopen(path, "r+");
    assert_non_null(file);
    fputs("V", file);
    fclose(file);
    fail_with(s, LH_UNAVAILABLE);
    must_fail(get(s, "changed", &out, NULL, &err), LH_UNAVAILABLE, "test.fault");
    assert_int_not_equal(get(s, "damaged", &out, NULL, NULL), LH_OK);
}

static void
a_slow_bucket_is_given_up_and_waited_for_when_there_is_no_copy(void **state)
{
    struct scene *s = *state;
    LH_AUTO_BUF(out, 1 << 20);

    put(s, "k", "value");
    put(s, "late", "value");
    copy(s, (const char *const[]){"k", NULL});
    atomic_store(&s->source->is_slow, true);
    assert_got(s, "k", "value", true);
    s->f->call.deadline_ms = lh_time_mono_ms() + 200;
    must_fail(get(s, "late", &out, NULL, &err), LH_TIMEOUT, "call.deadline");
    s->f->call.deadline_ms = INT64_MAX;
}

static void
a_dead_bucket_is_spared_and_comes_back(void **state)
{
    struct scene *s = *state;
    unsigned asked;

    put(s, "k", "value");
    copy(s, (const char *const[]){"k", NULL});
    fail_with(s, LH_UNAVAILABLE);
    for (int i = 0; i < 3; i++)
        assert_got(s, "k", "value", true);
    asked = atomic_load(&s->source->asked);
    for (int i = 0; i < 10; i++)
        assert_got(s, "k", "value", true);
    assert_int_equal(atomic_load(&s->source->asked), asked);
    assert_string_equal(s->told_reason, "store.bucket_spared");

    s->source->base.rescue->breaker.reset_ms = 0;
    s->source->base.rescue->breaker.lock.until_ms = 0;
    assert_got(s, "k", "value", true);
    assert_int_equal(atomic_load(&s->source->asked), asked + 1);
    fail_with(s, LH_OK);
    assert_got(s, "k", "value", false);
    assert_false(store_breaker_is_open(&s->source->base.rescue->breaker));
}

static void
only_replication_writes_to_a_rescue_bucket(void **state)
{
    struct scene *s = *state;

    must_fail(lh_object_put(s->rescue, &s->f->call, LH_STR("k"), lh_str_bytes(LH_STR("x")), NULL,
                            NULL, &err),
              LH_DENIED, "store.rescue_read_only");
    must_fail(lh_object_put_file(s->rescue, &s->f->call, LH_STR("k"), "/nowhere", NULL, NULL, &err),
              LH_DENIED, "store.rescue_read_only");
    must_fail(lh_object_delete(s->rescue, &s->f->call, LH_STR("k"), NULL, &err), LH_DENIED,
              "store.rescue_read_only");
}

static void
who_is_at_work_is_never_believed_when_old(void **state)
{
    struct scene *s = *state;
    LH_AUTO_BUF(out, 1 << 20);

    put(s, "_catalog/writers/w.json", "value");
    copy(s, (const char *const[]){"_catalog/writers/w.json", NULL});
    fail_with(s, LH_UNAVAILABLE);
    must_fail(get(s, "_catalog/writers/w.json", &out, NULL, &err), LH_UNAVAILABLE, "test.fault");
}

/* ---- the list of copies ---- */

static void
index_put(struct scene *s, size_t count, size_t step)
{
    LH_AUTO_BUF(list, (size_t)64 << 20);
    LH_AUTO(lh_upload) *u = NULL;
    char index[LH_KEY_MAX + 1];

    for (size_t i = 0; i < count; i++) {
        struct replica_entry e = {.info.size_bytes = i, .gone_us = i % 7 == 3 ? 1 : 0};
        (void)snprintf(e.key, sizeof(e.key), "k/%08zu", i * step);
        replica_entry_print(&e, &list);
    }
    replica_index_key("source", REPLICA_DATA, index);
    must(bucket_upload_begin(s->rescue, &s->f->call, lh_str_of(index), NULL, &u, &err));
    must(lh_upload_write(u, lh_buf_bytes(&list), &err));
    must(lh_upload_commit(u, NULL, &err));
}

static void
every_entry_is_found_and_nothing_else(void **state)
{
    static const size_t counts[] = {0, 1, 2, 3, 1000};
    struct scene *s = *state;

    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        LH_AUTO(replica_index) *x = NULL;
        index_put(s, counts[c], 2);
        must(replica_index_open(s->rescue, &s->f->call, "source", REPLICA_DATA, &x, &err));
        for (size_t i = 0; i < 2 * counts[c] + 2; i++) {
            struct replica_entry e;
            char key[40];
            lh_status status;
            (void)snprintf(key, sizeof(key), "k/%08zu", i);
            status = replica_index_find(x, &s->f->call, lh_str_of(key), &e, NULL);
            if (i % 2 == 0 && i / 2 < counts[c] && i / 2 % 7 != 3) {
                assert_int_equal(status, LH_OK);
                assert_int_equal(e.info.size_bytes, i / 2);
            } else {
                assert_int_equal(status, LH_NOT_FOUND);
            }
        }
    }
}

static void
an_entry_comes_back_as_it_was_and_a_bad_one_is_refused(void **state)
{
    static const char *const bad[] = {"", "{}", "{\"key\":\"k\"}", "[1]",
                                      "{\"key\":\"\",\"etag\":\"\",\"sha256\":\"\",\"size_bytes\":"
                                      "1,\"modified_us\":1,\"content_type\":\"\",\"replica_etag\":"
                                      "\"\"}"};
    struct replica_entry e = {.key = "a \"b\"\\/\xc3\xbc",
                              .info = {.etag = "e-1",
                                       .sha256 = "00",
                                       .content_type = "text/plain",
                                       .size_bytes = 12,
                                       .modified_us = 34},
                              .replica_etag = "r-1",
                              .gone_us = 56},
                         back;
    LH_AUTO_BUF(line, 1 << 16);

    (void)state;
    replica_entry_print(&e, &line);
    must(replica_entry_read(lh_str_slice(lh_buf_str(&line), 0, line.len - 1), &back, &err));
    assert_memory_equal(&back, &e, sizeof(e));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        must_fail(replica_entry_read(lh_str_of(bad[i]), &back, &err), LH_CORRUPT,
                  "store.replica_index");
}

static void
a_key_that_grows_too_long_gets_a_hash_for_a_name(void **state)
{
    char long_key[LH_KEY_MAX + 1], copy_key[LH_KEY_MAX + 1];

    (void)state;
    memset(long_key, 'k', LH_KEY_MAX);
    long_key[LH_KEY_MAX] = '\0';
    replica_key("source", LH_STR("a/b"), copy_key);
    assert_string_equal(copy_key, "source/a/b");
    replica_key("source", lh_str_of(long_key), copy_key);
    assert_true(lh_str_starts(lh_str_of(copy_key), LH_STR("_replica/long/source/")));
    assert_int_equal(lh_key_check(lh_str_of(copy_key), NULL), LH_OK);
}

int
main(void)
{
#define scene_test(t) cmocka_unit_test_setup_teardown(t, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        scene_test(while_the_bucket_works_nobody_is_rescued),
        scene_test(each_failure_of_a_bucket_is_answered_by_the_copy_under_the_name_of_the_original),
        scene_test(what_is_not_copied_fails_as_it_did),
        scene_test(an_object_that_is_not_there_is_an_answer),
        scene_test(an_open_reader_goes_on_with_the_copy_of_the_very_object_it_has),
        scene_test(a_copy_that_was_changed_or_damaged_stands_in_for_nothing),
        scene_test(a_slow_bucket_is_given_up_and_waited_for_when_there_is_no_copy),
        scene_test(a_dead_bucket_is_spared_and_comes_back),
        scene_test(only_replication_writes_to_a_rescue_bucket),
        scene_test(who_is_at_work_is_never_believed_when_old),
        scene_test(every_entry_is_found_and_nothing_else),
        cmocka_unit_test(an_entry_comes_back_as_it_was_and_a_bad_one_is_refused),
        cmocka_unit_test(a_key_that_grows_too_long_gets_a_hash_for_a_name),
    };

    return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}
