/*
 * arrow_message: the metadata of Arrow's IPC messages (Message.fbs and Schema.fbs of the format,
 * version V5).
 *
 * Each function leaves in `b` the FlatBuffer of one message, ready to be framed.
 */
#ifndef LH_ENGINE_ARROW_MESSAGE_H
#define LH_ENGINE_ARROW_MESSAGE_H

#include "engine/arrow_column.h"
#include "engine/arrow_flatbuffer.h"

/* ENUM columns, nested ones too, get the dictionary ids 0, 1, … in the order of a walk from the
 * left. */
lh_bytes arrow_schema_message(struct arrow_flatbuffer *b, const lh_str *names,
                              const struct arrow_column *columns, size_t count);

struct arrow_node { /* FieldNode */
    int64_t length, null_count;
};
struct arrow_span { /* Buffer: where it lies in the message's body */
    int64_t offset, length;
};
struct arrow_body {
    const struct arrow_node *nodes;
    size_t node_count;
    const struct arrow_span *spans;
    size_t span_count;
    int64_t rows, bytes;
};

lh_bytes arrow_batch_message(struct arrow_flatbuffer *b, const struct arrow_body *body);
lh_bytes
arrow_dictionary_message(struct arrow_flatbuffer *b, int64_t id, const struct arrow_body *body);

#endif
