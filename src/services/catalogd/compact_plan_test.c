/* Which objects become one, and what a version looks like when they have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "services/catalogd/compact_plan.h"

enum { FILES = 8 };

static const struct compact_wish wish = {.target_bytes = 100, .objects_min = 2};

struct version {
    struct lh_snapshot shown;
    struct lh_catalog_file files[FILES];
    char keys[FILES][8];
    uint64_t first[FILES];
    struct lh_erasure erasure;
};

/* Sizes of the files; a negative one has hidden rows. */
static void
version_make(struct version *v, const int *sizes, size_t count)
{
    memset(v, 0, sizeof(*v));
    for (size_t i = 0; i < count; i++) {
        snprintf(v->keys[i], sizeof(v->keys[i]), "k%zu", i);
        v->first[i] = sizes[i] < 0 ? 3 : 0;
        v->files[i] =
            (struct lh_catalog_file){.bucket = "primary",
                                     .key = v->keys[i],
                                     .size_bytes = (uint64_t)(sizes[i] < 0 ? -sizes[i] : sizes[i])};
        if (sizes[i] < 0)
            v->shown.erasure = &v->erasure;
    }
    v->erasure.first = v->first;
    v->shown.files = v->files;
    v->shown.file_count = count;
}

static void
expect_ranges(const int *sizes, size_t count, const char *expected)
{
    struct compact_range ranges[FILES];
    struct version v;
    char text[128] = "";
    size_t n;

    version_make(&v, sizes, count);
    n = compact_ranges(&v.shown, &wish, ranges);
    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%zu-%zu ", ranges[i].begin,
                 ranges[i].end);
    assert_string_equal(text, expected);
}

#define RANGES(expected, ...)                                                                      \
    expect_ranges((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int),    \
                  expected)

static void
small_neighbours_become_one_up_to_the_target(void **state)
{
    (void)state;
    RANGES("0-3 ", 10, 20, 30);
    RANGES("0-2 2-4 ", 49, 49, 49, 49);
    RANGES("0-2 3-5 ", 10, 10, 80, 10, 10);
    RANGES("", 60, 60, 60);
    RANGES("", 10);
}

static void
few_are_left_for_later(void **state)
{
    (void)state;
    RANGES("", 10, 10);
    RANGES("", 10, 10, 80, 60);
    RANGES("0-2 3-5 ", 10, 10, 90, 10, 10);
}

static void
what_has_hidden_rows_is_rewritten_whatever_its_size(void **state)
{
    (void)state;
    RANGES("0-1 ", -500);
    RANGES("0-1 ", -80, 60, 60);
    RANGES("0-2 ", 10, -20, 90);
    RANGES("1-2 ", 90, -90, 90);
}

static void
objects_of_two_buckets_never_become_one(void **state)
{
    struct compact_range ranges[FILES];
    struct version v;

    (void)state;
    version_make(&v, (const int[]){10, 10, 10, 10}, 4);
    v.files[2].bucket = v.files[3].bucket = "archive";
    assert_int_equal(compact_ranges(&v.shown, &wish, ranges), 2);
    assert_int_equal(ranges[0].end, 2);
    assert_int_equal(ranges[1].begin, 2);
}

/* ---- splicing ---- */

static void
a_piece_stands_where_its_files_stood(void **state)
{
    struct lh_catalog_file out[FILES];
    struct compact_piece pieces[2] = {0};
    struct version v;
    size_t count;

    (void)state;
    version_make(&v, (const int[]){1, 1, 1, 1, 1}, 5);
    pieces[0] = (struct compact_piece){.old = &v.files[0], .old_count = 2};
    pieces[0].made = (struct lh_catalog_file){.bucket = "primary", .key = "new"};
    pieces[1] = (struct compact_piece){.old = &v.files[3], .old_count = 1}; /* no row was left */
    assert_true(compact_splice(v.files, 5, pieces, 2, out, &count));
    assert_int_equal(count, 3);
    assert_string_equal(out[0].key, "new");
    assert_string_equal(out[1].key, "k2");
    assert_string_equal(out[2].key, "k4");
}

static void
files_that_came_meanwhile_stay_and_files_that_went_are_noticed(void **state)
{
    struct lh_catalog_file now[FILES], out[FILES + 1];
    struct compact_piece piece;
    struct version v;
    size_t count;

    (void)state;
    version_make(&v, (const int[]){1, 1, 1}, 3);
    piece = (struct compact_piece){.old = &v.files[0], .old_count = 2};
    piece.made = (struct lh_catalog_file){.bucket = "primary", .key = "new"};
    memcpy(now, v.files, sizeof(v.files));
    now[3] = (struct lh_catalog_file){.bucket = "primary", .key = "later"};
    assert_true(compact_splice(now, 4, &piece, 1, out, &count));
    assert_int_equal(count, 3);
    assert_string_equal(out[2].key, "later");
    assert_false(compact_splice(now + 1, 3, &piece, 1, out, &count));
    now[1].bucket = "archive";
    assert_false(compact_splice(now, 4, &piece, 1, out, &count));
    assert_false(compact_splice(now, 0, &piece, 1, out, &count));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_neighbours_become_one_up_to_the_target),
        cmocka_unit_test(few_are_left_for_later),
        cmocka_unit_test(what_has_hidden_rows_is_rewritten_whatever_its_size),
        cmocka_unit_test(objects_of_two_buckets_never_become_one),
        cmocka_unit_test(a_piece_stands_where_its_files_stood),
        cmocka_unit_test(files_that_came_meanwhile_stay_and_files_that_went_are_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
