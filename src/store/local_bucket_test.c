#include "store/fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_comes_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_object_is_a_plain_file_at_its_key, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("local_bucket", tests, NULL, NULL);
}
