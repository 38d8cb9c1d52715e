/*
 * AVX-512 with VNNI: one instruction multiplies 64 bytes and adds them in fours into 32 bits, with
 * nothing to saturate. Floats take 16 lanes; the Hadamard steps are those of AVX2.
 *
 * A byte code stands for its value - 128, and dpbusd wants the unsigned factor first: the sum over
 * the raw code is taken and 128 × the sum of the query taken off, which is exact in integers.
 */
#if defined(__x86_64__)
#include "ann/kernel.h"

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

AVX512 static inline __attribute__((always_inline)) void
nibble_rows(const uint8_t *const row[4], size_t width, size_t stride, const int8_t *query,
            int32_t *dots)
{
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i sums[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                       _mm512_setzero_si512()};

    for (size_t at = 0; at < stride; at += ANN_BLOCK) {
        __m512i q_low = _mm512_load_si512(query + 2 * at);
        __m512i q_high = _mm512_load_si512(query + 2 * at + ANN_BLOCK);
        for (size_t r = 0; r < width; r++) {
            __m512i v = _mm512_load_si512(row[r] + at);
            __m512i high = _mm512_and_si512(_mm512_srli_epi16(v, 4), mask);
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_and_si512(v, mask), q_low);
            sums[r] = _mm512_dpbusd_epi32(sums[r], high, q_high);
        }
    }
    for (size_t r = 0; r < width; r++)
        dots[r] = _mm512_reduce_add_epi32(sums[r]);
}

AVX512 static inline __attribute__((always_inline)) void
byte_rows(const uint8_t *const row[4], size_t width, size_t stride, const int8_t *query,
          int32_t *dots)
{
    __m512i sums[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                       _mm512_setzero_si512()};
    __m512i offset = _mm512_setzero_si512();

    for (size_t at = 0; at < stride; at += ANN_BLOCK) {
        __m512i q = _mm512_load_si512(query + at);
        offset = _mm512_dpbusd_epi32(offset, _mm512_set1_epi8(-128), q);
        for (size_t r = 0; r < width; r++)
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_load_si512(row[r] + at), q);
    }
    for (size_t r = 0; r < width; r++)
        dots[r] = _mm512_reduce_add_epi32(_mm512_sub_epi32(sums[r], offset));
}

static inline void
rows_of(struct ann_rows rows, const uint32_t *ids, const uint8_t *row[4], size_t width)
{
    for (size_t r = 0; r < width; r++)
        row[r] = rows.base + (size_t)ids[r] * rows.stride;
}

AVX512 static void
dots_nibble(struct ann_rows rows, const uint32_t *ids, size_t count, const int8_t *query,
            int32_t *dots)
{
    const uint8_t *row[4];
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        rows_of(rows, ids + i, row, 4);
        nibble_rows(row, 4, rows.stride, query, dots + i);
    }
    rows_of(rows, ids + i, row, count - i);
    if (count - i == 3)
        nibble_rows(row, 3, rows.stride, query, dots + i);
    else if (count - i == 2)
        nibble_rows(row, 2, rows.stride, query, dots + i);
    else if (count - i == 1)
        nibble_rows(row, 1, rows.stride, query, dots + i);
}

AVX512 static void
dots_byte(struct ann_rows rows, const uint32_t *ids, size_t count, const int8_t *query,
          int32_t *dots)
{
    const uint8_t *row[4];
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        rows_of(rows, ids + i, row, 4);
        byte_rows(row, 4, rows.stride, query, dots + i);
    }
    rows_of(rows, ids + i, row, count - i);
    if (count - i == 3)
        byte_rows(row, 3, rows.stride, query, dots + i);
    else if (count - i == 2)
        byte_rows(row, 2, rows.stride, query, dots + i);
    else if (count - i == 1)
        byte_rows(row, 1, rows.stride, query, dots + i);
}

AVX512 static float
dot(const float *a, const float *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
        s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
        s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
        s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
    }
    for (; i < n; i += 16) {
        __mmask16 m = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffffu);
        s0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, a + i), _mm512_maskz_loadu_ps(m, b + i), s0);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

AVX512 static inline __m512
square_add(__m512 sum, __m512 a, __m512 b)
{
    __m512 d = _mm512_sub_ps(a, b);

    return _mm512_fmadd_ps(d, d, sum);
}

AVX512 static float
l2(const float *a, const float *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        s0 = square_add(s0, _mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
        s1 = square_add(s1, _mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16));
        s2 = square_add(s2, _mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32));
        s3 = square_add(s3, _mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48));
    }
    for (; i < n; i += 16) {
        __mmask16 m = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffffu);
        s0 = square_add(s0, _mm512_maskz_loadu_ps(m, a + i), _mm512_maskz_loadu_ps(m, b + i));
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

static void
hadamard(float *x, size_t n)
{
    ann_kernels_avx2.hadamard(x, n);
}

static float
max_abs(const float *x, size_t n)
{
    return ann_kernels_avx2.max_abs(x, n);
}

static int32_t
quantise(const float *x, size_t n, float inverse, int8_t *out)
{
    return ann_kernels_avx2.quantise(x, n, inverse, out);
}

const struct ann_kernels ann_kernels_avx512 = {
    .name = "avx512",
    .dots_nibble = dots_nibble,
    .dots_byte = dots_byte,
    .dot = dot,
    .l2 = l2,
    .hadamard = hadamard,
    .max_abs = max_abs,
    .quantise = quantise,
};
#else
typedef int ann_kernel_avx512_is_for_x86;
#endif
