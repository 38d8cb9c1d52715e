#include "text/fuse.h"

#include <math.h>
#include "base/testing.h"

#define assert_near(actual, expected, margin) assert_true(fabs((actual) - (expected)) < (margin))

static void
an_id_in_both_legs_gets_both_shares(void **state)
{
    (void)state;
    const uint64_t words[] = {7, 8, 9}, vectors[] = {9, 7};
    const struct lh_fuse_leg legs[] = {{words, 3, 1}, {vectors, 2, 2}};
    struct lh_fuse_hit hits[10];

    assert_int_equal(lh_fuse(legs, 2, 60, 10, hits), 3);
    assert_int_equal(hits[0].id, 9);
    assert_near(hits[0].score, 1.0 / 63 + 2.0 / 61, 1e-12);
    assert_int_equal(hits[0].rank[0], 3);
    assert_int_equal(hits[0].rank[1], 1);
    assert_int_equal(hits[1].id, 7);
    assert_near(hits[1].score, 1.0 / 61 + 2.0 / 62, 1e-12);
    assert_int_equal(hits[2].id, 8);
    assert_int_equal(hits[2].rank[1], 0);
}

static void
equal_scores_ascend_by_id_and_k_limits(void **state)
{
    (void)state;
    const uint64_t a[] = {5}, b[] = {3};
    const struct lh_fuse_leg legs[] = {{a, 1, 1}, {b, 1, 1}};
    struct lh_fuse_hit hits[1];

    assert_int_equal(lh_fuse(legs, 2, 0, 1, hits), 1);
    assert_int_equal(hits[0].id, 3);
    assert_near(hits[0].score, 1 / (LH_FUSE_RANK_CONSTANT + 1), 1e-12);
    assert_int_equal(lh_fuse(NULL, 0, 0, 1, hits), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_in_both_legs_gets_both_shares),
        cmocka_unit_test(equal_scores_ascend_by_id_and_k_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
