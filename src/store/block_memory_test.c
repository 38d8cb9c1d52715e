#include "base/testing.h"

#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"
#include "store/block_memory.h"

static struct block_id
id_of(uint64_t number)
{
    return (struct block_id){.object = {9}, .number = number};
}

static void
add(struct block_memory *m, uint64_t number, uint64_t reader)
{
    struct block_id id = id_of(number);
    struct block *b = block_new(&id, UINT64_MAX);

    block_memory_add(m, b, reader);
    block_unref(b);
}

static bool
has(struct block_memory *m, uint64_t number, uint64_t reader)
{
    struct block_id id = id_of(number);
    struct block *b = block_memory_find(m, &id, reader);

    block_unref(b);
    return b != NULL;
}

static void
pages_of_a_block_gather(void **state)
{
    LH_AUTO(block_memory) *m = block_memory_new((uint64_t)8 << 20);
    struct block_id id = id_of(1);
    struct block *a = block_make(&id, 0, (const uint8_t *)"a", 1);
    struct block *b = block_make(&id, 9, (const uint8_t *)"b", 1), *both;

    (void)state;
    block_memory_add(m, a, 1);
    block_memory_add(m, b, 1);
    block_memory_add(m, a, 1);
    both = block_memory_find(m, &id, 1);
    assert_true(both->pages == (1 | 1 << 9));
    assert_true(block_check(both, both->pages));
    assert_true(block_memory_bytes(m) < 2 * block_size(both));
    block_unref(a);
    block_unref(b);
    block_unref(both);
}

static void
the_limit_holds_and_the_oldest_goes(void **state)
{
    uint64_t max = (uint64_t)8 << 20;
    LH_AUTO(block_memory) *m = block_memory_new(max);

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        add(m, i, 1);
        assert_true(block_memory_bytes(m) <= max);
    }
    assert_true(has(m, 199, 1));
    assert_true(has(m, 175, 1));
    assert_false(has(m, 100, 1));
}

static void
one_pass_does_not_push_out_what_is_used_again(void **state)
{
    LH_AUTO(block_memory) *m = block_memory_new((uint64_t)8 << 20);

    (void)state;
    for (uint64_t i = 0; i < 16; i++)
        add(m, i, 1);
    for (uint64_t i = 0; i < 16; i++)
        assert_true(has(m, i, 2));
    for (uint64_t i = 1000; i < 2000; i++) {
        add(m, i, 3);
        assert_true(has(m, i, 3)); /* the same reader, twice: still one pass */
    }
    for (uint64_t i = 0; i < 16; i++)
        assert_true(has(m, i, 4));
}

static void
what_was_used_long_ago_gives_way_to_what_is_used_now(void **state)
{
    LH_AUTO(block_memory) *m = block_memory_new((uint64_t)8 << 20);

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        add(m, i, 1);
        assert_true(has(m, i, 2));
    }
    assert_false(has(m, 0, 3));
    assert_true(has(m, 99, 3));
}

static void
a_block_in_use_outlives_its_place(void **state)
{
    LH_AUTO(block_memory) *m = block_memory_new((uint64_t)1 << 20);
    struct block_id id = id_of(0);
    struct block *b;

    (void)state;
    add(m, 0, 1);
    b = block_memory_find(m, &id, 1);
    for (uint64_t i = 1; i < 20; i++)
        add(m, i, 1);
    assert_false(has(m, 0, 1));
    assert_int_equal(b->bytes[BLOCK_BYTES - 1], 0);
    block_unref(b);
}

static void
dropping_takes_that_very_block_only(void **state)
{
    LH_AUTO(block_memory) *m = block_memory_new((uint64_t)1 << 20);
    struct block_id id = id_of(0);
    struct block *first = block_make(&id, 0, (const uint8_t *)"a", 1);
    struct block *more = block_make(&id, 1, (const uint8_t *)"b", 1);

    (void)state;
    block_memory_add(m, first, 1);
    block_memory_add(m, more, 1);
    block_memory_drop(m, first); /* was replaced by a block of both */
    assert_true(has(m, 0, 1));
    block_unref(first);
    block_unref(more);
    first = block_memory_find(m, &id, 1);
    block_memory_drop(m, first);
    assert_false(has(m, 0, 1));
    assert_int_equal(block_memory_bytes(m), 0);
    block_unref(first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_a_block_gather),
        cmocka_unit_test(the_limit_holds_and_the_oldest_goes),
        cmocka_unit_test(one_pass_does_not_push_out_what_is_used_again),
        cmocka_unit_test(what_was_used_long_ago_gives_way_to_what_is_used_now),
        cmocka_unit_test(a_block_in_use_outlives_its_place),
        cmocka_unit_test(dropping_takes_that_very_block_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
