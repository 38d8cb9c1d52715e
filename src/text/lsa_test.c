#include "text/lsa.h"

#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/testing.h"
#include "text/dice.h"
#include "text/sparse.h"
#include "text/svd.h"

/* "car" and "auto" never meet, but share their neighbours; "bread" has others. */
static const char *const texts[] = {
    "the car has an engine and four wheels",
    "an auto has an engine and four wheels",
    "a car needs fuel for its engine",
    "every auto needs fuel for its engine",
    "the driver parked the car on the street",
    "the driver parked the auto on the street",
    "bake the bread in a hot oven",
    "bread dough needs yeast and flour",
    "flour and yeast make dough rise",
    "the oven is hot for the dough",
    "butter on fresh bread from the oven",
    "fresh dough with butter and flour",
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static struct lh_lsa *
fit(const struct lh_lsa_options *o)
{
    lh_str views[TEXTS];
    struct lh_lsa *m = NULL;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < TEXTS; i++)
        views[i] = lh_str_of(texts[i]);
    assert_ok(lh_lsa_fit(views, TEXTS, o, &m, &err), err);
    return m;
}

static double
nearness(const struct lh_lsa *m, const char *a, const char *b)
{
    struct lh_lsa_info info;
    double sum = 0;

    lh_lsa_info_get(m, &info);
    float *x = calloc(info.dim, sizeof(*x)), *y = calloc(info.dim, sizeof(*y));
    assert_true(lh_lsa_embed(m, lh_str_of(a), x, NULL));
    assert_true(lh_lsa_embed(m, lh_str_of(b), y, NULL));
    for (size_t i = 0; i < info.dim; i++)
        sum += (double)x[i] * (double)y[i];
    free(x);
    free(y);
    return sum;
}

static void
words_of_the_same_company_are_near_though_they_never_meet(void **state)
{
    (void)state;
    struct lh_lsa_options o = {.dim = 4};
    LH_AUTO(lh_lsa) *m = fit(&o);

    assert_true(nearness(m, "car", "auto") > 0.8);
    assert_true(nearness(m, "car", "bread") < 0.2);
    assert_true(fabs(nearness(m, texts[0], texts[0]) - 1) < 1e-6);
}

static void
fewer_texts_than_dimensions_leave_zeros(void **state)
{
    (void)state;
    LH_AUTO(lh_lsa) *m = fit(NULL);
    struct lh_lsa_info info;
    float out[LH_LSA_DIM];
    float unknown = 2;

    lh_lsa_info_get(m, &info);
    assert_int_equal(info.dim, LH_LSA_DIM);
    assert_int_equal(info.text_count, TEXTS);
    assert_true(lh_lsa_embed(m, LH_STR("car"), out, &unknown));
    assert_true(unknown == 0);
    assert_true(out[LH_LSA_DIM - 1] == 0 && info.singular_values[TEXTS] == 0);
    for (size_t i = 1; i < TEXTS; i++)
        assert_true(info.singular_values[i] <= info.singular_values[i - 1]);
}

static void
unknown_words_are_told_by_their_share(void **state)
{
    (void)state;
    LH_AUTO(lh_lsa) *m = fit(NULL);
    float out[LH_LSA_DIM], unknown = 0;

    assert_false(lh_lsa_embed(m, LH_STR("quarterly revenue"), out, &unknown));
    assert_true(unknown == 1 && out[0] == 0);
    assert_false(lh_lsa_embed(m, LH_STR("..."), out, &unknown));
    assert_true(unknown == 1);
    assert_true(lh_lsa_embed(m, LH_STR("car revenue"), out, &unknown));
    assert_true(unknown > 0.3F && unknown < 0.8F);
}

