/*
 * arrow_flatbuffer: FlatBuffers written from the back to the front, as much of them as Arrow's
 * messages need.
 *
 * Children are written before what points to them; a place is its distance from the end of the
 * finished bytes. Inside table_begin and table_end only fields are added. Fields are always
 * written, also those that have their default.
 *
 * Source   https://flatbuffers.dev/internals/
 */
#ifndef LH_ENGINE_ARROW_FLATBUFFER_H
#define LH_ENGINE_ARROW_FLATBUFFER_H

#include "base/str.h"

typedef uint32_t arrow_place; /* 0: nothing */

#define ARROW_SLOTS_MAX 8

struct arrow_flatbuffer {
    uint8_t *data;
    size_t cap, used; /* the used bytes stand at the end of data */
    arrow_place slots[ARROW_SLOTS_MAX];
    size_t slot_count;
    size_t table_end; /* `used` before the table's first field */
};

void arrow_flatbuffer_init(struct arrow_flatbuffer *b);
void arrow_flatbuffer_fini(struct arrow_flatbuffer *b);

arrow_place arrow_put_string(struct arrow_flatbuffer *b, lh_str s);
arrow_place arrow_put_places(struct arrow_flatbuffer *b, const arrow_place *places, size_t count);
/* `size` bytes for each element, little-endian, aligned to `align`. */
arrow_place arrow_put_vector(struct arrow_flatbuffer *b, const void *elements, size_t count,
                             size_t size, size_t align);

void arrow_table_begin(struct arrow_flatbuffer *b);
void arrow_table_u8(struct arrow_flatbuffer *b, size_t slot, uint8_t v);
void arrow_table_i16(struct arrow_flatbuffer *b, size_t slot, int16_t v);
void arrow_table_i32(struct arrow_flatbuffer *b, size_t slot, int32_t v);
void arrow_table_i64(struct arrow_flatbuffer *b, size_t slot, int64_t v);
void arrow_table_place(struct arrow_flatbuffer *b, size_t slot, arrow_place place);
arrow_place arrow_table_end(struct arrow_flatbuffer *b);

/* The finished bytes, a multiple of 8 long; borrowed until the builder is used again. */
lh_bytes arrow_flatbuffer_finish(struct arrow_flatbuffer *b, arrow_place root);
void arrow_flatbuffer_clear(struct arrow_flatbuffer *b);

#endif
