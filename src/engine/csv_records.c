/*
 * Two passes share one rule for quotes (quoted_end). `claim` hops from quote to quote with memchr
 * to find a record boundary near the wanted size of a block; `next` splits records into fields.
 * What decides where a record ends is in both. With comments or a delimiter of several characters a
 * look back from a quote is not enough to tell whether it opens a field, and `claim` reads the
 * records themselves: slower, and the same answer by construction.
 */
#include "engine/csv_records.h"

#include <stdio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

uint64_t
record_count_char(const char *p, const char *end, char c)
{
    uint64_t n = 0;

#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi8(c);
    for (; end - p >= 16; p += 16) {
        __m128i hit = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), wanted);
        n += (uint64_t)__builtin_popcount((unsigned)_mm_movemask_epi8(hit));
    }
#endif
    for (; p < end; p++)
        n += *p == c;
    return n;
}

static const char *
find_char(const char *p, const char *end, char c)
{
    const char *at = p < end ? memchr(p, c, (size_t)(end - p)) : NULL;

    return at ? at : end;
}

static bool
is_delimiter(const struct csv_dialect *d, const char *p, const char *end)
{
    return p < end && *p == d->delimiter[0] &&
           (d->delimiter_len == 1 || ((size_t)(end - p) >= d->delimiter_len &&
                                      memcmp(p, d->delimiter, d->delimiter_len) == 0));
}

static bool
is_line_end(const struct csv_dialect *d, const char *p, const char *end)
{
    return p == end || *p == d->newline ||
           (*p == '\r' && d->newline == '\n' && (p + 1 == end || p[1] == '\n'));
}

static bool
is_comment(const struct csv_dialect *d, const char *p, const char *end)
{
    size_t n = strlen(d->comment);

    return n > 0 && (size_t)(end - p) >= n && memcmp(p, d->comment, n) == 0;
}

/* ---- quotes ---- */

/*
 * `p` is just after an opening quote. Returns the closing quote when it stands before a delimiter
 * or line end; NULL when the field is broken. *has_escapes says that the text needs
 * csv_field_unescape.
 */
static const char *
quoted_end(const struct csv_dialect *d, const char *p, const char *file_end, bool *has_escapes)
{
    const char *end = (size_t)(file_end - p) > RECORD_BYTES_MAX ? p + RECORD_BYTES_MAX : file_end;

    *has_escapes = false;
    for (;;) {
        const char *q = find_char(p, end, d->quote);
        if (d->escape != d->quote) {
            const char *e = find_char(p, q, d->escape);
            if (e < q) {
                *has_escapes = true;
                p = e + 2;
                if (p > end)
                    return NULL;
                continue;
            }
        }
        if (q == end)
            return NULL;
        if (d->escape == d->quote && q + 1 < file_end && q[1] == d->quote) {
            *has_escapes = true;
            p = q + 2;
            continue;
        }
        return is_delimiter(d, q + 1, file_end) || is_line_end(d, q + 1, file_end) ? q : NULL;
    }
}

size_t
csv_field_unescape(const struct csv_dialect *d, const struct record_field *field, char *to)
{
    const char *p = field->ptr, *end = p + field->len;
    size_t n = 0;

    for (; p < end; p++) {
        if (*p == d->escape && p + 1 < end && (p[1] == d->quote || p[1] == d->escape))
            p++;
        to[n++] = *p;
    }
    return n;
}

/* ---- records ---- */

/* The end of an unquoted field: its delimiter, line end or the end of the file. */
static const char *
field_end(const struct csv_dialect *d, const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i delimiter = _mm_set1_epi8(d->delimiter[0]), newline = _mm_set1_epi8(d->newline);

    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        int hit = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(v, delimiter), _mm_cmpeq_epi8(v, newline)));
        if (hit == 0) {
            p += 16;
            continue;
        }
        p += __builtin_ctz((unsigned)hit);
        if (*p == d->newline || is_delimiter(d, p, end))
            return p;
        p++;
    }
#endif
    while (p < end && *p != d->newline && !is_delimiter(d, p, end))
        p++;
    return p;
}

