/*
 * Any bytes as JSON records: names are found, records are read, nested values are guessed, and
 * nothing is read that is not there.
 */
#include <stdlib.h>

#include "engine/convert_type.h"
#include "engine/json_records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
block_read(struct json_records *r, const struct record_block *block, struct record_field *fields,
           struct guess *guesses, struct lh_arena *arena)
{
    struct record_cursor c = {.at = block->begin,
                              .end = block->end,
                              .line = block->line,
                              .fields = fields,
                              .column_count = r->name_count};
    enum record_verdict v;

    while ((v = r->reader.next(&r->reader, &c)) != RECORD_NONE)
        for (size_t i = 0; v == RECORD_ROW && i < c.column_count; i++)
            guess_add(&guesses[i], &fields[i], arena);
}

static void
records_read(struct json_records *r)
{
    struct record_field *fields = calloc(r->name_count + 1, sizeof(*fields));
    struct guess *guesses = calloc(r->name_count + 1, sizeof(*guesses));
    struct lh_arena arena = {0};
    struct record_block block;
    bool is_end = false;

    while (r->reader.claim(&r->reader, &block, &is_end, NULL) == LH_OK && !is_end)
        block_read(r, &block, fields, guesses, &arena);
    for (size_t i = 0; i < r->name_count; i++) {
        struct convert_type type;
        convert_type_resolve(&guesses[i], &type, &arena);
    }
    lh_arena_fini(&arena);
    free(guesses);
    free(fields);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    enum json_layout layout;
    struct json_records r;

    memcpy(copy, data, size);
    if (json_layout_sniff((lh_str){copy, size}, 0, false, &layout)) {
        json_records_init(&r, (lh_str){copy, size}, 0, layout);
        r.reader.block_bytes = 16;
        if (json_records_discover(&r, size, NULL) == LH_OK)
            records_read(&r);
        json_records_fini(&r);
    }
    free(copy);
    return 0;
}
