#include "text/sentence.h"

#include "text/unicode.h"

static bool
is_closing(uint32_t code)
{
    return code == '"' || code == '\'' || code == ')' || code == ']' || code == '}' ||
           code == 0xBB || code == 0x2019 || code == 0x201D || code == 0x300D || code == 0x300F ||
           code == 0xFF09;
}

/* Ends a sentence whatever follows. */
static bool
is_full_width_stop(uint32_t code)
{
    return code == 0x3002 || code == 0xFF01 || code == 0xFF1F || code == 0xFF61;
}

/* Ends a sentence when a blank follows. */
static bool
is_stop(uint32_t code)
{
    return code == '.' || code == '!' || code == '?' || code == 0x2026 || code == 0x061F ||
           code == 0x06D4 || code == 0x0964 || code == 0x0965 || code == 0x0589 || code == 0x203C ||
           code == 0x2049;
}

/* What a full stop after it shortens. Lower case. */
static bool
is_abbreviation(lh_str word)
{
    static const char *const known[] = {
        "al",  "approx", "art", "ca",   "cf",  "co",   "col", "corp", "dept", "dr",
        "e.g", "eq",     "eqs", "est",  "fig", "figs", "gen", "hon",  "i.e",  "inc",
        "jr",  "lt",     "ltd", "mr",   "mrs", "ms",   "no",  "nos",  "op",   "p",
        "pp",  "prof",   "ref", "refs", "rev", "sec",  "sr",  "st",   "vol",  "vs",
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (lh_str_eq_nocase(word, lh_str_of(known[i])))
            return true;
    }
    return false;
}

/* The word, with full stops inside it, that ends at `end`. */
static lh_str
word_before(lh_str text, size_t end)
{
    size_t start = end;

    while (start > 0 && end - start < 32) {
        size_t before = text_char_before(text, start);
        size_t at = before;
        uint32_t code = text_char_next(text, &at);
        if (code != '.' && text_kind_of(code) == TEXT_OTHER)
            break;
        start = before;
    }
    return lh_str_slice(text, start, end);
}

/* One letter alone: "J.", but not "I." which ends sentences as often. */
static bool
is_initial(lh_str word)
{
    size_t at = 0;

    if (word.len == 0 || word.ptr[0] == 'I')
        return false;
    uint32_t code = text_char_next(word, &at);
    return at == word.len && !(code >= '0' && code <= '9');
}

/* The first character after the blanks at `at`; TEXT_INVALID at the end of the text. */
static uint32_t
char_after_blanks(lh_str text, size_t at)
{
    while (at < text.len) {
        uint32_t code = text_char_next(text, &at);
        if (!text_is_blank(code))
            return code;
    }
    return TEXT_INVALID;
}

/* Does the full stop at `stop` end a sentence, when a blank or nothing stands at `behind`? */
static bool
full_stop_ends(lh_str text, size_t stop, size_t behind)
{
    lh_str word = word_before(text, stop);

    if (word.len == 0)
        return true;
    if (is_abbreviation(word) || is_initial(word))
        return false;
    return !text_is_lower(char_after_blanks(text, behind));
}

static size_t
closing_pass(lh_str text, size_t at)
{
    while (at < text.len) {
        size_t behind = at;
        uint32_t code = text_char_next(text, &behind);
        if (!is_closing(code) && !is_stop(code) && !is_full_width_stop(code))
            break;
        at = behind;
    }
    return at;
}

static bool
is_blank_at(lh_str text, size_t at)
{
    return at >= text.len || text_is_blank(text_char_next(text, &at));
}

/* An empty line begins at `at`, which is behind a line feed. */
static bool
is_empty_line(lh_str text, size_t at)
{
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t' || text.ptr[at] == '\r'))
        at++;
    return at < text.len && text.ptr[at] == '\n';
}

/* Where the sentence ends that the character from `at` to `*behind` may end; 0 when it does not.
 * Moves `*behind` over what need not be looked at again, so that long runs of stops take no longer
 * than other text. */
static size_t
end_at(lh_str text, size_t at, size_t *behind, uint32_t code)
{
    if (code == '\n')
        return is_empty_line(text, *behind) ? at : 0;
    if (!is_stop(code) && !is_full_width_stop(code))
        return 0;
    size_t end = closing_pass(text, *behind);
    if (is_full_width_stop(code))
        return end;
    *behind = end;
    if (!is_blank_at(text, end))
        return 0;
    return code != '.' || full_stop_ends(text, at, end) ? end : 0;
}

bool
lh_sentence_end_find(lh_str text, size_t from, size_t to, size_t *end)
{
    size_t at = from;

    while (at < text.len && at < to) {
        size_t behind = at;
        uint32_t code = text_char_next(text, &behind);
        size_t found = end_at(text, at, &behind, code);
        if (found > to)
            return false;
        if (found > from) {
            *end = found;
            return true;
        }
        at = behind;
    }
    if (to < text.len || from >= text.len)
        return false;
    *end = text.len;
    return true;
}

bool
lh_sentences_next(struct lh_sentences *s, lh_str *out)
{
    size_t start = text_blanks_pass(s->text, s->at), end;

    if (!lh_sentence_end_find(s->text, start, s->text.len, &end))
        return false;
    s->at = end;
    *out = lh_str_slice(s->text, start, text_blanks_pass_back(s->text, start, end));
    return true;
}
