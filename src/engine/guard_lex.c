#include "engine/guard_lex.h"

/* ---- blanks and comments ---- */

static unsigned char
at(const struct guard_lexer *l, size_t ahead)
{
    return l->at + ahead < l->sql.len ? (unsigned char)l->sql.ptr[l->at + ahead] : 0;
}

/* The length of the blank at the cursor: ASCII, or one of those DuckDB turns into a blank before it
 * scans. */
static size_t
blank_len(const struct guard_lexer *l)
{
    unsigned char a = at(l, 0), b = at(l, 1), c = at(l, 2);

    if (a == ' ' || (a >= '\t' && a <= '\r'))
        return 1;
    if (a == 0xC2 && b == 0xA0)
        return 2;
    if (a == 0xE2 && b == 0x80 && ((c >= 0x80 && c <= 0x8D) || c == 0xAF))
        return 3;
    if (a == 0xE2 && b == 0x81 && (c == 0x9F || c == 0xA0))
        return 3;
    if (a == 0xE3 && b == 0x80 && c == 0x80)
        return 3;
    return a == 0xEF && b == 0xBB && c == 0xBF ? 3 : 0;
}

static void
line_comment_skip(struct guard_lexer *l)
{
    while (l->at < l->sql.len && at(l, 0) != '\n' && at(l, 0) != '\r')
        l->at++;
}

/* False, and nothing skipped, when it does not end: then DuckDB has to say so. */
static bool
block_comment_skip(struct guard_lexer *l)
{
    size_t depth = 0, from = l->at;

    do {
        if (at(l, 0) == '/' && at(l, 1) == '*') {
            depth++;
            l->at += 2;
        } else if (at(l, 0) == '*' && at(l, 1) == '/') {
            depth--;
            l->at += 2;
        } else {
            l->at++;
        }
    } while (depth > 0 && l->at < l->sql.len);
    if (depth > 0)
        l->at = from;
    return depth == 0;
}

static void
blanks_skip(struct guard_lexer *l)
{
    while (l->at < l->sql.len) {
        size_t blank = blank_len(l);

        if (blank > 0)
            l->at += blank;
        else if (at(l, 0) == '-' && at(l, 1) == '-')
            line_comment_skip(l);
        else if (at(l, 0) != '/' || at(l, 1) != '*' || !block_comment_skip(l))
            return;
    }
}

/* ---- tokens ---- */

static bool
begins_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool
is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool
continues_word(const struct guard_lexer *l)
{
    unsigned char c = at(l, 0);

    return (begins_word(c) || is_digit(c) || c == '$') && blank_len(l) == 0;
}

/* Up to and with the closing quote; a doubled quote stands for itself. */
static void
quoted_skip(struct guard_lexer *l, unsigned char quote, bool has_escapes)
{
    for (l->at++; l->at < l->sql.len; l->at++) {
        if (has_escapes && at(l, 0) == '\\') {
            l->at++;
        } else if (at(l, 0) == quote) {
            if (at(l, 1) != quote) {
                l->at++;
                return;
            }
            l->at++;
        }
    }
    l->at = l->sql.len;
}

/* $tag$ … $tag$; false when the dollar begins something else. */
static bool
dollar_string_skip(struct guard_lexer *l)
{
    size_t end = 1, found;
    lh_str tag, rest;

    if (is_digit(at(l, 1)))
        return false;
    while (begins_word(at(l, end)) || is_digit(at(l, end)))
        end++;
    if (at(l, end) != '$')
        return false;
    tag = lh_str_slice(l->sql, l->at, l->at + end + 1);
    rest = lh_str_slice(l->sql, l->at + tag.len, l->sql.len);
    l->at = lh_str_find(rest, tag, &found) ? l->at + tag.len + found + tag.len : l->sql.len;
    return true;
}

static enum guard_token_kind
word_skip(struct guard_lexer *l)
{
    unsigned char first = at(l, 0);

    if ((first == 'e' || first == 'E') && at(l, 1) == '\'') {
        l->at++;
        quoted_skip(l, '\'', true);
        return GUARD_TOKEN_STRING;
    }
    while (l->at < l->sql.len && continues_word(l))
        l->at++;
    return GUARD_TOKEN_WORD;
}

