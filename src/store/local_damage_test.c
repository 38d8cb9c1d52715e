/*
 * Disks that lie, fill up or refuse, and people who change files behind our back.
 */
#include "store/fixture.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static void
flip(struct fixture *f, const char *key, off_t at)
{
    char path[PATH_MAX];
    uint8_t byte;
    int fd;

    path_of(f, key, path);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static lh_status
get(struct fixture *f, const char *key, struct lh_error *err)
{
    LH_AUTO_BUF(out, 1 << 26);
    lh_status status = lh_object_get(f->bucket, &f->call, lh_str_of(key), &out, NULL, err);

    if (status != LH_OK)
        assert_int_equal(out.len, 0);
    return status;
}

static void
put_large(struct fixture *f, const char *key, size_t n)
{
    LH_AUTO_CHARS bytes = lh_alloc(n);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 31);
    must(lh_object_put(f->bucket, &f->call, lh_str_of(key), lh_bytes_of(bytes, n), NULL, NULL,
                       &err));
}

static void
a_flipped_byte_is_never_served(void **state)
{
    struct fixture *f = *state;
    int64_t before = lh_metric_value(f->bucket->metrics.checksum_failures);
    LH_AUTO_ERROR(why);

    must(put_text(f, "a/k", "hello world", NULL, NULL, &err));
    must(get(f, "a/k", &err));
    flip(f, "a/k", 4);
    assert_int_equal(get(f, "a/k", &why), LH_CORRUPT);
    assert_string_equal(why.reason, "store.checksum");
    assert_non_null(strstr(why.text, "a/k"));
    assert_non_null(strstr(why.text, "tested"));
    assert_string_equal(why.extra, "{\"bucket\":\"tested\",\"object\":\"a/k\"}");
    assert_int_equal(lh_metric_value(f->bucket->metrics.checksum_failures), before + 1);
    flip(f, "a/k", 4);
    assert_object(f, "a/k", "hello world");
}

static void
damage_spoils_only_the_block_it_is_in(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_reader_at) *r = NULL;
    char byte;
    int fd = -1;

    put_large(f, "k", 200000); /* blocks of 65,536 */
    flip(f, "k", 70000);
    must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, NULL, &err));
    must(lh_reader_at_read(r, &f->call, 65535, &byte, 1, &err));
    must(lh_reader_at_read(r, &f->call, 131072, &byte, 1, &err));
    must_fail(lh_reader_at_read(r, &f->call, 65536, &byte, 1, &err), LH_CORRUPT, "store.checksum");
    must_fail(lh_reader_at_read(r, &f->call, 131071, &byte, 1, &err), LH_CORRUPT, "store.checksum");
    must(lh_reader_at_file(r, &f->call, 0, 65536, &fd, &err));
    close(fd);
    fd = -1;
    must_fail(lh_reader_at_file(r, &f->call, 0, 65537, &fd, &err), LH_CORRUPT, "store.checksum");
    assert_int_equal(fd, -1);
}

static void
damage_after_a_proof_is_found_when_the_file_was_written_to(void **state)
{
    struct fixture *f = *state;
    bool is_proven = false;

    must(put_text(f, "k", "hello world", NULL, NULL, &err));
    while (!is_proven) {
        LH_AUTO(lh_reader_at) *r = NULL;
        must(get(f, "k", &err));
        must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, NULL, &err));
        is_proven = lh_reader_at_is_proven(r, 0, 11);
    }
    flip(f, "k", 0);
    must_fail(get(f, "k", &err), LH_CORRUPT, "store.checksum");
}

static void
a_truncated_or_grown_file_is_damage(void **state)
{
    struct fixture *f = *state;
    struct lh_object_info info;
    char path[PATH_MAX];

    put_large(f, "k", 100000);
    path_of(f, "k", path);
    assert_int_equal(truncate(path, 99999), 0);
    must_fail(get(f, "k", &err), LH_CORRUPT, "store.checksum");
    must_fail(head_of(f, "k", &info, &err), LH_CORRUPT, "store.checksum");
    assert_int_equal(truncate(path, 100001), 0);
    must_fail(get(f, "k", &err), LH_CORRUPT, "store.checksum");
    assert_int_equal(truncate(path, 0), 0);
    must_fail(get(f, "k", &err), LH_CORRUPT, "store.checksum");
}

