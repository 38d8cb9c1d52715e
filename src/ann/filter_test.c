/*
 * Filters of every selectivity and kind, against the exact model: what is answered is allowed,
 * never less than there is, and nearly always the nearest.
 */
#include "ann/fixture.h"

enum { N = 12000, DIM = 48, QUERIES = 40 };

struct fixture {
    float *v;
    struct model model;
    struct lh_ann *ann;
    uint64_t bits[N / 64 + 1];
    size_t want[QUERIES];     /* hits of each query under these bits */
    double farthest[QUERIES]; /* distance of the last of them */
};

static bool
bit_match(void *ctx, uint64_t id)
{
    const uint64_t *bits = ctx;

    return bits[id / 64] >> (id % 64) & 1;
}

static int
fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct dice dice = {41};
    struct lh_ann_options o = {.dim = DIM, .metric = LH_ANN_COSINE, .code = LH_ANN_CODE_INT4};
    LH_AUTO_ERROR(err);

    f->v = malloc((N + QUERIES) * DIM * sizeof(float));
    cluster_fill(&dice, f->v, N + QUERIES, DIM);
    f->model = model_new(LH_ANN_COSINE, DIM, N);
    for (size_t i = 0; i < N; i++)
        model_put(&f->model, i, f->v + i * DIM);
    struct lh_ann_batch b = {.vectors = f->v, .count = N, .dim = DIM, .threads = 2};
    assert_ok(lh_ann_new(&o, &f->ann, &err), err);
    assert_ok(lh_ann_add_many(f->ann, &b, &err), err);
    *state = f;
    return 0;
}

static int
fixture_teardown(void **state)
{
    struct fixture *f = *state;

    lh_ann_free(f->ann);
    model_free(&f->model);
    free(f->v);
    free(f);
    return 0;
}

/* Recall of ten over all queries; every answer is checked and complete. */
static double
filtered_recall(struct fixture *f, const struct lh_ann_filter *filter, const char *what)
{
    struct lh_ann_query q = {.k = 10, .filter = filter};
    struct lh_ann_report report = {0};
    struct lh_ann_hit hits[10];
    size_t near = 0, asked = 0;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < QUERIES; i++) {
        const float *v = f->v + (N + i) * DIM;
        assert_ok(lh_ann_search(f->ann, v, DIM, &q, hits, &report, &err), err);
        assert_int_equal(report.count, f->want[i]);
        hits_check(&f->model, v, f->bits, hits, report.count);
        near += hits_near(hits, report.count, f->farthest[i]);
        asked += f->want[i];
    }
    double recall = asked == 0 ? 1 : (double)near / (double)asked;
    print_message("%s: plan %s, recall %.4f\n", what, lh_ann_plan_name(report.plan), recall);
    return recall;
}

/* The same set as bits, as a function and as a list. */
static double
all_kinds_recall(struct fixture *f, const char *what)
{
    uint64_t *ids = malloc(N * sizeof(uint64_t));
    size_t count = 0;

    for (uint64_t i = 0; i < N; i++)
        if (f->bits[i / 64] >> (i % 64) & 1)
            ids[count++] = i;
    for (size_t i = 0; i < QUERIES; i++) {
        size_t n = model_search(&f->model, f->v + (N + i) * DIM, 10, f->bits, &f->farthest[i]);
        f->want[i] = n < 10 ? n : 10;
    }
    if (count == 0)
        ids[count++] = 1000000; /* a list has at least one id, known or not */
    struct lh_ann_filter by_bits = {.bits = f->bits, .bit_count = N};
    struct lh_ann_filter by_match = {.match = bit_match, .ctx = f->bits};
    struct lh_ann_filter by_list = {.ids = ids, .id_count = count};
    double a = filtered_recall(f, &by_bits, what);
    double b = filtered_recall(f, &by_match, what);
    double c = filtered_recall(f, &by_list, what);
    free(ids);
    return fmin(a, fmin(b, c));
}

static void
random_filters_of_every_selectivity_find_the_nearest(void **state)
{
    struct fixture *f = *state;
    double shares[] = {0.95, 0.5, 0.2, 0.1, 0.04, 0.01, 0.001, 0.0001, 0};
    struct dice dice = {43};

    for (size_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++) {
        char what[64];
        snprintf(what, sizeof(what), "random %g %%", shares[s] * 100);
        memset(f->bits, 0, sizeof(f->bits));
        for (size_t i = 0; i < N; i++)
            if ((double)(dice_roll(&dice) >> 11) * 0x1p-53 < shares[s])
                f->bits[i / 64] |= (uint64_t)1 << (i % 64);
        assert_true(all_kinds_recall(f, what) >= 0.99);
    }
}

/* Two keywords that depend on each other: the second is usual where the first is. */
static void
two_keywords_find_the_nearest(void **state)
{
    struct fixture *f = *state;
    struct dice dice = {47};

    memset(f->bits, 0, sizeof(f->bits));
    for (size_t i = 0; i < N; i++) {
        bool first = dice_below(&dice, 4) == 0;
        bool second = dice_below(&dice, 10) < (first ? 7 : 2);
        if (first && second)
            f->bits[i / 64] |= (uint64_t)1 << (i % 64);
    }
    assert_true(all_kinds_recall(f, "two keywords") >= 0.99);
}

/* What matches lies together, near a query or far from it. */
static void
correlated_filters_find_the_nearest(void **state)
{
    struct fixture *f = *state;
    double shares[] = {0.3, 0.1, 0.05};

    for (size_t s = 0; s < 3; s++) {
        const float *axis = f->v + (N + s) * DIM;
        double limit;
        char what[64];
        (void)model_search(&f->model, axis, (size_t)(shares[s] * N), NULL, &limit);
        memset(f->bits, 0, sizeof(f->bits));
        for (size_t i = 0; i < N; i++)
            if (true_distance(LH_ANN_COSINE, axis, f->v + i * DIM, DIM) <= limit)
                f->bits[i / 64] |= (uint64_t)1 << (i % 64);
        snprintf(what, sizeof(what), "correlated %g %%", shares[s] * 100);
        assert_true(all_kinds_recall(f, what) >= 0.99);
    }
}

static void
a_filter_says_exactly_one_thing(void **state)
{
    struct fixture *f = *state;
    struct lh_ann_filter none = {0}, two = {.match = bit_match, .bits = f->bits};
    struct lh_ann_query q = {.k = 1, .filter = &none};
    struct lh_ann_hit hit;
    LH_AUTO_ERROR(err);

    assert_fails(lh_ann_search(f->ann, f->v, DIM, &q, &hit, NULL, &err), LH_INVALID, "ann.filter",
                 err);
    q.filter = &two;
    assert_fails(lh_ann_search(f->ann, f->v, DIM, &q, &hit, NULL, &err), LH_INVALID, "ann.filter",
                 err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_filters_of_every_selectivity_find_the_nearest),
        cmocka_unit_test(two_keywords_find_the_nearest),
        cmocka_unit_test(correlated_filters_find_the_nearest),
        cmocka_unit_test(a_filter_says_exactly_one_thing),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
