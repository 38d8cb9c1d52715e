/*
 * bm25_parts: what an index is made of; for this folder.
 *
 * Documents are numbered as they come. A document that is replaced or removed keeps its number as a
 * tombstone until the writer builds a new `bm25_data` without it and swaps the two.
 *
 * Threads  `writing` is held for the whole of a write, `lock` for reading by searches and for
 *          writing only while `data` changes. So the holder of `writing` may read `data` freely.
 */
#ifndef LH_TEXT_BM25_PARTS_H
#define LH_TEXT_BM25_PARTS_H

#include <pthread.h>
#include "base/thread.h"
#include "text/bm25.h"
#include "text/bm25_list.h"
#include "text/terms.h"
#include "text/token.h"

#define BM25_DOCS_MAX ((size_t)1 << 28)
#define BM25_DEAD 0x80000000U /* in a length */
#define BM25_LENGTH_MAX 0x7FFFFFFFU
#define BM25_LANGUAGE_MAX 32

struct bm25_data {
    struct text_terms terms;
    struct bm25_list *lists; /* of term i */
    size_t list_cap;
    struct text_table numbers; /* from the hash of an id to its document's number */
    uint64_t *ids;             /* of document i */
    uint32_t *lengths;         /* in words, with BM25_DEAD */
    size_t doc_count, doc_cap;
    size_t dead_count;
    uint64_t length_sum; /* of all, dead ones included */
    uint64_t posting_count;
    size_t list_bytes; /* of memory outside the array of lists */
};

/* A term of the document being put, and how often it occurs. */
struct bm25_word {
    lh_str term;
    uint32_t frequency;
};

struct lh_bm25 {
    char language[BM25_LANGUAGE_MAX];
    bool keeps_stop_words;
    double k1, b;
    size_t max_bytes;
    pthread_mutex_t writing;
    struct lh_tokenizer *tokenizer; /* the writer's */
    struct lh_buf term_bytes;       /* the writer's: terms of the document being put */
    struct bm25_word *words;
    size_t word_count, word_cap;
    struct {
        pthread_rwlock_t lock;
        struct bm25_data data;
    } shared;
};

/* ---- bm25_data.c ---- */

void bm25_data_fini(struct bm25_data *d);
uint32_t bm25_data_find(const struct bm25_data *d, uint64_t id); /* BM25_DOC_NONE */
/* Prepares the tables for one document of `words` words without being seen, then seen. */
struct bm25_room {
    struct text_table terms, numbers;
    bool has_terms, has_numbers;
};
void bm25_data_prepare(const struct bm25_data *d, size_t words, struct bm25_room *room);
void bm25_data_commit(struct bm25_data *d, struct bm25_room *room);
/* `id` must not be there. Returns the document's number. */
uint32_t bm25_data_add(struct bm25_data *d, uint64_t id, uint32_t length);
/* The number of the term, given now if need be, and a posting for it. */
uint32_t bm25_data_term(struct bm25_data *d, lh_str term);
void bm25_data_post(struct bm25_data *d, uint32_t term, struct bm25_posting posting);
void bm25_data_kill(struct bm25_data *d, uint32_t doc);
size_t bm25_data_bytes(const struct bm25_data *d);
/* By how much that may grow with a document of so many words, all of them new; lists that are there
 * already and grow are not foreseen. */
size_t bm25_data_growth(const struct bm25_data *d, size_t words, size_t word_bytes);
/* The living documents only. */
void bm25_data_copy_live(const struct bm25_data *from, struct bm25_data *to);

static inline bool
bm25_data_is_dead(const struct bm25_data *d, uint32_t doc)
{
    return d->lengths[doc] & BM25_DEAD;
}

/* ---- bm25.c ---- */

lh_status
bm25_tokenizer_new(const struct lh_bm25 *ix, struct lh_tokenizer **out, struct lh_error *err);

#endif