static void
a_file_that_becomes_shorter_under_a_reader_is_damage(void **state)
{
    struct fixture *f = *state;
    LH_AUTO(lh_reader_at) *r = NULL;
    char path[PATH_MAX], got[10];

    put_large(f, "k", 100000);
    must(lh_object_open(f->bucket, &f->call, LH_STR("k"), &r, NULL, &err));
    path_of(f, "k", path);
    assert_int_equal(truncate(path, 50), 0);
    must_fail(lh_reader_at_read(r, &f->call, 70000, got, 10, &err), LH_CORRUPT, "store.checksum");
}

static void
a_damaged_object_is_listed_and_can_be_replaced(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_BUF(keys, 1000);
    char path[PATH_MAX];

    must(put_text(f, "a", "1", NULL, NULL, &err));
    must(put_text(f, "b", "1", NULL, NULL, &err));
    path_of(f, "a", path);
    assert_int_equal(setxattr(path, "user.lakehouse", "rubbish", 7, 0), 0);
    must_fail(get(f, "a", &err), LH_CORRUPT, "store.checksum");
    assert_string_equal(keys_of(f, "", 10, &keys), "a b");
    must(put_text(f, "a", "2", NULL, NULL, &err));
    assert_object(f, "a", "2");
}

static void
a_file_without_its_attribute_is_read_under_a_tag_of_its_identity(void **state)
{
    struct fixture *f = *state;
    struct lh_object_info info, again;
    struct lh_put_options swap = {0};
    char path[PATH_MAX];

    must(put_text(f, "k", "hello", NULL, NULL, &err));
    path_of(f, "k", path);
    assert_int_equal(removexattr(path, "user.lakehouse"), 0);
    assert_object(f, "k", "hello");
    must(head_of(f, "k", &info, &err));
    must(head_of(f, "k", &again, &err));
    assert_string_equal(info.etag, again.etag);
    assert_int_equal(info.etag[0], 'i');
    assert_string_equal(info.sha256, "");
    swap.if_match = info.etag;
    must(put_text(f, "k", "other", &swap, NULL, &err));
    must_fail(put_text(f, "k", "third", &swap, NULL, &err), LH_CONFLICT, "store.precondition");
}

static void
a_file_that_a_person_put_there_is_an_object(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_BUF(keys, 1000);
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/dropped.csv", f->root);
    must(lh_file_write_atomic(path, lh_str_bytes(LH_STR("a,b")), 0644, &err));
    (void)snprintf(path, sizeof(path), "%s/100%%.csv", f->root); /* no key is written so */
    must(lh_file_write_atomic(path, lh_str_bytes(LH_STR("a,b")), 0644, &err));
    assert_object(f, "dropped.csv", "a,b");
    assert_string_equal(keys_of(f, "", 10, &keys), "dropped.csv");
}

/* ---- links and other things that are no objects ---- */

