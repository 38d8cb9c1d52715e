/*
 * Any bytes as a delimited file: the sniffer decides something, and the reader passes every byte of
 * the body once. Blocks and records must agree: a record never ends past its block.
 * However the body is cut into blocks, the records are the same.
 */
#include <stdlib.h>

#include "engine/csv_records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
block_read(struct csv_records *r, const struct record_block *block, struct record_field *fields,
           uint64_t sum)
{
    struct record_cursor c = {.at = block->begin,
                              .end = block->end,
                              .line = block->line,
                              .fields = fields,
                              .column_count = r->dialect.column_count};
    enum record_verdict v;

    while ((v = r->reader.next(&r->reader, &c)) != RECORD_NONE) {
        sum = sum * 31 + (uint64_t)(c.record - r->reader.data) * 7 + c.record_line * 3 + v;
        if (c.at > c.end || c.record < block->begin || c.record_end > c.end)
            abort();
        for (size_t i = 0; v == RECORD_ROW && i < c.column_count; i++)
            if (fields[i].ptr < c.record || fields[i].ptr + fields[i].len > c.record_end)
                abort();
    }
    return sum;
}

/* A sum over where records begin, on which line, and whether they are good. */
static uint64_t
records_sum(struct csv_records *r, size_t block_bytes)
{
    struct record_field *fields = calloc(r->dialect.column_count, sizeof(*fields));
    struct record_block block;
    bool is_end = false;
    uint64_t sum = 0;

    r->reader.block_bytes = block_bytes;
    r->reader.rewind(&r->reader);
    while (r->reader.claim(&r->reader, &block, &is_end, NULL) == LH_OK && !is_end)
        sum = block_read(r, &block, fields, sum);
    free(fields);
    return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csv_hints hints = {0};
    struct csv_dialect dialect;
    struct csv_records r;
    char *copy = malloc(size ? size : 1); /* of its own, so that a read past the end is noticed */

    memcpy(copy, data, size);
    csv_dialect_sniff((lh_str){copy, size}, true, &hints, &dialect);
    csv_records_init(&r, (lh_str){copy, size}, 0, &dialect);
    if (records_sum(&r, RECORD_BLOCK_BYTES) != records_sum(&r, 1) ||
        records_sum(&r, 7) != records_sum(&r, 64))
        abort();
    free(copy);
    return 0;
}
