#include "text/sentence.h"

#include "base/testing.h"

static void
sentences_are(const char *text, const char *const *expected)
{
    struct lh_sentences s = lh_sentences_over(lh_str_of(text));
    lh_str sentence;

    while (lh_sentences_next(&s, &sentence)) {
        assert_non_null(*expected);
        assert_str(sentence, *expected++);
    }
    assert_null(*expected);
}

static void
stops_end_sentences_and_abbreviations_do_not(void **state)
{
    (void)state;
    sentences_are("Dr. Smith met J. R. Jones at 3.14 p.m. yesterday. Really? Yes!",
                  (const char *const[]){"Dr. Smith met J. R. Jones at 3.14 p.m. yesterday.",
                                        "Really?", "Yes!", NULL});
    sentences_are("See fig. 3, e.g. the wing.  It (the wing.) broke... Then \"it fell.\" So",
                  (const char *const[]){"See fig. 3, e.g. the wing.", "It (the wing.) broke...",
                                        "Then \"it fell.\"", "So", NULL});
}

static void
an_empty_line_and_a_lone_stop_end_sentences(void **state)
{
    (void)state;
    sentences_are("a title\n\nthe results were poor . the others\nwere not .",
                  (const char *const[]){"a title", "the results were poor .",
                                        "the others\nwere not .", NULL});
}

static void
other_scripts_have_their_own_stops(void **state)
{
    (void)state;
    sentences_are("今天很好。「明天」！ क्या हाल है। ठीक। ماذا؟ نعم",
                  (const char *const[]){"今天很好。", "「明天」！", "क्या हाल है।", "ठीक।", "ماذا؟",
                                        "نعم", NULL});
}

static void
long_runs_of_stops_take_no_time(void **state)
{
    (void)state;
    LH_AUTO_BUF(text, 8 << 20);
    size_t end = 0;

    for (int i = 0; i < 1 << 20; i++)
        lh_buf_add_cstr(&text, ".");
    lh_buf_add_cstr(&text, "x");
    assert_true(lh_sentence_end_find(lh_buf_str(&text), 0, text.len, &end));
    assert_int_equal(end, text.len);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_end_sentences_and_abbreviations_do_not),
        cmocka_unit_test(an_empty_line_and_a_lone_stop_end_sentences),
        cmocka_unit_test(other_scripts_have_their_own_stops),
        cmocka_unit_test(long_runs_of_stops_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
