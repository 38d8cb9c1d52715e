/*
 * guard_lex: the tokens of a SQL text, as DuckDB's scanner cuts them.
 *
 * It never decides whether a statement is safe: the parse tree does. It finds the EXPLAIN in front,
 * the places where a PIVOT wants its IN list, and how deep WITH clauses nest.
 *
 * Source   src/third_party/libpg_query scan.l of DuckDB 1.4: nested comments, '' E'' and $tag$
 * strings, "" identifiers; Unicode blanks are blanks (Parser::StripUnicodeSpaces).
 */
#ifndef LH_ENGINE_GUARD_LEX_H
#define LH_ENGINE_GUARD_LEX_H

#include "base/str.h"

enum guard_token_kind {
    GUARD_TOKEN_END,
    GUARD_TOKEN_WORD,   /* keyword or plain identifier */
    GUARD_TOKEN_QUOTED, /* "identifier" */
    GUARD_TOKEN_STRING,
    GUARD_TOKEN_NUMBER,
    GUARD_TOKEN_MARK, /* one character of anything else */
};

struct guard_token {
    enum guard_token_kind kind;
    lh_str text; /* a view of the SQL */
    size_t from; /* byte offset */
};

struct guard_lexer {
    lh_str sql;
    size_t at;
};

struct guard_token guard_lex_next(struct guard_lexer *l);
bool guard_token_is(struct guard_token t, const char *word); /* a WORD, whatever its case */
bool guard_token_is_mark(struct guard_token t, char mark);

/* What DuckDB's parser spends on copying WITH clauses, in bytes; grows as the product of their
 * sizes along a nesting. */
uint64_t guard_lex_with_cost(lh_str sql);

#endif
