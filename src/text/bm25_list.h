/*
 * bm25_list: the postings of one term; for this folder.
 *
 * A posting is a document number and how often the term occurs in it; numbers ascend. It is coded
 * as two LEB128 numbers: the distance to the document before (in the first posting of a block: to
 * the last of the block before), and the frequency. After every 128 postings a new block begins;
 * each block keeps its last document and the bounds of what its postings can score.
 *
 * Short lists, which most are, lie inside the struct.
 *
 * Owns     its bytes. Threads: one writer; readers under the lock of the index.
 */
#ifndef LH_TEXT_BM25_LIST_H
#define LH_TEXT_BM25_LIST_H

#include "base/str.h"

#define BM25_BLOCK 128
#define BM25_INLINE 16
#define BM25_FREQUENCY_MAX 65535
#define BM25_DOC_NONE UINT32_MAX

struct bm25_posting {
    uint32_t doc, frequency;
};

#define BM25_BEST 4

/* A closed block: its postings end at `end` of the list's bytes. None of them scores more than the
 * best of `best`, whatever the average length: each is matched by one that is no less frequent in a
 * document that is no longer. */
struct bm25_block {
    uint32_t last_doc;
    uint32_t end;
    struct bm25_best {
        uint16_t frequency;
        uint16_t length; /* 65535 and more as 65535 */
    } best[BM25_BEST];   /* both descending */
    uint8_t best_count;
};

struct bm25_list {
    union {
        uint8_t *heap; /* when cap is not 0 */
        uint8_t here[BM25_INLINE];
    } bytes;
    uint32_t len, cap;
    uint32_t count;            /* postings */
    struct bm25_block *blocks; /* count / 128 closed ones */
    struct bm25_block open;    /* the last one, not full yet */
};

void bm25_list_fini(struct bm25_list *l);
/* `doc` is above all that are there; `length` is the document's. Returns by how many bytes the
 * memory grew. */
size_t bm25_list_add(struct bm25_list *l, struct bm25_posting posting, uint32_t length);
size_t bm25_list_bytes(const struct bm25_list *l); /* of memory outside the struct */

static inline size_t
bm25_list_block_count(const struct bm25_list *l)
{
    return (l->count + BM25_BLOCK - 1) / BM25_BLOCK;
}

static inline const struct bm25_block *
bm25_list_block(const struct bm25_list *l, size_t i)
{
    return i < l->count / BM25_BLOCK ? &l->blocks[i] : &l->open;
}

/* Decodes block i, returns how many postings it has. */
size_t bm25_list_decode(const struct bm25_list *l, size_t i, struct bm25_posting out[BM25_BLOCK]);

#endif
