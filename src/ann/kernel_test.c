#include "ann/kernel.h"

#include "ann/fixture.h"

static const char *const SETS[] = {"avx2", "avx512", "neon"};

static void *
aligned(size_t size)
{
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

static void
dots_compare(const struct ann_kernels *k, size_t stride, bool is_nibble)
{
    struct dice dice = {stride + 1};
    size_t rows = 23, width = is_nibble ? 2 * stride : stride;
    uint8_t *base = aligned(rows * stride);
    int8_t *query = aligned(width);
    uint32_t ids[64];
    int32_t want[64], got[64];

    for (size_t i = 0; i < rows * stride; i++)
        base[i] = (uint8_t)(is_nibble ? dice_roll(&dice) : 1 + dice_below(&dice, 255));
    /* The largest values of all, where sums of 16 bits would overflow. */
    for (size_t i = 0; i < stride; i++)
        base[i] = is_nibble ? 0xff : (i & 1) ? 255 : 1;
    for (size_t i = 0; i < width; i++)
        query[i] = (int8_t)(i % 3 == 0   ? -127
                            : i % 3 == 1 ? 127
                                         : (int)dice_below(&dice, 255) - 127);
    struct ann_rows all = {base, stride};
    for (size_t n = 0; n <= 20; n++) {
        for (size_t i = 0; i < n; i++)
            ids[i] = (uint32_t)dice_below(&dice, i == 0 ? 1 : rows);
        if (is_nibble) {
            ann_kernels_plain.dots_nibble(all, ids, n, query, want);
            k->dots_nibble(all, ids, n, query, got);
        } else {
            ann_kernels_plain.dots_byte(all, ids, n, query, want);
            k->dots_byte(all, ids, n, query, got);
        }
        assert_memory_equal(want, got, n * sizeof(int32_t));
    }
    free(base);
    free(query);
}

static void
floats_compare(const struct ann_kernels *k, size_t n)
{
    struct dice dice = {n + 1};
    float *a = malloc((n + 1) * sizeof(float)), *b = malloc((n + 1) * sizeof(float));
    int8_t *want = malloc(n + 1), *got = malloc(n + 1);

    for (size_t i = 0; i < n; i++) {
        a[i] = dice_normal(&dice);
        b[i] = dice_normal(&dice);
    }
    float tolerance = 1e-5f * (float)(n + 1);
    assert_float_equal(k->dot(a, b, n), ann_kernels_plain.dot(a, b, n), tolerance);
    assert_float_equal(k->l2(a, b, n), ann_kernels_plain.l2(a, b, n), tolerance);
    assert_true(k->max_abs(a, n) == ann_kernels_plain.max_abs(a, n));
    assert_int_equal(k->quantise(a, n, 60.0f, got), ann_kernels_plain.quantise(a, n, 60.0f, want));
    assert_memory_equal(want, got, n);
    free(a);
    free(b);
    free(want);
    free(got);
}

static void
hadamard_compare(const struct ann_kernels *k, size_t n)
{
    struct dice dice = {n};
    float *a = malloc(n * sizeof(float)), *b = malloc(n * sizeof(float));

    for (size_t i = 0; i < n; i++)
        a[i] = b[i] = dice_normal(&dice);
    ann_kernels_plain.hadamard(a, n);
    k->hadamard(b, n);
    assert_memory_equal(a, b, n * sizeof(float));
    free(a);
    free(b);
}

static void
every_set_computes_what_the_plain_one_does(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof(SETS) / sizeof(SETS[0]); s++) {
        const struct ann_kernels *k = ann_kernels_find(SETS[s]);
        if (k == NULL)
            continue;
        for (size_t stride = 64; stride <= 64 * 40; stride += 64) {
            dots_compare(k, stride, true);
            dots_compare(k, stride, false);
        }
        for (size_t n = 0; n < 300; n++)
            floats_compare(k, n);
        for (size_t n = 1; n <= 4096; n *= 2)
            hadamard_compare(k, n);
    }
}

static void
the_best_set_is_found_and_unknown_ones_are_not(void **state)
{
    (void)state;
    assert_non_null(ann_kernels_find(NULL));
    assert_ptr_equal(ann_kernels_find("plain"), &ann_kernels_plain);
    assert_null(ann_kernels_find("abacus"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_computes_what_the_plain_one_does),
        cmocka_unit_test(the_best_set_is_found_and_unknown_ones_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
