#include "base/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void
every_status_has_a_name(void **state)
{
    (void)state;
    for (int s = 0; s < LH_STATUS_COUNT; s++)
        assert_string_not_equal(lh_status_name((lh_status)s), "unknown");
    assert_string_equal(lh_status_name(LH_NOT_FOUND), "not_found");
    assert_string_equal(lh_status_name((lh_status)99), "unknown");
    assert_string_equal(lh_status_name((lh_status)-1), "unknown");
}

static void
a_failure_fills_the_error_and_returns_its_status(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    assert_int_equal(lh_fail(&err, LH_CONFLICT, "catalog.stale", "version %d is old", 3),
                     LH_CONFLICT);
    assert_int_equal(err.status, LH_CONFLICT);
    assert_string_equal(err.text, "version 3 is old");
    assert_true(lh_error_is(&err, "catalog.stale"));
    assert_false(lh_error_is(&err, "catalog"));
    assert_false(lh_error_is(NULL, "catalog.stale"));
    assert_int_equal(lh_fail(NULL, LH_BUSY, "x.y", "nobody listens"), LH_BUSY);
}

static void
a_failure_replaces_what_was_there_even_when_made_of_it(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    lh_fail(&err, LH_IO, "os.eio", "disk");
    lh_error_extra_set(&err, "{\"a\":1}");
    lh_fail(&err, LH_UNAVAILABLE, err.reason, "peer said: %s", err.text);
    assert_string_equal(err.text, "peer said: disk");
    assert_string_equal(err.reason, "os.eio");
    assert_null(err.extra);
}

static void
a_long_text_is_cut_between_characters(void **state)
{
    LH_AUTO_ERROR(err);
    char text[1024] = "x";

    (void)state;
    for (size_t i = 1; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xC3\xA9", 3);
    lh_fail(&err, LH_INVALID, "a.b", "%s", text);
    assert_int_equal(strlen(err.text), LH_ERROR_TEXT_MAX - 1);
    assert_true(lh_str_is_utf8(lh_str_of(err.text)));
    lh_fail(&err, LH_INVALID, "a.b", "y%s", text);
    assert_int_equal(strlen(err.text), LH_ERROR_TEXT_MAX - 2);
    assert_true(lh_str_is_utf8(lh_str_of(err.text)));
}

static void
a_text_stays_on_one_line(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    lh_fail(&err, LH_INVALID, "a.b", "one\ntwo\tthree");
    assert_string_equal(err.text, "one two three");
}

static void
an_errno_becomes_a_status_and_a_reason(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    assert_int_equal(lh_fail_errno(&err, ENOENT, "open %s", "/x"), LH_NOT_FOUND);
    assert_string_equal(err.reason, "os.enoent");
    assert_string_equal(err.text, "open /x: No such file or directory");
    assert_int_equal(lh_fail_errno(&err, EROFS, "w"), LH_DENIED);
    assert_int_equal(lh_fail_errno(&err, EDQUOT, "w"), LH_NO_SPACE);
    assert_int_equal(lh_fail_errno(&err, EIO, "w"), LH_IO);
    assert_int_equal(lh_fail_errno(&err, 99999, "w"), LH_IO);
    assert_string_equal(err.reason, "os.unknown");
    assert_int_equal(lh_fail_errno(NULL, ENOSPC, "w"), LH_NO_SPACE);
}

static void
the_systems_message_survives_a_long_path(void **state)
{
    LH_AUTO_ERROR(err);
    char path[1000];

    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    lh_fail_errno(&err, ENOSPC, "write %s", path);
    assert_true(lh_str_ends(lh_str_of(err.text), LH_STR(": No space left on device")));
}

static void
a_wrapped_error_keeps_status_reason_and_extra(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    lh_fail(&err, LH_NOT_FOUND, "store.absent", "no such object");
    lh_error_extra_set(&err, "{}");
    assert_int_equal(lh_error_wrap(&err, "dataset %s", "calls"), LH_NOT_FOUND);
    assert_string_equal(err.text, "dataset calls: no such object");
    assert_string_equal(err.reason, "store.absent");
    assert_string_equal(err.extra, "{}");
}

static void
a_copy_owns_its_extra(void **state)
{
    LH_AUTO_ERROR(from);
    LH_AUTO_ERROR(to);

    (void)state;
    lh_fail(&from, LH_EXISTS, "a.b", "text");
    lh_error_extra_set(&from, "{\"k\":1}");
    lh_error_extra_set(&to, "{\"old\":1}");
    lh_error_copy(&to, &from);
    lh_error_clear(&from);
    assert_int_equal(from.status, LH_OK);
    assert_string_equal(to.extra, "{\"k\":1}");
    assert_string_equal(to.text, "text");
    lh_error_copy(&to, &to);
    assert_string_equal(to.extra, "{\"k\":1}");
}

static lh_status
fails_in_the_middle(int *reached)
{
    *reached = 1;
    LH_TRY(LH_TIMEOUT);
    *reached = 2;
    return LH_OK;
}

static void
try_returns_the_first_failure(void **state)
{
    int reached = 0;

    (void)state;
    assert_int_equal(fails_in_the_middle(&reached), LH_TIMEOUT);
    assert_int_equal(reached, 1);
}

static void
closing_a_descriptor_keeps_errno(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), closed = fd;

    (void)state;
    errno = ENOSPC;
    lh_auto_close_fd(&fd);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(fd, -1);
    assert_int_equal(fcntl(closed, F_GETFD), -1);
    lh_auto_close_fd(&fd);
}

static void
taking_a_pointer_leaves_null(void **state)
{
    char *p = strdup("x");
    char *q = lh_take(p);

    (void)state;
    assert_null(p);
    lh_auto_free_chars(&q);
    assert_null(q);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name),
        cmocka_unit_test(a_failure_fills_the_error_and_returns_its_status),
        cmocka_unit_test(a_failure_replaces_what_was_there_even_when_made_of_it),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(a_text_stays_on_one_line),
        cmocka_unit_test(an_errno_becomes_a_status_and_a_reason),
        cmocka_unit_test(the_systems_message_survives_a_long_path),
        cmocka_unit_test(a_wrapped_error_keeps_status_reason_and_extra),
        cmocka_unit_test(a_copy_owns_its_extra),
        cmocka_unit_test(try_returns_the_first_failure),
        cmocka_unit_test(closing_a_descriptor_keeps_errno),
        cmocka_unit_test(taking_a_pointer_leaves_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
