/*
 * AVX2. Rows are taken four at a time against one query, so that its loads are shared and the
 * misses of four rows overlap; the rows of the next round are asked for before this one is
 * computed.
 *
 * maddubs adds two products into 16 bits: for nibbles 2 × 15 × 128 at most, so that eight of them
 * fit before the sums are widened. For bytes |code| × sign(query, code) keeps 2 × 127 × 127 within.
 */
#if defined(__x86_64__)
#include "ann/kernel.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 static inline int32_t
sum_i32(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

AVX2 static inline float
sum_f32(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

/* The sums of four registers. */
AVX2 static inline __m128i
sums_i32(const __m256i v[4])
{
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));

    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

AVX2 static inline __attribute__((always_inline)) void
sums_store(const __m256i wide[4], size_t width, int32_t *dots)
{
    if (width == 4)
        _mm_storeu_si128((__m128i *)(void *)dots, sums_i32(wide));
    else
        for (size_t r = 0; r < width; r++)
            dots[r] = sum_i32(wide[r]);
}

/* Products of 64 nibbles, in fours. */
AVX2 static inline __m256i
nibbles_dot(const uint8_t *row, __m256i q_low, __m256i q_high)
{
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i v = _mm256_load_si256((const __m256i *)(const void *)row);
    __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(v, mask), q_low);
    __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(v, 4), mask), q_high);

    return _mm256_add_epi16(low, high);
}

/* `width` rows at once; a constant where it is inlined. A block adds 8 × 15 × 127 to a sum of 16
 * bits at most, so two blocks fit. */
AVX2 static inline __attribute__((always_inline)) void
nibble_rows(const uint8_t *const row[4], size_t width, size_t stride, const int8_t *query,
            int32_t *dots)
{
    const __m256i ones = _mm256_set1_epi16(1), zero = _mm256_setzero_si256();
    __m256i wide[4] = {zero, zero, zero, zero};

    for (size_t at = 0; at < stride;) {
        __m256i sums[4] = {zero, zero, zero, zero};
        size_t end = stride - at < 2 * ANN_BLOCK ? stride : at + 2 * ANN_BLOCK;
        for (; at < end; at += ANN_BLOCK) {
            const __m256i *q = (const __m256i *)(const void *)(query + 2 * at);
            __m256i q0 = _mm256_load_si256(q), q1 = _mm256_load_si256(q + 1);
            __m256i q2 = _mm256_load_si256(q + 2), q3 = _mm256_load_si256(q + 3);
            for (size_t r = 0; r < width; r++) {
                sums[r] = _mm256_add_epi16(sums[r], nibbles_dot(row[r] + at, q0, q2));
                sums[r] = _mm256_add_epi16(sums[r], nibbles_dot(row[r] + at + 32, q1, q3));
            }
        }
        for (size_t r = 0; r < width; r++)
            wide[r] = _mm256_add_epi32(wide[r], _mm256_madd_epi16(sums[r], ones));
    }
    sums_store(wide, width, dots);
}

AVX2 static inline __attribute__((always_inline)) void
byte_rows(const uint8_t *const row[4], size_t width, size_t stride, const int8_t *query,
          int32_t *dots)
{
    const __m256i ones = _mm256_set1_epi16(1), flip = _mm256_set1_epi8(-128);
    __m256i wide[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                       _mm256_setzero_si256()};

    for (size_t at = 0; at < stride; at += 32) {
        __m256i q = _mm256_load_si256((const __m256i *)(const void *)(query + at));
        for (size_t r = 0; r < width; r++) {
            __m256i v = _mm256_load_si256((const __m256i *)(const void *)(row[r] + at));
            v = _mm256_xor_si256(v, flip);
            __m256i sums = _mm256_maddubs_epi16(_mm256_abs_epi8(v), _mm256_sign_epi8(q, v));
            wide[r] = _mm256_add_epi32(wide[r], _mm256_madd_epi16(sums, ones));
        }
    }
    sums_store(wide, width, dots);
}

static inline void
rows_of(struct ann_rows rows, const uint32_t *ids, const uint8_t *row[4], size_t width)
{
    for (size_t r = 0; r < width; r++)
        row[r] = rows.base + (size_t)ids[r] * rows.stride;
}

AVX2 static void
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

AVX2 static void
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

AVX2 static float
dot(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
    }
    for (; i + 8 <= n; i += 8)
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    float sum = sum_f32(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

AVX2 static inline __m256
square_add(__m256 sum, const float *a, const float *b)
{
    __m256 d = _mm256_sub_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b));

    return _mm256_fmadd_ps(d, d, sum);
}

