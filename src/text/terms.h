/*
 * terms: a dictionary that numbers terms from 0 in the order they come; for this folder.
 *
 * Owns     a copy of every term. Threads: one writer; readers under the lock of the owner.
 */
#ifndef LH_TEXT_TERMS_H
#define LH_TEXT_TERMS_H

#include "text/table.h"

struct text_terms {
    struct text_table table;
    char *bytes;
    size_t bytes_len, bytes_cap;
    uint64_t *ends; /* of term i in bytes */
    size_t count, cap;
};

void text_terms_fini(struct text_terms *t);
/* Makes room for `more` terms. The part that takes long, a larger table, is built
 * without being seen: *spare is then to be handed to text_terms_commit. */
bool text_terms_prepare(const struct text_terms *t, size_t more, struct text_table *spare);
void text_terms_commit(struct text_terms *t, struct text_table *spare);
uint32_t text_terms_find(const struct text_terms *t, lh_str term); /* TEXT_TABLE_NONE: unknown */
/* The number of the term, given now if need be. */
uint32_t text_terms_put(struct text_terms *t, lh_str term);
lh_str text_terms_at(const struct text_terms *t, uint32_t number);
size_t text_terms_bytes(const struct text_terms *t); /* of memory */

#endif
