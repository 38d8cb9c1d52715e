#include "engine/json_records.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/json_token.h"

#define SNIFF_LINES 10
#define KEY_STACK 256

/* ---- names ---- */

static uint64_t
name_hash(lh_str name)
{
    return lh_xxh64(name.ptr, name.len, 0);
}

static void
slots_grow(struct json_records *r)
{
    free(r->slots);
    r->slot_count = r->slot_count == 0 ? 64 : r->slot_count * 2;
    r->slots = lh_alloc_array(r->slot_count, sizeof(*r->slots));
    for (size_t i = 0; i < r->name_count; i++) {
        size_t at = r->names[i].hash & (r->slot_count - 1);
        while (r->slots[at])
            at = (at + 1) & (r->slot_count - 1);
        r->slots[at] = (uint32_t)i + 1;
    }
}

static bool
name_find(const struct json_records *r, lh_str name, size_t expected, size_t *index)
{
    uint64_t hash;

    /* Records of one file mostly have their fields in one order. */
    if (expected < r->name_count && lh_str_eq(r->names[expected].text, name)) {
        *index = expected;
        return true;
    }
    if (r->slot_count == 0)
        return false;
    hash = name_hash(name);
    for (size_t at = hash & (r->slot_count - 1); r->slots[at];
         at = (at + 1) & (r->slot_count - 1)) {
        size_t i = r->slots[at] - 1;
        if (r->names[i].hash == hash && lh_str_eq(r->names[i].text, name)) {
            *index = i;
            return true;
        }
    }
    return false;
}

static lh_status
name_add(struct json_records *r, lh_str name, struct lh_error *err)
{
    if (r->name_count >= JSON_FIELDS_MAX)
        return lh_fail(err, LH_INVALID, "ingest.unreadable",
                       "the records have more than %d different fields", JSON_FIELDS_MAX);
    if (r->name_count * 2 >= r->slot_count)
        slots_grow(r);
    r->names = lh_realloc_array(r->names, r->name_count + 1, sizeof(*r->names));
    r->names[r->name_count] =
        (struct json_name){.text = lh_arena_str(&r->arena, name), .hash = name_hash(name)};
    for (size_t at = r->names[r->name_count].hash & (r->slot_count - 1);;
         at = (at + 1) & (r->slot_count - 1)) {
        if (r->slots[at])
            continue;
        r->slots[at] = (uint32_t)++r->name_count;
        return LH_OK;
    }
}

/* The unescaped key: itself, or a copy in `stack` or *heap. */
static lh_str
key_text(const struct record_field *key, char stack[KEY_STACK], char **heap)
{
    char *to = stack;

    if (!key->has_escapes)
        return (lh_str){key->ptr, key->len};
    if (key->len > KEY_STACK)
        to = *heap = lh_alloc(key->len);
    return (lh_str){to, json_string_unescape(key, to)};
}

static bool
key_find(const struct json_records *r, const struct record_field *key, size_t expected,
         size_t *index)
{
    char stack[KEY_STACK];
    LH_AUTO_CHARS heap = NULL;

    return name_find(r, key_text(key, stack, &heap), expected, index);
}

/* ---- records ---- */

static enum record_verdict
record_refuse(struct record_cursor *c, const char *why)
{
    c->bad_column = SIZE_MAX;
    snprintf(c->reason, sizeof(c->reason), "%s", why);
    return RECORD_REJECTED;
}

static enum record_verdict
members_store(const struct json_records *r, struct record_cursor *c,
              const struct record_field *object)
{
    struct json_walk w = json_walk_over(object);
    struct record_field key, value;
    size_t expected = 0, index;

    for (size_t i = 0; i < c->column_count; i++)
        c->fields[i] = (struct record_field){.kind = FIELD_NULL};
    for (; json_walk_next(&w, &key, &value); expected = index + 1) {
        if (!key_find(r, &key, expected, &index) || index >= c->column_count) {
            atomic_store(&((struct json_records *)(uintptr_t)r)->has_unknown, true);
            index = expected;
            continue;
        }
        if (c->fields[index].ptr) {
            c->bad_column = index;
            snprintf(c->reason, sizeof(c->reason), "the field stands twice in one object");
            return RECORD_REJECTED;
        }
        c->fields[index] = value;
    }
    return RECORD_ROW;
}

/* [record, record_end) is the record. */
static enum record_verdict
record_parse(const struct json_records *r, struct record_cursor *c)
{
    const char *why = NULL;
    struct record_field value;
    const char *after;

    if ((size_t)(c->record_end - c->record) > UINT32_MAX)
        return record_refuse(c, "the record is longer than 4 GiB");
    after = json_value_read(c->record, c->record_end, &value, &why);
    if (!after)
        return record_refuse(c, why);
    if (json_blank_skip(after, c->record_end) != c->record_end)
        return record_refuse(c, "text follows the value");
    if (r->is_value) {
        if (c->column_count > 0)
            c->fields[0] = value;
        return RECORD_ROW;
    }
    if (value.kind != FIELD_JSON_NESTED || value.ptr[0] != '{')
        return record_refuse(c, "the value is not an object");
    return members_store(r, c, &value);
}

