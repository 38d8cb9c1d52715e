#include "ann/ann.h"

#include <math.h>
#include "ann/fixture.h"

static struct lh_ann *
index_new(size_t dim, enum lh_ann_metric metric, enum lh_ann_code code)
{
    struct lh_ann_options o = {.dim = (uint32_t)dim, .metric = metric, .code = code, .seed = 7};
    struct lh_ann *ann = NULL;
    LH_AUTO_ERROR(err);

    assert_ok(lh_ann_new(&o, &ann, &err), err);
    return ann;
}

static size_t
search(const struct lh_ann *ann, const float *v, size_t dim, const struct lh_ann_query *q,
       struct lh_ann_hit *hits)
{
    struct lh_ann_report report;
    LH_AUTO_ERROR(err);

    assert_ok(lh_ann_search(ann, v, dim, q, hits, &report, &err), err);
    assert_true(report.count <= q->k);
    return report.count;
}

/* ---- recall ---- */

struct kind {
    enum lh_ann_metric metric;
    enum lh_ann_code code;
    const char *kernels;
};

static const struct kind KINDS[] = {
    {LH_ANN_L2, LH_ANN_CODE_INT8, NULL},
    {LH_ANN_L2, LH_ANN_CODE_INT4, NULL},
    {LH_ANN_L2, LH_ANN_CODE_FLOAT, NULL},
    {LH_ANN_COSINE, LH_ANN_CODE_INT8, NULL},
    {LH_ANN_COSINE, LH_ANN_CODE_INT4, NULL},
    {LH_ANN_COSINE, LH_ANN_CODE_FLOAT, NULL},
    {LH_ANN_INNER_PRODUCT, LH_ANN_CODE_INT8, NULL},
    {LH_ANN_INNER_PRODUCT, LH_ANN_CODE_INT4, NULL},
    {LH_ANN_INNER_PRODUCT, LH_ANN_CODE_FLOAT, NULL},
};

/* Share of the true ten nearest that 50 queries find. */
static double
recall_measure(const struct lh_ann *ann, const struct model *m, const float *queries,
               const struct lh_ann_query *q)
{
    struct lh_ann_hit hits[10];
    size_t near = 0;

    for (size_t i = 0; i < 50; i++) {
        const float *v = queries + i * m->dim;
        double farthest;
        size_t count = search(ann, v, m->dim, q, hits);
        assert_int_equal(count, 10);
        hits_check(m, v, NULL, hits, count);
        (void)model_search(m, v, 10, NULL, &farthest);
        near += hits_near(hits, count, farthest);
    }
    return (double)near / 500;
}

static void
kind_check(const struct kind *kind, size_t dim)
{
    size_t n = 4000 / SHARE;
    struct dice dice = {3};
    float *v = malloc((n + 50) * dim * sizeof(float));
    struct model m = model_new(kind->metric, dim, n);
    LH_AUTO(lh_ann) *ann = index_new(dim, kind->metric, kind->code);
    struct lh_ann_batch b = {.vectors = v, .count = n, .dim = dim, .threads = 2};
    LH_AUTO_ERROR(err);

    cluster_fill(&dice, v, n + 50, dim);
    /* Norms that differ a lot, which is what breaks graphs for the inner product. */
    for (size_t i = 0; kind->metric == LH_ANN_INNER_PRODUCT && i < n; i++)
        for (size_t j = 0; j < dim; j++)
            v[i * dim + j] *= (float)(1 + i % 5);
    for (size_t i = 0; i < n; i++)
        model_put(&m, i, v + i * dim);
    assert_ok(lh_ann_add_many(ann, &b, &err), err);
    struct lh_ann_query exact = {.k = 10, .is_exact = true}, usual = {.k = 10};
    struct lh_ann_query wide = {.k = 10, .ef = 300};
    double recall[3] = {recall_measure(ann, &m, v + n * dim, &exact),
                        recall_measure(ann, &m, v + n * dim, &usual),
                        recall_measure(ann, &m, v + n * dim, &wide)};
    print_message("metric %d, code %d, %zu dimensions: recall %.3f exact, %.3f usual, %.3f wide\n",
                  kind->metric, kind->code, dim, recall[0], recall[1], recall[2]);
    assert_true(recall[0] == 1.0);
    assert_true(recall[1] >= 0.9);
    assert_true(recall[2] >= 0.985);
    model_free(&m);
    free(v);
}

