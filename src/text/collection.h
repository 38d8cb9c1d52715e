/*
 * collection: a test collection, documents and queries and which of the one answer the other.
 *
 * Formats, told apart by how the bytes begin:
 *   documents   SMART (".I 1", then fields ".T", ".A", ".B", ".W"; title and text are taken), or
 *               TREC ("<DOC>", "<DOCNO>", tags are left out)
 *   queries     SMART (numbered 1, 2, 3 … by position, whatever ".I" says: Cranfield's judgements
 *               count that way), or TREC topics ("<top>", "<num>", "<title>"), or lines
 *               "number<TAB>text"
 *   judgements  lines "query document grade" or "query iteration document grade"
 *
 * Owns     copies of everything, in its arena.
 * Fails    INVALID "eval.format" with the line.
 */
#ifndef LH_TEXT_COLLECTION_H
#define LH_TEXT_COLLECTION_H

#include "base/arena.h"
#include "base/status.h"

struct lh_collection_text {
    lh_str name;
    lh_str text;
};

struct lh_collection_texts {
    struct lh_collection_text *list;
    size_t count;
};

struct lh_collection_judgement {
    lh_str query, document;
    int grade;
};

struct lh_collection {
    struct lh_arena arena;
    struct lh_collection_texts documents, queries;
    struct lh_collection_judgement *judgements;
    size_t judgement_count;
};

void lh_collection_fini(struct lh_collection *c);
lh_status lh_collection_documents_read(struct lh_collection *c, lh_str bytes, struct lh_error *err);
lh_status lh_collection_queries_read(struct lh_collection *c, lh_str bytes, struct lh_error *err);
lh_status
lh_collection_judgements_read(struct lh_collection *c, lh_str bytes, struct lh_error *err);

#endif
