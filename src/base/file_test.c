#include "base/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/file.h"

static char *folder;

static int
folder_make(void **state)
{
    (void)state;
    folder = lh_strdup("/tmp/lakehouse-file-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int
folder_remove(void **state)
{
    (void)state;
    lh_status status = lh_dir_remove_tree(folder, NULL);
    free(folder);
    return status != LH_OK;
}

/* A path inside the test's folder; the caller frees it. */
static char *
at(const char *name)
{
    return lh_asprintf("%s/%s", folder, name);
}

static void
write_text(const char *path, const char *text)
{
    LH_AUTO_ERROR(err);

    assert_ok(lh_file_write_atomic(path, lh_str_bytes(lh_str_of(text)), 0644, &err), err);
}

static size_t
entry_count(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2;
}

static void
what_is_written_is_read(void **state)
{
    LH_AUTO_CHARS path = at("file");
    LH_AUTO_BUF(out, 100);
    LH_AUTO_ERROR(err);

    (void)state;
    write_text(path, "first");
    write_text(path, "second");
    lh_buf_add_cstr(&out, "had ");
    assert_ok(lh_file_read(path, 100, &out, &err), err);
    assert_str(lh_buf_str(&out), "had second");
    assert_int_equal(entry_count(folder), 1);
}

static void
a_path_may_be_relative(void **state)
{
    LH_AUTO_CHARS path = at("relative");
    char before[4096];
    LH_AUTO_BUF(out, 100);
    LH_AUTO_ERROR(err);

    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder), 0);
    write_text("relative", "text");
    assert_int_equal(chdir(before), 0);
    assert_ok(lh_file_read(path, 100, &out, &err), err);
    assert_str(lh_buf_str(&out), "text");
}

static void
a_file_is_made_with_the_mode_asked_for(void **state)
{
    LH_AUTO_CHARS path = at("secret");
    struct stat st;

    (void)state;
    assert_int_equal(lh_file_write_atomic(path, lh_bytes_of("x", 1), 0600, NULL), LH_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
reading_stops_at_the_limit(void **state)
{
    LH_AUTO_CHARS path = at("file");
    LH_AUTO_BUF(exact, 100);
    LH_AUTO_BUF(over, 100);
    LH_AUTO_BUF(small, 5);
    LH_AUTO_ERROR(err);

    (void)state;
    write_text(path, "123456");
    assert_ok(lh_file_read(path, 6, &exact, &err), err);
    assert_fails(lh_file_read(path, 5, &over, &err), LH_TOO_BIG, "file.too_big", err);
    assert_fails(lh_file_read(path, 100, &small, &err), LH_TOO_BIG, "file.too_big", err);
}

static void
files_that_do_not_know_their_size_are_read_too(void **state)
{
    LH_AUTO_BUF(out, 1000000);
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_file_read("/proc/self/status", 1000000, &out, &err), err);
    assert_true(lh_str_starts(lh_buf_str(&out), LH_STR("Name:")));
}

static void
errors_name_the_path(void **state)
{
    LH_AUTO_CHARS path = at("absent/file");
    LH_AUTO_BUF(out, 100);
    LH_AUTO_ERROR(err);
    size_t where;

    (void)state;
    assert_int_equal(lh_file_read(path, 100, &out, &err), LH_NOT_FOUND);
    assert_true(lh_str_find(lh_str_of(err.text), lh_str_of(path), &where));
    assert_fails(lh_file_write_atomic(path, lh_bytes_of("x", 1), 0644, &err), LH_NOT_FOUND,
                 "os.enoent", err);
    assert_fails(lh_file_read(folder, 100, &out, &err), LH_IO, "os.eisdir", err);
}

static void
a_failed_write_leaves_nothing_behind(void **state)
{
    LH_AUTO_CHARS path = at("folder");
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_dir_make(path, 0755, &err), err);
    assert_int_equal(lh_file_write_atomic(path, lh_bytes_of("x", 1), 0644, &err), LH_IO);
    assert_int_equal(entry_count(folder), 1);
}

static void
a_range_is_read_whole_or_the_file_is_corrupt(void **state)
{
    LH_AUTO_CHARS path = at("file");
    LH_AUTO_ERROR(err);
    char bytes[4];

    (void)state;
    write_text(path, "0123456789");
    LH_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_ok(lh_file_pread_all(fd, bytes, 4, 6, &err), err);
    assert_memory_equal(bytes, "6789", 4);
    assert_fails(lh_file_pread_all(fd, bytes, 4, 7, &err), LH_CORRUPT, "file.short", err);
    assert_fails(lh_file_pread_all(-1, bytes, 4, 7, &err), LH_IO, "os.ebadf", err);
    assert_fails(lh_file_write_all(fd, lh_bytes_of("x", 1), &err), LH_IO, "os.ebadf", err);
}