static enum record_verdict
record_broken(const struct csv_dialect *d, struct record_cursor *c, const char *quote,
              const char *file_end, size_t column)
{
    const char *nl = find_char(quote, file_end, d->newline);

    c->record_end = nl;
    c->at = nl < file_end ? nl + 1 : nl;
    c->line++;
    c->bad_column = column;
    snprintf(c->reason, sizeof(c->reason),
             "quote is not closed, or text follows the closing quote");
    return RECORD_REJECTED;
}

static void
field_store(struct record_cursor *c, size_t n, const char *from, const char *to,
            enum field_kind kind)
{
    if (n < c->column_count)
        c->fields[n] =
            (struct record_field){.ptr = from, .len = (uint32_t)(to - from), .kind = (uint8_t)kind};
}

/* Reads one record that begins at c->at; *count gets the number of its fields. */
static enum record_verdict
record_read(const struct csv_dialect *d, struct record_cursor *c, const char *file_end,
            size_t *count)
{
    const char *p = c->at, *from;
    size_t n = 0;

    for (;; n++) {
        if (d->quote && p < file_end && *p == d->quote) {
            bool has_escapes;
            const char *close = quoted_end(d, p + 1, file_end, &has_escapes);
            if (!close)
                return record_broken(d, c, p, file_end, n);
            c->line += record_count_char(p + 1, close, d->newline);
            field_store(c, n, p + 1, close, has_escapes ? FIELD_ESCAPED : FIELD_QUOTED);
            p = close + 1;
            if (p < file_end && *p == '\r' && !is_delimiter(d, p, file_end) && d->newline == '\n')
                p++;
        } else {
            const char *stop;
            from = p;
            p = stop = field_end(d, p, file_end);
            if (stop > from && stop[-1] == '\r' && (p == file_end || *p == '\n'))
                stop--;
            field_store(c, n, from, stop, FIELD_TEXT);
        }
        if (p >= file_end || *p == d->newline)
            break;
        p += d->delimiter_len;
    }
    *count = n + 1;
    c->record_end = p;
    if (p > c->record && p[-1] == '\r' && d->newline == '\n')
        c->record_end--;
    c->at = p < file_end ? p + 1 : p;
    c->line++;
    return RECORD_ROW;
}

/* Passes comments, and blank lines where a record of one empty field is not meant. */
static void
skip_lines(const struct csv_dialect *d, struct record_cursor *c, const char *file_end)
{
    while (c->at < c->end) {
        bool is_blank = d->column_count != 1 && is_line_end(d, c->at, file_end);
        if (!is_blank && !is_comment(d, c->at, file_end))
            return;
        c->at = find_char(c->at, file_end, d->newline);
        c->at += c->at < file_end;
        c->line++;
    }
}

enum record_verdict
csv_record_read(const struct csv_dialect *d, struct record_cursor *c, const char *file_end,
                size_t *count)
{
    skip_lines(d, c, file_end);
    if (c->at >= c->end)
        return RECORD_NONE;
    c->record = c->at;
    c->record_line = c->line;
    return record_read(d, c, file_end, count);
}

static enum record_verdict
csv_next(const struct record_reader *reader, struct record_cursor *c)
{
    const struct csv_records *r = (const struct csv_records *)(const void *)reader;
    const char *file_end = reader->data + reader->size;
    enum record_verdict verdict;
    size_t count = 0;

    verdict = csv_record_read(&r->dialect, c, file_end, &count);
    if (verdict != RECORD_ROW)
        return verdict;
    if ((size_t)(c->record_end - c->record) > RECORD_BYTES_MAX) {
        c->bad_column = SIZE_MAX;
        snprintf(c->reason, sizeof(c->reason), "record is longer than %zu bytes", RECORD_BYTES_MAX);
        return RECORD_REJECTED;
    }
    if (count == c->column_count)
        return RECORD_ROW;
    c->bad_column = SIZE_MAX;
    snprintf(c->reason, sizeof(c->reason), "too %s columns: expected %zu, found %zu",
             count < c->column_count ? "few" : "many", c->column_count, count);
    return RECORD_REJECTED;
}

