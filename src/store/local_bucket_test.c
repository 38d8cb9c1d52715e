#include "store/fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- putting and getting ---- */

static void
what_was_put_comes_back(void **state)
{
    struct fixture *f = *state;
    struct lh_object_info put, head;

    must(put_text(f, "a/b/c.txt", "hello", NULL, &put, &err));
    assert_object(f, "a/b/c.txt", "hello");
    must(head_of(f, "a/b/c.txt", &head, &err));
    assert_string_equal(put.etag, head.etag);
    assert_string_equal(put.sha256, head.sha256);
    assert_string_equal(head.sha256,
                        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_string_equal(head.content_type, "application/octet-stream");
    assert_int_equal(head.size_bytes, 5);
    assert_true(put.modified_us == head.modified_us);
}

static void
an_object_is_a_plain_file_at_its_key(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_BUF(out, 100);
    char path[PATH_MAX];

    must(put_text(f, "data/x.parquet", "PAR1", NULL, NULL, &err));
    (void)snprintf(path, sizeof(path), "%s/data/x.parquet", f->root);
    must(lh_file_read(path, 100, &out, &err));
    assert_string_equal(lh_buf_cstr(&out), "PAR1");
}

static void
an_empty_object_is_an_object(void **state)
{
    struct fixture *f = *state;
    struct lh_object_info info;
    LH_AUTO(lh_reader_at) *r = NULL;
    int fd = -1;

    must(put_text(f, "empty", "", NULL, &info, &err));
    assert_int_equal(info.size_bytes, 0);
    assert_object(f, "empty", "");
    must(lh_object_open(f->bucket, &f->call, LH_STR("empty"), &r, NULL, &err));
    must(lh_reader_at_file(r, &f->call, 0, 0, &fd, &err));
    assert_true(fd >= 0);
    close(fd);
}

static void
odd_keys_have_objects_of_their_own(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {".lakehouse", ".lakehouse/tmp", "100%", "%2Elakehouse",
                                       "a%+",        "ümläut/日本",    " ",    "..."};
    char long_key[LH_KEY_MAX + 1];

    /* ".lakehouse" is an object, so nothing can lie under it. */
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i], ".lakehouse/tmp") != 0)
            must(put_text(f, keys[i], keys[i], NULL, NULL, &err));
    memset(long_key, 'k', LH_KEY_MAX);
    long_key[LH_KEY_MAX] = '\0';
    must(put_text(f, long_key, "long", NULL, NULL, &err));
    assert_object(f, long_key, "long");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i], ".lakehouse/tmp") != 0)
            assert_object(f, keys[i], keys[i]);
}

static void
the_content_type_is_kept(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options csv = {.content_type = "text/csv"},
                                own = {.content_type = "x/y; charset=\"z\""},
                                broken = {.content_type = "a\r\nSet-Cookie: x"};
    struct lh_object_info info;
    char longest[200];
    const struct lh_put_options too_long = {.content_type = longest};

    must(put_text(f, "k", "1", &csv, NULL, &err));
    must(head_of(f, "k", &info, &err));
    assert_string_equal(info.content_type, "text/csv");
    must(put_text(f, "k", "1", &own, NULL, &err));
    must(head_of(f, "k", &info, &err));
    assert_string_equal(info.content_type, "x/y; charset=\"z\"");
    must_fail(put_text(f, "k", "1", &broken, NULL, &err), LH_INVALID, "store.content_type");
    memset(longest, 'x', sizeof(longest));
    longest[199] = '\0';
    must_fail(put_text(f, "k", "1", &too_long, NULL, &err), LH_INVALID, "store.content_type");
}

