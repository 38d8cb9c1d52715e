#include "ann/code.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"
#include "base/hash.h"

#define TRAIN_MIN 256    /* fewer rows say too little about the mean */
#define TRAIN_MAX 16384  /* more rows would not move it */
#define FLOAT_DIM_MAX 32 /* up to here floats are as short, and bytes too coarse for maps */
#define INT4_DIM_MIN 96  /* below, four bits are too coarse and eight fit in two cache lines */

/* Widths of the nibble range in units of the root mean square that are tried for each vector; 2.7
 * is best for a Gaussian, the widest serves rows that rotation could not even out. */
static const float WIDTHS[] = {2.7f, 3.2f, 4.0f};

/* ---- model ---- */

static size_t
round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static void
signs_fill(struct ann_model *m, uint64_t seed)
{
    size_t count = ANN_ROUNDS * m->window;
    float size = 1.0f / sqrtf((float)m->window);

    m->signs = lh_alloc_array(count, sizeof(float));
    for (size_t i = 0; i < count; i++) {
        uint64_t at = i;
        m->signs[i] = (lh_xxh64(&at, sizeof(at), seed) & 1) ? size : -size;
    }
}

void
ann_model_init(struct ann_model *m, const struct lh_ann_options *options,
               const struct ann_kernels *kernels)
{
    *m = (struct ann_model){.dim = options->dim, .metric = options->metric, .kernels = kernels};
    m->is_nibble = options->code == LH_ANN_CODE_INT4 ||
                   (options->code == LH_ANN_CODE_AUTO && options->dim >= INT4_DIM_MIN);
    m->is_float = options->code == LH_ANN_CODE_FLOAT ||
                  (options->code == LH_ANN_CODE_AUTO && options->dim <= FLOAT_DIM_MAX);
    m->padded = (uint32_t)round_up(m->dim, m->is_nibble ? 2 * ANN_BLOCK : ANN_BLOCK);
    m->stride = m->is_float ? 0 : m->is_nibble ? m->padded / 2 : m->padded;
    for (m->window = 1; 2 * m->window <= m->dim; m->window *= 2)
        ;
    m->mean = lh_alloc_array(m->dim, sizeof(float));
    signs_fill(m, options->seed);
}

enum lh_ann_code
ann_model_code(const struct ann_model *m)
{
    return m->is_float ? LH_ANN_CODE_FLOAT : m->is_nibble ? LH_ANN_CODE_INT4 : LH_ANN_CODE_INT8;
}

void
ann_model_fini(struct ann_model *m)
{
    free(m->mean);
    free(m->signs);
}

static float
unit_factor(const struct ann_model *m, float norm)
{
    if (m->metric != LH_ANN_COSINE)
        return 1.0f;
    return norm > 0 ? 1.0f / sqrtf(norm) : 0.0f;
}

void
ann_model_train(struct ann_model *m, const float *vectors, size_t count)
{
    if (m->metric == LH_ANN_INNER_PRODUCT || count < TRAIN_MIN)
        return;
    size_t step = count > TRAIN_MAX ? count / TRAIN_MAX : 1, used = 0;
    double *sums = lh_alloc_array(m->dim, sizeof(double));

    for (size_t i = 0; i < count; i += step, used++) {
        const float *v = vectors + i * m->dim;
        float by = unit_factor(m, m->kernels->dot(v, v, m->dim));
        for (size_t j = 0; j < m->dim; j++)
            sums[j] += (double)(v[j] * by);
    }
    for (size_t j = 0; j < m->dim; j++)
        m->mean[j] = (float)(sums[j] / (double)used);
    free(sums);
}

bool
ann_norm_check(const struct ann_model *m, const float *vector, float *norm)
{
    *norm = m->kernels->dot(vector, vector, m->dim);
    /* A NaN or an infinity anywhere makes the sum one too; a quarter leaves room for distances. */
    return *norm <= 0x1p125f;
}

