/*
 * sentence: where sentences end.
 *
 * A sentence ends behind `.`, `!`, `?`, their Chinese and Japanese, Arabic, Devanagari and
 * Armenian counterparts, and the quotes and brackets that close with them, and at an empty line. A
 * full stop needs a blank behind it, does not end after a title, an initial or the like ("Dr.",
 * "J.", "e.g."), nor before a lower-case letter unless it stands alone (" . "). Rules instead of a
 * model: wrong at times, never inside a word or a UTF-8 sequence.
 *
 * Threads  pure; an iterator belongs to one thread.
 */
#ifndef LH_TEXT_SENTENCE_H
#define LH_TEXT_SENTENCE_H

#include "base/str.h"

/* The first sentence end in (from, to] as an offset behind the sentence, blanks not included;
 * false when there is none. The end of the text is a sentence end. */
bool lh_sentence_end_find(lh_str text, size_t from, size_t to, size_t *end);

struct lh_sentences {
    lh_str text;
    size_t at;
};

static inline struct lh_sentences
lh_sentences_over(lh_str text)
{
    return (struct lh_sentences){text, 0};
}

/* The next sentence without the blanks around it, a slice of the text. */
bool lh_sentences_next(struct lh_sentences *s, lh_str *out);

#endif
