#include "text/eval.h"

#include <math.h>
#include "base/testing.h"

#define assert_near(actual, expected, margin) assert_true(fabs((actual) - (expected)) < (margin))

/* Worked out by hand from trec_eval's definitions: relevant at ranks 2, 3 and 12, five in all.
 *
 *     DCG@10 = 1/log2(3) + 1/log2(4)            = 0.6309298 + 0.5         = 1.1309298
 *     ideal  = Σ_{i=1..5} 1/log2(i + 1)         = 1 + 0.6309298 + 0.5 + 0.4306766 + 0.3868528
 *                                               = 2.9484592
 *     nDCG   = 0.3835664
 *     map    = (1/2 + 2/3 + 3/12) / 5           = 0.2833333
 */
static void
measures_are_those_of_trec_eval(void **state)
{
    (void)state;
    bool is_relevant[12] = {[1] = true, [2] = true, [11] = true};
    struct lh_eval_ranking r = {is_relevant, 12, 5};

    assert_near(lh_eval_ndcg(&r, 10), 0.3835664, 1e-6);
    assert_near(lh_eval_recall(&r, 10), 0.4, 1e-9);
    assert_near(lh_eval_recall(&r, 100), 0.6, 1e-9);
    assert_near(lh_eval_reciprocal_rank(&r), 0.5, 1e-9);
    assert_near(lh_eval_average_precision(&r), 0.2833333, 1e-6);
}

static void
a_perfect_ranking_has_measure_one_and_an_empty_one_none(void **state)
{
    (void)state;
    bool is_relevant[2] = {true, true};
    struct lh_eval_ranking perfect = {is_relevant, 2, 2}, empty = {is_relevant, 0, 2};

    assert_near(lh_eval_ndcg(&perfect, 10), 1, 1e-12);
    assert_near(lh_eval_average_precision(&perfect), 1, 1e-12);
    assert_near(lh_eval_ndcg(&empty, 10), 0, 1e-12);
    assert_near(lh_eval_reciprocal_rank(&empty), 0, 1e-12);
    assert_near(lh_eval_recall(&empty, 100), 0, 1e-12);
}

/* Twelve relevant documents, all ten first ranks relevant: the ideal is cut at 10 too. */
static void
the_ideal_ranking_is_cut_where_the_ranking_is(void **state)
{
    (void)state;
    bool is_relevant[10] = {true, true, true, true, true, true, true, true, true, true};
    struct lh_eval_ranking r = {is_relevant, 10, 12};

    assert_near(lh_eval_ndcg(&r, 10), 1, 1e-12);
}

static void
queries_without_relevant_documents_are_left_out_of_means(void **state)
{
    (void)state;
    bool is_relevant[1] = {true};
    struct lh_eval_ranking good = {is_relevant, 1, 1}, unjudged = {is_relevant, 0, 0},
                           missed = {is_relevant, 0, 1};
    struct lh_eval_mean sum = {0};

    lh_eval_mean_add(&sum, &good);
    lh_eval_mean_add(&sum, &unjudged);
    lh_eval_mean_add(&sum, &missed);
    struct lh_eval_mean mean = lh_eval_mean_of(&sum);
    assert_int_equal(mean.queries, 2);
    assert_near(mean.ndcg_10, 0.5, 1e-12);
    assert_near(mean.recall_100, 0.5, 1e-12);
    assert_near(mean.mrr, 0.5, 1e-12);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_are_those_of_trec_eval),
        cmocka_unit_test(a_perfect_ranking_has_measure_one_and_an_empty_one_none),
        cmocka_unit_test(the_ideal_ranking_is_cut_where_the_ranking_is),
        cmocka_unit_test(queries_without_relevant_documents_are_left_out_of_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
