/*
 * kernel: the inner loops, once per instruction set, chosen when an index is made.
 *
 * Integer results are the same in every set, bit for bit; sums of floats differ by rounding. The
 * plain set is the definition that the tests hold the others against.
 *
 * Rows of codes are whole blocks of 64 bytes at a 64-byte boundary. A block of nibbles holds 128
 * dimensions: the lower half of byte j is dimension j, the upper half dimension 64 + j.
 */
#ifndef LH_ANN_KERNEL_H
#define LH_ANN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define ANN_BLOCK 64 /* bytes */

struct ann_rows {
    const uint8_t *base;
    size_t stride; /* bytes, a multiple of ANN_BLOCK */
};

struct ann_kernels {
    const char *name;
    /* dots[i] = sum of code × query over the row ids[i], for nibbles 0 to 15. */
    void (*dots_nibble)(struct ann_rows rows, const uint32_t *ids, size_t count,
                        const int8_t *query, int32_t *dots);
    /* The same for bytes, which stand for their value - 128, of -127 to 127, as query has it. */
    void (*dots_byte)(struct ann_rows rows, const uint32_t *ids, size_t count, const int8_t *query,
                      int32_t *dots);
    float (*dot)(const float *a, const float *b, size_t n);
    float (*l2)(const float *a, const float *b, size_t n);
    /* In place, without scaling; n is a power of two. The same bits in every set. */
    void (*hadamard)(float *x, size_t n);
    float (*max_abs)(const float *x, size_t n);
    /* out = x × inverse, rounded to nearest even, of -127 to 127; returns the sum of out. */
    int32_t (*quantise)(const float *x, size_t n, float inverse, int8_t *out);
};

/* NULL when this build or CPU does not have it; `name` NULL asks for the best. */
const struct ann_kernels *ann_kernels_find(const char *name);

extern const struct ann_kernels ann_kernels_plain;
#if defined(__x86_64__)
extern const struct ann_kernels ann_kernels_avx2;
extern const struct ann_kernels ann_kernels_avx512;
#elif defined(__aarch64__)
extern const struct ann_kernels ann_kernels_neon;
#endif

/* Starts loading memory that is read soon, into the second level of cache. The first has some
 * twenty places for lines on their way, and whoever asks for more waits: asking for the rows of a
 * step that way made walks a fifth slower. */
static inline void
ann_prefetch(const void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += ANN_BLOCK)
        __builtin_prefetch((const char *)at + i, 0, 2);
    /* Without it gcc takes a function that only prefetches for one without effect and drops it. */
    __asm__ volatile("");
}

static inline void
ann_row_prefetch(struct ann_rows rows, uint32_t id)
{
    ann_prefetch(rows.base + (size_t)id * rows.stride, rows.stride);
}

#endif