static void
metadata_and_md5_are_kept(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options o = {.metadata = LH_STR("mtime:1\n")};
    const struct lh_put_options plain = {0};
    LH_AUTO(lh_upload) *u = NULL;
    LH_AUTO(lh_reader_at) *r = NULL;
    LH_AUTO(lh_object_list) *list = NULL;
    struct lh_object_info info;

    must(lh_upload_begin(f->bucket, &f->call, LH_STR("k"), &o, &u, &err));
    must(lh_upload_write(u, lh_str_bytes(LH_STR("1")), &err));
    lh_upload_md5_set(u, (const uint8_t *)"0123456789abcdef", 2);
    must(lh_upload_commit(u, &info, &err));
    assert_string_equal(info.md5_etag, "30313233343536373839616263646566-2");
    must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, &info, &err));
    assert_string_equal(info.md5_etag, "30313233343536373839616263646566-2");
    assert_true(lh_str_eq(lh_reader_at_metadata(r), LH_STR("mtime:1\n")));
    must(lh_object_list(f->bucket, &f->call, LH_STR(""), LH_STR(""), 0, &list, &err));
    assert_string_equal(list->items[0].info.md5_etag, "30313233343536373839616263646566-2");

    must(put_text(f, "k", "2", &plain, &info, &err));
    assert_string_equal(info.md5_etag, "");
}

static void
too_much_metadata_is_refused(void **state)
{
    struct fixture *f = *state;
    char text[LH_OBJECT_METADATA_MAX + 1];
    struct lh_put_options most = {.metadata = {text, LH_OBJECT_METADATA_MAX}};
    struct lh_put_options more = {.metadata = {text, LH_OBJECT_METADATA_MAX + 1}};
    LH_AUTO(lh_reader_at) *r = NULL;

    memset(text, 'x', sizeof(text));
    must(put_text(f, "k", "1", &most, NULL, &err));
    must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, NULL, &err));
    assert_int_equal(lh_reader_at_metadata(r).len, LH_OBJECT_METADATA_MAX);
    must_fail(put_text(f, "k", "1", &more, NULL, &err), LH_INVALID, "store.metadata_too_big");
}

static void
what_is_not_there_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct lh_object_info info;
    LH_AUTO_BUF(out, 10);

    must(put_text(f, "a/b", "1", NULL, NULL, &err));
    must_fail(head_of(f, "x", &info, &err), LH_NOT_FOUND, "store.no_object");
    must_fail(head_of(f, "a", &info, &err), LH_NOT_FOUND, "store.no_object");
    must_fail(head_of(f, "a/b/c", &info, &err), LH_NOT_FOUND, "store.no_object");
    must_fail(lh_object_get(f->bucket, &f->call, LH_STR("a"), &out, NULL, &err), LH_NOT_FOUND,
              "store.no_object");
    must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("x"), NULL, &err), LH_NOT_FOUND,
              "store.no_object");
    must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("a"), NULL, &err), LH_NOT_FOUND,
              "store.no_object");
    must_fail(head_of(f, "../x", &info, &err), LH_INVALID, "store.key");
}

static void
a_buffer_too_small_is_told_before_reading(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_BUF(out, 4);

    must(put_text(f, "k", "12345", NULL, NULL, &err));
    must_fail(lh_object_get(f->bucket, &f->call, LH_STR("k"), &out, NULL, &err), LH_TOO_BIG,
              "store.object_too_big");
    assert_int_equal(out.len, 0);
}

static void
an_object_and_a_folder_of_objects_exclude_each_other(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options absent = {.if_absent = true};

    must(put_text(f, "a/b", "1", NULL, NULL, &err));
    must_fail(put_text(f, "a", "1", NULL, NULL, &err), LH_CONFLICT, "store.key_is_prefix");
    must_fail(put_text(f, "a", "1", &absent, NULL, &err), LH_CONFLICT, "store.key_is_prefix");
    must_fail(put_text(f, "a/b/c", "1", NULL, NULL, &err), LH_CONFLICT, "store.key_is_prefix");
    must_fail(put_text(f, "a/b/c/d", "1", &absent, NULL, &err), LH_CONFLICT, "store.key_is_prefix");
    must(lh_object_delete(f->bucket, &f->call, LH_STR("a/b"), NULL, &err));
    must(put_text(f, "a", "1", NULL, NULL, &err));
    assert_object(f, "a", "1");
}

