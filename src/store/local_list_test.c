#include "store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "base/id.h"

/* Made directly: a list does not care how a file came there, and a put costs a sync. */
static void
object_make(struct fixture *f, const char *key)
{
    char path[PATH_MAX], *slash;
    int fd;

    path_of(f, key, path);
    slash = strrchr(path, '/');
    *slash = '\0';
    must(lh_dir_make(path, 0755, &err));
    *slash = '/';
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
}

static void
assert_list(struct fixture *f, const char *prefix, size_t limit, const char *expected)
{
    LH_AUTO_BUF(keys, 1 << 20);

    (void)keys_of(f, prefix, limit, &keys);
    assert_string_equal(lh_buf_cstr(&keys), expected);
}

static void
keys_come_in_byte_order_and_not_in_folder_order(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"a0",  "a/x", "a-b",  "b", "a/b/c",
                                       "a.b", "A",   "a/b-", "~", "ü"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        object_make(f, keys[i]);
    for (size_t limit = 1; limit < 12; limit++)
        assert_list(f, "", limit, "A a-b a.b a/b- a/b/c a/x a0 b ~ ü");
}

static void
an_empty_bucket_and_an_unknown_prefix_list_nothing(void **state)
{
    struct fixture *f = *state;

    assert_list(f, "", 10, "");
    object_make(f, "a/b");
    assert_list(f, "x", 10, "");
    assert_list(f, "a/b/", 10, "");
    assert_list(f, "a/b/c", 10, "");
    assert_list(f, "//", 10, "");
    assert_list(f, "../", 10, "");
    assert_list(f, "/", 10, "");
    assert_list(f, ".lakehouse/", 10, "");
}

static void
prefixes_need_not_end_with_a_slash(void **state)
{
    struct fixture *f = *state;

    object_make(f, "ab/c");
    object_make(f, "ab/cd");
    object_make(f, "abc");
    object_make(f, "b");
    assert_list(f, "a", 10, "ab/c ab/cd abc");
    assert_list(f, "ab", 1, "ab/c ab/cd abc");
    assert_list(f, "ab/", 10, "ab/c ab/cd");
    assert_list(f, "ab/c", 10, "ab/c ab/cd");
    assert_list(f, "ab/cd", 10, "ab/cd");
}

static void
a_page_goes_on_after_a_key_that_need_not_exist(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_object_list) *page = NULL;

    object_make(f, "a/1");
    object_make(f, "a/3");
    object_make(f, "b");
    must(lh_object_list(f->bucket, &f->call, LH_STR(""), LH_STR("a/2"), 1, &page, &err));
    assert_int_equal(page->count, 1);
    assert_string_equal(page->items[0].key, "a/3");
    assert_true(page->has_more);
    lh_object_list_free(page);
    page = NULL;
    must(lh_object_list(f->bucket, &f->call, LH_STR("a/"), LH_STR("a/3"), 1, &page, &err));
    assert_int_equal(page->count, 0);
    assert_false(page->has_more);
    lh_object_list_free(page);
    page = NULL;
    must(lh_object_list(f->bucket, &f->call, LH_STR(""), LH_STR("z"), 1, &page, &err));
    assert_int_equal(page->count, 0);
}

static void
entries_tell_what_a_head_tells(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_object_list) *page = NULL;
    struct lh_object_info info;

    must(put_text(f, "a/k", "hello", NULL, &info, &err));
    must(lh_object_list(f->bucket, &f->call, LH_STR(""), LH_STR(""), 0, &page, &err));
    assert_int_equal(page->count, 1);
    assert_string_equal(page->items[0].info.etag, info.etag);
    assert_int_equal(page->items[0].info.size_bytes, 5);
    assert_true(page->items[0].info.modified_us == info.modified_us);
    assert_string_equal(page->items[0].info.sha256, "");
}

static void
empty_folders_and_our_own_are_not_listed(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/empty/empty", f->root);
    must(lh_dir_make(path, 0755, &err));
    object_make(f, "x");
    object_make(f, "y/.lakehouse/z");
    assert_list(f, "", 10, "x y/.lakehouse/z");
}