static void
every_metric_and_code_finds_the_nearest(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
        for (size_t d = 0; d < 3; d++)
            kind_check(&KINDS[i], (size_t[]){12, 100, 256}[d]);
}

/* ---- random sequences against the exact model ---- */

static void
vector_roll(struct dice *dice, const struct model *m, float *v)
{
    size_t kind = dice_below(dice, 10);

    if (kind == 0) { /* a copy of what is there */
        memcpy(v, m->vector + dice_below(dice, m->max) * m->dim, m->dim * sizeof(float));
        return;
    }
    for (size_t i = 0; i < m->dim; i++)
        v[i] = kind == 1 ? 0 : dice_normal(dice); /* one in ten is the zero vector */
}

static void
sequence_query(const struct lh_ann *ann, const struct model *m, struct dice *dice, size_t *near,
               size_t *asked)
{
    float v[64];
    struct lh_ann_hit hits[20];
    struct lh_ann_query q = {.k = 1 + dice_below(dice, 20), .ef = 100};
    double farthest;

    vector_roll(dice, m, v);
    size_t want = model_search(m, v, q.k, NULL, &farthest);
    size_t count = search(ann, v, m->dim, &q, hits);
    want = want < q.k ? want : q.k;
    assert_int_equal(count, want);
    hits_check(m, v, NULL, hits, count);
    *near += hits_near(hits, count, farthest);
    *asked += want;
}

static void
sequence_run(uint64_t seed, const struct kind *kind, size_t dim, size_t ids, size_t steps)
{
    struct dice dice = {seed};
    struct model m = model_new(kind->metric, dim, ids);
    LH_AUTO(lh_ann) *ann = index_new(dim, kind->metric, kind->code);
    size_t near = 0, asked = 0;
    float v[64];
    LH_AUTO_ERROR(err);

    for (size_t step = 0; step < steps; step++) {
        size_t id = dice_below(&dice, ids), what = dice_below(&dice, 100);
        if (what < 45) {
            vector_roll(&dice, &m, v);
            assert_ok(lh_ann_add(ann, id, v, dim, &err), err);
            model_put(&m, id, v);
        } else if (what < 80) {
            lh_status status = lh_ann_remove(ann, id, &err);
            assert_int_equal(status, m.has[id] ? LH_OK : LH_NOT_FOUND);
            model_remove(&m, id);
        } else {
            sequence_query(ann, &m, &dice, &near, &asked);
        }
        assert_int_equal(lh_ann_count(ann), m.count);
        assert_int_equal(lh_ann_contains(ann, id), m.has[id]);
    }
    assert_true((double)near >= 0.95 * (double)asked);
    model_free(&m);
}

static void
random_adds_updates_and_removals_match_the_exact_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12 / SHARE; seed++) {
        const struct kind *kind = &KINDS[seed % 6];
        sequence_run(seed, kind, seed % 2 ? 8 : 33, 3, 400);
        sequence_run(seed, kind, seed % 3 ? 16 : 5, 60, 2000);
        sequence_run(seed, kind, 24, 1500, 6000);
    }
}

/* ---- corners ---- */

static void
an_empty_index_and_one_of_a_single_vector_answer(void **state)
{
    (void)state;
    float v[4] = {1, 2, 3, 4};
    struct lh_ann_query q = {.k = 5};
    struct lh_ann_hit hits[5];
    LH_AUTO(lh_ann) *ann = index_new(4, LH_ANN_COSINE, LH_ANN_CODE_AUTO);
    LH_AUTO_ERROR(err);

    assert_int_equal(search(ann, v, 4, &q, hits), 0);
    for (int round = 0; round < 3; round++) {
        assert_ok(lh_ann_add(ann, 9, v, 4, &err), err);
        assert_int_equal(search(ann, v, 4, &q, hits), 1);
        assert_int_equal(hits[0].id, 9);
        assert_float_equal(hits[0].distance, 0, 1e-6);
        assert_ok(lh_ann_remove(ann, 9, &err), err);
        assert_int_equal(search(ann, v, 4, &q, hits), 0);
        assert_ok(lh_ann_vacuum(ann, &err), err);
        assert_fails(lh_ann_remove(ann, 9, &err), LH_NOT_FOUND, "ann.id", err);
    }
}

