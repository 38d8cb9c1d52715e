#include "engine/arrow_flatbuffer.h"

#include <stdlib.h>

#include "base/alloc.h"

/* FlatBuffers and Arrow are little-endian, and so are the machines this is built for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");

void
arrow_flatbuffer_init(struct arrow_flatbuffer *b)
{
    *b = (struct arrow_flatbuffer){0};
}

void
arrow_flatbuffer_fini(struct arrow_flatbuffer *b)
{
    free(b->data);
    arrow_flatbuffer_init(b);
}

void
arrow_flatbuffer_clear(struct arrow_flatbuffer *b)
{
    b->used = 0;
}

/* Space for `n` more bytes in front of the used ones. */
static uint8_t *
room_take(struct arrow_flatbuffer *b, size_t n)
{
    if (!b->data || b->cap - b->used < n) {
        size_t cap = (b->cap + n) * 2 + 256;
        uint8_t *data = lh_alloc_array(cap, 1);

        if (b->data)
            memcpy(data + cap - b->used, b->data + b->cap - b->used, b->used);
        free(b->data);
        b->data = data;
        b->cap = cap;
    }
    b->used += n;
    return b->data + b->cap - b->used;
}

/* Zeros, so that what follows with `n` bytes begins at a multiple of `align`. */
static void
align_for(struct arrow_flatbuffer *b, size_t n, size_t align)
{
    size_t pad = (0 - (b->used + n)) & (align - 1);

    memset(room_take(b, pad), 0, pad);
}

static arrow_place
scalar_put(struct arrow_flatbuffer *b, const void *v, size_t size)
{
    align_for(b, size, size);
    memcpy(room_take(b, size), v, size);
    return (arrow_place)b->used;
}

static arrow_place
u32_put(struct arrow_flatbuffer *b, uint32_t v)
{
    return scalar_put(b, &v, sizeof(v));
}

/* An offset counts from its own place to its target. */
static arrow_place
offset_put(struct arrow_flatbuffer *b, arrow_place target)
{
    align_for(b, 4, 4);
    return u32_put(b, (uint32_t)b->used + 4 - target);
}

arrow_place
arrow_put_string(struct arrow_flatbuffer *b, lh_str s)
{
    align_for(b, s.len + 1, 4);
    *room_take(b, 1) = 0;
    if (s.len > 0)
        memcpy(room_take(b, s.len), s.ptr, s.len);
    return u32_put(b, (uint32_t)s.len);
}

arrow_place
arrow_put_places(struct arrow_flatbuffer *b, const arrow_place *places, size_t count)
{
    align_for(b, 4 * count, 4);
    for (size_t i = count; i > 0; i--)
        offset_put(b, places[i - 1]);
    return u32_put(b, (uint32_t)count);
}

arrow_place
arrow_put_vector(struct arrow_flatbuffer *b, const void *elements, size_t count, size_t size,
                 size_t align)
{
    align_for(b, count * size, align < 4 ? 4 : align);
    if (count > 0)
        memcpy(room_take(b, count * size), elements, count * size);
    return u32_put(b, (uint32_t)count);
}

/* ---- tables ---- */

void
arrow_table_begin(struct arrow_flatbuffer *b)
{
    memset(b->slots, 0, sizeof(b->slots));
    b->slot_count = 0;
    b->table_end = b->used;
}

static void
slot_set(struct arrow_flatbuffer *b, size_t slot, arrow_place place)
{
    b->slots[slot] = place;
    if (slot >= b->slot_count)
        b->slot_count = slot + 1;
}

void
arrow_table_u8(struct arrow_flatbuffer *b, size_t slot, uint8_t v)
{
    slot_set(b, slot, scalar_put(b, &v, sizeof(v)));
}

void
arrow_table_i16(struct arrow_flatbuffer *b, size_t slot, int16_t v)
{
    slot_set(b, slot, scalar_put(b, &v, sizeof(v)));
}

void
arrow_table_i32(struct arrow_flatbuffer *b, size_t slot, int32_t v)
{
    slot_set(b, slot, scalar_put(b, &v, sizeof(v)));
}

void
arrow_table_i64(struct arrow_flatbuffer *b, size_t slot, int64_t v)
{
    slot_set(b, slot, scalar_put(b, &v, sizeof(v)));
}

void
arrow_table_place(struct arrow_flatbuffer *b, size_t slot, arrow_place place)
{
    if (place != 0)
        slot_set(b, slot, offset_put(b, place));
}

/* The table begins with the way to its vtable, which stands in front of it. */
arrow_place
arrow_table_end(struct arrow_flatbuffer *b)
{
    arrow_place table = u32_put(b, 0);
    uint16_t entry;
    uint32_t way;

    for (size_t i = b->slot_count; i > 0; i--) {
        entry = b->slots[i - 1] ? (uint16_t)(table - b->slots[i - 1]) : 0;
        scalar_put(b, &entry, sizeof(entry));
    }
    entry = (uint16_t)(table - b->table_end);
    scalar_put(b, &entry, sizeof(entry));
    entry = (uint16_t)(4 + 2 * b->slot_count);
    scalar_put(b, &entry, sizeof(entry));
    way = (uint32_t)b->used - table;
    memcpy(b->data + b->cap - table, &way, sizeof(way));
    return table;
}

lh_bytes
arrow_flatbuffer_finish(struct arrow_flatbuffer *b, arrow_place root)
{
    align_for(b, 4, 8);
    offset_put(b, root);
    return lh_bytes_of(b->data + b->cap - b->used, b->used);
}
