/*
 * search: `vector_search(index, text or vector, k)` and `text_search(index, words, k)` as tables
 * inside a statement.
 *
 * The engine knows no indexes. Whoever runs the statement gives it a provider; each call of one of
 * the two functions asks the provider once, while DuckDB binds, on the thread and with the call of
 * the statement, and its hits are the rows: id, score, distance, text, metadata, nearest or best
 * first. So such a table joins, filters and limits like any other, under the statement's own
 * guard, deadline and memory.
 *
 * Arguments are constants or parameters of the statement. The vector is a list of numbers. Named
 * arguments: filter := '{"city":"Chicago"}' (JSON, as POST /v1/vectors/indexes/{name}/search takes
 * it), ef := 200, min_recall := 0.99, exact := true.
 *
 * Fails    as the provider does; INVALID "sql.search" for a NULL, a k outside 1 to
 *          LH_STATEMENT_HITS_MAX or a list that holds no numbers; UNSUPPORTED "sql.search" without
 * a provider; TOO_BIG "sql.too_complex" past LH_STATEMENT_SEARCHES_MAX in one statement.
 */
#ifndef LH_ENGINE_SEARCH_H
#define LH_ENGINE_SEARCH_H

#include "engine/sql.h"

#define LH_STATEMENT_SEARCHES_MAX 32
#define LH_STATEMENT_HITS_MAX 10000

struct lh_statement_search {
    bool is_words; /* text_search; else vector_search */
    lh_str index;
    lh_str text;         /* ptr NULL: a vector */
    const float *vector; /* dim values */
    size_t dim;
    uint64_t k;
    lh_str filter;     /* JSON; ptr NULL: none */
    uint64_t ef;       /* 0: not said */
    double min_recall; /* 0: not said */
    bool is_exact;
};

struct lh_statement_hit {
    lh_str id;
    double score;
    double distance; /* NaN: words have none */
    lh_str text;     /* ptr NULL: none kept */
    lh_str metadata; /* JSON; ptr NULL: none */
};

/* `run` leaves its hits in memory that lives as long as the call, such as the call's arena. */
struct lh_search_provider {
    lh_status (*run)(void *self, struct lh_call *call, const struct lh_statement_search *search,
                     const struct lh_statement_hit **hits, size_t *count, struct lh_error *err);
    void *self;
};

/* Before lh_statement_bind. Borrowed until the statement is freed. */
void lh_statement_searches_set(struct lh_statement *s, const struct lh_search_provider *provider);
/* How many searches the statement has asked for so far. */
size_t lh_statement_search_count(const struct lh_statement *s);

#endif
