/*
 * The range of the matrix is found by multiplying it with a random block, and sharpened by a few
 * rounds of orthonormalising and multiplying back and forth. Projected onto that range the matrix
 * is small in one direction; an LQ decomposition makes it small in both, and a dense SVD ends it.
 * Once a round is enough: the matrix spreads lengths by far less than floats can hold, twice over.
 *
 * Dense blocks are row-major with one row for each row of the matrix. To LAPACK, which counts by
 * columns, such a block is its own transpose, so that orthonormal columns come from an LQ instead
 * of a QR and nothing is copied.
 */
#include "text/svd.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "text/dice.h"

#define OVERSAMPLE 20 /* at least; up to a whole tile of the sparse product */
#define ROUNDS 4
#define CHUNK 512        /* rows that are summed in double precision at a time */
#define FLAT 1e-3        /* of the longest direction: shorter ones are not found by squares */
#define NEGLIGIBLE 1e-5F /* of the largest singular value */

/* Threads are ours to bound; those of OpenBLAS would be one for each core, for everybody. */
static void
blas_quiet(void)
{
    openblas_set_num_threads(1);
}

static lh_status
lapack_check(lapack_int info, const char *what, struct lh_error *err)
{
    if (info == 0)
        return LH_OK;
    return lh_fail(err, LH_BUG, "lsa.lapack", "%s answered %d", what, (int)info);
}

/* By reflections, which cope with columns that depend on each other. */
static lh_status
reflect(float *block, size_t rows, size_t width, float *lower, struct lh_error *err)
{
    lapack_int w = (lapack_int)width, r = (lapack_int)rows;
    float *tau = lh_alloc_array(width, sizeof(*tau));
    lapack_int info = LAPACKE_sgelqf(LAPACK_COL_MAJOR, w, r, block, w, tau);

    for (size_t column = 0; lower && column < width; column++) {
        for (size_t row = column; row < width; row++)
            lower[column * width + row] = block[column * width + row];
    }
    if (info == 0)
        info = LAPACKE_sorglq(LAPACK_COL_MAJOR, w, r, w, block, w, tau);
    free(tau);
    return lapack_check(info, "LQ", err);
}

/* The products of all pairs of columns, by columns and the lower half only. In double precision,
 * since squares of floats lose half of their digits. */
static void
gram(const float *block, size_t rows, size_t width, double *out)
{
    double *chunk = lh_alloc_array(CHUNK * width, sizeof(*chunk));

    memset(out, 0, width * width * sizeof(*out));
    for (size_t from = 0; from < rows; from += CHUNK) {
        size_t count = from + CHUNK < rows ? CHUNK : rows - from;

        for (size_t i = 0; i < count * width; i++)
            chunk[i] = (double)block[from * width + i];
        cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, (int)width, (int)count, 1.0, chunk,
                    (int)width, 1.0, out, (int)width);
    }
    free(chunk);
}

/* The Cholesky factor of the products, when no direction is so short that it would be noise. */
static bool
factor_find(double *squares, size_t width, float *factor)
{
    double longest = 0, shortest = INFINITY;

    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', (lapack_int)width, squares, (lapack_int)width) != 0)
        return false;
    for (size_t i = 0; i < width; i++) {
        longest = fmax(longest, squares[i * width + i]);
        shortest = fmin(shortest, squares[i * width + i]);
    }
    for (size_t i = 0; i < width * width; i++)
        factor[i] = (float)squares[i];
    return shortest > FLAT * longest;
}

/* By the products of the columns (Cholesky QR): a fifth of the work of reflections, and all of it
 * in large products. False, with nothing changed, when they are nearly dependent. */
static bool
unmix(float *block, size_t rows, size_t width, float *lower)
{
    double *squares = lh_alloc_array(width * width, sizeof(*squares));
    float *factor = lh_alloc_array(width * width, sizeof(*factor));
    bool is_good;

    gram(block, rows, width, squares);
    is_good = factor_find(squares, width, factor);
    if (is_good)
        cblas_strsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)width,
                    (int)rows, 1.0F, factor, (int)width, block, (int)width);
    if (is_good && lower)
        memcpy(lower, factor, width * width * sizeof(*lower));
    free(factor);
    free(squares);
    return is_good;
}

/* Makes the columns of `block` (rows × width, width ≤ rows) orthonormal. `lower` (width × width, by
 * columns, zeros before), if given, is what they are to be multiplied with from the left, in
 * LAPACK's view. */
static lh_status
orthonormalize(float *block, size_t rows, size_t width, float *lower, struct lh_error *err)
{
    return unmix(block, rows, width, lower) ? LH_OK : reflect(block, rows, width, lower, err);
}

struct work {
    const struct text_sparse *m;
    struct text_sparse transposed;
    const struct text_svd_options *options;
    size_t width;
    float *tall; /* rows × width */
    float *wide; /* columns × width */
};

