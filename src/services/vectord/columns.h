/*
 * columns: the metadata of a generation by key, so that a filter becomes a bitmap in one pass.
 *
 * A key has a dictionary of its distinct values and one code per slot (0: the item lacks the key).
 * A condition is decided once for each distinct value — equality by a look-up, ranges by a pass
 * over the dictionary — and then slots are only table look-ups. Values of removed items stay in the
 * dictionary.
 *
 * Threads  the caller's lock: sets are exclusive, everything else is shared.
 * Limits   `keys_max` keys; items with more are refused before (item.h).
 */
#ifndef LH_SERVICES_VECTORD_COLUMNS_H
#define LH_SERVICES_VECTORD_COLUMNS_H

#include "services/vectord/filter.h"

struct vector_columns;

struct vector_columns *vector_columns_new(void);
void vector_columns_free(struct vector_columns *c);

/* Replaces what the slot had. `metadata` is an object or NULL for none. */
void vector_columns_set(struct vector_columns *c, uint32_t slot, const json_t *metadata);
size_t vector_columns_keys(const struct vector_columns *c);
bool vector_columns_has(const struct vector_columns *c, lh_str key);
size_t vector_columns_bytes(const struct vector_columns *c);

/* A filter made ready: which codes of which columns match, as they are now. In the arena. Codes
 * that come later match nothing, so slots written later are not answered. */
struct vector_plan;
struct vector_plan *vector_columns_plan(const struct vector_columns *c,
                                        const struct vector_filter *filter, struct lh_arena *arena);
/* Clears the bits of slots [from, to) that do not match; `from` is a multiple of 64. */
void vector_plan_apply(const struct vector_plan *p, uint32_t from, uint32_t to, uint64_t *bits);

#endif