static void
folders_are_made_with_their_parents(void **state)
{
    LH_AUTO_CHARS deep = at("a/b//c/");
    LH_AUTO_CHARS file = at("a/file");
    LH_AUTO_CHARS below_file = at("a/file/b");
    LH_AUTO_ERROR(err);
    struct stat st;

    (void)state;
    assert_ok(lh_dir_make(deep, 0755, &err), err);
    assert_ok(lh_dir_make(deep, 0755, &err), err);
    assert_int_equal(stat(deep, &st), 0);
    assert_ok(lh_dir_sync(deep, &err), err);
    write_text(file, "x");
    assert_fails(lh_dir_make(below_file, 0755, &err), LH_IO, "os.enotdir", err);
    assert_fails(lh_dir_make(file, 0755, &err), LH_IO, "os.enotdir", err);
}

static void
removing_a_tree_does_not_follow_links(void **state)
{
    LH_AUTO_CHARS outside = at("outside");
    LH_AUTO_CHARS kept = at("outside/kept");
    LH_AUTO_CHARS deep = at("tree/a/b");
    LH_AUTO_CHARS file = at("tree/a/file");
    LH_AUTO_CHARS link = at("tree/a/link");
    LH_AUTO_CHARS tree = at("tree");
    LH_AUTO_CHARS top_link = at("top_link");
    LH_AUTO_ERROR(err);
    struct stat st;

    (void)state;
    assert_ok(lh_dir_make(outside, 0755, &err), err);
    assert_ok(lh_dir_make(deep, 0755, &err), err);
    write_text(kept, "x");
    write_text(file, "x");
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(symlink(outside, top_link), 0);
    assert_ok(lh_dir_remove_tree(tree, &err), err);
    assert_ok(lh_dir_remove_tree(top_link, &err), err);
    assert_int_equal(lstat(tree, &st), -1);
    assert_int_equal(lstat(top_link, &st), -1);
    assert_int_equal(stat(kept, &st), 0);
}

static void
removing_what_is_absent_or_a_plain_file_is_fine(void **state)
{
    LH_AUTO_CHARS path = at("file");
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_dir_remove_tree(path, &err), err);
    write_text(path, "x");
    assert_ok(lh_dir_remove_tree(path, &err), err);
    assert_int_equal(entry_count(folder), 0);
}

#ifdef LH_FAULTS
static void
a_write_that_breaks_off_keeps_the_old_file(void **state)
{
    LH_AUTO_CHARS path = at("file");
    LH_AUTO_BUF(out, 100);
    LH_AUTO_ERROR(err);

    (void)state;
    write_text(path, "old");
    lh_fault_rules_set("file.write_atomic.before_write=nospace@1;"
                       "file.write_atomic.before_rename=error@1");
    assert_fails(lh_file_write_atomic(path, lh_bytes_of("new", 3), 0644, &err), LH_NO_SPACE,
                 "fault.injected", err);
    assert_fails(lh_file_write_atomic(path, lh_bytes_of("new", 3), 0644, &err), LH_IO,
                 "fault.injected", err);
    assert_int_equal(entry_count(folder), 1);
    assert_ok(lh_file_read(path, 100, &out, &err), err);
    assert_str(lh_buf_str(&out), "old");
}
#endif

#define test_in_folder(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test_in_folder(what_is_written_is_read),
        test_in_folder(a_path_may_be_relative),
        test_in_folder(a_file_is_made_with_the_mode_asked_for),
        test_in_folder(reading_stops_at_the_limit),
        test_in_folder(files_that_do_not_know_their_size_are_read_too),
        test_in_folder(errors_name_the_path),
        test_in_folder(a_failed_write_leaves_nothing_behind),
        test_in_folder(a_range_is_read_whole_or_the_file_is_corrupt),
        test_in_folder(folders_are_made_with_their_parents),
        test_in_folder(removing_a_tree_does_not_follow_links),
        test_in_folder(removing_what_is_absent_or_a_plain_file_is_fine),
#ifdef LH_FAULTS
        test_in_folder(a_write_that_breaks_off_keeps_the_old_file),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
