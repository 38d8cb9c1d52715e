/*
 * NEON as every ARMv8 has it: products of bytes widen to 16 bits and are added pairwise into 32.
 * A nibble times a query byte is 15 × 128 at most, so both halves of a block fit in 16 bits.
 */
#if defined(__aarch64__)
#include "ann/kernel.h"

#include <arm_neon.h>

static inline int32x4_t
products_add(int32x4_t sums, int8x16_t a, int8x16_t b)
{
    sums = vpadalq_s16(sums, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sums, vmull_high_s8(a, b));
}

static void
dots_nibble(struct ann_rows rows, const uint32_t *ids, size_t count, const int8_t *query,
            int32_t *dots)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = rows.base + (size_t)ids[i] * rows.stride;
        int32x4_t sums = vdupq_n_s32(0);

        for (size_t at = 0; at < rows.stride; at += ANN_BLOCK)
            for (size_t j = 0; j < ANN_BLOCK; j += 16) {
                const int8_t *q = query + 2 * at + j;
                uint8x16_t v = vld1q_u8(row + at + j);
                int8x16_t low = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15)));
                int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(v, 4));
                sums = products_add(sums, low, vld1q_s8(q));
                sums = products_add(sums, high, vld1q_s8(q + ANN_BLOCK));
            }
        dots[i] = vaddvq_s32(sums);
    }
}

static void
dots_byte(struct ann_rows rows, const uint32_t *ids, size_t count, const int8_t *query,
          int32_t *dots)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = rows.base + (size_t)ids[i] * rows.stride;
        int32x4_t sums = vdupq_n_s32(0);

        for (size_t j = 0; j < rows.stride; j += 16) {
            uint8x16_t v = veorq_u8(vld1q_u8(row + j), vdupq_n_u8(128));
            sums = products_add(sums, vreinterpretq_s8_u8(v), vld1q_s8(query + j));
        }
        dots[i] = vaddvq_s32(sums);
    }
}

static float
dot(const float *a, const float *b, size_t n)
{
    float32x4_t s0 = vdupq_n_f32(0), s1 = s0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        s0 = vfmaq_f32(s0, vld1q_f32(a + i), vld1q_f32(b + i));
        s1 = vfmaq_f32(s1, vld1q_f32(a + i + 4), vld1q_f32(b + i + 4));
    }
    return vaddvq_f32(vaddq_f32(s0, s1)) + ann_kernels_plain.dot(a + i, b + i, n - i);
}

static float
l2(const float *a, const float *b, size_t n)
{
    float32x4_t s0 = vdupq_n_f32(0), s1 = s0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        float32x4_t d0 = vsubq_f32(vld1q_f32(a + i), vld1q_f32(b + i));
        float32x4_t d1 = vsubq_f32(vld1q_f32(a + i + 4), vld1q_f32(b + i + 4));
        s0 = vfmaq_f32(s0, d0, d0);
        s1 = vfmaq_f32(s1, d1, d1);
    }
    return vaddvq_f32(vaddq_f32(s0, s1)) + ann_kernels_plain.l2(a + i, b + i, n - i);
}

static void
hadamard(float *x, size_t n)
{
    size_t small = n < 4 ? n : 4;

    for (size_t at = 0; at < n; at += small)
        ann_kernels_plain.hadamard(x + at, small);
    for (size_t half = 4; half < n; half *= 2)
        for (size_t at = 0; at < n; at += 2 * half)
            for (size_t i = at; i < at + half; i += 4) {
                float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + i + half);
                vst1q_f32(x + i, vaddq_f32(a, b));
                vst1q_f32(x + i + half, vsubq_f32(a, b));
            }
}

static float
max_abs(const float *x, size_t n)
{
    float32x4_t max = vdupq_n_f32(0);
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        max = vmaxq_f32(max, vabsq_f32(vld1q_f32(x + i)));
    float rest = ann_kernels_plain.max_abs(x + i, n - i), all = vmaxvq_f32(max);
    return rest > all ? rest : all;
}

static int32_t
quantise(const float *x, size_t n, float inverse, int8_t *out)
{
    int32_t sum = 0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), inverse));
        int32x4_t b = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), inverse));
        int8x8_t v = vqmovn_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)));
        v = vmax_s8(v, vdup_n_s8(-127));
        vst1_s8(out + i, v);
        sum += vaddlv_s8(v);
    }
    return sum + ann_kernels_plain.quantise(x + i, n - i, inverse, out + i);
}

const struct ann_kernels ann_kernels_neon = {
    .name = "neon",
    .dots_nibble = dots_nibble,
    .dots_byte = dots_byte,
    .dot = dot,
    .l2 = l2,
    .hadamard = hadamard,
    .max_abs = max_abs,
    .quantise = quantise,
};
#else
typedef int ann_kernel_neon_is_for_arm;
#endif
