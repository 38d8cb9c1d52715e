#include "text/token.h"

#include <libstemmer.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/utf8.h"
#include "text/stop_words.h"
#include "text/unicode.h"

struct lh_tokenizer {
    struct sb_stemmer *stemmer;
    bool drops_stop_words;
    lh_str text;
    size_t at;
    char term[LH_TOKEN_MAX];
    size_t term_len;
    bool is_cut; /* what comes after the first LH_TOKEN_MAX bytes is passed over */
};

lh_status
lh_tokenizer_new(const struct lh_tokenizer_options *options, struct lh_tokenizer **out,
                 struct lh_error *err)
{
    LH_AUTO(lh_tokenizer) *t = LH_NEW(struct lh_tokenizer);

    if (options->language) {
        t->stemmer = sb_stemmer_new(options->language, "UTF_8");
        if (!t->stemmer)
            return lh_fail(err, LH_UNSUPPORTED, "text.language",
                           "there is no stemmer for the language \"%s\"", options->language);
    }
    t->drops_stop_words = options->drops_stop_words &&
                          (!options->language || strcmp(options->language, "english") == 0 ||
                           strcmp(options->language, "porter") == 0);
    *out = lh_take(t);
    return LH_OK;
}

void
lh_tokenizer_free(struct lh_tokenizer *t)
{
    if (!t)
        return;
    sb_stemmer_delete(t->stemmer);
    free(t);
}

void
lh_tokenizer_start(struct lh_tokenizer *t, lh_str text)
{
    t->text = text;
    t->at = 0;
}

static bool
is_apostrophe(uint32_t code)
{
    return code == '\'' || code == 0x2019 || code == 0x02BC;
}

static void
term_add(struct lh_tokenizer *t, uint32_t code)
{
    uint32_t self;
    size_t count;
    const uint32_t *folded = text_fold_of(code, &self, &count);

    for (size_t i = 0; i < count; i++) {
        char bytes[LH_UTF8_MAX];
        size_t n = lh_utf8_encode(folded[i], bytes);
        if (t->term_len + n > sizeof(t->term))
            t->is_cut = true;
        if (t->is_cut)
            return;
        memcpy(t->term + t->term_len, bytes, n);
        t->term_len += n;
    }
}

/* Passes what is no word. False at the end of the text. */
static bool
word_begin(struct lh_tokenizer *t, size_t *start, uint32_t *code, enum text_kind *kind)
{
    while (t->at < t->text.len) {
        *start = t->at;
        *code = text_char_next(t->text, &t->at);
        *kind = text_kind_of(*code);
        if (*kind != TEXT_OTHER)
            return true;
    }
    return false;
}

/* An apostrophe belongs to the word when a letter follows. */
static bool
apostrophe_pass(struct lh_tokenizer *t, size_t behind)
{
    size_t after = behind;

    if (behind >= t->text.len || text_kind_of(text_char_next(t->text, &after)) != TEXT_WORD)
        return false;
    t->at = behind;
    return true;
}

static void
word_continue(struct lh_tokenizer *t)
{
    while (t->at < t->text.len) {
        size_t behind = t->at;
        uint32_t code = text_char_next(t->text, &behind);
        if (is_apostrophe(code)) {
            if (!apostrophe_pass(t, behind))
                return;
            continue;
        }
        if (text_kind_of(code) != TEXT_WORD)
            return;
        term_add(t, code);
        t->at = behind;
    }
}

static void
term_stem(struct lh_tokenizer *t, lh_str *term)
{
    const sb_symbol *stem =
        sb_stemmer_stem(t->stemmer, (const sb_symbol *)term->ptr, (int)term->len);

    if (stem && sb_stemmer_length(t->stemmer) > 0)
        *term = (lh_str){(const char *)stem, (size_t)sb_stemmer_length(t->stemmer)};
}

bool
lh_tokenizer_next(struct lh_tokenizer *t, struct lh_token *out)
{
    size_t start;
    uint32_t code;
    enum text_kind kind;

    while (word_begin(t, &start, &code, &kind)) {
        t->term_len = 0;
        t->is_cut = false;
        term_add(t, code);
        if (kind == TEXT_WORD)
            word_continue(t);
        lh_str term = {t->term, t->term_len};
        if (term.len == 0 || (t->drops_stop_words && text_is_stop_word(term)))
            continue;
        if (t->stemmer)
            term_stem(t, &term);
        *out = (struct lh_token){term, start, t->at};
        return true;
    }
    return false;
}