/* ---- blocks ---- */

/* The end of the first record that ends at or after `wanted`, record by record. */
static const char *
boundary_read(const struct csv_records *r, const char *from, const char *wanted)
{
    const char *end = r->reader.data + r->reader.size;
    struct record_cursor c = {.at = from, .end = end};
    size_t count;

    while (c.at < wanted && csv_record_read(&r->dialect, &c, end, &count) != RECORD_NONE)
        continue;
    return c.at;
}

/* The same by hops from quote to quote, for delimiters of one character and no comments. `from`
 * begins a record. */
static const char *
boundary_hop(const struct csv_records *r, const char *from, const char *wanted)
{
    const struct csv_dialect *d = &r->dialect;
    const char *end = r->reader.data + r->reader.size, *p = from, *close;
    bool has_escapes;

    while (p < end) {
        const char *nl = find_char(p > wanted ? p : wanted, end, d->newline);
        const char *q = d->quote ? find_char(p, nl, d->quote) : nl;
        if (q == nl)
            return nl < end ? nl + 1 : end;
        if (q > from && q[-1] != d->newline && q[-1] != d->delimiter[0]) {
            p = q + 1; /* in the middle of a field: an ordinary character */
            continue;
        }
        close = quoted_end(d, q + 1, end, &has_escapes);
        if (close) {
            p = close + 1;
            continue;
        }
        p = find_char(q, end, d->newline);
        p += p < end;
        if (p >= wanted)
            return p;
    }
    return end;
}

static lh_status
csv_claim(struct record_reader *reader, struct record_block *block, bool *is_end,
          struct lh_error *err)
{
    struct csv_records *r = (struct csv_records *)(void *)reader;
    const char *end = reader->data + reader->size, *wanted;

    (void)err;
    *is_end = r->claimed >= end;
    if (*is_end)
        return LH_OK;
    wanted =
        (size_t)(end - r->claimed) > reader->block_bytes ? r->claimed + reader->block_bytes : end;
    block->begin = r->claimed;
    block->line = r->claimed_line;
    block->index = r->claimed_index++;
    if (wanted == end)
        block->end = end;
    else if (r->dialect.delimiter_len > 1 || r->dialect.comment[0])
        block->end = boundary_read(r, block->begin, wanted);
    else
        block->end = boundary_hop(r, block->begin, wanted);
    r->claimed_line += record_count_char(block->begin, block->end, r->dialect.newline);
    r->claimed = block->end;
    return LH_OK;
}

static void
csv_rewind(struct record_reader *reader)
{
    struct csv_records *r = (struct csv_records *)(void *)reader;

    r->claimed = r->body;
    r->claimed_line = r->body_line;
    r->claimed_index = 0;
}

/* ---- start ---- */

size_t
csv_records_header(const struct csv_records *r, struct record_field *fields)
{
    const char *end = r->reader.data + r->reader.size;
    struct record_cursor c = {
        .at = r->start, .end = end, .line = 1, .fields = fields, .column_count = CSV_COLUMNS_MAX};
    size_t count = 0;

    if (!r->dialect.has_header)
        return 0;
    if (csv_record_read(&r->dialect, &c, end, &count) != RECORD_ROW)
        return 0;
    return count < CSV_COLUMNS_MAX ? count : CSV_COLUMNS_MAX;
}

void
csv_records_init(struct csv_records *r, lh_str data, size_t bom, const struct csv_dialect *dialect)
{
    const char *end = data.ptr + data.len;
    struct record_cursor c = {.at = data.ptr + bom, .end = end, .line = 1};
    size_t count;

    *r = (struct csv_records){.dialect = *dialect, .start = data.ptr + bom};
    r->reader = (struct record_reader){.data = data.ptr,
                                       .size = data.len,
                                       .block_bytes = RECORD_BLOCK_BYTES,
                                       .claim = csv_claim,
                                       .next = csv_next,
                                       .rewind = csv_rewind};
    if (dialect->has_header)
        csv_record_read(dialect, &c, end, &count);
    r->body = c.at;
    r->body_line = c.line;
    csv_rewind(&r->reader);
}