static enum guard_token_kind
token_skip(struct guard_lexer *l)
{
    unsigned char c = at(l, 0);

    if (begins_word(c))
        return word_skip(l);
    if (is_digit(c)) {
        while (is_digit(at(l, 0)) || at(l, 0) == '_')
            l->at++;
        return GUARD_TOKEN_NUMBER;
    }
    if (c == '\'' || c == '"') {
        quoted_skip(l, c, false);
        return c == '"' ? GUARD_TOKEN_QUOTED : GUARD_TOKEN_STRING;
    }
    if (c == '$' && dollar_string_skip(l))
        return GUARD_TOKEN_STRING;
    if (c == '/' && at(l, 1) == '*') {
        l->at = l->sql.len; /* a comment without an end; looking at its inside again and again takes
                               too long */
        return GUARD_TOKEN_MARK;
    }
    l->at++;
    return GUARD_TOKEN_MARK;
}

struct guard_token
guard_lex_next(struct guard_lexer *l)
{
    struct guard_token t = {.kind = GUARD_TOKEN_END};

    blanks_skip(l);
    t.from = l->at;
    if (l->at < l->sql.len)
        t.kind = token_skip(l);
    if (l->at > l->sql.len)
        l->at = l->sql.len;
    t.text = lh_str_slice(l->sql, t.from, l->at);
    return t;
}

bool
guard_token_is(struct guard_token t, const char *word)
{
    return t.kind == GUARD_TOKEN_WORD && lh_str_eq_nocase(t.text, lh_str_of(word));
}

bool
guard_token_is_mark(struct guard_token t, char mark)
{
    return t.kind == GUARD_TOKEN_MARK && t.text.ptr[0] == mark;
}

/* ---- the cost of WITH ---- */

enum { WITH_DEPTH_MAX = 256 };

struct with_level {
    uint64_t inner; /* the dearest parenthesis inside, 0 for none */
    uint64_t entries;
    bool has_with;
};

struct with_walk {
    struct with_level levels[WITH_DEPTH_MAX];
    size_t depth;
    size_t beyond; /* parentheses deeper than that */
    bool after_as;
    bool is_too_deep;
};

static uint64_t
level_cost(const struct with_level *level)
{
    uint64_t inner = level->inner > 0 ? level->inner : 1;
    uint64_t factor = level->entries > 0 ? 2 * level->entries : 1;

    return inner > ((uint64_t)1 << 40) / factor ? (uint64_t)1 << 40 : inner * factor;
}

static void
level_open(struct with_walk *w)
{
    struct with_level *level = &w->levels[w->depth];

    if (w->depth + 1 == WITH_DEPTH_MAX) {
        w->beyond++;
        return;
    }
    if (level->has_with && w->after_as)
        level->entries++;
    w->levels[++w->depth] = (struct with_level){0};
}

static void
level_close(struct with_walk *w)
{
    uint64_t cost = level_cost(&w->levels[w->depth]);

    if (w->beyond > 0) {
        w->beyond--;
    } else if (w->depth > 0) {
        w->depth--;
        if (cost > w->levels[w->depth].inner)
            w->levels[w->depth].inner = cost;
    }
}

static void
with_token(struct with_walk *w, struct guard_token t)
{
    bool is_materialized = guard_token_is(t, "not") || guard_token_is(t, "materialized");

    if (guard_token_is(t, "with")) {
        w->levels[w->depth].has_with = true;
        w->is_too_deep = w->is_too_deep || w->beyond > 0;
    } else if (guard_token_is_mark(t, '(')) {
        level_open(w);
    } else if (guard_token_is_mark(t, ')')) {
        level_close(w);
    }
    w->after_as = guard_token_is(t, "as") || (w->after_as && is_materialized);
}

/*
 * DuckDB 1.4 copies the whole map of a WITH clause once for each of its entries, at every level of
 * nesting. Measured here: the time follows the product over a nesting of twice the number of
 * entries, times the length of the text. An entry is recognised by AS [[NOT] MATERIALIZED] before a
 * parenthesis, in a parenthesis that holds a WITH.
 */
uint64_t
guard_lex_with_cost(lh_str sql)
{
    struct guard_lexer l = {sql, 0};
    struct with_walk w;
    struct guard_token t;

    memset(&w, 0, sizeof(w));
    while ((t = guard_lex_next(&l)).kind != GUARD_TOKEN_END)
        with_token(&w, t);
    while (w.depth > 0)
        level_close(&w);
    if (w.is_too_deep)
        return UINT64_MAX;
    return level_cost(&w.levels[0]) > UINT64_MAX / ((uint64_t)sql.len + 1)
               ? UINT64_MAX
               : level_cost(&w.levels[0]) * (uint64_t)sql.len;
}
