#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "services/vectord/playbook_rank.h"

#define DAYS(n) ((int64_t)(n)*INT64_C(86400000000))

static const lh_str answers[] = {{"w1", 2}, {"w2", 2}, {"w3", 2}, {"w4", 2}};

static struct vector_playbook
playbook(const char *id, double score, double distance)
{
    return (struct vector_playbook){.id = lh_str_of(id),
                                    .answers = answers,
                                    .answer_count = 4,
                                    .score = score,
                                    .distance = distance};
}

static struct vector_playbook_move *
moves_of(const struct vector_playbook *p, size_t n, struct vector_playbook_asker asker,
         struct lh_arena *arena, size_t *count)
{
    struct vector_playbook_move *moves;

    *count = vector_playbook_moves(p, n, &asker, arena, &moves);
    return moves;
}

static void
strength_follows_score_failures_and_age(void **state)
{
    static const unsigned failures[] = {2, 0, 0, 0};
    struct vector_playbook p = playbook("p", 1, 0);

    (void)state;
    assert_true(fabs(vector_playbook_strength(&p, 0) - 0.5) < 1e-12);
    p.failures = failures;
    assert_true(fabs(vector_playbook_strength(&p, 0) - 0.125) < 1e-12);
    assert_true(fabs(vector_playbook_strength(&p, 1) - 0.5) < 1e-12);
    p.age_us = DAYS(30);
    assert_true(fabs(vector_playbook_strength(&p, 0) - 0.125 / exp(1)) < 1e-12);
    p.score = 0;
    assert_true(vector_playbook_strength(&p, 0) == 0);
    p.score = NAN;
    assert_true(vector_playbook_strength(&p, 0) == 0);
}

static void
far_questions_and_other_places_are_not_spoken_for(void **state)
{
    struct vector_playbook_asker asker = {.role = LH_STR("welder"), .city = LH_STR("Chicago")};
    struct vector_playbook p = playbook("p", 1, 0.5);

    (void)state;
    assert_true(vector_playbook_speaks(&p, &asker));
    p.distance = 0.51;
    assert_false(vector_playbook_speaks(&p, &asker));
    p.distance = 0;
    p.role = LH_STR("WELDER");
    assert_true(vector_playbook_speaks(&p, &asker));
    p.city = LH_STR("Joliet");
    assert_false(vector_playbook_speaks(&p, &asker));
    p.city = LH_STR_NONE;
    p.role = LH_STR("driver");
    assert_false(vector_playbook_speaks(&p, &asker));
}

static void
one_playbook_moves_a_third_of_the_hits(void **state)
{
    struct vector_playbook p = playbook("p", 1, 0.1);
    size_t count;
    struct vector_playbook_move *m =
        moves_of(&p, 1, (struct vector_playbook_asker){.wanted = 6}, *state, &count);

    assert_int_equal(count, 2);
    assert_true(lh_str_eq(m[0].answer, LH_STR("w1")) && lh_str_eq(m[1].answer, LH_STR("w2")));
    assert_true(fabs(m[0].factor - 0.5) < 1e-12);
    (void)moves_of(&p, 1, (struct vector_playbook_asker){.wanted = 1}, *state, &count);
    assert_int_equal(count, 1);
}

static void
many_playbooks_do_not_bring_a_distance_below_half(void **state)
{
    struct vector_playbook p[] = {playbook("a", 0.4, 0.1), playbook("b", 0.4, 0.3),
                                  playbook("c", 1, 0.3)};
    size_t count;
    struct vector_playbook_move *m =
        moves_of(p, 2, (struct vector_playbook_asker){.wanted = 3}, *state, &count);

    assert_int_equal(count, 1);
    assert_true(fabs(m[0].factor - 0.64) < 1e-12);
    assert_int_equal(m[0].playbook_count, 2);
    m = moves_of(p, 3, (struct vector_playbook_asker){.wanted = 3}, *state, &count);
    assert_true(fabs(m[0].factor - 0.5) < 1e-12);
}

static void
answers_are_brought_in_only_for_near_questions(void **state)
{
    struct vector_playbook p = playbook("p", 1, 0.2);
    size_t count;

    assert_true(
        moves_of(&p, 1, (struct vector_playbook_asker){.wanted = 3}, *state, &count)->is_injected);
    p.distance = 0.21;
    assert_false(
        moves_of(&p, 1, (struct vector_playbook_asker){.wanted = 3}, *state, &count)->is_injected);
}

static void
an_answer_named_twice_by_one_playbook_moves_once(void **state)
{
    static const lh_str twice[] = {{"w1", 2}, {"w1", 2}};
    struct vector_playbook p = playbook("p", 0.4, 0.1);
    size_t count;

    p.answers = twice;
    p.answer_count = 2;
    assert_true(
        fabs(moves_of(&p, 1, (struct vector_playbook_asker){.wanted = 9}, *state, &count)->factor -
             0.8) < 1e-12);
    assert_int_equal(count, 1);
}

static void
the_strongest_move_stands_first(void **state)
{
    static const lh_str other[] = {{"w9", 2}};
    struct vector_playbook p[] = {playbook("a", 0.2, 0.1), playbook("b", 0.9, 0.1)};
    size_t count;

    p[1].answers = other;
    p[1].answer_count = 1;
    struct vector_playbook_move *m =
        moves_of(p, 2, (struct vector_playbook_asker){.wanted = 3}, *state, &count);
    assert_int_equal(count, 2);
    assert_true(lh_str_eq(m[0].answer, LH_STR("w9")));
}

static int
setup(void **state)
{
    static struct lh_arena arena;

    lh_arena_init(&arena);
    *state = &arena;
    return 0;
}

static int
teardown(void **state)
{
    lh_arena_fini(*state);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strength_follows_score_failures_and_age),
        cmocka_unit_test(far_questions_and_other_places_are_not_spoken_for),
        cmocka_unit_test(one_playbook_moves_a_third_of_the_hits),
        cmocka_unit_test(many_playbooks_do_not_bring_a_distance_below_half),
        cmocka_unit_test(answers_are_brought_in_only_for_near_questions),
        cmocka_unit_test(an_answer_named_twice_by_one_playbook_moves_once),
        cmocka_unit_test(the_strongest_move_stands_first),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
