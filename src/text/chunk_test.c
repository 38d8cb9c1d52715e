#include "text/chunk.h"

#include <stdlib.h>
#include "base/testing.h"

static void
chunk_is(struct lh_chunker *c, const char *expected)
{
    struct lh_chunk chunk;

    assert_true(lh_chunker_next(c, &chunk));
    assert_str(chunk.text, expected);
    assert_ptr_equal(chunk.text.ptr, c->text.ptr + chunk.start);
    assert_int_equal(chunk.end - chunk.start, chunk.text.len);
}

static void
ends(struct lh_chunker *c)
{
    struct lh_chunk chunk;

    assert_false(lh_chunker_next(c, &chunk));
}

static void
a_chunk_ends_at_the_last_sentence_that_fits(void **state)
{
    (void)state;
    lh_str text = LH_STR("One is here. Two is there. Three is nowhere at all.");
    struct lh_chunker c = lh_chunker_over(text, 30, 0);

    chunk_is(&c, "One is here. Two is there.");
    chunk_is(&c, "Three is nowhere at all.");
    ends(&c);
}

static void
the_next_chunk_begins_with_a_sentence_inside_the_overlap(void **state)
{
    (void)state;
    lh_str text = LH_STR("One is here. Two is there. Three is nowhere at all.");
    struct lh_chunker c = lh_chunker_over(text, 40, 15);

    chunk_is(&c, "One is here. Two is there.");
    chunk_is(&c, "Two is there. Three is nowhere at all.");
    ends(&c);
}

static void
without_sentences_lines_and_words_end_a_chunk(void **state)
{
    (void)state;
    struct lh_chunker lines = lh_chunker_over(LH_STR("alpha beta\ngamma delta\nepsilon"), 24, 0);
    struct lh_chunker words = lh_chunker_over(LH_STR("alpha beta gamma delta"), 12, 6);

    chunk_is(&lines, "alpha beta\ngamma delta");
    chunk_is(&lines, "epsilon");
    ends(&lines);
    chunk_is(&words, "alpha beta");
    chunk_is(&words, "beta gamma");
    chunk_is(&words, "gamma delta");
    ends(&words);
}

static void
a_long_word_is_cut_between_characters(void **state)
{
    (void)state;
    struct lh_chunker c = lh_chunker_over(LH_STR("äöüßäöüß"), 3, 0);

    chunk_is(&c, "äöü");
    chunk_is(&c, "ßäö");
    chunk_is(&c, "üß");
    ends(&c);
}

static void
chinese_sentences_end_without_blanks(void **state)
{
    (void)state;
    struct lh_chunker c = lh_chunker_over(LH_STR("今天很好。明天下雨。后天再说。"), 10, 0);

    chunk_is(&c, "今天很好。明天下雨。");
    chunk_is(&c, "后天再说。");
    ends(&c);
}

static void
blank_and_empty_texts_have_no_chunks(void **state)
{
    (void)state;
    struct lh_chunker empty = lh_chunker_over(LH_STR(""), 10, 2);
    struct lh_chunker blank = lh_chunker_over(LH_STR(" \n\t  "), 2, 1);

    ends(&empty);
    ends(&blank);
}

/* Every byte that is no blank is in a chunk, chunks ascend, none exceeds the size. */
static void
chunks_check(lh_str text, size_t size, size_t overlap)
{
    struct lh_chunker c = lh_chunker_over(text, size, overlap);
    struct lh_chunk chunk;
    size_t covered = 0, started = 0;

    while (lh_chunker_next(&c, &chunk)) {
        assert_true(chunk.start >= started && chunk.end > covered && chunk.end <= text.len);
        for (size_t i = covered; i < chunk.start; i++)
            assert_non_null(strchr(" \n\t", text.ptr[i]));
        size_t chars = 0;
        for (size_t i = chunk.start; i < chunk.end; i++)
            chars += ((uint8_t)text.ptr[i] & 0xC0) != 0x80;
        assert_true(chars <= size);
        assert_true(lh_str_is_utf8(chunk.text));
        started = chunk.start;
        covered = chunk.end;
    }
    for (size_t i = covered; i < text.len; i++)
        assert_non_null(strchr(" \n\t", text.ptr[i]));
}

static void
any_text_is_covered_by_chunks_no_larger_than_asked(void **state)
{
    (void)state;
    static const char *const parts[] = {"a",  "bc", ". ", " ",    "\n",  "\n\n", "é",
                                        "。", "? ", "😀",  "Mr. ", "X. ", "...",  "\t"};
    unsigned seed = 7;

    for (int round = 0; round < 2000; round++) {
        char text[256] = "";
        for (int i = 0, n = rand_r(&seed) % 40; i < n; i++)
            strcat(text, parts[rand_r(&seed) % 14]);
        size_t size = (size_t)(1 + rand_r(&seed) % 20);
        chunks_check(lh_str_of(text), size, (size_t)(rand_r(&seed) % 20));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_ends_at_the_last_sentence_that_fits),
        cmocka_unit_test(the_next_chunk_begins_with_a_sentence_inside_the_overlap),
        cmocka_unit_test(without_sentences_lines_and_words_end_a_chunk),
        cmocka_unit_test(a_long_word_is_cut_between_characters),
        cmocka_unit_test(chinese_sentences_end_without_blanks),
        cmocka_unit_test(blank_and_empty_texts_have_no_chunks),
        cmocka_unit_test(any_text_is_covered_by_chunks_no_larger_than_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
