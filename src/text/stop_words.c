#include "text/stop_words.h"

#include <stdlib.h>

/* Sorted bytewise. Apostrophes are gone by the time a token is looked up. */
static const char *const words[] = {
    "a",      "about",  "above",   "after", "again",   "against", "all",   "also",    "am",
    "an",     "and",    "any",     "are",   "arent",   "as",      "at",    "be",      "because",
    "been",   "before", "being",   "below", "between", "both",    "but",   "by",      "can",
    "cannot", "could",  "couldnt", "did",   "didnt",   "do",      "does",  "doesnt",  "doing",
    "dont",   "down",   "during",  "each",  "few",     "for",     "from",  "further", "had",
    "has",    "have",   "having",  "he",    "her",     "here",    "hers",  "him",     "his",
    "how",    "i",      "if",      "in",    "into",    "is",      "isnt",  "it",      "its",
    "itself", "just",   "may",     "me",    "might",   "more",    "most",  "must",    "my",
    "no",     "nor",    "not",     "of",    "off",     "on",      "once",  "only",    "or",
    "other",  "our",    "ours",    "out",   "over",    "own",     "same",  "shall",   "she",
    "should", "so",     "some",    "such",  "than",    "that",    "the",   "their",   "theirs",
    "them",   "then",   "there",   "these", "they",    "this",    "those", "through", "to",
    "too",    "under",  "until",   "up",    "upon",    "us",      "very",  "was",     "wasnt",
    "we",     "were",   "what",    "when",  "where",   "which",   "while", "who",     "whom",
    "whose",  "why",    "will",    "with",  "within",  "without", "would", "you",     "your",
    "yours",
};

static int
word_compare(const void *key, const void *element)
{
    return lh_str_cmp(*(const lh_str *)key, lh_str_of(*(const char *const *)element));
}

bool
text_is_stop_word(lh_str term)
{
    return bsearch(&term, words, sizeof(words) / sizeof(words[0]), sizeof(words[0]),
                   word_compare) != NULL;
}
