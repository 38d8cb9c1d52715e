#include "base/testing.h"

#include "store/record.h"

static const struct lh_bucket_spec far = {.name = "far",
                                          .backend = "s3",
                                          .role = "rescue",
                                          .endpoint = "https://s3.example.org:9000",
                                          .region = "eu-west-1",
                                          .bucket = "lake-7",
                                          .credentials = "FAR",
                                          .is_path_style = true};

static void
an_s3_bucket_is_read_back_as_it_was_written(void **state)
{
    LH_AUTO_BUF(json, STORE_RECORD_BYTES_MAX);
    struct store_spec spec = {0};
    struct lh_bucket_spec view;
    LH_AUTO_ERROR(err);

    (void)state;
    store_record_encode(&far, &json);
    assert_ok(store_record_decode(LH_STR("far"), lh_buf_str(&json), &spec, &err), err);
    view = store_spec_view(&spec);
    assert_true(store_spec_eq(&view, &far));
    assert_true(store_spec_is_rescue(&view));
    store_spec_fini(&spec);
}

static void
a_local_bucket_is_read_back_as_it_was_written(void **state)
{
    const struct lh_bucket_spec near = {.name = "near", .backend = "local", .root = "/mnt/near"};
    LH_AUTO_BUF(json, STORE_RECORD_BYTES_MAX);
    struct store_spec spec = {0};
    struct lh_bucket_spec view;
    LH_AUTO_ERROR(err);

    (void)state;
    store_record_encode(&near, &json);
    assert_ok(store_record_decode(LH_STR("near"), lh_buf_str(&json), &spec, &err), err);
    view = store_spec_view(&spec);
    assert_true(store_spec_eq(&view, &near));
    assert_false(store_spec_is_s3(&view));
    store_spec_fini(&spec);
}

#define S3(more)                                                                                   \
    "{\"name\":\"far\",\"backend\":\"s3\",\"created_at\":\"2026-01-01T00:00:00Z\"" more "}"
#define PLACE                                                                                      \
    ",\"endpoint\":\"http://h\",\"region\":\"r\",\"bucket\":\"lake-7\",\"path_style\":true"

static void
a_record_that_is_not_ours_is_corrupt(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        S3(""),
        S3(PLACE),
        S3(PLACE ",\"credentials\":\"far\""),
        S3(PLACE ",\"credentials\":\"FAR\",\"secret_access_key\":\"x\""),
        S3(PLACE ",\"credentials\":\"FAR\",\"role\":\"king\""),
        S3(PLACE ",\"credentials\":\"FAR\",\"root\":\"/x\""),
        "{\"name\":\"far\",\"backend\":\"local\",\"root\":\"x\",\"created_at\":\"\"}",
        "{\"name\":\"other\",\"backend\":\"local\",\"root\":\"/x\",\"created_at\":\"\"}",
    };
    struct store_spec spec = {0};
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(store_record_decode(LH_STR("far"), LH_STR(S3(PLACE ",\"credentials\":\"FAR\"")),
                                  &spec, &err),
              err);
    store_spec_fini(&spec);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(store_record_decode(LH_STR("far"), lh_str_of(bad[i]), &spec, &err), LH_CORRUPT,
                     "store.bucket_record", err);
    assert_null(spec.name);
}

static lh_status
check_endpoint(const char *endpoint, struct lh_error *err)
{
    struct lh_bucket_spec spec = far;

    spec.endpoint = endpoint;
    return store_spec_check(&spec, err);
}

static void
an_endpoint_is_a_scheme_a_host_and_perhaps_a_port(void **state)
{
    static const char *const good[] = {"http://127.0.0.1:80", "https://s3.amazonaws.com",
                                       "http://[::1]:9000", "https://[fe80::1]"};
    static const char *const bad[] = {
        "",           "s3.example.org", "ftp://h",    "http://",    "http://h/",
        "http://h/x", "http://user@h",  "http://h:",  "http://h:0", "http://h:65536",
        "http://h:x", "http://h?x",     "http://H",   "http://h h", "http://[::1",
        "http://h#x", "http://h:80:80", "http://h\n",
    };
    LH_AUTO_ERROR(err);

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_ok(check_endpoint(good[i], &err), err);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(check_endpoint(bad[i], &err), LH_INVALID, "store.bucket_endpoint", err);
}

static void
what_cannot_be_right_is_refused(void **state)
{
    struct lh_bucket_spec spec = far;
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(store_spec_check(&spec, &err), err);
    spec.region = "EU";
    assert_fails(store_spec_check(&spec, &err), LH_INVALID, "store.bucket_region", err);
    spec = far;
    spec.bucket = "UPPER";
    assert_fails(store_spec_check(&spec, &err), LH_INVALID, "store.bucket_name", err);
    spec = far;
    spec.credentials = "";
    assert_fails(store_spec_check(&spec, &err), LH_INVALID, "store.bucket_credentials", err);
    spec = far;
    spec.role = "king";
    assert_fails(store_spec_check(&spec, &err), LH_INVALID, "store.bucket_role", err);
    spec = far;
    spec.name = "primary";
    assert_fails(store_spec_check(&spec, &err), LH_INVALID, "store.bucket_role", err);
}

static void
the_same_bucket_of_a_store_is_the_same_place(void **state)
{
    struct lh_bucket_spec other = far;

    (void)state;
    other.name = "other";
    other.credentials = "OTHER";
    assert_true(store_spec_is_same_place(&far, &other));
    assert_false(store_spec_eq(&far, &other));
    other.bucket = "lake-8";
    assert_false(store_spec_is_same_place(&far, &other));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_s3_bucket_is_read_back_as_it_was_written),
        cmocka_unit_test(a_local_bucket_is_read_back_as_it_was_written),
        cmocka_unit_test(a_record_that_is_not_ours_is_corrupt),
        cmocka_unit_test(an_endpoint_is_a_scheme_a_host_and_perhaps_a_port),
        cmocka_unit_test(what_cannot_be_right_is_refused),
        cmocka_unit_test(the_same_bucket_of_a_store_is_the_same_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
