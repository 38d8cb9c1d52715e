/*
 * The service behind its route, with a real catalog and store beside it in one process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/thread.h"
#include "services/host.h"

struct house {
    char folder[64];
    struct lh_config *config;
    struct lh_host *host;
    struct lh_call call;
};

static int
house_setup(void **state)
{
    static const struct lh_service *const services[] = {&lh_journald, &lh_catalogd, &lh_ingestd,
                                                        NULL};
    struct house *h = LH_NEW(struct house);
    const char *base = getenv("TMPDIR");
    LH_AUTO_ERROR(err);

    (void)snprintf(h->folder, sizeof(h->folder), "%.40s/lh-ingest-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(h->folder));
    lh_call_init(&h->call);
    assert_int_equal(lh_config_parse(lh_host_config_tables(),
                                     LH_STR("engine.threads = 2\ningest.body_max = \"1MiB\"\n"),
                                     "test.toml", &h->config, &err),
                     LH_OK);
    struct lh_host_options options = {
        .services = services, .config = h->config, .data_dir = h->folder, .is_embedded = true};
    if (lh_host_start(&options, &h->host, &err) != LH_OK)
        fail_msg("%s: %s", err.reason, err.text);
    *state = h;
    return 0;
}

static int
house_teardown(void **state)
{
    struct house *h = *state;

    lh_host_stop(h->host);
    lh_config_free(h->config);
    lh_call_fini(&h->call);
    (void)lh_dir_remove_tree(h->folder, NULL);
    free(h);
    return 0;
}

/* ---- asking ---- */

static lh_status
send(struct house *h, struct lh_call *call, const char *query, lh_str body, json_t **answer,
     struct lh_error *err)
{
    LH_AUTO_CHARS path = lh_asprintf("/v1/ingest?%s", query);
    struct lh_mesh_request request = {.service = "ingestd",
                                      .method = LH_POST,
                                      .path = path,
                                      .body = lh_str_bytes(body),
                                      .content_type = "text/csv"};

    return lh_mesh_call_json(lh_host_mesh(h->host), call, &request, answer, err);
}

static json_t *
ingest(struct house *h, const char *query, const char *body)
{
    LH_AUTO_ERROR(err);
    json_t *answer = NULL;

    if (send(h, &h->call, query, lh_str_of(body), &answer, &err) != LH_OK)
        fail_msg("%s: %s: %s", query, err.reason, err.text);
    return answer;
}

static void
expect_refusal(struct house *h, const char *query, const char *body, lh_status status,
               const char *reason)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_JSON answer = NULL;
    lh_status got = send(h, &h->call, query, lh_str_of(body), &answer, &err);

    if (got != status || !lh_error_is(&err, reason))
        fail_msg("%s: expected %s, got %s: %s", query, reason, err.reason, err.text);
}

/* The members of an answer that tests look at, in one line. */
static void
expect(struct house *h, const char *query, const char *body, const char *wanted)
{
    LH_AUTO_JSON a = ingest(h, query, body);
    LH_AUTO_BUF(got, 4096);
    json_t *column;
    size_t i;

    lh_buf_printf(&got, "v%lld rows %lld of %lld rejected %lld total %lld%s:",
                  json_integer_value(json_object_get(a, "version")),
                  json_integer_value(json_object_get(a, "rows")),
                  json_integer_value(json_object_get(a, "rows_in")),
                  json_integer_value(json_object_get(a, "rows_rejected")),
                  json_integer_value(json_object_get(a, "total_rows")),
                  json_is_true(json_object_get(a, "unchanged")) ? " unchanged" : "");
    json_array_foreach (json_object_get(a, "columns"), i, column) {
        lh_buf_printf(&got, " %s %s", json_string_value(json_object_get(column, "name")),
                      json_string_value(json_object_get(column, "type")));
    }
    assert_string_equal(lh_buf_cstr(&got), wanted);
}

