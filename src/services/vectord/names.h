/*
 * names: which slot an item's id stands in.
 *
 * Keeps slots only; the caller says what the id of a slot is. Open addressing, linear probing,
 * removal by shifting back, so that nothing is left behind.
 */
#ifndef LH_SERVICES_VECTORD_NAMES_H
#define LH_SERVICES_VECTORD_NAMES_H

#include "base/str.h"

#define VECTOR_NO_SLOT UINT32_MAX

struct vector_names {
    uint32_t *slots; /* + 1; 0: empty */
    size_t capacity, count;
    lh_str (*id)(const void *ctx, uint32_t slot);
    const void *ctx;
};

void vector_names_fini(struct vector_names *n);
uint32_t vector_names_find(const struct vector_names *n, lh_str id); /* or VECTOR_NO_SLOT */
/* Puts `slot` under its id, in place of the one that is there. */
void vector_names_set(struct vector_names *n, uint32_t slot);
void vector_names_remove(struct vector_names *n, lh_str id);

#endif
