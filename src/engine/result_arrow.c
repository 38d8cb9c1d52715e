/*
 * Rows are collected column by column over many chunks; when a batch is full its metadata is framed
 * and its buffers go to the sink from where they lie. The stream is: schema, a dictionary for each
 * ENUM, batches, the end marker. Slices of a chunk are small, so that a batch of long strings ends
 * well before Arrow's 32-bit offsets do.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/arrow_message.h"
#include "engine/result_writer.h"

enum { BATCH_ROWS = 65536, SLICE_ROWS = 256 };
#define BATCH_BYTES ((size_t)8 << 20)
#define DIRECT_BYTES ((size_t)16 << 10) /* buffers from here on go to the sink without a copy */

struct arrow_stream {
    struct arrow_column *columns;
    struct arrow_flatbuffer metadata;
    size_t rows;
    /* of the batch being written */
    struct lh_buf nodes, spans, buffers;
    int64_t bytes;
};

/* ---- the body of a batch ---- */

static void
span_add(struct arrow_stream *s, const struct lh_buf *buffer)
{
    struct arrow_span span = {s->bytes, (int64_t)buffer->len};

    lh_buf_add(&s->spans, &span, sizeof(span));
    lh_buf_add(&s->buffers, &buffer, sizeof(struct lh_buf *));
    s->bytes += (span.length + 7) / 8 * 8;
}

static void
node_add(struct arrow_stream *s, size_t rows, size_t null_count)
{
    struct arrow_node node = {(int64_t)rows, (int64_t)null_count};

    lh_buf_add(&s->nodes, &node, sizeof(node));
}

static void
column_describe(struct arrow_stream *s, const struct arrow_column *c)
{
    static const struct lh_buf empty;

    node_add(s, c->rows, c->layout == ARROW_UNION ? 0 : c->null_count);
    if (c->layout != ARROW_NULL && c->layout != ARROW_UNION)
        span_add(s, &c->validity);
    if (c->layout == ARROW_BINARY || c->layout == ARROW_TEXT || c->layout == ARROW_LIST)
        span_add(s, &c->offsets);
    if (c->layout == ARROW_BITS || c->layout == ARROW_FIXED || c->layout == ARROW_BINARY ||
        c->layout == ARROW_TEXT || c->layout == ARROW_UNION)
        span_add(s, &c->values);
    if (c->type->id == DUCKDB_TYPE_MAP) {
        node_add(s, c->members[0].rows, 0);
        span_add(s, &empty);
    }
    for (size_t i = 0; i < c->member_count; i++)
        column_describe(s, &c->members[i]);
}

static struct arrow_body
body_of(const struct arrow_stream *s, size_t rows)
{
    return (struct arrow_body){
        .nodes = (const struct arrow_node *)(const void *)s->nodes.data,
        .node_count = s->nodes.len / sizeof(struct arrow_node),
        .spans = (const struct arrow_span *)(const void *)s->spans.data,
        .span_count = s->spans.len / sizeof(struct arrow_span),
        .rows = (int64_t)rows,
        .bytes = s->bytes,
    };
}

static void
body_clear(struct arrow_stream *s)
{
    lh_buf_clear(&s->nodes);
    lh_buf_clear(&s->spans);
    lh_buf_clear(&s->buffers);
    s->bytes = 0;
}

/* ---- framing ---- */

/* Continuation marker, size of the metadata, metadata; all of it a multiple of 8. */
static void
metadata_write(struct result_writer *w, lh_bytes metadata)
{
    uint32_t head[2] = {0xFFFFFFFF, (uint32_t)(metadata.len + 7) / 8 * 8};

    lh_buf_add(&w->out, head, sizeof(head));
    lh_buf_add(&w->out, metadata.ptr, metadata.len);
    lh_buf_add(&w->out, "\0\0\0\0\0\0\0", head[1] - metadata.len);
}

static lh_status
buffer_write(struct result_writer *w, const struct lh_buf *buffer, struct lh_error *err)
{
    size_t pad = (0 - buffer->len) & 7;

    LH_TRY(lh_buf_check(buffer, "a column of a record batch", err));
    if (buffer->len >= DIRECT_BYTES) {
        LH_TRY(result_flush(w, err));
        LH_TRY(w->sink.write(w->sink.self, lh_buf_bytes(buffer), err));
    } else if (buffer->len > 0) {
        lh_buf_add(&w->out, buffer->data, buffer->len);
    }
    lh_buf_add(&w->out, "\0\0\0\0\0\0\0", pad);
    return w->out.len >= RESULT_BLOCK_BYTES ? result_flush(w, err) : LH_OK;
}

static lh_status
body_write(struct result_writer *w, struct lh_error *err)
{
    struct arrow_stream *s = w->arrow;
    struct lh_buf *const *buffers = (struct lh_buf *const *)(void *)s->buffers.data;

    for (size_t i = 0; i < s->buffers.len / sizeof(struct lh_buf *); i++)
        LH_TRY(buffer_write(w, buffers[i], err));
    body_clear(s);
    return LH_OK;
}

