#include "store/fixture.h"

#include "base/id.h"

static const char *
path(const char *key)
{
    static char out[LOCAL_PATH_MAX];

    local_path_encode(lh_str_of(key), out);
    return out;
}

static void
ordinary_keys_are_their_own_paths(void **state)
{
    static const char *const keys[] = {
        "a",           "a/b.c", "ümläut/x y", "_catalog/datasets/x", "a/.lakehouse/b",
        ".lakehousex", "...",   ".a"};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_string_equal(path(keys[i]), keys[i]);
}

static void
what_means_something_else_is_escaped(void **state)
{
    (void)state;
    assert_string_equal(path("100%"), "100%25");
    assert_string_equal(path("%25"), "%2525");
    assert_string_equal(path("%+/%"), "%25+/%25");
    assert_string_equal(path(".lakehouse"), "%2Elakehouse");
    assert_string_equal(path(".lakehouse/tmp"), "%2Elakehouse/tmp");
    assert_string_equal(path("%2Elakehouse"), "%252Elakehouse");
    assert_string_equal(path("a/"), "a");
}

static void
a_long_component_continues_in_a_folder(void **state)
{
    char key[LH_KEY_MAX + 1] = {0}, expected[LOCAL_PATH_MAX];

    (void)state;
    memset(key, 'x', 240);
    assert_string_equal(path(key), key);
    key[240] = 'y';
    (void)snprintf(expected, sizeof(expected), "%.240s%%+/y", key);
    assert_string_equal(path(key), expected);
    /* A rest that is "." or ".." would climb. */
    memcpy(key + 240, "..", 3);
    (void)snprintf(expected, sizeof(expected), "%.240s%%+/%%2E.", key);
    assert_string_equal(path(key), expected);
    /* Neither an escape nor a character is torn apart. */
    memcpy(key + 239, "%z", 3);
    (void)snprintf(expected, sizeof(expected), "%.239s%%+/%%25z", key);
    assert_string_equal(path(key), expected);
    memcpy(key + 239, "\xc3\xbc", 3);
    (void)snprintf(expected, sizeof(expected), "%.239s%%+/\xc3\xbc", key);
    assert_string_equal(path(key), expected);
}

/* Reads a path back, name by name. */
static bool
decode(const char *from, struct lh_buf *key)
{
    lh_str rest = lh_str_of(from), name;
    bool is_continued = true;

    while (lh_str_next(&rest, '/', &name)) {
        if (!is_continued)
            lh_buf_add_char(key, '/');
        if (!local_name_decode(name, key, &is_continued))
            return false;
    }
    return !is_continued;
}

static void
random_key(char key[LH_KEY_MAX + 1])
{
    static const char *const bits[] = {"%",
                                       "%+",
                                       "%25",
                                       ".",
                                       "..",
                                       "/",
                                       "x",
                                       "ü",
                                       "日",
                                       ".lakehouse",
                                       "-",
                                       "0",
                                       "aaaaaaaaaaaaaaaaaaaaaaaa"};
    size_t target = 1 + lh_random_u64() % LH_KEY_MAX, len = 0;

    do {
        const char *bit = bits[lh_random_u64() % (sizeof(bits) / sizeof(bits[0]))];
        if (len + strlen(bit) > LH_KEY_MAX)
            break;
        memcpy(key + len, bit, strlen(bit));
        len += strlen(bit);
    } while (len < target);
    key[len] = '\0';
}

static void
every_key_comes_back_from_its_path_and_no_name_is_too_long(void **state)
{
    char key[LH_KEY_MAX + 1];
    size_t tried = 0;

    (void)state;
    while (tried < 20000) {
        LH_AUTO_BUF(back, 2 * LOCAL_PATH_MAX);
        lh_str rest, name;
        random_key(key);
        if (lh_key_check(lh_str_of(key), NULL) != LH_OK)
            continue;
        tried++;
        rest = lh_str_of(path(key));
        assert_true(rest.len < LOCAL_PATH_MAX);
        while (lh_str_next(&rest, '/', &name)) {
            assert_true(name.len > 0 && name.len <= 242);
            assert_false(lh_str_eq(name, LH_STR(".")) || lh_str_eq(name, LH_STR("..")));
        }
        assert_true(decode(path(key), &back));
        assert_string_equal(lh_buf_cstr(&back), key);
    }
}

static void
names_that_are_never_written_are_not_read(void **state)
{
    LH_AUTO_BUF(out, 1000);
    bool is_continued;

    (void)state;
    assert_false(local_name_decode(LH_STR("100%"), &out, &is_continued));
    assert_false(local_name_decode(LH_STR("a%20b"), &out, &is_continued));
    assert_false(local_name_decode(LH_STR("%2e"), &out, &is_continued));
    assert_true(local_name_decode(LH_STR("a%+"), &out, &is_continued));
    assert_true(is_continued);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_keys_are_their_own_paths),
        cmocka_unit_test(what_means_something_else_is_escaped),
        cmocka_unit_test(a_long_component_continues_in_a_folder),
        cmocka_unit_test(every_key_comes_back_from_its_path_and_no_name_is_too_long),
        cmocka_unit_test(names_that_are_never_written_are_not_read),
    };

    return cmocka_run_group_tests_name("local_path", tests, NULL, NULL);
}