static void
a_folder_that_a_crash_left_empty_is_no_obstacle(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options absent = {.if_absent = true};
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/a/b/c", f->root);
    must(lh_dir_make(path, 0755, &err));
    must(put_text(f, "a/b", "1", &absent, NULL, &err));
    assert_object(f, "a/b", "1");
    must(lh_object_delete(f->bucket, &f->call, LH_STR("a/b"), NULL, &err));
    must(lh_dir_make(path, 0755, &err));
    must(put_text(f, "a", "2", NULL, NULL, &err));
    assert_object(f, "a", "2");
}

static void
removing_the_last_object_removes_its_folders(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char path[PATH_MAX];

    must(put_text(f, "a/b/c/d", "1", NULL, NULL, &err));
    must(put_text(f, "a/x", "1", NULL, NULL, &err));
    must(lh_object_delete(f->bucket, &f->call, LH_STR("a/b/c/d"), NULL, &err));
    (void)snprintf(path, sizeof(path), "%s/a/b", f->root);
    assert_int_equal(stat(path, &st), -1);
    assert_object(f, "a/x", "1");
}

/* ---- conditions ---- */

static void
an_object_is_created_once(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options absent = {.if_absent = true};

    must(put_text(f, "k", "1", &absent, NULL, &err));
    must_fail(put_text(f, "k", "2", &absent, NULL, &err), LH_CONFLICT, "store.precondition");
    assert_object(f, "k", "1");
    must(lh_object_delete(f->bucket, &f->call, LH_STR("k"), NULL, &err));
    must(put_text(f, "k", "3", &absent, NULL, &err));
    assert_object(f, "k", "3");
}

static void
an_object_is_swapped_only_for_the_one_that_was_seen(void **state)
{
    struct fixture *f = *state;
    struct lh_object_info first, second, info;
    struct lh_put_options match = {0};

    must(put_text(f, "k", "A", NULL, &first, &err));
    match.if_match = "nothing like it";
    must_fail(put_text(f, "k", "B", &match, NULL, &err), LH_CONFLICT, "store.precondition");
    match.if_match = first.etag;
    must(put_text(f, "k", "B", &match, &second, &err));
    must_fail(put_text(f, "k", "C", &match, NULL, &err), LH_CONFLICT, "store.precondition");
    /* There and back again is a change. */
    match.if_match = second.etag;
    must(put_text(f, "k", "A", &match, &info, &err));
    assert_string_equal(info.sha256, first.sha256);
    match.if_match = first.etag;
    must_fail(put_text(f, "k", "D", &match, NULL, &err), LH_CONFLICT, "store.precondition");
    assert_object(f, "k", "A");
    match.if_match = "*";
    must(put_text(f, "k", "E", &match, NULL, &err));
    must_fail(put_text(f, "absent", "E", &match, NULL, &err), LH_CONFLICT, "store.precondition");
    must_fail(put_text(f, "absent/deep", "E", &match, NULL, &err), LH_CONFLICT,
              "store.precondition");
}

static void
an_object_is_removed_only_if_it_is_the_one_that_was_seen(void **state)
{
    struct fixture *f = *state;
    struct lh_object_info info;

    must(put_text(f, "k", "A", NULL, &info, &err));
    must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("k"), "other", &err), LH_CONFLICT,
              "store.precondition");
    must(lh_object_delete(f->bucket, &f->call, LH_STR("k"), info.etag, &err));
    must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("k"), info.etag, &err), LH_NOT_FOUND,
              "store.no_object");
}

static void
two_conditions_at_once_are_a_mistake(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options both = {.if_absent = true, .if_match = "x"};

    must_fail(put_text(f, "k", "A", &both, NULL, &err), LH_INVALID, "store.conditions");
}

