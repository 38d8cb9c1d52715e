#include "base/testing.h"

#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"
#include "base/id.h"
#include "store/block.h"

static const struct block_id id = {.object = {1, 2, 3}, .number = 7};

/* Pages whose bytes are their number. */
static struct block *
pages(size_t first, size_t count)
{
    uint8_t *bytes = lh_alloc(count * BLOCK_PAGE_BYTES);
    struct block *b;

    for (size_t i = 0; i < count; i++)
        memset(bytes + i * BLOCK_PAGE_BYTES, (int)(first + i), BLOCK_PAGE_BYTES);
    b = block_make(&id, first, bytes, count * BLOCK_PAGE_BYTES);
    free(bytes);
    return b;
}

static void
a_range_touches_the_pages_it_lies_in(void **state)
{
    (void)state;
    assert_int_equal(block_pages_of(0, 1), 1);
    assert_int_equal(block_pages_of(4095, 2), 3);
    assert_int_equal(block_pages_of(4096, 4096), 2);
    assert_true(block_pages_of(BLOCK_BYTES - 1, 1) == (uint64_t)1 << 63);
    assert_true(block_pages_of(0, BLOCK_BYTES) == UINT64_MAX);
}

static void
a_block_of_two_has_the_pages_of_both(void **state)
{
    struct block *a = pages(3, 2), *b = pages(60, 4), *m = block_merge(a, b);
    uint8_t got[BLOCK_PAGE_BYTES + 10];

    (void)state;
    assert_true(m->pages == ((uint64_t)3 << 3 | (uint64_t)15 << 60));
    assert_true(block_check(m, m->pages));
    block_copy(m, 62 * BLOCK_PAGE_BYTES - 5, sizeof(got), got);
    assert_int_equal(got[4], 61);
    assert_int_equal(got[5], 62);
    assert_int_equal(got[sizeof(got) - 1], 63);
    block_copy(m, 4 * BLOCK_PAGE_BYTES, 1, got);
    assert_int_equal(got[0], 4);
    block_unref(a);
    block_unref(b);
    block_unref(m);
}

static void
merging_keeps_the_checksums_so_damage_is_not_made_good(void **state)
{
    struct block *a = pages(0, 1), *b = pages(1, 1), *m;

    (void)state;
    a->bytes[100] ^= 1;
    m = block_merge(a, b);
    assert_false(block_check(m, 1));
    assert_true(block_check(m, 2));
    block_unref(a);
    block_unref(b);
    block_unref(m);
}

static void
the_last_page_of_an_object_is_filled_with_zeros(void **state)
{
    struct block *b = block_make(&id, 5, (const uint8_t *)"end", 3);

    (void)state;
    assert_true(b->pages == 1 << 5);
    assert_memory_equal(b->bytes, "end\0\0", 5);
    assert_true(block_check(b, b->pages));
    block_unref(b);
}

static void
a_head_comes_back_as_it_was(void **state)
{
    struct block *b = pages(10, 3), *back;
    uint8_t head[BLOCK_HEAD_BYTES];

    (void)state;
    block_head_encode(b, head);
    back = block_head_decode(&id, head);
    assert_non_null(back);
    assert_true(back->pages == b->pages);
    memcpy(back->bytes, b->bytes, block_pages_bytes(b->pages));
    assert_true(block_check(back, back->pages));
    block_unref(b);
    block_unref(back);
}

static void
a_head_with_one_wrong_bit_or_of_another_block_is_none(void **state)
{
    struct block *b = pages(10, 3);
    struct block_id other = id;
    uint8_t head[BLOCK_HEAD_BYTES];

    (void)state;
    block_head_encode(b, head);
    for (size_t bit = 0; bit < 8 * BLOCK_HEAD_BYTES; bit++) {
        head[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_null(block_head_decode(&id, head));
        head[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    other.number++;
    assert_null(block_head_decode(&other, head));
    other = id;
    other.object[31] ^= 1;
    assert_null(block_head_decode(&other, head));
    block_unref(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_touches_the_pages_it_lies_in),
        cmocka_unit_test(a_block_of_two_has_the_pages_of_both),
        cmocka_unit_test(merging_keeps_the_checksums_so_damage_is_not_made_good),
        cmocka_unit_test(the_last_page_of_an_object_is_filled_with_zeros),
        cmocka_unit_test(a_head_comes_back_as_it_was),
        cmocka_unit_test(a_head_with_one_wrong_bit_or_of_another_block_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
