#include "base/testing.h"

#include <string.h>
#include "base/id.h"
#include "store/block_plan.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define BLOCKS 64

static struct block_range out[BLOCKS * BLOCK_PAGES / 2 + 1];

static size_t
plan(const uint64_t *missing, size_t blocks, size_t bridge, size_t part)
{
    assert_true(block_plan_max(blocks) <= sizeof(out) / sizeof(out[0]));
    return block_plan(missing, blocks, 100, bridge, part, out);
}

static void
pages_that_follow_each_other_are_one_range_across_blocks(void **state)
{
    const uint64_t missing[] = {UINT64_MAX << 60, UINT64_MAX, 3};

    (void)state;
    assert_int_equal(plan(missing, 3, 0, 8 * MIB), 1);
    assert_int_equal(out[0].first, 100 * 64 + 60);
    assert_int_equal(out[0].count, 4 + 64 + 2);
}

static void
a_hole_is_bridged_when_it_is_small_and_little_beside_the_rest(void **state)
{
    const uint64_t dense[] = {~((uint64_t)3 << 20)}, sparse[] = {1 | 1 << 3};

    (void)state;
    assert_int_equal(plan(dense, 1, 8 * KIB, 8 * MIB), 1);
    assert_int_equal(out[0].count, 64);
    assert_int_equal(plan(dense, 1, 4 * KIB, 8 * MIB), 2);
    /* Two pages for two that are wanted: the bytes would double. */
    assert_int_equal(plan(sparse, 1, 64 * KIB, 8 * MIB), 2);
}

static void
a_long_range_is_split_at_block_borders(void **state)
{
    uint64_t missing[BLOCKS];

    (void)state;
    memset(missing, 0xff, sizeof(missing));
    missing[0] = UINT64_MAX << 10;
    assert_int_equal(plan(missing, BLOCKS, 0, 4 * MIB), 4);
    assert_int_equal(out[0].first, 100 * 64 + 10);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(out[i].first % BLOCK_PAGES, 0);
        assert_int_equal(out[i].first, out[i - 1].first + out[i - 1].count);
    }
    assert_int_equal(out[3].first + out[3].count, (100 + BLOCKS) * 64);
}

static void
a_short_rest_is_no_part_of_its_own(void **state)
{
    uint64_t missing[5];

    (void)state;
    memset(missing, 0xff, sizeof(missing));
    assert_int_equal(plan(missing, 5, 0, MIB), 1);
}

/* Whatever is missing is fetched once, and what is fetched beside it is at most an eighth. */
static void
any_pattern_is_covered_without_overlap(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        uint64_t missing[8], wanted = 0, fetched = 0, end = 0;
        size_t count;

        for (int i = 0; i < 8; i++) {
            missing[i] = round % 3 ? lh_random_u64() | lh_random_u64() : lh_random_u64();
            wanted += (uint64_t)__builtin_popcountll(missing[i]);
        }
        count = plan(missing, 8, (size_t)(lh_random_u64() % 6) * 4 * KIB, MIB);
        for (size_t i = 0; i < count; i++) {
            assert_true(out[i].first >= end);
            end = out[i].first + out[i].count;
            fetched += out[i].count;
            for (uint64_t page = out[i].first; page < end; page++)
                missing[page / 64 - 100] &= ~((uint64_t)1 << page % 64);
        }
        for (int i = 0; i < 8; i++)
            assert_true(missing[i] == 0);
        assert_true(fetched <= wanted + wanted / 8);
    }
}

static void
the_cost_follows_what_is_measured(void **state)
{
    struct block_cost c;

    (void)state;
    block_cost_init(&c);
    assert_int_equal(block_cost_bridge(&c), 256 * KIB); /* 10 ms at 100 MB/s are 1 MB */
    assert_int_equal(block_cost_part(&c), 4000000);
    for (int i = 0; i < 200; i++) {
        block_cost_note(&c, 4096, 200000);      /* 0.2 ms */
        block_cost_note(&c, MIB, 200000 + MIB); /* 1 GB/s */
    }
    assert_in_range(block_cost_bridge(&c), 180 * KIB, 210 * KIB);
    assert_int_equal(block_cost_part(&c), MIB);
    for (int i = 0; i < 200; i++)
        block_cost_note(&c, 4096, 500000000);
    assert_int_equal(block_cost_part(&c), 8 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_that_follow_each_other_are_one_range_across_blocks),
        cmocka_unit_test(a_hole_is_bridged_when_it_is_small_and_little_beside_the_rest),
        cmocka_unit_test(a_long_range_is_split_at_block_borders),
        cmocka_unit_test(a_short_rest_is_no_part_of_its_own),
        cmocka_unit_test(any_pattern_is_covered_without_overlap),
        cmocka_unit_test(the_cost_follows_what_is_measured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