static void
an_expected_checksum_must_be_met(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options right = {.expected_sha256 =
                                             "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5"
                                             "C1FA7425E73043362938B9824"},
                                malformed = {.expected_sha256 = "2cf2"};
    struct lh_object_info info;

    must(put_text(f, "k", "hello", &right, NULL, &err));
    must_fail(put_text(f, "other", "hallo", &right, NULL, &err), LH_INVALID,
              "store.checksum_mismatch");
    must_fail(put_text(f, "other", "hello", &malformed, NULL, &err), LH_INVALID,
              "store.checksum_form");
    must_fail(head_of(f, "other", &info, &err), LH_NOT_FOUND, "store.no_object");
}

/* ---- uploads ---- */

static size_t
files_in_tmp(struct fixture *f)
{
    LH_AUTO_CHARS command = lh_asprintf("find %s/.lakehouse/tmp -type f | wc -l", f->root);
    FILE *p = popen(command, "r");
    char text[20] = "";

    assert_non_null(fgets(text, sizeof(text), p));
    pclose(p);
    return (size_t)atoi(text);
}

static void
an_upload_appears_when_it_is_committed(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_upload) *u = NULL;
    struct lh_object_info info;

    must(lh_upload_begin(f->bucket, &f->call, LH_STR("k"), NULL, &u, &err));
    must(lh_upload_write(u, lh_str_bytes(LH_STR("one ")), &err));
    must(lh_upload_write(u, lh_str_bytes(LH_STR("")), &err));
    must(lh_upload_write(u, lh_str_bytes(LH_STR("two")), &err));
    must_fail(head_of(f, "k", &info, &err), LH_NOT_FOUND, "store.no_object");
    must(lh_upload_commit(u, &info, &err));
    assert_int_equal(info.size_bytes, 7);
    assert_object(f, "k", "one two");
    must_fail(lh_upload_write(u, lh_str_bytes(LH_STR("x")), &err), LH_BUG, "store.upload_over");
    must_fail(lh_upload_commit(u, NULL, &err), LH_BUG, "store.upload_over");
    assert_int_equal(files_in_tmp(f), 0);
}

static void
an_upload_that_is_given_up_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    struct lh_upload *u = NULL;
    struct lh_object_info info;
    LH_AUTO_BUF(keys, 1000);

    must(lh_upload_begin(f->bucket, &f->call, LH_STR("a/k"), NULL, &u, &err));
    must(lh_upload_write(u, lh_str_bytes(LH_STR("one ")), &err));
    assert_int_equal(files_in_tmp(f), 1);
    lh_upload_free(u);
    assert_int_equal(files_in_tmp(f), 0);
    must_fail(head_of(f, "a/k", &info, &err), LH_NOT_FOUND, "store.no_object");
    assert_null(keys_of(f, "", 10, &keys));
    assert_int_equal(atomic_load(&f->limits.puts_running), 0);
}

static void
a_condition_that_fails_already_fails_before_the_bytes(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options absent = {.if_absent = true}, match = {.if_match = "x"};
    struct lh_upload *u = NULL;

    must(put_text(f, "k", "1", NULL, NULL, &err));
    must_fail(lh_upload_begin(f->bucket, &f->call, LH_STR("k"), &absent, &u, &err), LH_CONFLICT,
              "store.precondition");
    must_fail(lh_upload_begin(f->bucket, &f->call, LH_STR("k"), &match, &u, &err), LH_CONFLICT,
              "store.precondition");
    assert_null(u);
}

static void
limits_of_size_and_number_hold(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options small = {.size_max = 3}, hint = {.size_max = 3, .size_hint = 4};
    struct lh_upload *one = NULL, *two = NULL;

    must(put_text(f, "k", "123", &small, NULL, &err));
    must_fail(put_text(f, "k", "1234", &small, NULL, &err), LH_TOO_BIG, "store.object_too_big");
    must_fail(lh_upload_begin(f->bucket, &f->call, LH_STR("k"), &hint, &one, &err), LH_TOO_BIG,
              "store.object_too_big");
    f->limits.puts_max = 1;
    must(lh_upload_begin(f->bucket, &f->call, LH_STR("k"), NULL, &one, &err));
    must_fail(lh_upload_begin(f->bucket, &f->call, LH_STR("k"), NULL, &two, &err), LH_BUSY,
              "store.too_many_puts");
    must_fail(put_text(f, "x", "1", NULL, NULL, &err), LH_BUSY, "store.too_many_puts");
    lh_upload_free(one);
    must(put_text(f, "x", "1", NULL, NULL, &err));
}