static void
models_equal(const struct lh_lsa *a, const struct lh_lsa *b)
{
    struct lh_lsa_info x, y;
    struct lh_lsa_row p, q;

    lh_lsa_info_get(a, &x);
    lh_lsa_info_get(b, &y);
    assert_int_equal(x.term_count, y.term_count);
    assert_int_equal(x.text_count, y.text_count);
    assert_string_equal(x.language, y.language);
    assert_memory_equal(x.singular_values, y.singular_values, x.dim * sizeof(float));
    for (size_t i = 0; i < x.term_count; i++) {
        lh_lsa_row_get(a, i, &p);
        lh_lsa_row_get(b, i, &q);
        assert_true(lh_str_eq(p.term, q.term) && p.weight == q.weight);
        assert_memory_equal(p.vector, q.vector, x.dim * sizeof(float));
    }
}

static void
the_same_seed_gives_the_same_model_with_any_number_of_threads(void **state)
{
    (void)state;
    struct lh_lsa_options one = {.dim = 8, .seed = 5, .threads = 1};
    struct lh_lsa_options three = {.dim = 8, .seed = 5, .threads = 3};
    LH_AUTO(lh_lsa) *a = fit(&one);
    LH_AUTO(lh_lsa) *b = fit(&three);

    models_equal(a, b);
}

static struct lh_lsa_row *
rows_of(const struct lh_lsa *m, struct lh_lsa_info *info)
{
    lh_lsa_info_get(m, info);
    struct lh_lsa_row *rows = calloc(info->term_count, sizeof(*rows));
    /* Backwards: a table has no order. */
    for (size_t i = 0; i < info->term_count; i++)
        lh_lsa_row_get(m, info->term_count - 1 - i, &rows[i]);
    return rows;
}

static void
a_model_comes_back_from_its_rows(void **state)
{
    (void)state;
    LH_AUTO(lh_lsa) *m = fit(NULL);
    LH_AUTO(lh_lsa) *back = NULL;
    struct lh_lsa_info info;
    LH_AUTO_ERROR(err);

    struct lh_lsa_row *rows = rows_of(m, &info);
    assert_ok(lh_lsa_from_rows(&info, rows, &back, &err), err);
    models_equal(m, back);
    assert_true(fabs(nearness(back, "car", "car") - 1) < 1e-6);
    free(rows);
}

static void
rows_that_do_not_fit_together_are_damage(void **state)
{
    (void)state;
    LH_AUTO(lh_lsa) *m = fit(NULL);
    struct lh_lsa *back = NULL;
    struct lh_lsa_info info;
    float nan_vector[LH_LSA_DIM] = {NAN};
    LH_AUTO_ERROR(err);

    struct lh_lsa_row *rows = rows_of(m, &info);
    struct lh_lsa_row kept = rows[1];
    rows[1] = rows[0];
    assert_fails(lh_lsa_from_rows(&info, rows, &back, &err), LH_CORRUPT, "lsa.damaged", err);
    rows[1] = (struct lh_lsa_row){kept.term, kept.weight, nan_vector};
    assert_fails(lh_lsa_from_rows(&info, rows, &back, &err), LH_CORRUPT, "lsa.damaged", err);
    rows[1] = (struct lh_lsa_row){LH_STR(""), kept.weight, kept.vector};
    assert_fails(lh_lsa_from_rows(&info, rows, &back, &err), LH_CORRUPT, "lsa.damaged", err);
    rows[1] = (struct lh_lsa_row){kept.term, -1, kept.vector};
    assert_fails(lh_lsa_from_rows(&info, rows, &back, &err), LH_CORRUPT, "lsa.damaged", err);
    info.dim = 0;
    assert_fails(lh_lsa_from_rows(&info, rows, &back, &err), LH_CORRUPT, "lsa.damaged", err);
    assert_null(back);
    free(rows);
}

static lh_status
stop_at_once(void *ctx, struct lh_error *err)
{
    (void)ctx;
    return lh_fail(err, LH_CANCELED, "call.canceled", "nobody waits");
}

