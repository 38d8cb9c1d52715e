#include "services/vectord/trial.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/vectord/budget.h"

enum { CHECK_EVERY = 16, BUILD_ROWS = 8192 };

/* ---- the sample ---- */

static size_t
slots_gather(struct vector_generation *g, uint64_t epoch, uint32_t **out)
{
    size_t count = 0;
    uint32_t *slots;

    pthread_rwlock_rdlock(&g->shared.lock);
    slots = lh_alloc_array((size_t)g->shared.slot_count + 1, sizeof(*slots));
    for (uint32_t i = 0; i < g->shared.slot_count; i++) {
        if (vector_record_is_seen(g->shared.records[i], epoch))
            slots[count++] = i;
    }
    pthread_rwlock_unlock(&g->shared.lock);
    *out = slots;
    return count;
}

static lh_status
vectors_load(struct vector_generation *g, struct vector_sample *s, struct lh_error *err)
{
    struct vector_reader reader;
    size_t dim = g->spec.dimension;
    lh_status status = LH_OK;
    uint32_t *slots;

    LH_TRY(vector_reader_enter(g, &reader, err));
    s->count = slots_gather(g, reader.epoch, &slots);
    s->vectors = lh_alloc_array(s->count * dim + 1, sizeof(*s->vectors));
    for (size_t i = 0; i < s->count && status == LH_OK; i++)
        status = lh_ann_load(g->ann, slots[i], s->vectors + i * dim, dim, err);
    vector_reader_leave(&reader);
    free(slots);
    return status;
}

static lh_status
room_check(struct vector_generation *g, struct lh_error *err)
{
    size_t more = atomic_load(&g->live_count) *
                  (sizeof(float) * g->spec.dimension +
                   vector_generation_row_bytes(g, LH_STR_NONE, LH_STR_NONE, LH_STR_NONE));

    vectord_room_make(g->v, more, g);
    if (vector_budget_has(&g->v->budget, more))
        return LH_OK;
    return lh_fail(err, LH_NO_SPACE, "vectors.memory",
                   "a second graph of index '%s' does not fit into the memory for vector indexes "
                   "(vectors.memory_max)",
                   g->log.index);
}

static bool
row_is_query(void *ctx, uint64_t id)
{
    return id != *(const uint64_t *)ctx;
}

/* Every row but the one that is asked with. */
static lh_status
row_ask(const struct lh_ann *ann, const struct vector_sample *s, size_t row,
        const struct lh_ann_query *options, struct lh_ann_hit *hits, size_t *count,
        struct lh_error *err)
{
    uint64_t self = row;
    struct lh_ann_filter filter = {.match = row_is_query, .ctx = &self, .selectivity = 1};
    struct lh_ann_query query = *options;
    struct lh_ann_report report;
    size_t dim = s->g->spec.dimension;

    query.filter = &filter;
    LH_TRY(lh_ann_search(ann, s->vectors + row * dim, dim, &query, hits, &report, err));
    *count = report.count;
    return LH_OK;
}

static lh_status
truth_find(struct vector_sample *s, const struct lh_ann *ann, struct lh_call *call,
           struct lh_error *err)
{
    const struct lh_ann_query exact = {.k = s->k, .is_exact = true};

    for (size_t i = 0; i < s->query_count; i++) {
        struct lh_ann_hit *hits = s->truth + i * s->k;
        size_t count = 0;

        if (i % CHECK_EVERY == 0)
            LH_TRY(lh_call_check(call, err));
        LH_TRY(row_ask(ann, s, s->queries[i], &exact, hits, &count, err));
        for (; count < s->k; count++)
            hits[count].id = UINT64_MAX;
    }
    return LH_OK;
}

static void
queries_choose(struct vector_sample *s, size_t queries)
{
    s->query_count = queries < s->count ? queries : s->count;
    s->queries = lh_alloc_array(s->query_count + 1, sizeof(*s->queries));
    for (size_t i = 0; i < s->query_count; i++)
        s->queries[i] = i * s->count / s->query_count;
    s->truth = lh_alloc_array(s->query_count * s->k + 1, sizeof(*s->truth));
}

lh_status
vector_sample_make(struct vector_generation *g, struct lh_call *call, size_t k, size_t queries,
                   struct vector_sample *out, struct lh_error *err)
{
    *out = (struct vector_sample){.g = g, .k = k};
    (void)call;
    LH_TRY(room_check(g, err));
    LH_TRY(vectors_load(g, out, err));
    if (out->count < 2)
        return lh_fail(err, LH_CONFLICT, "vectors.too_few_items",
                       "index '%s' has %zu items, which is too few to measure anything",
                       g->log.index, out->count);
    queries_choose(out, queries);
    return LH_OK;
}

void
vector_sample_fini(struct vector_sample *s)
{
    free(s->vectors);
    free(s->queries);
    free(s->truth);
}