AVX2 static float
l2(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        s0 = square_add(s0, a + i, b + i);
        s1 = square_add(s1, a + i + 8, b + i + 8);
        s2 = square_add(s2, a + i + 16, b + i + 16);
        s3 = square_add(s3, a + i + 24, b + i + 24);
    }
    for (; i + 8 <= n; i += 8)
        s0 = square_add(s0, a + i, b + i);
    float sum = sum_f32(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
    for (; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

/* The steps of 1, 2 and 4 within eight values: each value beside its partner, one of the two
 * negated. */
AVX2 static inline __m256
hadamard_eight(__m256 x)
{
    const __m256 odd = _mm256_setr_ps(0, -0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f);
    const __m256 pairs = _mm256_setr_ps(0, 0, -0.0f, -0.0f, 0, 0, -0.0f, -0.0f);
    const __m256 fours = _mm256_setr_ps(0, 0, 0, 0, -0.0f, -0.0f, -0.0f, -0.0f);

    x = _mm256_add_ps(_mm256_permute_ps(x, 0xb1), _mm256_xor_ps(x, odd));
    x = _mm256_add_ps(_mm256_permute_ps(x, 0x4e), _mm256_xor_ps(x, pairs));
    return _mm256_add_ps(_mm256_permute2f128_ps(x, x, 1), _mm256_xor_ps(x, fours));
}

AVX2 static inline void
butterfly(float *a, float *b)
{
    __m256 x = _mm256_loadu_ps(a), y = _mm256_loadu_ps(b);

    _mm256_storeu_ps(a, _mm256_add_ps(x, y));
    _mm256_storeu_ps(b, _mm256_sub_ps(x, y));
}

/* Two steps of the transform in one pass over memory. */
AVX2 static inline void
butterflies(float *a, float *b, float *c, float *d)
{
    __m256 w = _mm256_loadu_ps(a), x = _mm256_loadu_ps(b), y = _mm256_loadu_ps(c),
           z = _mm256_loadu_ps(d);
    __m256 wx = _mm256_add_ps(w, x), xw = _mm256_sub_ps(w, x);
    __m256 yz = _mm256_add_ps(y, z), zy = _mm256_sub_ps(y, z);

    _mm256_storeu_ps(a, _mm256_add_ps(wx, yz));
    _mm256_storeu_ps(b, _mm256_add_ps(xw, zy));
    _mm256_storeu_ps(c, _mm256_sub_ps(wx, yz));
    _mm256_storeu_ps(d, _mm256_sub_ps(xw, zy));
}

AVX2 static void
hadamard(float *x, size_t n)
{
    size_t half = 8;

    if (n < 8) {
        ann_kernels_plain.hadamard(x, n);
        return;
    }
    for (size_t at = 0; at < n; at += 8)
        _mm256_storeu_ps(x + at, hadamard_eight(_mm256_loadu_ps(x + at)));
    for (; 4 * half <= n; half *= 4)
        for (size_t at = 0; at < n; at += 4 * half)
            for (size_t i = at; i < at + half; i += 8)
                butterflies(x + i, x + i + half, x + i + 2 * half, x + i + 3 * half);
    if (half < n)
        for (size_t i = 0; i < half; i += 8)
            butterfly(x + i, x + i + half);
}

AVX2 static float
max_abs(const float *x, size_t n)
{
    const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 max = _mm256_setzero_ps();
    float lane[8];
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        max = _mm256_max_ps(max, _mm256_and_ps(mask, _mm256_loadu_ps(x + i)));
    _mm256_storeu_ps(lane, max);
    float rest = ann_kernels_plain.max_abs(x + i, n - i);
    float all = ann_kernels_plain.max_abs(lane, 8);
    return rest > all ? rest : all;
}

AVX2 static inline __m256i
rounded(const float *x, __m256 inverse)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse));
}

AVX2 static int32_t
quantise(const float *x, size_t n, float inverse, int8_t *out)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i least = _mm256_set1_epi8(-127);
    __m256 by = _mm256_set1_ps(inverse);
    __m256i sums = _mm256_setzero_si256();
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        __m256i a = _mm256_packs_epi32(rounded(x + i, by), rounded(x + i + 8, by));
        __m256i b = _mm256_packs_epi32(rounded(x + i + 16, by), rounded(x + i + 24, by));
        __m256i v = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), order);
        v = _mm256_max_epi8(v, least);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), v);
        __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), v);
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
    return sum_i32(sums) + ann_kernels_plain.quantise(x + i, n - i, inverse, out + i);
}

const struct ann_kernels ann_kernels_avx2 = {
    .name = "avx2",
    .dots_nibble = dots_nibble,
    .dots_byte = dots_byte,
    .dot = dot,
    .l2 = l2,
    .hadamard = hadamard,
    .max_abs = max_abs,
    .quantise = quantise,
};
#else
typedef int ann_kernel_avx2_is_for_x86;
#endif
