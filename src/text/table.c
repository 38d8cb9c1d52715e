#include "text/table.h"

#include <stdlib.h>
#include "base/alloc.h"

void
text_table_fini(struct text_table *t)
{
    free(t->slots);
    *t = (struct text_table){0};
}

/* At most two thirds are taken. */
static size_t
size_for(size_t used)
{
    size_t size = 16;

    while (size / 3 * 2 < used)
        size *= 2;
    return size;
}

size_t
text_table_growth(const struct text_table *t, size_t more)
{
    size_t size = size_for(t->used + more);

    return size > t->size ? (size - t->size) * sizeof(struct text_slot) : 0;
}

bool
text_table_grow(const struct text_table *t, size_t more, struct text_table *larger)
{
    size_t size = size_for(t->used + more);

    if (size <= t->size)
        return false;
    *larger = (struct text_table){lh_alloc_array(size, sizeof(*larger->slots)), size, 0};
    for (size_t i = 0; i < size; i++)
        larger->slots[i].value = TEXT_TABLE_NONE;
    for (size_t i = 0; i < t->size; i++) {
        if (t->slots[i].value != TEXT_TABLE_NONE)
            text_table_put(larger, t->slots[i].hash, t->slots[i].value);
    }
    return true;
}

uint32_t
text_table_find(const struct text_table *t, uint32_t hash, text_table_match match, const void *ctx)
{
    if (t->size == 0)
        return TEXT_TABLE_NONE;
    for (size_t i = hash & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
        const struct text_slot *s = &t->slots[i];
        if (s->value == TEXT_TABLE_NONE || (s->hash == hash && match(ctx, s->value)))
            return s->value;
    }
}

void
text_table_put(struct text_table *t, uint32_t hash, uint32_t value)
{
    size_t i = hash & (t->size - 1);

    while (t->slots[i].value != TEXT_TABLE_NONE)
        i = (i + 1) & (t->size - 1);
    t->slots[i] = (struct text_slot){hash, value};
    t->used++;
}

static size_t
place_of(const struct text_table *t, uint32_t hash, uint32_t value)
{
    size_t i = hash & (t->size - 1);

    while (t->slots[i].value != value)
        i = (i + 1) & (t->size - 1);
    return i;
}

void
text_table_replace(struct text_table *t, uint32_t hash, uint32_t value, uint32_t by)
{
    t->slots[place_of(t, hash, value)].value = by;
}

/* What stands behind moves up, unless it would stand before its own place (Knuth 6.4, R). */
void
text_table_remove(struct text_table *t, uint32_t hash, uint32_t value)
{
    size_t mask = t->size - 1, hole = place_of(t, hash, value);

    for (size_t i = (hole + 1) & mask; t->slots[i].value != TEXT_TABLE_NONE; i = (i + 1) & mask) {
        size_t home = t->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole].value = TEXT_TABLE_NONE;
    t->used--;
}