static void
a_fit_can_be_stopped_and_needs_words(void **state)
{
    (void)state;
    struct lh_lsa_options o = {.check = stop_at_once};
    const lh_str wordless[] = {LH_STR("..."), LH_STR("the of")};
    const lh_str one[] = {LH_STR("a single text")};
    struct lh_lsa *m = NULL;
    LH_AUTO_ERROR(err);

    assert_fails(lh_lsa_fit(one, 1, &o, &m, &err), LH_CANCELED, "call.canceled", err);
    assert_fails(lh_lsa_fit(wordless, 2, NULL, &m, &err), LH_INVALID, "lsa.no_terms", err);
    assert_fails(lh_lsa_fit(NULL, 0, NULL, &m, &err), LH_INVALID, "lsa.no_terms", err);
    assert_null(m);
    assert_ok(lh_lsa_fit(one, 1, NULL, &m, &err), err);
    assert_true(nearness(m, "single", "text") > 0.99);
    lh_lsa_free(m);
}

static void
a_sample_is_learned_from_when_there_are_more_texts_than_wanted(void **state)
{
    (void)state;
    struct lh_lsa_options o = {.dim = 4, .texts_max = 5, .documents_min = 1};
    LH_AUTO(lh_lsa) *m = fit(&o);
    struct lh_lsa_info info;

    lh_lsa_info_get(m, &info);
    assert_int_equal(info.text_count, 5);
}

/* diag(5, 3, 1) in a 4 × 3 matrix: singular values and unit vectors are known. */
static void
the_decomposition_of_a_known_matrix_is_found(void **state)
{
    (void)state;
    size_t starts[] = {0, 1, 2, 2, 3};
    uint32_t column[] = {2, 0, 1};
    float value[] = {5, -3, 1}, values[4], vectors[12];
    struct text_sparse m = {4, 3, starts, column, value};
    struct text_svd_options o = {.rank = 4, .seed = 1, .threads = 1};
    static const float expected[12] = {0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0};
    LH_AUTO_ERROR(err);

    assert_ok(text_svd(&m, &o, values, vectors, &err), err);
    assert_true(fabsf(values[0] - 5) < 1e-4F && fabsf(values[1] - 3) < 1e-4F &&
                fabsf(values[2] - 1) < 1e-4F && values[3] == 0);
    for (size_t i = 0; i < 12; i++)
        assert_true(fabsf(vectors[i] - expected[i]) < 1e-4F);
}

/* A matrix with about `each` entries in a row, and the same rows again from the middle on when it
 * `repeats`. */
static struct text_sparse
random_matrix(size_t rows, size_t columns, size_t each, bool repeats)
{
    struct text_sparse m = {
        .rows = rows,
        .columns = columns,
        .starts = lh_alloc_array(rows + 1, sizeof(*m.starts)),
        .column = lh_alloc_array(rows * each, sizeof(*m.column)),
        .value = lh_alloc_array(rows * each, sizeof(*m.value)),
    };

    for (size_t row = 0; row < rows; row++) {
        uint64_t state = repeats ? row % (rows / 2) : row;

        for (size_t i = 0; i < each; i++) {
            m.column[row * each + i] = (uint32_t)(text_dice(&state) % columns);
            m.value[row * each + i] = (float)(text_dice(&state) % 1000) / 1000.0F;
        }
        m.starts[row + 1] = (row + 1) * each;
    }
    return m;
}

static void
product_check(const struct text_sparse *m, size_t width, unsigned threads)
{
    float *dense = lh_alloc_array(m->columns * width, sizeof(*dense));
    float *out = lh_alloc_array(m->rows * width, sizeof(*out));
    uint64_t state = width;

    for (size_t i = 0; i < m->columns * width; i++)
        dense[i] = (float)(text_dice(&state) % 1000) / 1000.0F;
    text_sparse_multiply(m, dense, width, threads, out);
    for (size_t row = 0; row < m->rows; row++) {
        for (size_t c = 0; c < width; c++) {
            double sum = 0;

            for (size_t i = m->starts[row]; i < m->starts[row + 1]; i++)
                sum += (double)m->value[i] * (double)dense[m->column[i] * width + c];
            assert_true(fabs(sum - (double)out[row * width + c]) < 1e-4);
        }
    }
    free(out);
    free(dense);
}