static lh_status
batch_write(struct result_writer *w, struct lh_error *err)
{
    struct arrow_stream *s = w->arrow;
    struct arrow_body body;

    for (size_t i = 0; i < w->column_count; i++)
        column_describe(s, &s->columns[i]);
    body = body_of(s, s->rows);
    metadata_write(w, arrow_batch_message(&s->metadata, &body));
    LH_TRY(body_write(w, err));
    for (size_t i = 0; i < w->column_count; i++)
        arrow_column_clear(&s->columns[i]);
    s->rows = 0;
    return LH_OK;
}

/* ---- dictionaries ---- */

static void
labels_append(struct arrow_column *c, const struct result_type *type)
{
    int32_t end;

    for (size_t i = 0; i < type->label_count; i++) {
        lh_buf_add_str(&c->values, type->labels[i]);
        end = (int32_t)c->values.len;
        lh_buf_add(&c->offsets, &end, sizeof(end));
    }
    c->rows = type->label_count;
}

/* In the order of arrow_schema_message's ids: members before the column they belong to. */
static lh_status
dictionaries_write(struct result_writer *w, const struct arrow_column *c, int64_t *id,
                   struct lh_error *err)
{
    static const struct result_type text = {.id = DUCKDB_TYPE_VARCHAR};
    struct arrow_stream *s = w->arrow;
    struct arrow_column labels;
    struct arrow_body body;
    lh_status status;

    for (size_t i = 0; i < c->member_count; i++)
        LH_TRY(dictionaries_write(w, &c->members[i], id, err));
    if (c->type->id != DUCKDB_TYPE_ENUM)
        return LH_OK;
    arrow_column_init(&labels, &text, &w->arena);
    labels_append(&labels, c->type);
    column_describe(s, &labels);
    body = body_of(s, c->type->label_count);
    metadata_write(w, arrow_dictionary_message(&s->metadata, (*id)++, &body));
    status = body_write(w, err);
    arrow_column_fini(&labels);
    return status;
}

/* ---- the form ---- */

static struct arrow_stream *
stream_new(struct result_writer *w)
{
    struct arrow_stream *s = LH_NEW(struct arrow_stream);

    s->columns = lh_arena_array(&w->arena, w->column_count + 1, sizeof(*s->columns));
    for (size_t i = 0; i < w->column_count; i++)
        arrow_column_init(&s->columns[i], &w->columns[i].type, &w->arena);
    arrow_flatbuffer_init(&s->metadata);
    lh_buf_init(&s->nodes, LH_BUF_UNLIMITED);
    lh_buf_init(&s->spans, LH_BUF_UNLIMITED);
    lh_buf_init(&s->buffers, LH_BUF_UNLIMITED);
    return s;
}

void
result_arrow_free(struct result_writer *w)
{
    struct arrow_stream *s = w->arrow;

    if (!s)
        return;
    for (size_t i = 0; i < w->column_count; i++)
        arrow_column_fini(&s->columns[i]);
    arrow_flatbuffer_fini(&s->metadata);
    lh_buf_fini(&s->nodes);
    lh_buf_fini(&s->spans);
    lh_buf_fini(&s->buffers);
    free(s);
}

static lh_status
stream_begin(struct result_writer *w, struct lh_error *err)
{
    lh_str *names = lh_arena_array(&w->arena, w->column_count + 1, sizeof(*names));
    int64_t id = 0;

    w->arrow = stream_new(w);
    for (size_t i = 0; i < w->column_count; i++)
        names[i] = w->columns[i].name;
    metadata_write(
        w, arrow_schema_message(&w->arrow->metadata, names, w->arrow->columns, w->column_count));
    for (size_t i = 0; i < w->column_count; i++)
        LH_TRY(dictionaries_write(w, &w->arrow->columns[i], &id, err));
    return LH_OK;
}

static size_t
collected_bytes(const struct result_writer *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->column_count; i++)
        n += arrow_column_bytes(&w->arrow->columns[i]);
    return n;
}

static lh_status
stream_rows(struct result_writer *w, size_t count, struct lh_error *err)
{
    struct arrow_stream *s = w->arrow;

    for (size_t from = 0; from < count; from += SLICE_ROWS) {
        size_t slice = count - from < SLICE_ROWS ? count - from : SLICE_ROWS;

        for (size_t i = 0; i < w->column_count; i++)
            LH_TRY(arrow_column_append(&s->columns[i], &w->columns[i].cells, from, slice, err));
        s->rows += slice;
        if (s->rows >= BATCH_ROWS || collected_bytes(w) >= BATCH_BYTES)
            LH_TRY(batch_write(w, err));
    }
    return LH_OK;
}

static lh_status
stream_end(struct result_writer *w, struct lh_error *err)
{
    static const uint32_t end[2] = {0xFFFFFFFF, 0};

    if (w->arrow->rows > 0)
        LH_TRY(batch_write(w, err));
    lh_buf_add(&w->out, end, sizeof(end));
    return result_flush(w, err);
}

const struct result_form result_form_arrow = {stream_begin, stream_rows, stream_end};
