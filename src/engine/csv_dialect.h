/*
 * csv_dialect: how a delimited text file is written, told from its first bytes.
 *
 * Deterministic: every candidate (delimiter, quote, escape, comment) reads the sample, and the one
 * whose records agree best on their number of columns wins; ties go by a fixed order. What the
 * caller already knows is not guessed.
 *
 * Threads  pure.
 */
#ifndef LH_ENGINE_CSV_DIALECT_H
#define LH_ENGINE_CSV_DIALECT_H

#include "base/arena.h"
#include "base/str.h"

#define CSV_DELIMITER_MAX 8
#define CSV_SAMPLE_BYTES ((size_t)1 << 20)
#define CSV_COLUMNS_MAX 16384

struct csv_dialect {
    char delimiter[CSV_DELIMITER_MAX + 1];
    size_t delimiter_len;
    char quote;      /* 0: none */
    char escape;     /* equal to quote when a quote is doubled */
    char newline;    /* '\n' ("\r\n" as well), or '\r' */
    char comment[4]; /* prefix of lines to leave out, or "" */
    bool has_header;
    size_t column_count;
};

/* What the caller says. Zero values: to be found out. */
struct csv_hints {
    lh_str delimiter;
    int header;  /* 0 unknown, 1 yes, -1 no */
    bool is_tsv; /* the file is named or declared to be tab-separated */
};

/* `is_whole`: the sample is all of the file, so its last record is not a cut one. */
void csv_dialect_sniff(lh_str sample, bool is_whole, const struct csv_hints *hints,
                       struct csv_dialect *out);

#endif