static void
wrong_dimensions_and_values_are_refused(void **state)
{
    (void)state;
    float v[4] = {1, 2, 3, 4};
    float bad[] = {NAN, INFINITY, -INFINITY, 1e30f};
    struct lh_ann_query q = {.k = 1}, none = {.k = 0};
    struct lh_ann_hit hit;
    LH_AUTO(lh_ann) *ann = index_new(4, LH_ANN_L2, LH_ANN_CODE_AUTO);
    LH_AUTO_ERROR(err);

    assert_fails(lh_ann_add(ann, 1, v, 3, &err), LH_INVALID, "ann.dim", err);
    assert_fails(lh_ann_search(ann, v, 5, &q, &hit, NULL, &err), LH_INVALID, "ann.dim", err);
    assert_fails(lh_ann_search(ann, v, 4, &none, &hit, NULL, &err), LH_INVALID, "ann.k", err);
    for (size_t i = 0; i < 4; i++) {
        float w[4] = {1, 1, bad[i], 1};
        struct lh_ann_batch b = {.vectors = w, .count = 1, .dim = 4};
        assert_fails(lh_ann_add(ann, 1, w, 4, &err), LH_INVALID, "ann.not_finite", err);
        assert_fails(lh_ann_add_many(ann, &b, &err), LH_INVALID, "ann.not_finite", err);
        assert_fails(lh_ann_search(ann, w, 4, &q, &hit, NULL, &err), LH_INVALID, "ann.not_finite",
                     err);
    }
    assert_int_equal(lh_ann_count(ann), 0);
    struct lh_ann_options o = {.dim = 0};
    struct lh_ann *other = NULL;
    assert_fails(lh_ann_new(&o, &other, &err), LH_INVALID, "ann.dim", err);
    o = (struct lh_ann_options){.dim = 4, .kernels = "abacus"};
    assert_fails(lh_ann_new(&o, &other, &err), LH_UNSUPPORTED, "ann.kernels", err);
}