static void
links_lead_nowhere(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_BUF(keys, 1000);
    char secret[PATH_MAX], path[PATH_MAX];
    struct lh_object_info info;

    (void)snprintf(secret, sizeof(secret), "%s/secret", f->folder);
    must(lh_dir_make(secret, 0755, &err));
    (void)snprintf(path, sizeof(path), "%s/secret/file", f->folder);
    must(lh_file_write_atomic(path, lh_str_bytes(LH_STR("s")), 0644, &err));
    must(put_text(f, "a/real", "1", NULL, NULL, &err));
    (void)snprintf(path, sizeof(path), "%s/folder", f->root);
    assert_int_equal(symlink(secret, path), 0);
    (void)snprintf(path, sizeof(path), "%s/a/file", f->root);
    assert_int_equal(symlink("../../secret/file", path), 0);

    must_fail(get(f, "folder/file", &err), LH_DENIED, "store.symlink");
    must_fail(get(f, "a/file", &err), LH_DENIED, "store.symlink");
    must_fail(head_of(f, "folder", &info, &err), LH_DENIED, "store.symlink");
    must_fail(put_text(f, "folder/new", "x", NULL, NULL, &err), LH_DENIED, "store.symlink");
    must_fail(put_text(f, "folder/deep/new", "x", NULL, NULL, &err), LH_DENIED, "store.symlink");
    must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("folder/file"), NULL, &err), LH_DENIED,
              "store.symlink");
    must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("a/file"), NULL, &err), LH_DENIED,
              "store.symlink");
    assert_string_equal(keys_of(f, "", 10, &keys), "a/real");
    /* A plain put takes the link's place, not that of what it points to. */
    must(put_text(f, "a/file", "mine", NULL, NULL, &err));
    assert_object(f, "a/file", "mine");
    (void)snprintf(path, sizeof(path), "%s/secret/new", f->folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void
links_lead_nowhere_on_kernels_without_openat2_either(void **state)
{
    struct fixture *f = *state;

    atomic_store(&local_of(f->bucket)->lacks_openat2, true);
    links_lead_nowhere(state);
    must(put_text(f, "x/y/z", "1", NULL, NULL, &err));
    assert_object(f, "x/y/z", "1");
    must_fail(get(f, "x/y/z/w", &err), LH_NOT_FOUND, "store.no_object");
}

static void
a_pipe_in_the_folder_is_no_object_and_does_not_block(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_BUF(keys, 1000);
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/pipe", f->root);
    assert_int_equal(mkfifo(path, 0644), 0);
    must_fail(get(f, "pipe", &err), LH_NOT_FOUND, "store.no_object");
    assert_null(keys_of(f, "", 10, &keys));
}

/* ---- what a process that died left ---- */

static void
what_a_dead_put_left_is_cleared_away_at_the_next_opening(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_CHARS command = lh_asprintf("find %s/.lakehouse/tmp -type f | grep -q .", f->root);
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct lh_upload *u;
        fixture_open_bucket(f);
        if (lh_upload_begin(f->bucket, &f->call, LH_STR("k"), NULL, &u, NULL) != LH_OK ||
            lh_upload_write(u, lh_str_bytes(LH_STR("half")), NULL) != LH_OK)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(system(command), 0);
    bucket_free(f->bucket);
    fixture_open_bucket(f);
    assert_int_not_equal(system(command), 0);
}

/* ---- file systems with a mind of their own: these need root for mount(2) ---- */

static bool
mounted(const char *type, const char *at, const char *options)
{
    if (mkdir(at, 0755) == 0 && mount("none", at, type, 0, options) == 0)
        return true;
    print_message("skipped: %s cannot be mounted here\n", type);
    return false;
}

static void
reopen_at(struct fixture *f, const char *root)
{
    bucket_free(f->bucket);
    f->bucket = NULL;
    (void)snprintf(f->root, sizeof(f->root), "%s", root);
    fixture_open_bucket(f);
}

/* Back to the scratch folder, so that the mount is free to go. */
static void
leave(struct fixture *f, const char *at)
{
    LH_AUTO_CHARS back = lh_asprintf("%s/b", f->folder);

    reopen_at(f, back);
    assert_int_equal(umount2(at, MNT_DETACH), 0);
}

static void
a_full_disk_refuses_and_keeps_what_was_there(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_CHARS at = lh_asprintf("%s/small", f->folder);
    LH_AUTO_CHARS bytes = lh_alloc((size_t)2 << 20);
    LH_AUTO_BUF(keys, 1000);

    if (!mounted("tmpfs", at, "size=1m"))
        skip();
    reopen_at(f, at);
    must(put_text(f, "k", "old", NULL, NULL, &err));
    must_fail(lh_object_put(f->bucket, &f->call, LH_STR("k"), lh_bytes_of(bytes, (size_t)2 << 20),
                            NULL, NULL, &err),
              LH_NO_SPACE, "store.no_space");
    assert_object(f, "k", "old");
    /* The space of the failed put is free again. */
    must(lh_object_put(f->bucket, &f->call, LH_STR("k"), lh_bytes_of(bytes, (size_t)600 << 10),
                       NULL, NULL, &err));
    assert_string_equal(keys_of(f, "", 10, &keys), "k");
    leave(f, at);
}

static void
a_folder_that_cannot_be_written_is_a_bucket_for_reading(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_CHARS at = lh_asprintf("%s/readonly", f->folder);
    struct lh_bucket_health h;
    LH_AUTO_BUF(keys, 1000);

    if (!mounted("tmpfs", at, "size=1m"))
        skip();
    reopen_at(f, at);
    must(put_text(f, "k", "text", NULL, NULL, &err));
    assert_int_equal(mount("none", at, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
    must_fail(put_text(f, "x", "1", NULL, NULL, &err), LH_DENIED, "store.read_only");
    reopen_at(f, at);
    assert_object(f, "k", "text");
    assert_string_equal(keys_of(f, "", 10, &keys), "k");
    must_fail(put_text(f, "x", "1", NULL, NULL, &err), LH_DENIED, "store.read_only");
    must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("k"), NULL, &err), LH_DENIED,
              "store.read_only");
    lh_bucket_probe(f->bucket, &f->call, &h);
    assert_true(h.is_reachable && !h.can_write && !h.has_create_if_absent);
    assert_non_null(strstr(h.detail, "can only be read"));
    leave(f, at);
}

static void
without_attributes_conditions_hold_and_checksums_are_told_missing(void **state)
{
    struct fixture *f = *state;
    LH_AUTO_CHARS at = lh_asprintf("%s/plain", f->folder);
    struct lh_object_info put, head;
    struct lh_put_options swap = {0};
    struct lh_bucket_health h;

    if (!mounted("ramfs", at, ""))
        skip();
    reopen_at(f, at);
    if (local_of(f->bucket)->has_xattrs) {
        leave(f, at);
        print_message("skipped: this ramfs keeps attributes\n");
        skip();
    }
    must(put_text(f, "k", "1", NULL, &put, &err));
    must(head_of(f, "k", &head, &err));
    assert_string_equal(put.etag, head.etag);
    swap.if_match = put.etag;
    must(put_text(f, "k", "2", &swap, NULL, &err));
    must_fail(put_text(f, "k", "3", &swap, NULL, &err), LH_CONFLICT, "store.precondition");
    lh_bucket_probe(f->bucket, &f->call, &h);
    assert_true(h.can_write && h.has_create_if_absent && h.has_compare_and_swap &&
                !h.has_checksums);
    assert_string_not_equal(h.detail, "");
    leave(f, at);
}

int
main(void)
{
#define damage_test(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        damage_test(a_flipped_byte_is_never_served),
        damage_test(damage_spoils_only_the_block_it_is_in),
        damage_test(damage_after_a_proof_is_found_when_the_file_was_written_to),
        damage_test(a_truncated_or_grown_file_is_damage),
        damage_test(a_file_that_becomes_shorter_under_a_reader_is_damage),
        damage_test(a_damaged_object_is_listed_and_can_be_replaced),
        damage_test(a_file_without_its_attribute_is_read_under_a_tag_of_its_identity),
        damage_test(a_file_that_a_person_put_there_is_an_object),
        damage_test(links_lead_nowhere),
        damage_test(links_lead_nowhere_on_kernels_without_openat2_either),
        damage_test(a_pipe_in_the_folder_is_no_object_and_does_not_block),
        damage_test(what_a_dead_put_left_is_cleared_away_at_the_next_opening),
        damage_test(a_full_disk_refuses_and_keeps_what_was_there),
        damage_test(a_folder_that_cannot_be_written_is_a_bucket_for_reading),
        damage_test(without_attributes_conditions_hold_and_checksums_are_told_missing),
    };

    return cmocka_run_group_tests_name("local_damage", tests, NULL, NULL);
}
