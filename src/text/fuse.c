#include "text/fuse.h"

#include <stdlib.h>
#include "base/alloc.h"

static int
by_id(const void *a, const void *b)
{
    const struct lh_fuse_hit *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static int
by_score(const void *a, const void *b)
{
    const struct lh_fuse_hit *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return by_id(a, b);
}

static size_t
legs_gather(const struct lh_fuse_leg *legs, size_t leg_count, double constant,
            struct lh_fuse_hit *all)
{
    size_t n = 0;

    for (size_t leg = 0; leg < leg_count; leg++) {
        for (size_t i = 0; i < legs[leg].count; i++) {
            all[n] = (struct lh_fuse_hit){.id = legs[leg].ids[i]};
            all[n].rank[leg] = (uint32_t)(i + 1);
            all[n++].score = legs[leg].weight / (constant + (double)(i + 1));
        }
    }
    return n;
}

static void
hit_merge(struct lh_fuse_hit *to, const struct lh_fuse_hit *from)
{
    to->score += from->score;
    for (size_t leg = 0; leg < LH_FUSE_LEGS_MAX; leg++) {
        if (from->rank[leg])
            to->rank[leg] = from->rank[leg];
    }
}

/* Rows of one id follow each other. */
static size_t
equal_ids_merge(struct lh_fuse_hit *all, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        if (n && all[n - 1].id == all[i].id)
            hit_merge(&all[n - 1], &all[i]);
        else
            all[n++] = all[i];
    }
    return n;
}

size_t
lh_fuse(const struct lh_fuse_leg *legs, size_t leg_count, double rank_constant, size_t k,
        struct lh_fuse_hit *hits)
{
    double constant = rank_constant > 0 ? rank_constant : LH_FUSE_RANK_CONSTANT;
    size_t total = 0;

    leg_count = leg_count < LH_FUSE_LEGS_MAX ? leg_count : LH_FUSE_LEGS_MAX;
    for (size_t leg = 0; leg < leg_count; leg++)
        total += legs[leg].count;
    struct lh_fuse_hit *all = lh_alloc_array(total + 1, sizeof(*all));
    size_t n = legs_gather(legs, leg_count, constant, all);
    qsort(all, n, sizeof(*all), by_id);
    n = equal_ids_merge(all, n);
    qsort(all, n, sizeof(*all), by_score);
    n = n < k ? n : k;
    memcpy(hits, all, n * sizeof(*all));
    free(all);
    return n;
}