static lh_status
work_check(const struct work *w, struct lh_error *err)
{
    return w->options->check ? w->options->check(w->options->check_ctx, err) : LH_OK;
}

static void
forth(struct work *w)
{
    text_sparse_multiply(w->m, w->wide, w->width, w->options->threads, w->tall);
}

static void
back(struct work *w)
{
    text_sparse_multiply(&w->transposed, w->tall, w->width, w->options->threads, w->wide);
}

/* `tall` becomes an orthonormal basis of where the matrix maps to. The start is random signs, which
 * are as good as normal numbers and cost nothing. */
static lh_status
range_find(struct work *w, struct lh_error *err)
{
    uint64_t state = w->options->seed;

    for (size_t i = 0; i < w->m->columns * w->width; i++)
        w->wide[i] = text_dice(&state) >> 63 ? 1.0F : -1.0F;
    forth(w);
    for (int round = 0; round < ROUNDS; round++) {
        LH_TRY(work_check(w, err));
        LH_TRY(orthonormalize(w->tall, w->m->rows, w->width, NULL, err));
        back(w);
        LH_TRY(work_check(w, err));
        forth(w);
    }
    return orthonormalize(w->tall, w->m->rows, w->width, NULL, err);
}

/* The vectors are the orthonormal columns of `wide`, turned by `turn` (by columns: V transposed).
 */
static void
vectors_turn(const struct work *w, const float *turn, size_t kept, float *vectors)
{
    memset(vectors, 0, w->m->columns * w->options->rank * sizeof(*vectors));
    cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)kept, (int)w->m->columns,
                (int)w->width, 1.0F, turn, (int)w->width, w->wide, (int)w->width, 0.0F, vectors,
                (int)w->options->rank);
}

static void
sign_fix(float *vectors, size_t rows, size_t rank, size_t column)
{
    float largest = 0;

    for (size_t i = 0; i < rows; i++) {
        float v = vectors[i * rank + column];
        largest = fabsf(v) > fabsf(largest) ? v : largest;
    }
    for (size_t i = 0; largest < 0 && i < rows; i++)
        vectors[i * rank + column] = -vectors[i * rank + column];
}

static size_t
kept_count(const struct work *w, const float *values)
{
    size_t kept = w->width < w->options->rank ? w->width : w->options->rank;

    while (kept > 0 && !(values[kept - 1] > values[0] * NEGLIGIBLE))
        kept--;
    return kept;
}

static lh_status
small_svd(struct work *w, float *lower, float *all_values, float *turn, struct lh_error *err)
{
    lapack_int n = (lapack_int)w->width;
    float *left = lh_alloc_array(w->width * w->width, sizeof(*left));
    lapack_int info =
        LAPACKE_sgesdd(LAPACK_COL_MAJOR, 'A', n, n, lower, n, all_values, left, n, turn, n);

    free(left);
    return lapack_check(info, "SVD", err);
}

static lh_status
finish(struct work *w, float *lower, float *all_values, float *turn, float *values, float *vectors,
       struct lh_error *err)
{
    back(w);
    LH_TRY(orthonormalize(w->wide, w->m->columns, w->width, lower, err));
    LH_TRY(small_svd(w, lower, all_values, turn, err));
    size_t kept = kept_count(w, all_values);
    vectors_turn(w, turn, kept, vectors);
    for (size_t i = 0; i < w->options->rank; i++)
        values[i] = i < kept ? all_values[i] : 0;
    for (size_t i = 0; i < kept; i++)
        sign_fix(vectors, w->m->columns, w->options->rank, i);
    return LH_OK;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

lh_status
text_svd(const struct text_sparse *m, const struct text_svd_options *options, float *values,
         float *vectors, struct lh_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t wanted = options->rank + OVERSAMPLE + TEXT_SPARSE_TILE - 1;
    size_t width = least(wanted - wanted % TEXT_SPARSE_TILE, least(m->rows, m->columns));
    struct work w = {.m = m, .options = options, .width = width};

    pthread_once(&once, blas_quiet);
    text_sparse_transpose(m, &w.transposed);
    w.tall = lh_alloc_array(m->rows * width, sizeof(float));
    w.wide = lh_alloc_array(m->columns * width, sizeof(float));
    float *lower = lh_alloc_array(width * width, sizeof(float));
    float *turn = lh_alloc_array(width * width, sizeof(float));
    float *all_values = lh_alloc_array(width, sizeof(float));
    lh_status status = range_find(&w, err);
    if (status == LH_OK)
        status = finish(&w, lower, all_values, turn, values, vectors, err);
    free(all_values);
    free(turn);
    free(lower);
    free(w.wide);
    free(w.tall);
    text_sparse_fini(&w.transposed);
    return status;
}
