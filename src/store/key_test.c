#include "base/testing.h"

#include <string.h>
#include "store/key.h"

static void
good_keys_are_taken(void **state)
{
    static const char *const keys[] = {
        "a", "a/b/c.parquet", "ümläut/日本語", "dots...", ".hidden", "a b+c%d", "_catalog/x", "...",
    };
    char longest[LH_KEY_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(lh_key_check(lh_str_of(keys[i]), NULL), LH_OK);
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(lh_key_check((lh_str){longest, LH_KEY_MAX}, NULL), LH_OK);
    assert_int_equal(lh_key_check((lh_str){longest, LH_KEY_MAX + 1}, NULL), LH_INVALID);
}

static void
bad_keys_are_refused_with_a_reason(void **state)
{
    static const lh_str keys[] = {
        LH_STR(""),
        LH_STR("/"),
        LH_STR("/a"),
        LH_STR("a/"),
        LH_STR("a//b"),
        LH_STR("."),
        LH_STR(".."),
        LH_STR("a/./b"),
        LH_STR("a/.."),
        LH_STR("../a"),
        LH_STR("a\0b"),
        LH_STR("a\rb"),
        LH_STR("a\nb"),
        LH_STR("a\tb"),
        LH_STR("a\xff"),
        LH_STR("\xc0\xaf"),
        LH_STR("a/\xed\xa0\x80"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        LH_AUTO_ERROR(err);
        assert_int_equal(lh_key_check(keys[i], &err), LH_INVALID);
        assert_string_equal(err.reason, "store.key");
        assert_true(strlen(err.text) > 10);
    }
}

static void
prefixes_of_services_have_owners(void **state)
{
    (void)state;
    assert_string_equal(lh_key_owner(LH_STR("_catalog/datasets/x")), "catalogd");
    assert_string_equal(lh_key_owner(LH_STR("_journal/events/1")), "journald");
    assert_string_equal(lh_key_owner(LH_STR("_catalog")), "catalogd");
    assert_string_equal(lh_key_owner(LH_STR("_catalogue/x")), "storaged");
    assert_string_equal(lh_key_owner(LH_STR("_")), "storaged");
    assert_string_equal(lh_key_owner(LH_STR("data/_catalog")), "");
    assert_string_equal(lh_key_owner(LH_STR("a")), "");
    assert_string_equal(lh_key_owner(LH_STR("")), "");
}

static void
bucket_names_are_those_of_s3(void **state)
{
    static const char *const good[] = {"abc", "a-b", "a.b", "0primary9"};
    static const char *const bad[] = {"", "ab", "Abc", "-ab", "ab-", ".ab", "a_b", "a/b", "äbc"};
    char longest[64];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(lh_bucket_name_check(lh_str_of(good[i]), NULL), LH_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(lh_bucket_name_check(lh_str_of(bad[i]), NULL), LH_INVALID);
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(lh_bucket_name_check((lh_str){longest, 63}, NULL), LH_OK);
    assert_int_equal(lh_bucket_name_check((lh_str){longest, 64}, NULL), LH_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_keys_are_taken),
        cmocka_unit_test(bad_keys_are_refused_with_a_reason),
        cmocka_unit_test(prefixes_of_services_have_owners),
        cmocka_unit_test(bucket_names_are_those_of_s3),
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
