#include "text/token.h"

#include "base/testing.h"

/* The terms of a text with blanks between them. */
static void
terms_are(const char *language, bool drops, const char *text, const char *expected)
{
    struct lh_tokenizer_options o = {.language = language, .drops_stop_words = drops};
    LH_AUTO(lh_tokenizer) *t = NULL;
    LH_AUTO_BUF(terms, 4096);
    LH_AUTO_ERROR(err);
    struct lh_token token;
    size_t end = 0;

    assert_ok(lh_tokenizer_new(&o, &t, &err), err);
    lh_tokenizer_start(t, lh_str_of(text));
    while (lh_tokenizer_next(t, &token)) {
        assert_true(token.start >= end && token.end > token.start && token.end <= strlen(text));
        end = token.end;
        if (terms.len)
            lh_buf_add_char(&terms, ' ');
        lh_buf_add_str(&terms, token.term);
    }
    assert_str(lh_buf_str(&terms), expected);
}

static void
case_and_accents_are_folded(void **state)
{
    (void)state;
    terms_are(NULL, false, "Straße STRASSE café CAFE\u0301 Ångström Łódź İstanbul",
              "strasse strasse cafe cafe angstrom lodz istanbul");
    terms_are(NULL, false, "ΟΔΟΣ οδός Ёлка ﬁne ２０２４ Ⅻ", "οδοσ οδοσ елка fine 2024 xii");
}

static void
words_end_where_letters_digits_and_marks_end(void **state)
{
    (void)state;
    terms_are(NULL, false, "e-mail: bob@x.org (forklift/OSHA-10), don't; O’Hara's 'quoted'",
              "e mail bob x org forklift osha 10 dont oharas quoted");
    terms_are(NULL, false, "हिन्दी 日本語 한국어 ไทย", "हिन्दी 日 本 語 한국어 ไ ท ย");
    terms_are(NULL, false,
              "a\xff"
              "b \xed\xa0\x80 c\xc3",
              "a b c");
    terms_are(NULL, false, "", "");
}

static void
words_are_stemmed_and_function_words_left_out_when_asked(void **state)
{
    (void)state;
    terms_are("english", true, "The operators were operating the companies' forklifts",
              "oper oper compani forklift");
    terms_are("english", false, "the flies", "the fli");
    terms_are("german", true, "die Häuser", "die haus");
}

static void
a_long_word_is_cut(void **state)
{
    (void)state;
    char text[200];

    memset(text, 'a', 63);
    strcpy(text + 63, "éééé b");
    char expected[80];
    memset(expected, 'a', 63);
    strcpy(expected + 63, "e b");
    terms_are(NULL, false, text, expected);
}

static void
an_unknown_language_is_unsupported(void **state)
{
    (void)state;
    struct lh_tokenizer_options o = {.language = "klingon"};
    struct lh_tokenizer *t = NULL;
    LH_AUTO_ERROR(err);

    assert_fails(lh_tokenizer_new(&o, &t, &err), LH_UNSUPPORTED, "text.language", err);
    assert_null(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_and_accents_are_folded),
        cmocka_unit_test(words_end_where_letters_digits_and_marks_end),
        cmocka_unit_test(words_are_stemmed_and_function_words_left_out_when_asked),
        cmocka_unit_test(a_long_word_is_cut),
        cmocka_unit_test(an_unknown_language_is_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
