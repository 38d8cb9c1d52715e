/*
 * fixture: vectors and an exact model for the tests of this room.
 */
#ifndef LH_ANN_FIXTURE_H
#define LH_ANN_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ann/ann.h"
#include "base/testing.h"

/* The thread sanitizer is some twenty times slower; what it looks for shows in less data. */
#if defined(__SANITIZE_THREAD__)
#define SHARE 4
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHARE 4
#endif
#endif
#ifndef SHARE
#define SHARE 1
#endif

/* xorshift64*; the same numbers on every machine. */
struct dice {
    uint64_t state;
};

static inline uint64_t
dice_roll(struct dice *d)
{
    d->state ^= d->state >> 12;
    d->state ^= d->state << 25;
    d->state ^= d->state >> 27;
    return d->state * 0x2545f4914f6cdd1du;
}

static inline size_t
dice_below(struct dice *d, size_t n)
{
    return (size_t)(dice_roll(d) >> 33) % n;
}

/* Roughly normal: the sum of four uniforms. */
static inline float
dice_normal(struct dice *d)
{
    float sum = -2.0f;

    for (int i = 0; i < 4; i++)
        sum += (float)(dice_roll(d) >> 40) * 0x1p-24f;
    return sum * 1.7f;
}

/* Points around 50 centres, as real embeddings crowd together. */
static inline void
cluster_fill(struct dice *d, float *out, size_t count, size_t dim)
{
    float *centre = malloc(50 * dim * sizeof(float));

    for (size_t i = 0; i < 50 * dim; i++)
        centre[i] = dice_normal(d);
    for (size_t i = 0; i < count; i++) {
        const float *c = centre + dice_below(d, 50) * dim;
        for (size_t j = 0; j < dim; j++)
            out[i * dim + j] = c[j] + dice_normal(d);
    }
    free(centre);
}

static inline double
true_distance(enum lh_ann_metric metric, const float *a, const float *b, size_t dim)
{
    double dot = 0, aa = 0, bb = 0, l2 = 0;

    for (size_t i = 0; i < dim; i++) {
        double x = (double)a[i], y = (double)b[i];
        dot += x * y;
        aa += x * x;
        bb += y * y;
        l2 += (x - y) * (x - y);
    }
    if (metric == LH_ANN_L2)
        return l2;
    if (metric == LH_ANN_INNER_PRODUCT)
        return -dot;
    return aa > 0 && bb > 0 ? 1 - dot / sqrt(aa * bb) : 1;
}

/* The exact model: ids below `max`, each with a vector or without. */
struct model {
    enum lh_ann_metric metric;
    size_t dim, max, count;
    float *vector;
    bool *has;
};

static inline struct model
model_new(enum lh_ann_metric metric, size_t dim, size_t max)
{
    struct model m = {.metric = metric, .dim = dim, .max = max};

    m.vector = calloc(max * dim, sizeof(float));
    m.has = calloc(max, sizeof(bool));
    return m;
}

static inline void
model_free(struct model *m)
{
    free(m->vector);
    free(m->has);
}

static inline void
model_put(struct model *m, size_t id, const float *vector)
{
    m->count += !m->has[id];
    m->has[id] = true;
    memcpy(m->vector + id * m->dim, vector, m->dim * sizeof(float));
}

static inline void
model_remove(struct model *m, size_t id)
{
    m->count -= m->has[id];
    m->has[id] = false;
}

static inline int
double_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Of the ids that `bits` allow (NULL: all): how many there are, and the distance of the k-th. */
static inline size_t
model_search(const struct model *m, const float *query, size_t k, const uint64_t *bits,
             double *farthest)
{
    double *all = malloc((m->max + 1) * sizeof(double));
    size_t n = 0;

    for (size_t i = 0; i < m->max; i++)
        if (m->has[i] && (bits == NULL || (bits[i / 64] >> (i % 64) & 1)))
            all[n++] = true_distance(m->metric, query, m->vector + i * m->dim, m->dim);
    qsort(all, n, sizeof(double), double_cmp);
    *farthest = n == 0 ? 0 : all[(n < k ? n : k) - 1];
    free(all);
    return n;
}

/* How many hits are as near as the true ones; equal distances count whichever id they carry. */
static inline size_t
hits_near(const struct lh_ann_hit *hits, size_t count, double farthest)
{
    size_t near = 0;

    for (size_t i = 0; i < count; i++)
        near += (double)hits[i].distance <= farthest + 1e-4 * (fabs(farthest) + 1);
    return near;
}

/* What is answered is there, once, in order, allowed, and as far as it says. */
static inline void
hits_check(const struct model *m, const float *query, const uint64_t *bits,
           const struct lh_ann_hit *hits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t id = (size_t)hits[i].id;
        assert_true(id < m->max && m->has[id]);
        assert_true(bits == NULL || (bits[id / 64] >> (id % 64) & 1));
        assert_true(i == 0 || hits[i - 1].distance <= hits[i].distance);
        double d = true_distance(m->metric, query, m->vector + id * m->dim, m->dim);
        assert_true(fabs(d - (double)hits[i].distance) <= 1e-3 * (fabs(d) + 1));
        for (size_t j = 0; j < i; j++)
            assert_true(hits[j].id != hits[i].id);
    }
}

#endif
