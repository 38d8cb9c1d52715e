#include "text/sparse.h"

#include <pthread.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"

#define THREADS_MAX 64

void
text_sparse_fini(struct text_sparse *m)
{
    free(m->starts);
    free(m->column);
    free(m->value);
    *m = (struct text_sparse){0};
}

void
text_sparse_transpose(const struct text_sparse *m, struct text_sparse *out)
{
    size_t entries = m->starts[m->rows];
    size_t *next;

    *out = (struct text_sparse){
        .rows = m->columns,
        .columns = m->rows,
        .starts = lh_alloc_array(m->columns + 2, sizeof(*out->starts)),
        .column = lh_alloc_array(entries + 1, sizeof(*out->column)),
        .value = lh_alloc_array(entries + 1, sizeof(*out->value)),
    };
    /* Counted two places on, so that the starts move into place while the entries are dealt out. */
    next = out->starts + 1;
    for (size_t i = 0; i < entries; i++)
        out->starts[m->column[i] + 2]++;
    for (size_t i = 2; i <= m->columns; i++)
        out->starts[i] += out->starts[i - 1];
    for (size_t row = 0; row < m->rows; row++) {
        for (size_t i = m->starts[row]; i < m->starts[row + 1]; i++) {
            size_t to = next[m->column[i]]++;
            out->column[to] = (uint32_t)row;
            out->value[to] = m->value[i];
        }
    }
}

struct part {
    const struct text_sparse *m;
    const float *dense;
    size_t width;
    float *out;
    size_t from, to; /* rows */
    pthread_t thread;
    bool is_started;
};

/* As many sums as stay in registers, for the sum of a tile of a row is stored once. */
enum { LANE = 16, LANES = TEXT_SPARSE_TILE / LANE };

typedef float lane __attribute__((vector_size(LANE * sizeof(float))));

static inline __attribute__((always_inline)) void
tile_row_multiply(const struct part *p, size_t row, size_t at)
{
    const struct text_sparse *m = p->m;
    lane sums[LANES] = {{0}};

    for (size_t i = m->starts[row]; i < m->starts[row + 1]; i++) {
        const float *from = p->dense + m->column[i] * p->width + at;

        for (size_t l = 0; l < LANES; l++) {
            lane factor;

            memcpy(&factor, from + l * LANE, sizeof(factor));
            sums[l] += m->value[i] * factor;
        }
    }
    memcpy(p->out + row * p->width + at, sums, sizeof(sums));
}

/* A tile of all rows at a time: what is read again and again is then a third of the block, or less.
 */
static inline __attribute__((always_inline)) void
tiles_multiply(const struct part *p)
{
    for (size_t at = 0; at + TEXT_SPARSE_TILE <= p->width; at += TEXT_SPARSE_TILE) {
        for (size_t row = p->from; row < p->to; row++)
            tile_row_multiply(p, row, at);
    }
}

static void
tiles_multiply_plain(const struct part *p)
{
    tiles_multiply(p);
}

#ifdef __x86_64__
__attribute__((target("avx2,fma"))) static void
tiles_multiply_avx2(const struct part *p)
{
    tiles_multiply(p);
}

__attribute__((target("avx512f"))) static void
tiles_multiply_avx512(const struct part *p)
{
    tiles_multiply(p);
}
#endif

static void
tiles_multiply_as_can(const struct part *p)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) {
        tiles_multiply_avx512(p);
        return;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        tiles_multiply_avx2(p);
        return;
    }
#endif
    tiles_multiply_plain(p);
}

/* What is no whole tile: all of a small matrix. */
static void
rest_multiply(const struct part *p, size_t row)
{
    size_t at = p->width - p->width % TEXT_SPARSE_TILE, count = p->width - at;
    float *out = p->out + row * p->width + at;

    memset(out, 0, count * sizeof(*out));
    for (size_t i = p->m->starts[row]; i < p->m->starts[row + 1]; i++) {
        const float *from = p->dense + p->m->column[i] * p->width + at;

        for (size_t c = 0; c < count; c++)
            out[c] += p->m->value[i] * from[c];
    }
}

static void *
part_multiply(void *arg)
{
    const struct part *p = arg;

    tiles_multiply_as_can(p);
    for (size_t row = p->from; p->width % TEXT_SPARSE_TILE && row < p->to; row++)
        rest_multiply(p, row);
    return NULL;
}

/* Rows from `from` on that hold about `entries` entries. */
static size_t
rows_with(const struct text_sparse *m, size_t from, size_t entries)
{
    size_t to = from;

    while (to < m->rows && m->starts[to] - m->starts[from] < entries)
        to++;
    return to;
}

void
text_sparse_multiply(const struct text_sparse *m, const float *dense, size_t width,
                     unsigned threads, float *out)
{
    struct part parts[THREADS_MAX];
    size_t count = threads == 0 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads, from = 0;
    size_t share = m->starts[m->rows] / count + 1;

    for (size_t i = 0; i < count; i++) {
        size_t to = i + 1 == count ? m->rows : rows_with(m, from, share);
        parts[i] = (struct part){m, dense, width, out, from, to, 0, false};
        from = to;
        if (i + 1 < count)
            parts[i].is_started =
                lh_thread_start(&parts[i].thread, "lsa", part_multiply, &parts[i], NULL) == LH_OK;
        if (!parts[i].is_started)
            (void)part_multiply(&parts[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].is_started)
            lh_thread_join(parts[i].thread);
    }
}
