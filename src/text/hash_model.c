/*
 * Features are 64-bit hashes; equal ones are counted after sorting, so that the sum runs in one
 * order everywhere. Only sums, products and square roots are used, which IEEE 754 rounds the same
 * way on every machine.
 *
 * Words are folded but not stemmed: the n-grams see to it that forms of a word meet, and a stemmer
 * would tie the vectors to its release.
 */
#include "text/hash_model.h"

#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/hash.h"
#include "text/token.h"
#include "text/unicode.h"

#define GRAM_SHORTEST 3
#define GRAM_LONGEST 5
#define GRAM_WEIGHT 0.25 /* of one n-gram beside its word; measured on Cranfield */
#define WORD_SEED 1
#define GRAM_SEED 2

struct feature {
    uint64_t hash;
    double weight;
};

struct features {
    struct feature *list;
    size_t count, cap;
};

static void
feature_add(struct features *f, lh_str bytes, uint64_t seed, double weight)
{
    if (f->count == f->cap) {
        f->cap = f->cap * 2 + 256;
        f->list = lh_realloc_array(f->list, f->cap, sizeof(*f->list));
    }
    f->list[f->count++] = (struct feature){lh_xxh64(bytes.ptr, bytes.len, seed), weight};
}

/* The n-grams of "<word>", by characters. */
static void
grams_add(struct features *f, lh_str word)
{
    char framed[LH_TOKEN_MAX + 2];
    size_t at[LH_TOKEN_MAX + 3], count = 0, here = 0;

    framed[0] = '<';
    memcpy(framed + 1, word.ptr, word.len);
    framed[word.len + 1] = '>';
    lh_str text = {framed, word.len + 2};
    while (here < text.len) {
        at[count++] = here;
        (void)text_char_next(text, &here);
    }
    at[count] = text.len;
    for (size_t n = GRAM_SHORTEST; n <= GRAM_LONGEST; n++) {
        for (size_t i = 0; i + n <= count; i++)
            feature_add(f, lh_str_slice(text, at[i], at[i + n]), GRAM_SEED, GRAM_WEIGHT);
    }
}

static void
features_gather(struct features *f, struct lh_tokenizer *t, lh_str text)
{
    struct lh_token token;

    lh_tokenizer_start(t, text);
    while (lh_tokenizer_next(t, &token)) {
        feature_add(f, token.term, WORD_SEED, 1);
        grams_add(f, token.term);
    }
}

static int
by_hash(const void *a, const void *b)
{
    const struct feature *x = a, *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void
features_sum(struct features *f, double sum[LH_HASH_MODEL_DIM])
{
    if (f->count > 1)
        qsort(f->list, f->count, sizeof(*f->list), by_hash);
    for (size_t i = 0, next; i < f->count; i = next) {
        uint64_t hash = f->list[i].hash;
        next = i + 1;
        while (next < f->count && f->list[next].hash == hash)
            next++;
        double weight = f->list[i].weight * sqrt((double)(next - i));
        sum[hash % LH_HASH_MODEL_DIM] += hash >> 63 ? weight : -weight;
    }
}

static bool
scale(const double sum[LH_HASH_MODEL_DIM], float out[LH_HASH_MODEL_DIM])
{
    double square = 0;

    for (size_t i = 0; i < LH_HASH_MODEL_DIM; i++)
        square += sum[i] * sum[i];
    double length = sqrt(square);
    for (size_t i = 0; i < LH_HASH_MODEL_DIM; i++)
        out[i] = length > 0 ? (float)(sum[i] / length) : 0;
    return length > 0;
}

bool
lh_hash_embed(lh_str text, float out[LH_HASH_MODEL_DIM])
{
    struct lh_tokenizer_options options = {.drops_stop_words = true};
    struct features features = {0};
    double sum[LH_HASH_MODEL_DIM] = {0};
    LH_AUTO(lh_tokenizer) *t = NULL;

    (void)lh_tokenizer_new(&options, &t, NULL); /* without a language it cannot fail */
    features_gather(&features, t, text);
    features_sum(&features, sum);
    free(features.list);
    return scale(sum, out);
}
