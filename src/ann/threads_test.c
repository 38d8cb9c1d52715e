/*
 * Eight threads search while four add, replace and remove. Each writer owns the ids of one
 * remainder, so that what must be found at any moment is known: nobody removes the *settled* ids,
 * and they are replaced only by vectors as near to their own place as before.
 */
#include <pthread.h>

#include "ann/fixture.h"

enum { DIM = 40, SETTLED = 1000, MOVING = 2000, SEARCHERS = 8, WRITERS = 4, ROUNDS = 2500 };

struct shared {
    struct lh_ann *ann;
    const float *v;       /* of settled ids, then of moving ones */
    bool is_done;         /* atomic */
    size_t missed, asked; /* atomic */
};

struct writer {
    struct shared *s;
    size_t number;
    bool has[MOVING];
};

static void
must(lh_status status, const struct lh_error *err)
{
    if (status != LH_OK)
        fprintf(stderr, "%s: %s\n", err->reason, err->text);
    assert_int_equal(status, LH_OK);
}

static void *
writer_run(void *arg)
{
    struct writer *w = arg;
    struct lh_ann *ann = w->s->ann;
    struct dice dice = {w->number + 100};
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < ROUNDS; i++) {
        size_t at = dice_below(&dice, MOVING / WRITERS) * WRITERS + w->number;
        uint64_t id = SETTLED + at;
        if (w->has[at] && dice_below(&dice, 2) == 0) {
            must(lh_ann_remove(ann, id, &err), &err);
            w->has[at] = false;
        } else {
            must(lh_ann_add(ann, id, w->s->v + id * DIM, DIM, &err), &err);
            w->has[at] = true;
        }
        if (i % 16 == 0) {
            id = dice_below(&dice, SETTLED / WRITERS) * WRITERS + w->number;
            must(lh_ann_add(ann, id, w->s->v + id * DIM, DIM, &err), &err);
        }
    }
    return NULL;
}

static bool
is_even(void *ctx, uint64_t id)
{
    (void)ctx;
    return id % 2 == 0;
}

static void *
searcher_run(void *arg)
{
    struct shared *s = arg;
    struct dice dice = {(uint64_t)(uintptr_t)&dice | 1};
    struct lh_ann_filter even = {.match = is_even};
    struct lh_ann_hit hits[10];
    struct lh_ann_report report;
    LH_AUTO_ERROR(err);

    while (!__atomic_load_n(&s->is_done, __ATOMIC_RELAXED)) {
        size_t id = dice_below(&dice, SETTLED);
        struct lh_ann_query q = {.k = 10, .ef = 80, .filter = id % 4 == 0 ? &even : NULL};
        must(lh_ann_search(s->ann, s->v + id * DIM, DIM, &q, hits, &report, &err), &err);
        assert_int_equal(report.count, 10);
        bool is_found = false;
        for (size_t i = 0; i < 10; i++) {
            is_found |= hits[i].id == id;
            assert_true(hits[i].id < SETTLED + MOVING);
            for (size_t j = 0; j < i; j++)
                assert_true(hits[i].id != hits[j].id);
        }
        __atomic_fetch_add(&s->asked, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&s->missed, !is_found, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void
searches_go_on_while_others_write(void **state)
{
    (void)state;
    struct lh_ann_options o = {.dim = DIM, .metric = LH_ANN_L2, .code = LH_ANN_CODE_INT4};
    struct dice dice = {61};
    float *v = malloc((SETTLED + MOVING) * DIM * sizeof(float));
    struct writer *writers = calloc(WRITERS, sizeof(*writers));
    struct shared s = {.v = v};
    pthread_t thread[SEARCHERS + WRITERS];
    struct lh_ann_batch b = {.vectors = v, .count = SETTLED, .dim = DIM, .threads = 2};
    LH_AUTO_ERROR(err);

    cluster_fill(&dice, v, SETTLED + MOVING, DIM);
    assert_ok(lh_ann_new(&o, &s.ann, &err), err);
    assert_ok(lh_ann_add_many(s.ann, &b, &err), err);
    for (size_t i = 0; i < SEARCHERS; i++)
        pthread_create(&thread[WRITERS + i], NULL, searcher_run, &s);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].s = &s;
        writers[i].number = i;
        pthread_create(&thread[i], NULL, writer_run, &writers[i]);
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(thread[i], NULL);
    __atomic_store_n(&s.is_done, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < SEARCHERS; i++)
        pthread_join(thread[WRITERS + i], NULL);

    size_t expected = SETTLED;
    for (size_t i = 0; i < WRITERS; i++)
        for (size_t j = 0; j < MOVING; j++) {
            expected += writers[i].has[j];
            if (j % WRITERS == i)
                assert_int_equal(lh_ann_contains(s.ann, SETTLED + j), writers[i].has[j]);
        }
    assert_int_equal(lh_ann_count(s.ann), expected);
    print_message("%zu searches, %zu missed the vector they asked for\n", s.asked, s.missed);
    assert_true((double)s.missed <= 0.01 * (double)s.asked);
    assert_ok(lh_ann_vacuum(s.ann, &err), err);
    struct lh_ann_stats stats;
    lh_ann_stats_get(s.ann, &stats);
    assert_int_equal(stats.slots - stats.free, expected);
    lh_ann_free(s.ann);
    free(v);
    free(writers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_go_on_while_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