static void
a_cancelled_call_ends_an_upload(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_upload) *u = NULL;

    must(lh_upload_begin(f->bucket, &f->call, LH_STR("k"), NULL, &u, &err));
    lh_call_cancel(&f->call);
    must_fail(lh_upload_write(u, lh_str_bytes(LH_STR("x")), &err), LH_CANCELED, "call.canceled");
    must_fail(lh_upload_commit(u, NULL, &err), LH_BUG, "store.upload_over");
}

/* ---- files that are taken over ---- */

static void
file_with(const char *path, const char *text)
{
    must(lh_file_write_atomic(path, lh_str_bytes(lh_str_of(text)), 0600, &err));
}

static lh_status
put_path(struct fixture *f, const char *key, const char *path, const struct lh_put_options *o,
         struct lh_object_info *info, struct lh_error *err)
{
    return lh_object_put_file(f->bucket, &f->call, lh_str_of(key), path, o, info, err);
}

static void
a_file_is_moved_and_not_copied(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options csv = {.content_type = "text/csv"};
    struct lh_object_info put, head;
    struct stat before, after;
    char path[PATH_MAX], object[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/in.csv", f->folder);
    file_with(path, "hello");
    assert_int_equal(stat(path, &before), 0);
    must(put_path(f, "a/k", path, &csv, &put, &err));
    assert_int_equal(access(path, F_OK), -1);
    path_of(f, "a/k", object);
    assert_int_equal(stat(object, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    must(head_of(f, "a/k", &head, &err));
    assert_string_equal(head.etag, put.etag);
    assert_string_equal(head.sha256,
                        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_string_equal(head.content_type, "text/csv");
    assert_object(f, "a/k", "hello");
}

static void
a_file_that_cannot_be_taken_stays(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options absent = {.if_absent = true}, small = {.size_max = 2},
                                wrong = {.expected_sha256 =
                                             "0000000000000000000000000000000000000000000000000000"
                                             "000000000000"};
    char path[PATH_MAX], link[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/in", f->folder);
    (void)snprintf(link, sizeof(link), "%s/link", f->folder);
    file_with(path, "hello");
    must(put_text(f, "k", "1", NULL, NULL, &err));
    must_fail(put_path(f, "k", path, &absent, NULL, &err), LH_CONFLICT, "store.precondition");
    must_fail(put_path(f, "x", path, &small, NULL, &err), LH_TOO_BIG, "store.object_too_big");
    must_fail(put_path(f, "x", path, &wrong, NULL, &err), LH_INVALID, "store.checksum_mismatch");
    must_fail(put_path(f, "k/x", path, NULL, NULL, &err), LH_CONFLICT, "store.key_is_prefix");
    assert_int_equal(access(path, F_OK), 0);
    must_fail(put_path(f, "x", f->folder, NULL, NULL, &err), LH_INVALID, "store.not_a_file");
    must_fail(put_path(f, "x", "/nowhere/at/all", NULL, NULL, &err), LH_NOT_FOUND, "os.enoent");
    assert_int_equal(symlink(path, link), 0);
    must_fail(put_path(f, "x", link, NULL, NULL, &err), LH_IO, "os.eloop");
    assert_object(f, "k", "1");
    assert_int_equal(files_in_tmp(f), 0);
}

static void
a_file_with_a_second_name_is_copied(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], other[PATH_MAX];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/in", f->folder);
    (void)snprintf(other, sizeof(other), "%s/other", f->folder);
    file_with(path, "hello");
    assert_int_equal(link(path, other), 0);
    must(put_path(f, "k", path, NULL, NULL, &err));
    assert_int_equal(access(path, F_OK), -1);
    fd = open(other, O_WRONLY);
    assert_int_equal(write(fd, "XXXXX", 5), 5);
    close(fd);
    assert_object(f, "k", "hello");
}

static void
a_file_of_another_disk_is_copied(void **state)
{
    struct fixture *f = *state;
    char path[] = "/dev/shm/lh-store-XXXXXX";
    struct lh_object_info info;
    struct stat here, there;
    int fd = mkstemp(path);

    if (fd < 0 || stat(f->root, &here) != 0 || fstat(fd, &there) != 0 ||
        here.st_dev == there.st_dev) {
        print_message("skipped: there is no second file system\n");
        if (fd >= 0)
            close(fd);
        skip();
    }
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    must(put_path(f, "k", path, NULL, &info, &err));
    assert_int_equal(info.size_bytes, 5);
    assert_object(f, "k", "hello");
    assert_int_equal(access(path, F_OK), -1);
}

/* ---- readers ---- */

static void
a_reader_keeps_its_version(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_reader_at) *r = NULL;
    char got[3];

    must(put_text(f, "k", "old", NULL, NULL, &err));
    must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, NULL, &err));
    must(put_text(f, "k", "new!", NULL, NULL, &err));
    must(lh_reader_at_read(r, &f->call, 0, got, 3, &err));
    assert_memory_equal(got, "old", 3);
    must(lh_object_delete(f->bucket, &f->call, LH_STR("k"), NULL, &err));
    must(lh_reader_at_read(r, &f->call, 1, got, 2, &err));
    assert_memory_equal(got, "ld", 2);
}

static void
reads_past_the_end_are_refused(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_reader_at) *r = NULL;
    char got[10];
    int fd = -1;

    must(put_text(f, "k", "12345", NULL, NULL, &err));
    must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, NULL, &err));
    must_fail(lh_reader_at_read(r, &f->call, 3, got, 3, &err), LH_INVALID, "store.range");
    must_fail(lh_reader_at_read(r, &f->call, UINT64_MAX, got, 2, &err), LH_INVALID, "store.range");
    must_fail(lh_reader_at_file(r, &f->call, 6, 0, &fd, &err), LH_INVALID, "store.range");
    must(lh_reader_at_read(r, &f->call, 5, got, 0, &err));
    assert_int_equal(fd, -1);
}

