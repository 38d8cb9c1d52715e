/*
 * Every sentence becomes a set of question words, as bits. Only as many question words count as
 * there are bits, which is more than people ask with; those that come later are not looked for.
 */
#include "text/extract.h"

#include <math.h>

#include "text/sentence.h"
#include "text/token.h"

enum { WORDS_MAX = 64, SENTENCES_DEFAULT = 3 };

#define GAIN_MIN_DEFAULT 0.1

struct word {
    lh_str term;
    size_t sentences; /* that hold it */
    double weight;
};

struct sentence {
    size_t passage, start, end;
    uint64_t words; /* bit i: holds words[i] */
    struct sentence *next;
};

struct extraction {
    struct lh_tokenizer *tokens;
    struct lh_arena *arena;
    struct word words[WORDS_MAX];
    size_t word_count;
    struct sentence *first, **last;
    size_t sentence_count;
    double weight; /* of all words */
};

static bool
word_find(const struct extraction *x, lh_str term, size_t *at)
{
    for (size_t i = 0; i < x->word_count; i++)
        if (lh_str_eq(x->words[i].term, term)) {
            *at = i;
            return true;
        }
    return false;
}

static void
question_read(struct extraction *x, lh_str question)
{
    struct lh_token token;
    size_t at;

    lh_tokenizer_start(x->tokens, question);
    while (x->word_count < WORDS_MAX && lh_tokenizer_next(x->tokens, &token))
        if (!word_find(x, token.term, &at))
            x->words[x->word_count++].term = lh_arena_str(x->arena, token.term);
}

static void
sentence_add(struct extraction *x, size_t passage, lh_str whole, lh_str text)
{
    struct sentence *s = LH_ARENA_NEW(x->arena, struct sentence);
    struct lh_token token;
    size_t at;

    *s = (struct sentence){.passage = passage, .start = (size_t)(text.ptr - whole.ptr)};
    s->end = s->start + text.len;
    lh_tokenizer_start(x->tokens, text);
    while (lh_tokenizer_next(x->tokens, &token))
        if (word_find(x, token.term, &at) && !(s->words >> at & 1)) {
            s->words |= (uint64_t)1 << at;
            x->words[at].sentences++;
        }
    *x->last = s;
    x->last = &s->next;
    x->sentence_count++;
}

static void
passages_read(struct extraction *x, const lh_str *passages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct lh_sentences all = lh_sentences_over(passages[i]);
        lh_str text;

        while (lh_sentences_next(&all, &text))
            sentence_add(x, i, passages[i], text);
    }
}

static void
words_weigh(struct extraction *x)
{
    double n = (double)x->sentence_count;

    for (size_t i = 0; i < x->word_count; i++) {
        double df = (double)x->words[i].sentences;

        if (df < 1)
            df = 1; /* nobody has it: as rare as the rarest */
        x->words[i].weight = log(1 + (n - df + 0.5) / (df + 0.5)) + 0.1;
        x->weight += x->words[i].weight;
    }
}

static double
gain_of(const struct extraction *x, uint64_t words)
{
    double gain = 0;

    for (size_t i = 0; i < x->word_count; i++)
        if (words >> i & 1)
            gain += x->words[i].weight;
    return gain / x->weight;
}

/* Of equal gains the shorter sentence: it says the same with less around it. */
static const struct sentence *
best_find(const struct extraction *x, uint64_t covered, double *gain)
{
    const struct sentence *best = NULL;

    *gain = 0;
    for (const struct sentence *s = x->first; s; s = s->next) {
        double own = gain_of(x, s->words & ~covered);

        if (own > *gain + 1e-12) {
            best = s;
            *gain = own;
        } else if (best && own > *gain - 1e-12 && s->passage == best->passage &&
                   s->end - s->start < best->end - best->start) {
            best = s;
        }
    }
    return best;
}

static void
sentences_choose(const struct extraction *x, const struct lh_extract_options *o,
                 struct lh_extract *out)
{
    size_t most = o->sentences_max > 0 ? o->sentences_max : SENTENCES_DEFAULT;
    double least = o->gain_min > 0 ? o->gain_min : GAIN_MIN_DEFAULT, gain;
    uint64_t covered = 0;

    out->sentences = lh_arena_array(x->arena, most, sizeof(*out->sentences));
    while (out->count < most) {
        const struct sentence *s = best_find(x, covered, &gain);

        if (!s || gain < least)
            return;
        covered |= s->words;
        out->sentences[out->count++] = (struct lh_extract_sentence){
            .passage = s->passage, .start = s->start, .end = s->end, .gain = gain};
        out->cover += gain;
    }
}

lh_status
lh_extract(lh_str question, const lh_str *passages, size_t count,
           const struct lh_extract_options *options, struct lh_arena *arena, struct lh_extract *out,
           struct lh_error *err)
{
    static const struct lh_extract_options defaults;
    const struct lh_extract_options *o = options ? options : &defaults;
    const struct lh_tokenizer_options language = {.language = o->language ? o->language : "english",
                                                  .drops_stop_words = true};
    LH_AUTO(lh_tokenizer) *tokens = NULL;
    struct extraction x = {.arena = arena};

    LH_TRY(lh_tokenizer_new(&language, &tokens, err));
    x.tokens = tokens;
    x.last = &x.first;
    question_read(&x, question);
    *out = (struct lh_extract){.word_count = x.word_count};
    if (x.word_count == 0)
        return LH_OK;
    passages_read(&x, passages, count);
    words_weigh(&x);
    sentences_choose(&x, o, out);
    return LH_OK;
}

bool
lh_quote_find(lh_str passage, lh_str quote, size_t *start, size_t *end)
{
    lh_str trimmed = lh_str_trim(quote);
    size_t at;

    if (trimmed.len == 0 || !lh_str_find(passage, trimmed, &at))
        return false;
    *start = at;
    *end = at + trimmed.len;
    return true;
}