static void
a_cancelled_call_ends_a_list(void **state)
{
    struct fixture *f = *state;
    struct lh_object_list *page;

    lh_call_cancel(&f->call);
    must_fail(lh_object_list(f->bucket, &f->call, LH_STR(""), LH_STR(""), 10, &page, &err),
              LH_CANCELED, "call.canceled");
}

/* More names in one folder than are kept at a time. */
static void
a_large_flat_folder_is_read_in_turns(void **state)
{
    struct fixture *f = *state;
    char key[40], last[40] = "";
    size_t seen = 0;
    bool is_more = true;

    for (unsigned i = 0; i < 6000; i++) {
        (void)snprintf(key, sizeof(key), "flat/%05u", i * 7 % 6000);
        object_make(f, key);
    }
    while (is_more) {
        LH_AUTO(lh_object_list) *page = NULL;
        must(lh_object_list(f->bucket, &f->call, LH_STR("flat/"), lh_str_of(last), 700, &page,
                            &err));
        for (size_t i = 0; i < page->count; i++, seen++) {
            (void)snprintf(key, sizeof(key), "flat/%05zu", seen);
            assert_string_equal(page->items[i].key, key);
            (void)snprintf(last, sizeof(last), "%s", key);
        }
        is_more = page->has_more;
    }
    assert_int_equal(seen, 6000);
}

/* Far more names than are kept at a time lie before the page is full. */
static void
names_that_are_no_objects_do_not_shorten_a_page(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_BUF(expected, 100000);
    LH_AUTO_BUF(got, 100000);
    char path[PATH_MAX], key[40];

    for (unsigned i = 0; i < 6000; i++) {
        (void)snprintf(key, sizeof(key), "d/%05u", i * 7 % 6000);
        path_of(f, key, path);
        if (i * 7 % 6000 % 40 == 0 || i == 0)
            object_make(f, key);
        else
            assert_int_equal(symlink("/etc", path), 0);
    }
    for (unsigned i = 0; i < 6000; i += 40)
        lh_buf_printf(&expected, "%sd/%05u", i ? " " : "", i);
    (void)keys_of(f, "d/", 60, &got);
    assert_string_equal(lh_buf_cstr(&got), lh_buf_cstr(&expected));
}

/* Each of these would read as a key that has its file elsewhere. */
static void
names_that_we_would_write_otherwise_are_no_objects(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"%2Ex", "%2Elakehouse/%2Ex", "ab%+/c",
                                        "100%", "tab\there",         "not\xffutf8"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *slash;
        (void)snprintf(path, sizeof(path), "%s/%s", f->root, names[i]);
        slash = strrchr(path, '/');
        *slash = '\0';
        must(lh_dir_make(path, 0755, &err));
        *slash = '/';
        must(lh_file_write_atomic(path, lh_str_bytes(LH_STR("x")), 0644, &err));
    }
    object_make(f, ".x");
    assert_list(f, "", 10, ".x");
}

/* ---- against a model ---- */

static lh_status
key_collect(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct lh_buf *out = self;

    (void)err;
    lh_buf_add_cstr(out, entry->key);
    lh_buf_add_char(out, '\n');
    return LH_OK;
}

static void
random_key(char *key)
{
    static const char *const parts[] = {"a", "b", "-", "0", "a-", "a.", "aa", "%", "é", "~", "A"};
    size_t depth = 1 + lh_random_u64() % 4;

    *key = '\0';
    for (size_t i = 0; i < depth; i++) {
        if (i > 0)
            strcat(key, "/");
        strcat(key, parts[lh_random_u64() % (sizeof(parts) / sizeof(parts[0]))]);
        /* Now and then a component that continues in a folder, so that names of two folders are
         * merged. */
        if (lh_random_u64() % 12 == 0) {
            char longer[260];
            size_t n = 236 + lh_random_u64() % 8;
            memset(longer, 'x', n);
            longer[n] = '\0';
            strcat(key, longer);
        }
    }
}

static int
text_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A key may be in the way of another: what can be made is the model. */
static size_t
model_fill(struct fixture *f, char **model, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < max; i++) {
        char key[LH_KEY_MAX * 2], path[PATH_MAX], *slash;
        LH_AUTO_FD fd = -1;
        random_key(key);
        if (lh_key_check(lh_str_of(key), NULL) != LH_OK)
            continue;
        path_of(f, key, path);
        slash = strrchr(path, '/');
        *slash = '\0';
        if (lh_dir_make(path, 0755, NULL) != LH_OK)
            continue;
        *slash = '/';
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (fd >= 0)
            model[count++] = lh_strdup(key);
    }
    qsort(model, count, sizeof(model[0]), text_compare);
    return count;
}

