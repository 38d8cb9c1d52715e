/*
 * lsa: `lsa-256`, latent semantic analysis learned from the texts of an index itself.
 *
 * A model is a table of terms: each has a weight (how much its presence says) and a vector. The
 * embedding of any text, one of those it was learned from or not, is the sum of its terms' vectors,
 * weighted by their frequency in the text and their weight, scaled to length 1 (folding in). The
 * vectors are the left singular vectors of the weighted term-document matrix, found by a randomised
 * truncated singular value decomposition. Words that occur in the same contexts get near vectors,
 * so texts meet that share no word.
 *
 * A text none of whose words the model knows has no embedding: zeros, and false. The share of
 * weight that fell on unknown words says how far the texts have drifted from those it was learned
 * from.
 *
 * Owns     terms and vectors. A model is never changed after it is made: shared without a lock.
 * Threads  fitting uses up to `threads`; the result does not depend on their number. The same
 *          texts, options and seed give the same model on one machine; on another kind of CPU the
 *          last bits may differ (BLAS kernels), which is why the model is kept and not refitted.
 * Fails    INVALID "lsa.no_terms" when no word occurs often enough; TOO_BIG; CANCELED when `check`
 *          says so; CORRUPT "lsa.damaged" for rows that do not fit together.
 * Sources  Deerwester et al., Indexing by Latent Semantic Analysis, 1990; log-entropy weights:
 *          Dumais, 1991; Halko, Martinsson and Tropp, arXiv 0909.4061 (algorithms 4.4 and 5.1).
 */
#ifndef LH_TEXT_LSA_H
#define LH_TEXT_LSA_H

#include "base/status.h"
#include "base/str.h"

struct lh_lsa;

#define LH_LSA_NAME "lsa-256"
#define LH_LSA_DIM 256

struct lh_lsa_options {
    size_t dim;           /* 0: LH_LSA_DIM. With fewer texts the dimensions left over are 0. */
    uint64_t seed;        /* of the random projection and of the sample */
    unsigned threads;     /* 0: 1 */
    const char *language; /* of stemming; NULL: "english"; "none": no stemming */
    size_t texts_max;     /* learn from a random sample of at most so many; 0: 50,000 */
    size_t terms_max;     /* keep the most frequent; 0: 50,000 */
    size_t documents_min; /* a term must occur in so many texts; 0: 2, or 1 below 20 texts */
    /* Asked now and then from the fitting thread; anything but OK ends the fit. May be NULL. */
    lh_status (*check)(void *ctx, struct lh_error *err);
    void *check_ctx;
};

lh_status lh_lsa_fit(const lh_str *texts, size_t count, const struct lh_lsa_options *options,
                     struct lh_lsa **out, struct lh_error *err);
void lh_lsa_free(struct lh_lsa *m);
LH_AUTO_DEFINE(lh_lsa)

/* Fills lh_lsa_dim floats: length 1, or zeros and false when no word is known. *unknown_share (may
 * be NULL) is the share of the text's weight, 0 to 1, that fell on words the model does not know,
 * each counted as the rarest of the known; 1 for a text without words. */
bool lh_lsa_embed(const struct lh_lsa *m, lh_str text, float *out, float *unknown_share);

/* ---- the model as a table ---- */

struct lh_lsa_info {
    size_t dim;
    size_t text_count; /* that it was learned from */
    size_t term_count;
    uint64_t seed;
    const char *language;         /* borrowed from the model */
    const float *singular_values; /* `dim`, descending; borrowed */
};

struct lh_lsa_row {
    lh_str term; /* stemmed, as tokens are */
    float weight;
    const float *vector; /* `dim` floats */
};

void lh_lsa_info_get(const struct lh_lsa *m, struct lh_lsa_info *out);
/* Rows 0 to term_count - 1, ascending by term; borrowed from the model. */
void lh_lsa_row_get(const struct lh_lsa *m, size_t i, struct lh_lsa_row *out);
size_t lh_lsa_bytes(const struct lh_lsa *m); /* of memory */

/* Back from what info and rows gave: everything is copied. CORRUPT for repeated or over-long terms,
 * values that are not finite, negative weights. `rows` holds info->term_count rows in any order. */
lh_status lh_lsa_from_rows(const struct lh_lsa_info *info, const struct lh_lsa_row *rows,
                           struct lh_lsa **out, struct lh_error *err);

#endif