void
ann_model_rotate(const struct ann_model *m, const float *vector, float norm, float *rotated)
{
    float by = unit_factor(m, norm);

    for (size_t i = 0; i < m->dim; i++)
        rotated[i] = vector[i] * by - m->mean[i];
    memset(rotated + m->dim, 0, (m->padded - m->dim) * sizeof(float));
    for (size_t round = 0; round < ANN_ROUNDS; round++) {
        const float *sign = m->signs + round * m->window;
        float *at = rotated + (round % 2 == 0 ? 0 : m->dim - m->window);
        for (size_t i = 0; i < m->window; i++)
            at[i] *= sign[i];
        m->kernels->hadamard(at, m->window);
    }
}

/* ---- rows ---- */

static uint8_t
clamped(float v, float max)
{
    return (uint8_t)(v < 0 ? 0 : v > max ? max : v);
}

/* Where the value of dimension i lies: byte, and whether in its upper half. */
static size_t
nibble_byte(size_t i, bool *is_upper)
{
    *is_upper = (i & ANN_BLOCK) != 0;
    return i / (2 * ANN_BLOCK) * ANN_BLOCK + i % ANN_BLOCK;
}

/* The share of y's direction that is lost when y is cut to 16 steps over ±range: 1 - cos². */
static float
nibble_loss(const struct ann_model *m, const float *y, float norm, float range)
{
    float inverse = 8.0f / range, along = 0, size = 0;

    for (size_t i = 0; i < m->dim; i++) {
        float v = (float)clamped(y[i] * inverse + 8.0f, 15.0f) - 7.5f;
        along += y[i] * v;
        size += v * v;
    }
    return 1.0f - along * along / (norm * size);
}

static float
range_choose(const struct ann_model *m, const float *y, float norm, float max)
{
    float rms = sqrtf(norm / (float)m->dim), best = max;
    float best_loss = nibble_loss(m, y, norm, max);

    for (size_t i = 0; i < sizeof(WIDTHS) / sizeof(WIDTHS[0]); i++) {
        float range = WIDTHS[i] * rms;
        float loss = range < max ? nibble_loss(m, y, norm, range) : 2.0f;
        if (loss < best_loss) {
            best_loss = loss;
            best = range;
        }
    }
    return best;
}

static void
nibbles_encode(const struct ann_model *m, const float *y, float norm, float max, uint8_t *walk,
               uint8_t *fine, struct ann_factor *factor, float *fine_mul)
{
    float inverse = 128.0f / range_choose(m, y, norm, max), along = 0, along_fine = 0;

    for (size_t i = 0; i < m->dim; i++) {
        uint8_t u = clamped(y[i] * inverse + 128.0f, 255.0f);
        bool is_upper;
        size_t byte = nibble_byte(i, &is_upper);
        walk[byte] |= (uint8_t)(is_upper ? u & 0xf0 : u >> 4);
        fine[byte] |= (uint8_t)(is_upper ? u << 4 : u & 15);
        along += y[i] * ((float)(u >> 4) - 7.5f);
        along_fine += y[i] * ((float)u - 127.5f);
    }
    factor->mul = along > 0 ? -2.0f * norm / along : 0;
    *fine_mul = along_fine > 0 ? -2.0f * norm / along_fine : 0;
}

static void
bytes_encode(const struct ann_model *m, const float *y, float norm, float max, uint8_t *walk,
             struct ann_factor *factor)
{
    float along = 0;

    (void)m->kernels->quantise(y, m->dim, 127.0f / max, (int8_t *)walk);
    for (size_t i = 0; i < m->dim; i++) {
        along += y[i] * (float)(int8_t)walk[i];
        walk[i] ^= 128;
    }
    factor->mul = along > 0 ? -2.0f * norm / along : 0;
}

