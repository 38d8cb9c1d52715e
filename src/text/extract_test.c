#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/extract.h"

static struct lh_extract
extract(struct lh_arena *arena, const char *question, const lh_str *passages, size_t count,
        size_t most)
{
    const struct lh_extract_options o = {.sentences_max = most};
    struct lh_extract out = {0};

    assert_int_equal(lh_extract(lh_str_of(question), passages, count, &o, arena, &out, NULL),
                     LH_OK);
    return out;
}

#define YARD "The yard opens at six. Forklift drivers park behind hall nine. Visitors sign in."
#define PERMIT "Drivers of cranes need a permit. It is renewed every two years in March."
static const lh_str yards[] = {{YARD, sizeof(YARD) - 1}, {PERMIT, sizeof(PERMIT) - 1}};

static void
the_sentence_that_holds_the_question_is_taken(void **state)
{
    struct lh_arena *arena = *state;
    struct lh_extract x = extract(arena, "Where do forklift drivers park?", yards, 2, 1);

    assert_int_equal(x.count, 1);
    assert_int_equal(x.sentences[0].passage, 0);
    assert_memory_equal(yards[0].ptr + x.sentences[0].start,
                        "Forklift drivers park behind hall nine.",
                        x.sentences[0].end - x.sentences[0].start);
    assert_true(x.cover > 0.99);
}

static void
a_question_about_something_else_is_not_covered(void **state)
{
    struct lh_extract x = extract(*state, "Who won the election in Bolivia?", yards, 2, 3);

    assert_true(x.cover < 0.2);
}

static void
a_second_sentence_is_taken_for_what_it_adds(void **state)
{
    struct lh_extract x =
        extract(*state, "when is the permit of crane drivers renewed", yards, 2, 3);

    assert_int_equal(x.count, 2);
    assert_int_equal(x.sentences[0].passage, 1);
    assert_int_equal(x.sentences[1].passage, 1);
    assert_true(x.cover > 0.9);
}

static void
function_words_are_no_question(void **state)
{
    struct lh_extract x = extract(*state, "what is it and why was that", yards, 2, 3);

    assert_int_equal(x.word_count, 0);
    assert_int_equal(x.count, 0);
    assert_true(x.cover == 0);
}

static void
nothing_comes_of_no_passages(void **state)
{
    struct lh_extract x = extract(*state, "forklift", NULL, 0, 3);

    assert_int_equal(x.count, 0);
    assert_true(x.cover == 0);
}

static void
words_meet_in_their_stems(void **state)
{
    struct lh_extract x = extract(*state, "renewing permits", yards, 2, 2);

    assert_int_equal(x.sentences[0].passage, 1);
    assert_true(x.cover > 0.99);
}

static void
a_quote_stands_in_its_passage_byte_for_byte_or_not_at_all(void **state)
{
    size_t start, end;

    (void)state;
    assert_true(lh_quote_find(yards[0], LH_STR("  Visitors sign in.\n"), &start, &end));
    assert_memory_equal(yards[0].ptr + start, "Visitors sign in.", end - start);
    assert_false(lh_quote_find(yards[0], LH_STR("visitors sign in."), &start, &end));
    assert_false(lh_quote_find(yards[0], LH_STR("Visitors  sign in."), &start, &end));
    assert_false(lh_quote_find(yards[0], LH_STR(" "), &start, &end));
    assert_false(lh_quote_find(LH_STR(""), LH_STR("x"), &start, &end));
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
        cmocka_unit_test(the_sentence_that_holds_the_question_is_taken),
        cmocka_unit_test(a_question_about_something_else_is_not_covered),
        cmocka_unit_test(a_second_sentence_is_taken_for_what_it_adds),
        cmocka_unit_test(function_words_are_no_question),
        cmocka_unit_test(nothing_comes_of_no_passages),
        cmocka_unit_test(words_meet_in_their_stems),
        cmocka_unit_test(a_quote_stands_in_its_passage_byte_for_byte_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
