#include "ann/pool.h"

#include <stdlib.h>
#include "base/alloc.h"

void
ann_pool_fini(struct ann_pool *p)
{
    free(p->entry);
}

void
ann_pool_reset(struct ann_pool *p, size_t max)
{
    if (max + 1 > p->allocated) {
        p->allocated = max + max / 2 + 16;
        p->entry = lh_realloc_array(p->entry, p->allocated, sizeof(p->entry[0]));
    }
    p->size = 0;
    p->next = 0;
    p->max = max;
}

/* By distance, then by node, so that equal distances do not depend on the order of arrival. */
static int
candidate_cmp(const void *a, const void *b)
{
    const struct ann_candidate *x = a, *y = b;

    /* A NaN, which only a crafted file brings about, is farther than all. */
    bool x_nan = x->distance != x->distance, y_nan = y->distance != y->distance;
    if (x_nan != y_nan)
        return x_nan ? 1 : -1;
    if (x->distance < y->distance || x->distance > y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

void
ann_pool_sort(struct ann_pool *p)
{
    if (p->size > 1)
        qsort(p->entry, p->size, sizeof(p->entry[0]), candidate_cmp);
}

void
ann_visited_fini(struct ann_visited *v)
{
    free(v->bits);
    free(v->touched);
}

void
ann_visited_reset(struct ann_visited *v, size_t count)
{
    size_t words = (count + 63) / 64;

    for (size_t i = 0; i < v->touched_count; i++)
        v->bits[v->touched[i]] = 0;
    v->touched_count = 0;
    if (words > v->words) {
        size_t wanted = words + words / 2 + 16;
        v->bits = lh_realloc_array(v->bits, wanted, sizeof(uint64_t));
        memset(v->bits + v->words, 0, (wanted - v->words) * sizeof(uint64_t));
        v->words = wanted;
    }
}

void
ann_visited_reserve(struct ann_visited *v, size_t more)
{
    if (v->touched_count + more <= v->touched_max)
        return;
    v->touched_max = v->touched_max * 2 + more + 1024;
    v->touched = lh_realloc_array(v->touched, v->touched_max, sizeof(uint32_t));
}
