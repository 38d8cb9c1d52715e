#include "ann/kernel.h"

#include <math.h>

static void
dots_nibble(struct ann_rows rows, const uint32_t *ids, size_t count, const int8_t *query,
            int32_t *dots)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = rows.base + (size_t)ids[i] * rows.stride;
        int32_t sum = 0;

        for (size_t at = 0; at < rows.stride; at += ANN_BLOCK) {
            const int8_t *q = query + 2 * at;
            for (size_t j = 0; j < ANN_BLOCK; j++)
                sum += (row[at + j] & 15) * q[j] + (row[at + j] >> 4) * q[ANN_BLOCK + j];
        }
        dots[i] = sum;
    }
}

static void
dots_byte(struct ann_rows rows, const uint32_t *ids, size_t count, const int8_t *query,
          int32_t *dots)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = rows.base + (size_t)ids[i] * rows.stride;
        int32_t sum = 0;

        for (size_t j = 0; j < rows.stride; j++)
            sum += (row[j] - 128) * query[j];
        dots[i] = sum;
    }
}

static float
dot(const float *a, const float *b, size_t n)
{
    float sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float
l2(const float *a, const float *b, size_t n)
{
    float sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static void
hadamard(float *x, size_t n)
{
    for (size_t half = 1; half < n; half *= 2)
        for (size_t at = 0; at < n; at += 2 * half)
            for (size_t i = at; i < at + half; i++) {
                float a = x[i], b = x[i + half];
                x[i] = a + b;
                x[i + half] = a - b;
            }
}

static float
max_abs(const float *x, size_t n)
{
    float max = 0;

    for (size_t i = 0; i < n; i++)
        max = fmaxf(max, fabsf(x[i]));
    return max;
}

static int32_t
quantise(const float *x, size_t n, float inverse, int8_t *out)
{
    int32_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        int32_t v = (int32_t)rintf(x[i] * inverse);
        v = v < -127 ? -127 : v > 127 ? 127 : v;
        out[i] = (int8_t)v;
        sum += v;
    }
    return sum;
}

const struct ann_kernels ann_kernels_plain = {
    .name = "plain",
    .dots_nibble = dots_nibble,
    .dots_byte = dots_byte,
    .dot = dot,
    .l2 = l2,
    .hadamard = hadamard,
    .max_abs = max_abs,
    .quantise = quantise,
};