static void
copies_of_one_vector_are_all_found_and_hide_nothing(void **state)
{
    (void)state;
    enum { N = 3000, COPIES = 1500, DIM = 32 };
    struct dice dice = {11};
    float *v = malloc(N * DIM * sizeof(float));
    struct lh_ann_hit *hits = malloc(2000 * sizeof(*hits));
    LH_AUTO(lh_ann) *ann = index_new(DIM, LH_ANN_L2, LH_ANN_CODE_INT4);
    struct lh_ann_batch b = {.vectors = v, .count = N, .dim = DIM, .threads = 2};
    LH_AUTO_ERROR(err);

    cluster_fill(&dice, v, N, DIM);
    for (size_t i = 1; i < COPIES; i++)
        memcpy(v + i * 2 * DIM, v, DIM * sizeof(float));
    assert_ok(lh_ann_add_many(ann, &b, &err), err);
    struct lh_ann_query q = {.k = 1000};
    assert_int_equal(search(ann, v, DIM, &q, hits), 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_true(hits[i].distance == 0);
    q.k = 1;
    for (size_t i = 1; i < N; i += 2) {
        assert_int_equal(search(ann, v + i * DIM, DIM, &q, hits), 1);
        assert_int_equal(hits[0].id, i);
    }
    /* The one that the others hang on goes first; then all but one. */
    for (size_t i = 0; i < COPIES - 1; i++)
        assert_ok(lh_ann_remove(ann, i * 2, &err), err);
    assert_int_equal(search(ann, v, DIM, &q, hits), 1);
    assert_int_equal(hits[0].id, 2 * (COPIES - 1));
    assert_ok(lh_ann_vacuum(ann, &err), err);
    assert_int_equal(search(ann, v, DIM, &q, hits), 1);
    assert_int_equal(hits[0].id, 2 * (COPIES - 1));
    free(v);
    free(hits);
}

static void
of_repeated_ids_in_a_batch_the_last_stays(void **state)
{
    (void)state;
    uint64_t ids[] = {5, 6, 5, 5};
    float v[] = {1, 0, 2, 0, 3, 0, 4, 0}, out[2];
    LH_AUTO(lh_ann) *ann = index_new(2, LH_ANN_L2, LH_ANN_CODE_AUTO);
    struct lh_ann_batch b = {.ids = ids, .vectors = v, .count = 4, .dim = 2, .threads = 4};
    LH_AUTO_ERROR(err);

    assert_ok(lh_ann_add_many(ann, &b, &err), err);
    assert_int_equal(lh_ann_count(ann), 2);
    assert_ok(lh_ann_load(ann, 5, out, 2, &err), err);
    assert_true(out[0] == 4);
    assert_fails(lh_ann_load(ann, 7, out, 2, &err), LH_NOT_FOUND, "ann.id", err);
}

static void
removed_vectors_give_their_memory_to_new_ones(void **state)
{
    (void)state;
    enum { N = 5000 / SHARE, DIM = 32 };
    struct dice dice = {5};
    float *v = malloc(N * DIM * sizeof(float));
    LH_AUTO(lh_ann) *ann = index_new(DIM, LH_ANN_L2, LH_ANN_CODE_AUTO);
    struct lh_ann_batch b = {.vectors = v, .count = N, .dim = DIM, .threads = 2};
    struct lh_ann_stats stats;
    LH_AUTO_ERROR(err);

    cluster_fill(&dice, v, N, DIM);
    for (int round = 0; round < 4; round++) {
        assert_ok(lh_ann_add_many(ann, &b, &err), err);
        for (size_t i = 0; i < N; i++)
            assert_ok(lh_ann_remove(ann, i, &err), err);
        assert_ok(lh_ann_vacuum(ann, &err), err);
        lh_ann_stats_get(ann, &stats);
        assert_int_equal(stats.count, 0);
        assert_int_equal(stats.free, stats.slots);
        assert_int_equal(stats.slots, N);
        assert_int_equal(stats.float_bytes, 0);
    }
    free(v);
}

static void
half_the_vectors_go_and_the_rest_is_still_found(void **state)
{
    (void)state;
    enum { N = 6000 / SHARE, DIM = 48 };
    struct dice dice = {17};
    float *v = malloc((N + 50) * DIM * sizeof(float));
    struct model m = model_new(LH_ANN_COSINE, DIM, N);
    LH_AUTO(lh_ann) *ann = index_new(DIM, LH_ANN_COSINE, LH_ANN_CODE_INT4);
    struct lh_ann_batch b = {.vectors = v, .count = N, .dim = DIM, .threads = 2};
    struct lh_ann_query q = {.k = 10, .ef = 120};
    LH_AUTO_ERROR(err);

    cluster_fill(&dice, v, N + 50, DIM);
    for (size_t i = 0; i < N; i++)
        model_put(&m, i, v + i * DIM);
    assert_ok(lh_ann_add_many(ann, &b, &err), err);
    for (size_t i = 0; i < N; i++)
        if (i % 2 == 0 || i > N * 3 / 4) {
            assert_ok(lh_ann_remove(ann, i, &err), err);
            model_remove(&m, i);
        }
    assert_true(recall_measure(ann, &m, v + N * DIM, &q) >= 0.97);
    assert_ok(lh_ann_vacuum(ann, &err), err);
    assert_true(recall_measure(ann, &m, v + N * DIM, &q) >= 0.97);
    model_free(&m);
    free(v);
}

static void
an_index_past_its_memory_refuses_and_goes_on(void **state)
{
    (void)state;
    enum { DIM = 64 };
    struct lh_ann_options o = {.dim = DIM, .max_bytes = 2 << 20};
    LH_AUTO(lh_ann) *ann = NULL;
    struct dice dice = {23};
    float v[DIM];
    size_t count = 0;
    lh_status status;
    struct lh_ann_stats stats;
    LH_AUTO_ERROR(err);

    assert_ok(lh_ann_new(&o, &ann, &err), err);
    do {
        for (size_t i = 0; i < DIM; i++)
            v[i] = dice_normal(&dice);
        status = lh_ann_add(ann, count, v, DIM, &err);
        count += status == LH_OK;
    } while (status == LH_OK && count < 100000);
    assert_string_equal(err.reason, "ann.max_bytes");
    assert_int_equal(status, LH_TOO_BIG);
    assert_true(count > 1000);
    assert_int_equal(lh_ann_count(ann), count);
    lh_ann_stats_get(ann, &stats);
    assert_true(stats.bytes <= o.max_bytes);
    for (size_t i = 0; i < count; i++)
        assert_ok(lh_ann_remove(ann, i, &err), err);
    assert_ok(lh_ann_vacuum(ann, &err), err);
    assert_ok(lh_ann_add(ann, 1, v, DIM, &err), err);
}

static void
one_thread_and_a_seed_build_the_same_graph(void **state)
{
    (void)state;
    enum { N = 2000, DIM = 40 };
    struct dice dice = {29};
    float *v = malloc(N * DIM * sizeof(float));
    LH_AUTO(lh_ann) *a = index_new(DIM, LH_ANN_L2, LH_ANN_CODE_INT4);
    LH_AUTO(lh_ann) *b = index_new(DIM, LH_ANN_L2, LH_ANN_CODE_INT4);
    struct lh_ann_batch batch = {.vectors = v, .count = N, .dim = DIM, .threads = 1};
    struct lh_ann_query q = {.k = 10, .ef = 10};
    struct lh_ann_hit x[10], y[10];
    LH_AUTO_ERROR(err);

    cluster_fill(&dice, v, N, DIM);
    assert_ok(lh_ann_add_many(a, &batch, &err), err);
    assert_ok(lh_ann_add_many(b, &batch, &err), err);
    for (size_t i = 0; i < 100; i++) {
        size_t n = search(a, v + i * DIM, DIM, &q, x);
        assert_int_equal(search(b, v + i * DIM, DIM, &q, y), n);
        for (size_t j = 0; j < n; j++)
            assert_true(x[j].id == y[j].id && x[j].distance == y[j].distance);
    }
    free(v);
}

static void
a_wanted_recall_is_served_after_calibration(void **state)
{
    (void)state;
    enum { N = 5000 / SHARE, DIM = 96 };
    struct dice dice = {31};
    float *v = malloc((N + 50) * DIM * sizeof(float));
    struct model m = model_new(LH_ANN_L2, DIM, N);
    LH_AUTO(lh_ann) *ann = index_new(DIM, LH_ANN_L2, LH_ANN_CODE_AUTO);
    struct lh_ann_batch b = {.vectors = v, .count = N, .dim = DIM, .threads = 2};
    LH_AUTO_ERROR(err);

    cluster_fill(&dice, v, N + 50, DIM);
    for (size_t i = 0; i < N; i++)
        model_put(&m, i, v + i * DIM);
    assert_ok(lh_ann_add_many(ann, &b, &err), err);
    assert_ok(lh_ann_calibrate(ann, 100, &err), err);
    for (size_t i = 0; i < 3; i++) {
        float wanted = ((float[]){0.9f, 0.95f, 0.99f})[i];
        struct lh_ann_query q = {.k = 10, .min_recall = wanted};
        assert_true(recall_measure(ann, &m, v + N * DIM, &q) >= (double)wanted - 0.02);
    }
    model_free(&m);
    free(v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_and_code_finds_the_nearest),
        cmocka_unit_test(random_adds_updates_and_removals_match_the_exact_model),
        cmocka_unit_test(an_empty_index_and_one_of_a_single_vector_answer),
        cmocka_unit_test(wrong_dimensions_and_values_are_refused),
        cmocka_unit_test(copies_of_one_vector_are_all_found_and_hide_nothing),
        cmocka_unit_test(of_repeated_ids_in_a_batch_the_last_stays),
        cmocka_unit_test(removed_vectors_give_their_memory_to_new_ones),
        cmocka_unit_test(half_the_vectors_go_and_the_rest_is_still_found),
        cmocka_unit_test(an_index_past_its_memory_refuses_and_goes_on),
        cmocka_unit_test(one_thread_and_a_seed_build_the_same_graph),
        cmocka_unit_test(a_wanted_recall_is_served_after_calibration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