static void
any_range_of_a_large_object_is_right(void **state)
{
    struct fixture *f = *state;
    size_t n = ((size_t)33 << 20) + 4321; /* blocks of 128 KiB */
    LH_AUTO_CHARS bytes = lh_alloc(n);
    LH_AUTO_CHARS got = lh_alloc(n);
    LH_AUTO(lh_reader_at) *r = NULL;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)((i * 2654435761u) >> 11);
    must(
        lh_object_put(f->bucket, &f->call, LH_STR("big"), lh_bytes_of(bytes, n), NULL, NULL, &err));
    must(lh_object_open(f->bucket, &f->call, LH_STR("big"), &r, NULL, &err));
    for (int i = 0; i < 300; i++) {
        size_t from = lh_random_u64() % n, most = n - from, length;
        length = lh_random_u64() % (i % 3 == 0 ? most : most < 300000 ? most : 300000);
        must(lh_reader_at_read(r, &f->call, from, got, length, &err));
        assert_memory_equal(got, bytes + from, length);
    }
    must(lh_reader_at_read(r, &f->call, 0, got, n, &err));
    assert_memory_equal(got, bytes, n);
}

static void
a_file_given_out_is_the_object(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_reader_at) *r = NULL;
    LH_AUTO_FD fd = -1;
    char got[5];

    must(put_text(f, "k", "12345", NULL, NULL, &err));
    must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, NULL, &err));
    must(lh_reader_at_file(r, &f->call, 0, 5, &fd, &err));
    assert_int_equal(pread(fd, got, 5, 0), 5);
    assert_memory_equal(got, "12345", 5);
}