void
ann_code_encode(const struct ann_model *m, const float *rotated, bool is_zero, uint8_t *walk,
                uint8_t *fine, struct ann_factor *factor, float *fine_mul)
{
    float norm = m->kernels->dot(rotated, rotated, m->dim);
    float max = m->kernels->max_abs(rotated, m->dim);

    *factor = (struct ann_factor){.add = norm + (is_zero ? 1.0f : 0.0f), .mul = 0};
    *fine_mul = 0;
    if (m->is_float)
        return;
    memset(walk, m->is_nibble ? 0 : 128, m->stride);
    if (m->is_nibble)
        memset(fine, 0, m->stride);
    /* Values whose squares vanish have no direction that floats could tell. */
    if (norm < 0x1p-100f || max < 0x1p-60f)
        return;
    if (m->is_nibble)
        nibbles_encode(m, rotated, norm, max, walk, fine, factor, fine_mul);
    else {
        bytes_encode(m, rotated, norm, max, walk, factor);
        *fine_mul = factor->mul;
    }
}

/* ---- targets ---- */

static void
shifts_set(const struct ann_model *m, int32_t sum, struct ann_target *t)
{
    t->shift = m->is_nibble ? 7.5f * (float)sum : 0;
    t->shift_fine = m->is_nibble ? 127.5f * (float)sum : 0;
}

void
ann_target_from_query(const struct ann_model *m, const float *rotated, int8_t *code,
                      struct ann_target *out)
{
    float max = m->kernels->max_abs(rotated, m->dim);
    float inverse = max > 0x1p-100f ? 127.0f / max : 0;
    bool is_product = m->metric == LH_ANN_INNER_PRODUCT;

    *out = (struct ann_target){.code = code, .scale = inverse > 0 ? max / 127.0f : 0};
    shifts_set(m, m->kernels->quantise(rotated, m->padded, inverse, code), out);
    out->weight_add = is_product ? 0.0f : 1.0f;
    out->base = is_product ? 0.0f : m->kernels->dot(rotated, rotated, m->dim);
}

void
ann_target_from_row(const struct ann_model *m, const uint8_t *walk, const uint8_t *fine,
                    struct ann_factor factor, float fine_mul, int8_t *code, struct ann_target *out)
{
    int32_t sum = 0;

    *out = (struct ann_target){.code = code, .weight_add = 1.0f, .base = factor.add};
    out->scale = -0.5f * fine_mul;
    if (m->is_float)
        return;
    if (!m->is_nibble) {
        for (size_t i = 0; i < m->padded; i++)
            code[i] = (int8_t)(walk[i] ^ 128);
        return;
    }
    for (size_t at = 0; at < m->stride; at += ANN_BLOCK)
        for (size_t j = 0; j < ANN_BLOCK; j++) {
            unsigned w = walk[at + j], f = fine[at + j];
            code[2 * at + j] = (int8_t)(((w << 4 & 0xf0) | (f & 15)) ^ 128);
            code[2 * at + ANN_BLOCK + j] = (int8_t)(((w & 0xf0) | f >> 4) ^ 128);
        }
    /* Padding is zero in a query; in a row it is the lowest code, which must not count. */
    for (size_t i = m->dim; i < m->padded; i++)
        code[i] = 0;
    for (size_t i = 0; i < m->dim; i++)
        sum += code[i];
    shifts_set(m, sum, out);
}

float
ann_distance(const struct ann_model *m, const float *query, float query_norm, const float *vector)
{
    if (m->metric == LH_ANN_L2)
        return m->kernels->l2(query, vector, m->dim);
    float product = m->kernels->dot(query, vector, m->dim);
    if (m->metric == LH_ANN_INNER_PRODUCT)
        return -product;
    float norm = m->kernels->dot(vector, vector, m->dim);
    if (!(norm > 0) || !(query_norm > 0))
        return 1.0f;
    return 1.0f - product / (sqrtf(norm) * sqrtf(query_norm));
}