static const char *
line_end(const char *p, const char *end)
{
    const char *nl = memchr(p, '\n', (size_t)(end - p));

    return nl ? nl : end;
}

static bool
line_take(struct record_cursor *c)
{
    while (c->at < c->end) {
        const char *nl = line_end(c->at, c->end), *from = json_blank_skip(c->at, nl), *to = nl;
        while (to > from && (to[-1] == '\r' || to[-1] == ' ' || to[-1] == '\t'))
            to--;
        c->record = from;
        c->record_end = to;
        c->record_line = c->line++;
        c->at = nl < c->end ? nl + 1 : nl;
        if (from < to)
            return true;
    }
    return false;
}

/* Separators were checked when the block was claimed. */
static bool
element_take(struct record_cursor *c)
{
    const char *p = c->at, *after;

    while (p < c->end && (*p == ',' || json_blank_skip(p, c->end) != p))
        p = *p == ',' ? p + 1 : json_blank_skip(p, c->end);
    c->line += record_count_char(c->at, p, '\n');
    c->at = p;
    if (p >= c->end)
        return false;
    after = json_value_span(p, c->end);
    c->record = p;
    c->record_end = after ? after : c->end;
    c->record_line = c->line;
    c->line += record_count_char(p, c->record_end, '\n');
    c->at = c->record_end;
    return true;
}

static bool
record_take(const struct json_records *r, struct record_cursor *c)
{
    return r->layout == JSON_LINES ? line_take(c) : element_take(c);
}

static enum record_verdict
json_next(const struct record_reader *reader, struct record_cursor *c)
{
    const struct json_records *r = (const struct json_records *)(const void *)reader;

    return record_take(r, c) ? record_parse(r, c) : RECORD_NONE;
}

/* ---- blocks ---- */

static lh_status
array_broken(const struct json_records *r, const char *p, const char *what, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "ingest.unreadable",
                   "JSON array: %s at line %llu, byte offset %llu", what,
                   1 + (unsigned long long)record_count_char(r->reader.data, p, '\n'),
                   (unsigned long long)(p - r->reader.data));
}

/* Passes elements until one ends at or after `wanted`; *to is where the block ends. */
static lh_status
elements_span(struct json_records *r, const char *from, const char *wanted, const char **to,
              struct lh_error *err)
{
    const char *end = r->reader.data + r->reader.size, *p = from, *q;
    bool is_array = r->layout == JSON_ELEMENTS, is_first = from == r->start;

    for (;;) {
        p = json_blank_skip(p, end);
        if (p == end && is_array)
            return array_broken(r, p, "the file ends before ']'", err);
        if (p == end || (is_array && *p == ']'))
            break;
        if (is_array && !is_first) {
            if (*p != ',')
                return array_broken(r, p, "',' or ']' is expected", err);
            p = json_blank_skip(p + 1, end);
        }
        q = json_value_span(p, end);
        if (!q || q == p)
            return array_broken(r, p, q ? "a value is expected" : "a value is not closed", err);
        p = q;
        is_first = false;
        if (p >= wanted) {
            *to = p;
            return LH_OK;
        }
    }
    *to = p;
    r->is_closed = true;
    if (is_array && json_blank_skip(p + 1, end) != end)
        return array_broken(r, p + 1, "text follows the array", err);
    return LH_OK;
}

static lh_status
json_claim(struct record_reader *reader, struct record_block *block, bool *is_end,
           struct lh_error *err)
{
    struct json_records *r = (struct json_records *)(void *)reader;
    const char *end = reader->data + reader->size, *wanted = end, *to = end;

    *is_end = r->is_closed || (r->layout == JSON_LINES && r->claimed >= end);
    if (*is_end)
        return LH_OK;
    if ((size_t)(end - r->claimed) > reader->block_bytes)
        wanted = r->claimed + reader->block_bytes;
    if (r->layout != JSON_LINES)
        LH_TRY(elements_span(r, r->claimed, wanted, &to, err));
    else if (wanted < end)
        to = line_end(wanted, end) + (line_end(wanted, end) < end);
    block->begin = r->claimed;
    block->end = to;
    block->line = r->claimed_line;
    block->index = r->claimed_index++;
    r->claimed_line += record_count_char(block->begin, to, '\n');
    r->claimed = to;
    return LH_OK;
}

