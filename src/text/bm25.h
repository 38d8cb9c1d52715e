/*
 * bm25: an inverted index over short documents, ranked by BM25.
 *
 * Documents are named by numbers of the caller. The index keeps terms, frequencies and lengths, not
 * the texts. Postings are only ever appended to: a replaced or removed document becomes a tombstone
 * that searches pass over, and once tombstones are a quarter the writer drops them all. Until then
 * they still count in document frequencies, as in every such index.
 *
 *     score = Σ over query terms  qf · idf · tf · (k1 + 1) / (tf + k1 · (1 - b + b · len / avg))
 *     idf = ln(1 + (N - df + 0.5) / (df + 0.5))
 *
 * Postings are coded in blocks of 128 with bounds of what a block can give, so that a search
 * decodes only blocks that can still matter, window by window (MaxScore). The answer is the same as
 * that of looking at every posting; equal scores are ordered by id, ascending.
 *
 * Owns     everything it needs; texts are borrowed for the call.
 * Threads  any number of searches, and one write at a time (a lock inside sees to it). Words are
 *          cut outside the lock: a write keeps searches waiting for microseconds, also when
 *          tombstones are dropped, which is done aside and then swapped in.
 * Fails    LH_TOO_BIG when a document might need more than max_bytes, LH_NOT_FOUND, LH_CORRUPT
 *          "bm25.damaged" when decoding, LH_UNSUPPORTED "text.language".
 * Format   docs/formats/bm25.md
 * Sources  Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009 (with Lucene's idf,
 *          which is never negative); Turtle and Flood, Query Evaluation: Strategies and
 *          Optimizations, 1995 (MaxScore); Ding and Suel, Faster Top-k Document Retrieval Using
 *          Block-Max Indexes, SIGIR 2011.
 */
#ifndef LH_TEXT_BM25_H
#define LH_TEXT_BM25_H

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

struct lh_bm25;

#define LH_BM25_K_MAX 65536
#define LH_BM25_QUERY_TERMS_MAX 256 /* distinct; what comes after is left out */

struct lh_bm25_options {
    const char *language;  /* of stemming; NULL: "english"; "none": no stemming */
    bool keeps_stop_words; /* default: English function words are not indexed */
    double k1, b;          /* 0: the defaults, which are measured in docs/decisions/ */
    size_t max_bytes;      /* of memory; 0: no limit */
};

lh_status
lh_bm25_new(const struct lh_bm25_options *options, struct lh_bm25 **out, struct lh_error *err);
void lh_bm25_free(struct lh_bm25 *ix);
LH_AUTO_DEFINE(lh_bm25)

/* ---- writing ---- */

/* Adds, or replaces what `id` named before. On OK searches find it. */
lh_status lh_bm25_put(struct lh_bm25 *ix, uint64_t id, lh_str text, struct lh_error *err);
lh_status lh_bm25_remove(struct lh_bm25 *ix, uint64_t id, struct lh_error *err);
/* Drops all tombstones now. */
lh_status lh_bm25_vacuum(struct lh_bm25 *ix, struct lh_error *err);

/* ---- reading ---- */

size_t lh_bm25_count(const struct lh_bm25 *ix);
bool lh_bm25_contains(const struct lh_bm25 *ix, uint64_t id);

/* Which ids may be answered: `match`, or else `bits`; neither allows all. Filters never lessen what
 * is found: fewer than k hits come only when fewer documents match and hold a word of the query. */
struct lh_bm25_filter {
    bool (*match)(void *ctx, uint64_t id); /* from the searching thread; may not call the index */
    void *ctx;
    const uint64_t *bits; /* id i: i < bit_count and bit i % 64 of word i / 64 */
    size_t bit_count;
};

struct lh_bm25_hit {
    uint64_t id;
    float score; /* higher is better, above 0 */
};

/* Writes up to k hits, best first, and how many. A query without words that the index knows finds
 * none. `filter` may be NULL. */
lh_status lh_bm25_search(const struct lh_bm25 *ix, lh_str query, size_t k,
                         const struct lh_bm25_filter *filter, struct lh_bm25_hit *hits,
                         size_t *count, struct lh_error *err);

struct lh_bm25_stats {
    size_t documents;  /* live */
    size_t tombstones; /* not yet dropped */
    size_t terms;
    uint64_t postings;
    size_t bytes; /* of memory */
};

void lh_bm25_stats_get(const struct lh_bm25 *ix, struct lh_bm25_stats *out);

/* ---- bytes ---- */

/* The live documents, so that equal content encodes to equal bytes wherever it came from.
 * Searches go on, writes wait. */
lh_status lh_bm25_encode(struct lh_bm25 *ix, struct lh_buf *out, struct lh_error *err);
/* Language, stop words, k1 and b come from the bytes. Nothing in them is believed unchecked. */
lh_status lh_bm25_decode(lh_bytes in, size_t max_bytes, struct lh_bm25 **out, struct lh_error *err);

#endif