/* ---- building ---- */

static bool
is_same_build(const struct vector_parameters *a, const struct vector_parameters *b)
{
    return a->m == b->m && a->ef_construction == b->ef_construction &&
           a->quantization == b->quantization;
}

static lh_status
rows_add(const struct vector_sample *s, struct lh_call *call, struct lh_ann *ann,
         struct lh_error *err)
{
    size_t dim = s->g->spec.dimension;
    LH_AUTO_ARENA(arena);
    uint64_t *ids = lh_arena_array(&arena, BUILD_ROWS, sizeof(*ids));

    for (size_t from = 0; from < s->count; from += BUILD_ROWS) {
        size_t n = s->count - from < BUILD_ROWS ? s->count - from : BUILD_ROWS;
        struct lh_ann_batch batch = {.ids = ids,
                                     .vectors = s->vectors + from * dim,
                                     .count = n,
                                     .dim = dim,
                                     .threads = s->g->v->build_threads,
                                     .is_borrowed = true};

        LH_TRY(lh_call_check(call, err));
        for (size_t i = 0; i < n; i++)
            ids[i] = from + i;
        LH_TRY(lh_ann_add_many(ann, &batch, err));
    }
    return LH_OK;
}

static lh_status
graph_build(const struct vector_sample *s, struct lh_call *call, const struct vector_parameters *p,
            struct lh_ann **ann, struct lh_error *err)
{
    struct vector_generation_spec spec = s->g->spec;
    struct lh_ann_options options;

    spec.parameters = *p;
    options = vector_ann_options(&spec, s->g->metric, s->g->v->budget.max_bytes);
    lh_ann_free(*ann);
    *ann = NULL;
    LH_TRY(lh_ann_new(&options, ann, err));
    return rows_add(s, call, *ann, err);
}

/* ---- measuring ---- */

static int
ns_cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static double
percentile_us(const int64_t *sorted_ns, size_t count, double share)
{
    size_t at = (size_t)(share * (double)(count - 1) + 0.5);

    return (double)sorted_ns[at] / 1000;
}

static size_t
found_count(const struct lh_ann_hit *truth, const struct lh_ann_hit *hits, size_t count, size_t k,
            size_t *wanted)
{
    size_t found = 0;

    for (size_t i = 0; i < k && truth[i].id != UINT64_MAX; i++) {
        (*wanted)++;
        for (size_t j = 0; j < count; j++) {
            if (hits[j].id == truth[i].id) {
                found++;
                break;
            }
        }
    }
    return found;
}

static lh_status
graph_measure(const struct vector_sample *s, struct lh_call *call, const struct lh_ann *ann,
              size_t ef, struct vector_trial *out, struct lh_error *err)
{
    const struct lh_ann_query query = {.k = s->k, .ef = ef};
    LH_AUTO_ARENA(arena);
    struct lh_ann_hit *hits = lh_arena_array(&arena, s->k + 1, sizeof(*hits));
    int64_t *ns = lh_arena_array(&arena, s->query_count + 1, sizeof(*ns));
    size_t found = 0, wanted = 0, count = 0;

    for (size_t i = 0; i < s->query_count; i++) {
        int64_t from = lh_time_mono_ns();

        LH_TRY(row_ask(ann, s, s->queries[i], &query, hits, &count, err));
        ns[i] = lh_time_mono_ns() - from;
        found += found_count(s->truth + i * s->k, hits, count, s->k, &wanted);
        if (i % CHECK_EVERY == 0)
            LH_TRY(lh_call_check(call, err));
    }
    qsort(ns, s->query_count, sizeof(*ns), ns_cmp);
    out->recall = wanted > 0 ? (double)found / (double)wanted : 1;
    out->p50_us = percentile_us(ns, s->query_count, 0.5);
    out->p95_us = percentile_us(ns, s->query_count, 0.95);
    out->p99_us = percentile_us(ns, s->query_count, 0.99);
    return LH_OK;
}

lh_status
vector_trial_run(struct vector_sample *s, struct lh_call *call, const struct vector_parameters *p,
                 struct lh_ann **ann, struct vector_parameters *built, struct vector_trial *out,
                 struct lh_error *err)
{
    struct lh_ann_stats stats;

    if (*ann == NULL || !is_same_build(p, built)) {
        int64_t from = lh_time_mono_ns();
        bool is_first = *ann == NULL;

        LH_TRY(graph_build(s, call, p, ann, err));
        out->build_ms = (double)(lh_time_mono_ns() - from) / 1e6;
        *built = *p;
        if (is_first)
            LH_TRY(truth_find(s, *ann, call, err));
    }
    out->parameters = *p;
    out->items = s->count;
    lh_ann_stats_get(*ann, &stats);
    out->memory_bytes = stats.bytes;
    return graph_measure(s, call, *ann, p->ef_search, out, err);
}
