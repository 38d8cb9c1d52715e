/*
 * table: from a hash to numbers, open addressing; for this folder.
 *
 * The table keeps a number and 32 bits of its hash; whoever uses it keeps the keys and compares
 * them. Growing is apart from putting, so that a writer can prepare it while readers go on.
 *
 * Threads  one writer; readers under the lock of the table's owner.
 */
#ifndef LH_TEXT_TABLE_H
#define LH_TEXT_TABLE_H

#include "base/str.h"

#define TEXT_TABLE_NONE UINT32_MAX

struct text_slot {
    uint32_t hash;
    uint32_t value; /* TEXT_TABLE_NONE: empty */
};

struct text_table {
    struct text_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t used;
};

typedef bool (*text_table_match)(const void *ctx, uint32_t value);

void text_table_fini(struct text_table *t);
/* A larger copy when one more entry needs it; false, and nothing, when there is room. */
bool text_table_grow(const struct text_table *t, size_t more, struct text_table *larger);
/* By how many bytes that copy is larger. */
size_t text_table_growth(const struct text_table *t, size_t more);
/* The value whose key matches, or TEXT_TABLE_NONE. */
uint32_t
text_table_find(const struct text_table *t, uint32_t hash, text_table_match match, const void *ctx);
/* There must be room, and no such key. */
void text_table_put(struct text_table *t, uint32_t hash, uint32_t value);
/* `value` must be there under `hash`. */
void text_table_replace(struct text_table *t, uint32_t hash, uint32_t value, uint32_t by);
void text_table_remove(struct text_table *t, uint32_t hash, uint32_t value);

#endif
