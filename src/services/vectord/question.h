/*
 * question: what POST /v1/search and POST /v1/rag are asked with.
 *
 * Fails    INVALID "request.field_…" for the shape, "vectors.question" for an empty question, no or
 *          too many indexes, an index named twice, or weights that are negative or all zero.
 */
#ifndef LH_SERVICES_VECTORD_QUESTION_H
#define LH_SERVICES_VECTORD_QUESTION_H

#include "base/json.h"
#include "net/call.h"

enum {
    VECTOR_QUESTION_INDEXES_MAX = 4, /* two legs each, LH_FUSE_LEGS_MAX in all */
    VECTOR_QUESTION_K_DEFAULT = 10,
    VECTOR_QUESTION_K_MAX = 1000,
    VECTOR_QUESTION_TEXT_MAX = 16384 /* bytes */
};

/* Strings and values are borrowed from the body. */
struct vector_question {
    lh_str text;
    lh_str indexes[VECTOR_QUESTION_INDEXES_MAX];
    size_t index_count;
    const json_t *sql_filter, *filter; /* or NULL */
    size_t k;
    double weight_vector, weight_text; /* negative: the default */
    bool uses_playbooks;
    lh_str role, city; /* "": not said */
};

/* Reads the members above; `more` are further members that the caller reads, NULL-ended. */
lh_status vector_question_read(const json_t *body, const char *const *more,
                               struct vector_question *out, struct lh_error *err);

#endif
