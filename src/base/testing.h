/*
 * testing: cmocka with the headers it forgets, and assertions that speak of our types.
 *
 * For `*_test.c` files only.
 */
#ifndef LH_BASE_TESTING_H
#define LH_BASE_TESTING_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

/* Text by content; both sides are shown when they differ. */
#define assert_str(actual, expected)                                                               \
    lh_assert_str((actual), lh_str_of(expected), __FILE__, __LINE__)

/* `expr` is OK; otherwise the error's text is shown. `err` is a struct lh_error, not a pointer. */
#define assert_ok(expr, err)                                                                       \
    do {                                                                                           \
        if ((expr) != LH_OK)                                                                       \
            fail_msg("%s: %s", (err).reason, (err).text);                                          \
    } while (0)

/* `expr` fails with this status and reason; the error is cleared for the next use. */
#define assert_fails(expr, expected_status, expected_reason, err)                                  \
    do {                                                                                           \
        assert_string_equal(lh_status_name(expr), lh_status_name(expected_status));                \
        assert_string_equal((err).reason, (expected_reason));                                      \
        lh_error_clear(&(err));                                                                    \
    } while (0)

static inline void
lh_assert_str(lh_str actual, lh_str expected, const char *file, int line)
{
    if (lh_str_eq(actual, expected))
        return;
    print_error("\"%.*s\"\nis not\n\"%.*s\"\n", LH_FMT(actual), LH_FMT(expected));
    _fail(file, line);
}

#endif