/* The clock of the file system has to move on first, which takes milliseconds and no fixed time. */
static void
what_was_proven_once_is_not_read_again(void **state)
{
    struct fixture *f = *state;
    bool is_proven = false;
    int64_t before;

    must(put_text(f, "k", "12345", NULL, NULL, &err));
    while (!is_proven) {
        LH_AUTO(lh_reader_at) *r = NULL;
        assert_object(f, "k", "12345");
        must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, NULL, &err));
        is_proven = lh_reader_at_is_proven(r, 0, 5);
    }
    before = lh_metric_value(f->bucket->metrics.proven_misses);
    assert_object(f, "k", "12345");
    assert_int_equal(lh_metric_value(f->bucket->metrics.proven_misses), before);
}

static void
a_bucket_whose_folder_was_deleted_is_unavailable_and_not_empty(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_BUF(out, 100);

    must(put_text(f, "a/k", "1", NULL, NULL, &err));
    must(lh_dir_remove_tree(f->root, &err));
    must_fail(lh_object_get(f->bucket, &f->call, LH_STR("a/k"), &out, NULL, &err), LH_UNAVAILABLE,
              "store.bucket_gone");
    must_fail(lh_object_list(f->bucket, &f->call, LH_STR(""), LH_STR(""), 0, &page, &err),
              LH_UNAVAILABLE, "store.bucket_gone");
    must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("a/k"), NULL, &err), LH_UNAVAILABLE,
              "store.bucket_gone");
    must_fail(put_text(f, "a/k", "1", NULL, NULL, &err), LH_UNAVAILABLE, "store.bucket_gone");
}

int
main(void)
{
#define bucket_test(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        bucket_test(what_was_put_comes_back),
        bucket_test(an_object_is_a_plain_file_at_its_key),
        bucket_test(an_empty_object_is_an_object),
        bucket_test(odd_keys_have_objects_of_their_own),
        bucket_test(the_content_type_is_kept),
        bucket_test(metadata_and_md5_are_kept),
        bucket_test(too_much_metadata_is_refused),
        bucket_test(what_is_not_there_is_not_found),
        bucket_test(a_buffer_too_small_is_told_before_reading),
        bucket_test(an_object_and_a_folder_of_objects_exclude_each_other),
        bucket_test(a_folder_that_a_crash_left_empty_is_no_obstacle),
        bucket_test(removing_the_last_object_removes_its_folders),
        bucket_test(an_object_is_created_once),
        bucket_test(an_object_is_swapped_only_for_the_one_that_was_seen),
        bucket_test(an_object_is_removed_only_if_it_is_the_one_that_was_seen),
        bucket_test(two_conditions_at_once_are_a_mistake),
        bucket_test(an_expected_checksum_must_be_met),
        bucket_test(an_upload_appears_when_it_is_committed),
        bucket_test(an_upload_that_is_given_up_leaves_no_trace),
        bucket_test(a_condition_that_fails_already_fails_before_the_bytes),
        bucket_test(limits_of_size_and_number_hold),
        bucket_test(a_cancelled_call_ends_an_upload),
        bucket_test(a_file_is_moved_and_not_copied),
        bucket_test(a_file_that_cannot_be_taken_stays),
        bucket_test(a_file_with_a_second_name_is_copied),
        bucket_test(a_file_of_another_disk_is_copied),
        bucket_test(a_reader_keeps_its_version),
        bucket_test(reads_past_the_end_are_refused),
        bucket_test(any_range_of_a_large_object_is_right),
        bucket_test(a_file_given_out_is_the_object),
        bucket_test(what_was_proven_once_is_not_read_again),
        bucket_test(a_bucket_whose_folder_was_deleted_is_unavailable_and_not_empty),
    };

    return cmocka_run_group_tests_name("local_bucket", tests, NULL, NULL);
}
