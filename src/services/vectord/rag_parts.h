/*
 * rag_parts: what the files of rag share: passages, citations, and what a model is told and says.
 *
 * Everything is in the call's arena.
 */
#ifndef LH_SERVICES_VECTORD_RAG_PARTS_H
#define LH_SERVICES_VECTORD_RAG_PARTS_H

#include "services/vectord/rag.h"

struct rag_passage {
    const struct vector_hybrid_hit *hit;
    lh_str text;
};

struct rag_citation {
    size_t passage;
    size_t start, end; /* bytes of its text */
};

struct rag_answer {
    lh_str text; /* "" when nothing was found */
    struct rag_citation *citations;
    size_t count, dropped; /* dropped: quotes that stand nowhere */
    bool is_found;
    const char *model;
    const char *fallback; /* why no model answered although one was wanted, or NULL */
};

/* From the sentences of the passages. */
lh_status rag_extract(struct lh_call *call, lh_str question, const struct rag_passage *passages,
                      size_t count, double cover_min, struct rag_answer *out, struct lh_error *err);

/* The two messages for a model, at most about `tokens_max` tokens. */
void rag_prompt_make(struct lh_arena *arena, lh_str question, const struct rag_passage *passages,
                     size_t count, size_t tokens_max, lh_str *system, lh_str *user);
/* What it said, with the quotes that stand. Text that is not the JSON asked for is no answer. */
void rag_reply_read(struct lh_arena *arena, lh_str reply, const struct rag_passage *passages,
                    size_t count, struct rag_answer *out);

#endif