static void
a_product_is_right_at_every_width(void **state)
{
    static const size_t widths[] = {1,
                                    15,
                                    TEXT_SPARSE_TILE - 1,
                                    TEXT_SPARSE_TILE,
                                    TEXT_SPARSE_TILE + 1,
                                    2 * TEXT_SPARSE_TILE + 30};
    struct text_sparse m = random_matrix(60, 40, 7, false);

    (void)state;
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        product_check(&m, widths[i], 1);
        product_check(&m, widths[i], 3);
    }
    text_sparse_fini(&m);
}

/* |m·v| is v's singular value, and vectors stand at right angles. */
static void
decomposition_check(const struct text_sparse *m, size_t rank, size_t true_rank)
{
    struct text_svd_options o = {.rank = rank, .seed = 3, .threads = 2};
    float *vectors = lh_alloc_array(m->columns * rank, sizeof(*vectors));
    float *images = lh_alloc_array(m->rows * rank, sizeof(*images));
    float *values = lh_alloc_array(rank, sizeof(*values));
    LH_AUTO_ERROR(err);

    assert_ok(text_svd(m, &o, values, vectors, &err), err);
    text_sparse_multiply(m, vectors, rank, 1, images);
    for (size_t a = 0; a < rank; a++) {
        double length = 0;

        for (size_t row = 0; row < m->rows; row++)
            length += (double)images[row * rank + a] * (double)images[row * rank + a];
        assert_true(fabs(sqrt(length) - (double)values[a]) < 1e-3 * (double)values[0]);
        assert_true(a < true_rank ? values[a] > 0 : values[a] < 1e-4F * values[0]);
        for (size_t b = 0; b <= a; b++) {
            double dot = 0;

            for (size_t i = 0; i < m->columns; i++)
                dot += (double)vectors[i * rank + a] * (double)vectors[i * rank + b];
            assert_true(fabs(dot - (a == b && values[a] > 0 ? 1 : 0)) < 1e-3);
        }
    }
    free(values);
    free(images);
    free(vectors);
}

static void
vectors_are_orthonormal_and_scaled_by_their_values(void **state)
{
    struct text_sparse wide = random_matrix(300, 500, 12, false);

    (void)state;
    decomposition_check(&wide, 40, 40);
    text_sparse_fini(&wide);
}

static void
a_matrix_whose_rows_repeat_has_half_the_rank(void **state)
{
    struct text_sparse m = random_matrix(80, 300, 9, true);

    (void)state;
    decomposition_check(&m, 60, 40);
    text_sparse_fini(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_the_same_company_are_near_though_they_never_meet),
        cmocka_unit_test(fewer_texts_than_dimensions_leave_zeros),
        cmocka_unit_test(unknown_words_are_told_by_their_share),
        cmocka_unit_test(the_same_seed_gives_the_same_model_with_any_number_of_threads),
        cmocka_unit_test(a_model_comes_back_from_its_rows),
        cmocka_unit_test(rows_that_do_not_fit_together_are_damage),
        cmocka_unit_test(a_fit_can_be_stopped_and_needs_words),
        cmocka_unit_test(a_sample_is_learned_from_when_there_are_more_texts_than_wanted),
        cmocka_unit_test(the_decomposition_of_a_known_matrix_is_found),
        cmocka_unit_test(a_product_is_right_at_every_width),
        cmocka_unit_test(vectors_are_orthonormal_and_scaled_by_their_values),
        cmocka_unit_test(a_matrix_whose_rows_repeat_has_half_the_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