static size_t
files_in(const struct house *h, const char *folder)
{
    LH_AUTO_CHARS path = lh_asprintf("%s/%s", h->folder, folder);
    DIR *dir = opendir(path);
    size_t n = 0;

    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

/* ---- replace ---- */

static void
the_same_file_twice_is_one_version(void **state)
{
    struct house *h = *state;

    expect(h, "dataset=a", "x,y\n1,a\n2,b\n3\n",
           "v1 rows 2 of 3 rejected 1 total 2: x BIGINT y VARCHAR");
    expect(h, "dataset=a", "x,y\n1,a\n2,b\n3\n",
           "v1 rows 2 of 3 rejected 1 total 2 unchanged: x BIGINT y VARCHAR");
    expect(h, "dataset=a&mode=append", "x,y\n1,a\n2,b\n3\n",
           "v1 rows 2 of 3 rejected 1 total 2 unchanged: x BIGINT y VARCHAR");
}

static void
other_options_are_another_ingest(void **state)
{
    struct house *h = *state;

    expect(h, "dataset=o", "x,y\n1,a\n", "v1 rows 1 of 1 rejected 0 total 1: x BIGINT y VARCHAR");
    expect(h, "dataset=o&evolve=true&types=%7B%22x%22:%22VARCHAR%22%7D", "x,y\n1,a\n",
           "v2 rows 1 of 1 rejected 0 total 1: x VARCHAR y VARCHAR");
    expect_refusal(h, "dataset=o", "x,z\n1,a\n", LH_CONFLICT, "catalog.schema_drift");
    expect(h, "dataset=o&evolve=true", "x,z\n1,a\n",
           "v3 rows 1 of 1 rejected 0 total 1: x BIGINT z VARCHAR");
}

static void
a_replace_keeps_types_that_still_fit(void **state)
{
    struct house *h = *state;

    expect(h, "dataset=k", "x\n1.5\n2.5\n", "v1 rows 2 of 2 rejected 0 total 2: x DOUBLE");
    expect(h, "dataset=k", "x\n1\n", "v2 rows 1 of 1 rejected 0 total 1: x DOUBLE");
    expect_refusal(h, "dataset=k", "x\nsome\n", LH_CONFLICT, "catalog.schema_drift");
}

/* ---- append ---- */

static void
an_append_takes_columns_in_any_order(void **state)
{
    struct house *h = *state;

    expect(h, "dataset=b&mode=append", "x,y\n1,a\n",
           "v1 rows 1 of 1 rejected 0 total 1: x BIGINT y VARCHAR");
    expect(h, "dataset=b&mode=append", "y,x\n7,2\n",
           "v2 rows 1 of 1 rejected 0 total 2: x BIGINT y VARCHAR");
    expect(h, "dataset=b&mode=append&allow_duplicate=true", "y,x\n7,2\n",
           "v3 rows 1 of 1 rejected 0 total 3: x BIGINT y VARCHAR");
    expect_refusal(h, "dataset=b&mode=append", "x\n1\n", LH_CONFLICT, "catalog.schema_drift");
    expect_refusal(h, "dataset=b&mode=append", "x,y\nno,a\n", LH_CONFLICT, "catalog.schema_drift");
}

static void
an_evolving_append_keeps_the_old_rows(void **state)
{
    struct house *h = *state;

    expect(h, "dataset=c&mode=append", "x,y\n1,a\n",
           "v1 rows 1 of 1 rejected 0 total 1: x BIGINT y VARCHAR");
    expect(h, "dataset=c&mode=append&evolve=true", "x\n5\n",
           "v2 rows 1 of 1 rejected 0 total 2: x BIGINT y VARCHAR");
    expect(h, "dataset=c&mode=append&evolve=true", "x,z\n1.5,true\n",
           "v3 rows 1 of 1 rejected 0 total 3: x DOUBLE y VARCHAR z BOOLEAN");
    expect(h, "dataset=c&mode=append&evolve=true", "x,z\nn/a,false\n",
           "v4 rows 1 of 1 rejected 0 total 4: x VARCHAR y VARCHAR z BOOLEAN");
}

struct appender {
    struct house *h;
    int number;
    lh_status status;
    char text[LH_ERROR_TEXT_MAX];
};

static void *
appender_run(void *self)
{
    struct appender *a = self;
    LH_AUTO_CHARS body = lh_asprintf("n\n%d\n", a->number);
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_ERROR(err);
    struct lh_call call;

    lh_call_init(&call);
    a->status = send(a->h, &call, "dataset=race&mode=append", lh_str_of(body), &answer, &err);
    (void)snprintf(a->text, sizeof(a->text), "%s", err.text);
    lh_call_fini(&call);
    return NULL;
}

static void
appends_at_the_same_time_all_arrive(void **state)
{
    enum { MANY = 12 };
    struct house *h = *state;
    struct appender appenders[MANY];
    pthread_t threads[MANY];

    for (int i = 0; i < MANY; i++) {
        appenders[i] = (struct appender){.h = h, .number = i / 2}; /* each content twice */
        assert_int_equal(lh_thread_start(&threads[i], "append", appender_run, &appenders[i], NULL),
                         LH_OK);
    }
    for (int i = 0; i < MANY; i++)
        lh_thread_join(threads[i]);
    for (int i = 0; i < MANY; i++)
        if (appenders[i].status != LH_OK)
            fail_msg("%s", appenders[i].text);
    expect(h, "dataset=race&mode=append", "n\n0\n",
           "v6 rows 1 of 1 rejected 0 total 6 unchanged: n BIGINT");
}

/* ---- upsert ---- */

static void
an_upsert_replaces_by_key(void **state)
{
    struct house *h = *state;

    expect(h, "dataset=u&mode=upsert&key=id", "id,v\n1,a\n2,b\n1,c\n",
           "v1 rows 3 of 3 rejected 0 total 2: id BIGINT v VARCHAR");
    expect(h, "dataset=u&mode=upsert&key=id", "v,id\nz,2\nq,3\n",
           "v2 rows 2 of 2 rejected 0 total 3: id BIGINT v VARCHAR");
    expect_refusal(h, "dataset=u&mode=upsert&key=id", "id,v\n,x\n", LH_INVALID, "ingest.key");
    expect_refusal(h, "dataset=u&mode=upsert&key=nope", "id,v\n1,x\n", LH_INVALID, "ingest.key");
    expect_refusal(h, "dataset=u&mode=upsert", "id,v\n1,x\n", LH_INVALID, "ingest.key");
}

/* ---- the rest ---- */

static void
a_preview_commits_nothing(void **state)
{
    struct house *h = *state;
    LH_AUTO_JSON a = ingest(h, "dataset=p&preview=true", "x\n1\n");

    assert_string_equal(json_string_value(json_object_get(a, "would")), "create");
    assert_int_equal(json_array_size(json_object_get(a, "sample")), 1);
    expect(h, "dataset=p", "x\n1\n", "v1 rows 1 of 1 rejected 0 total 1: x BIGINT");
    LH_AUTO_JSON b = ingest(h, "dataset=p&preview=true", "y\n1\n");
    assert_string_equal(json_string_value(json_object_get(b, "would")), "refuse");
    assert_int_equal(json_array_size(json_object_get(json_object_get(b, "drift"), "added")), 1);
}

static void
wrong_requests_are_refused(void **state)
{
    struct house *h = *state;
    LH_AUTO_CHARS big = lh_alloc((2 << 20) + 1);

    memset(big, 'a', 2 << 20);
    expect_refusal(h, "dataset=w", big, LH_TOO_BIG, "ingest.body_too_big");
    expect_refusal(h, "", "x\n1\n", LH_INVALID, "request.query");
    expect_refusal(h, "dataset=1w", "x\n1\n", LH_INVALID, "catalog.name");
    expect_refusal(h, "dataset=w&mode=merge", "x\n1\n", LH_INVALID, "request.query");
    expect_refusal(h, "dataset=w&key=x", "x\n1\n", LH_INVALID, "request.query");
    expect_refusal(h, "dataset=w&dataset=v", "x\n1\n", LH_INVALID, "request.query");
    expect_refusal(h, "dataset=w&delimiter=123456789", "x\n1\n", LH_INVALID, "request.query");
    expect_refusal(h, "dataset=w&nulls=x", "x\n1\n", LH_INVALID, "request.query");
    expect_refusal(h, "dataset=w&types=5", "x\n1\n", LH_INVALID, "ingest.types");
    expect_refusal(h, "dataset=w&format=pdf", "x\n1\n", LH_UNSUPPORTED, "ingest.unknown_format");
    expect_refusal(h, "dataset=w", "", LH_INVALID, "ingest.unreadable");
    expect_refusal(h, "dataset=w&format=json", "x\n1\n", LH_INVALID, "ingest.unreadable");
}

static void
nothing_stays_in_the_spool_folder(void **state)
{
    struct house *h = *state;
    LH_AUTO_CHARS path = lh_asprintf("%s/spool", h->folder);
    DIR *dir = opendir(path);
    size_t left = 0;

    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        LH_AUTO_CHARS folder = lh_asprintf("spool/%s", e->d_name);
        if (e->d_name[0] != '.')
            left += files_in(h, folder);
    }
    closedir(dir);
    assert_int_equal(left, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_file_twice_is_one_version),
        cmocka_unit_test(other_options_are_another_ingest),
        cmocka_unit_test(a_replace_keeps_types_that_still_fit),
        cmocka_unit_test(an_append_takes_columns_in_any_order),
        cmocka_unit_test(an_evolving_append_keeps_the_old_rows),
        cmocka_unit_test(appends_at_the_same_time_all_arrive),
        cmocka_unit_test(an_upsert_replaces_by_key),
        cmocka_unit_test(a_preview_commits_nothing),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(nothing_stays_in_the_spool_folder),
    };

    return cmocka_run_group_tests_name("ingest", tests, house_setup, house_teardown);
}
