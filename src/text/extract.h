/*
 * extract: the sentences of some passages that answer a question, and whether a quote stands where
 * it is said to stand.
 *
 * Nothing is written that no passage holds: an extract is a choice of slices. A question is taken
 * as its content words (stemmed, function words dropped), each weighing as much as it is rare among
 * the sentences at hand; a word that no passage holds weighs as much as the rarest. Sentences are
 * taken one after the other, each for the weight of question words that it holds and the ones
 * before do not. The share of the question's weight that they hold together is the *cover*: a low
 * one means that the passages are about something else, however near they were found.
 *
 * Threads  pure. Memory comes from the arena.
 * Fails    UNSUPPORTED "text.language".
 * Source   idf as in BM25 (Robertson and Zaragoza, 2009); greedy cover as maximal marginal
 *          relevance without the similarity term (Carbonell and Goldstein, SIGIR 1998).
 */
#ifndef LH_TEXT_EXTRACT_H
#define LH_TEXT_EXTRACT_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct lh_extract_options {
    const char *language; /* of stemming; NULL: "english" */
    size_t sentences_max; /* 0: 3 */
    double gain_min; /* share of the question's weight that a further sentence must add; 0: 0.1 */
};

struct lh_extract_sentence {
    size_t passage;    /* which one, from 0 */
    size_t start, end; /* bytes of that passage */
    double gain;       /* share of the question's weight that it adds */
};

struct lh_extract {
    struct lh_extract_sentence *sentences; /* in the order they were chosen */
    size_t count;
    double cover;      /* 0 to 1 */
    size_t word_count; /* content words of the question */
};

/* `passages` best first: of equal sentences the one of the better passage is taken. */
lh_status lh_extract(lh_str question, const lh_str *passages, size_t count,
                     const struct lh_extract_options *options, struct lh_arena *arena,
                     struct lh_extract *out, struct lh_error *err);

/* Where `quote`, without blanks around it, stands in `passage` byte for byte; false when it does
 * not or is empty. */
bool lh_quote_find(lh_str passage, lh_str quote, size_t *start, size_t *end);

#endif