static void
model_pages(char **model, size_t count, const char *prefix, const char *after, struct lh_buf *out)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(model[i], prefix, strlen(prefix)) == 0 && strcmp(model[i], after) > 0)
            lh_buf_printf(out, "%s\n", model[i]);
}

static void
assert_like_model(struct fixture *f, char **model, size_t count, const char *prefix,
                  const char *first_after, size_t limit)
{
    LH_AUTO_BUF(expected, 1 << 24);
    LH_AUTO_BUF(got, 1 << 24);
    char after[LH_KEY_MAX + 1];
    bool is_more = true;

    model_pages(model, count, prefix, first_after, &expected);
    (void)snprintf(after, sizeof(after), "%s", first_after);
    while (is_more) {
        LH_AUTO(lh_object_list) *page = NULL;
        must(lh_object_list(f->bucket, &f->call, lh_str_of(prefix), lh_str_of(after), limit, &page,
                            &err));
        for (size_t i = 0; i < page->count; i++) {
            lh_buf_printf(&got, "%s\n", page->items[i].key);
            (void)snprintf(after, sizeof(after), "%s", page->items[i].key);
        }
        is_more = page->has_more;
        assert_true(page->count == limit || !is_more);
    }
    assert_string_equal(lh_buf_cstr(&got), lh_buf_cstr(&expected));
}

static void
every_list_is_that_of_a_sorted_model(void **state)
{
    struct fixture *f = *state;
    char *model[800];
    size_t count = model_fill(f, model, 800);
    LH_AUTO_BUF(walked, 1 << 24);
    LH_AUTO_BUF(all, 1 << 24);

    assert_true(count > 200);
    for (int i = 0; i < 300; i++) {
        char prefix[LH_KEY_MAX * 2] = "", after[LH_KEY_MAX * 2] = "";
        if (i % 3 != 0) {
            (void)snprintf(prefix, sizeof(prefix), "%s", model[lh_random_u64() % count]);
            prefix[lh_random_u64() % (strlen(prefix) + 1)] = '\0';
        }
        if (i % 2 != 0)
            (void)snprintf(after, sizeof(after), "%s", model[lh_random_u64() % count]);
        if (i % 4 == 3)
            random_key(after);
        assert_like_model(f, model, count, prefix, after, 1 + lh_random_u64() % 300);
    }
    must(lh_object_walk(f->bucket, &f->call, LH_STR(""), key_collect, &walked, &err));
    model_pages(model, count, "", "", &all);
    assert_string_equal(lh_buf_cstr(&walked), lh_buf_cstr(&all));
    for (size_t i = 0; i < count; i++)
        free(model[i]);
}

static lh_status
refuse(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    (void)self;
    return lh_fail(err, LH_INVALID, "test.refused", "%s", entry->key);
}

static void
a_walk_ends_when_its_visitor_fails(void **state)
{
    struct fixture *f = *state;

    object_make(f, "a");
    must_fail(lh_object_walk(f->bucket, &f->call, LH_STR(""), refuse, NULL, &err), LH_INVALID,
              "test.refused");
}

int
main(void)
{
#define list_test(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        list_test(keys_come_in_byte_order_and_not_in_folder_order),
        list_test(an_empty_bucket_and_an_unknown_prefix_list_nothing),
        list_test(prefixes_need_not_end_with_a_slash),
        list_test(a_page_goes_on_after_a_key_that_need_not_exist),
        list_test(entries_tell_what_a_head_tells),
        list_test(empty_folders_and_our_own_are_not_listed),
        list_test(a_cancelled_call_ends_a_list),
        list_test(a_large_flat_folder_is_read_in_turns),
        list_test(names_that_are_no_objects_do_not_shorten_a_page),
        list_test(names_that_we_would_write_otherwise_are_no_objects),
        list_test(every_list_is_that_of_a_sorted_model),
        list_test(a_walk_ends_when_its_visitor_fails),
    };

    return cmocka_run_group_tests_name("local_list", tests, NULL, NULL);
}