static void
json_rewind(struct record_reader *reader)
{
    struct json_records *r = (struct json_records *)(void *)reader;

    r->claimed = r->start;
    r->claimed_line = 1 + record_count_char(reader->data, r->start, '\n');
    r->claimed_index = 0;
    r->is_closed = false;
    atomic_store(&r->has_unknown, false);
}

/* ---- discovery ---- */

static lh_status
members_discover(struct json_records *r, const struct record_field *object, struct lh_error *err)
{
    struct json_walk w = json_walk_over(object);
    struct record_field key, value;
    size_t expected = 0, index;

    while (json_walk_next(&w, &key, &value)) {
        char stack[KEY_STACK];
        LH_AUTO_CHARS heap = NULL;
        lh_str name = key_text(&key, stack, &heap);
        if (!name_find(r, name, expected, &index)) {
            index = r->name_count;
            LH_TRY(name_add(r, name, err));
        }
        expected = index + 1;
    }
    return LH_OK;
}

static lh_status
record_discover(struct json_records *r, const struct record_cursor *c, bool is_first,
                struct lh_error *err)
{
    struct record_field value;
    const char *why;

    if ((size_t)(c->record_end - c->record) > UINT32_MAX ||
        !json_value_read(c->record, c->record_end, &value, &why))
        return LH_OK; /* it will be a reject */
    if (value.kind == FIELD_JSON_NESTED && value.ptr[0] == '{' && !r->is_value)
        return members_discover(r, &value, err);
    if (is_first) {
        r->is_value = true;
        return name_add(r, LH_STR("value"), err);
    }
    return LH_OK;
}

lh_status
json_records_discover(struct json_records *r, size_t bytes, struct lh_error *err)
{
    const char *end = r->reader.data + r->reader.size, *stop;
    struct record_block block;
    bool is_end = false, is_first = r->name_count == 0;

    stop = (size_t)(end - r->start) > bytes ? r->start + bytes : end;
    json_rewind(&r->reader);
    while (!is_end && r->claimed < stop) {
        LH_TRY(json_claim(&r->reader, &block, &is_end, err));
        struct record_cursor c = {.at = block.begin, .end = block.end, .line = block.line};
        while (!is_end && c.at < stop && record_take(r, &c)) {
            LH_TRY(record_discover(r, &c, is_first, err));
            is_first = is_first && r->name_count == 0;
        }
    }
    json_rewind(&r->reader);
    return LH_OK;
}

/* ---- start ---- */

static bool
is_value_line(const char *p, const char *end)
{
    struct record_field value;
    const char *why, *from = json_blank_skip(p, end);
    const char *after = from < end ? json_value_read(from, end, &value, &why) : NULL;

    return after && json_blank_skip(after, end) == end && value.kind == FIELD_JSON_NESTED;
}

/* Whole values on lines of their own, and more than one line. A broken first line must not hide the
 * others. */
static bool
are_lines(const char *p, const char *end)
{
    size_t lines = 0, good = 0;

    while (p < end && lines < SNIFF_LINES) {
        const char *nl = line_end(p, end);
        if (json_blank_skip(p, nl) < nl) {
            lines++;
            good += is_value_line(p, nl);
        }
        p = nl < end ? nl + 1 : nl;
    }
    return lines > 1 && good * 2 >= lines;
}

bool
json_layout_sniff(lh_str data, size_t bom, bool is_lines, enum json_layout *out)
{
    const char *end = data.ptr + data.len, *p = json_blank_skip(data.ptr + bom, end), *first;
    struct record_field value;
    const char *why;

    if (is_lines) {
        *out = JSON_LINES;
        return true;
    }
    if (p == end || (*p != '{' && *p != '['))
        return false;
    if (are_lines(p, end)) {
        /* An array written with one element a line looks alike only by its brackets. */
        *out = JSON_LINES;
        return true;
    }
    *out = *p == '[' ? JSON_ELEMENTS : JSON_VALUES;
    if (*p == '{') {
        first = json_value_span(p, end);
        return !first || json_value_read(p, first, &value, &why) != NULL;
    }
    first = json_blank_skip(p + 1, end);
    return first < end && (*first == ']' || json_value_read(first, end, &value, &why) != NULL);
}

void
json_records_init(struct json_records *r, lh_str data, size_t bom, enum json_layout layout)
{
    const char *end = data.ptr + data.len;

    *r = (struct json_records){.layout = layout, .start = data.ptr + bom};
    r->reader = (struct record_reader){.data = data.ptr,
                                       .size = data.len,
                                       .block_bytes = RECORD_BLOCK_BYTES,
                                       .claim = json_claim,
                                       .next = json_next,
                                       .rewind = json_rewind};
    if (layout == JSON_ELEMENTS)
        r->start = json_blank_skip(r->start, end) + 1;
    json_rewind(&r->reader);
}

void
json_records_fini(struct json_records *r)
{
    free(r->names);
    free(r->slots);
    lh_arena_fini(&r->arena);
}
