/*
 * lsa_parts: what a model is made of, and how a text is weighed; for this folder.
 */
#ifndef LH_TEXT_LSA_PARTS_H
#define LH_TEXT_LSA_PARTS_H

#include "text/lsa.h"
#include "text/terms.h"
#include "text/token.h"

#define LSA_DIM_MAX 4096
#define LSA_LANGUAGE_MAX 32

struct lh_lsa {
    struct text_terms terms; /* numbered in ascending order */
    float *weights;          /* of term i */
    float *vectors;          /* term_count × dim */
    float *singular_values;
    float weight_max;
    size_t dim, text_count;
    uint64_t seed;
    char language[LSA_LANGUAGE_MAX];
};

/* A model of `term_count` terms that are still to be put, with room for their numbers. */
struct lh_lsa *lsa_new(size_t dim, size_t term_count, lh_str language);

lh_status lsa_tokenizer_new(const char *language, struct lh_tokenizer **out, struct lh_error *err);

/* A word of a text by its number, or by a hash when it is not known, and how often it occurs. */
struct lsa_word {
    uint64_t key;
    uint32_t count;
};

#define LSA_UNKNOWN ((uint64_t)1 << 63) /* set in the key of a word that is not known */

struct lsa_words {
    struct lsa_word *list; /* ascending by key */
    size_t count, cap;
};

void lsa_words_fini(struct lsa_words *w);
/* The words of `text` in place of what was there. With `learns` unknown terms are put into the
 * dictionary. */
void lsa_words_gather(struct lsa_words *w, struct lh_tokenizer *t, lh_str text,
                      struct text_terms *terms, bool learns);

/* How much more a word says that occurs more often. */
double lsa_local_weight(uint32_t count);

#endif
