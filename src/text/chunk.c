#include "text/chunk.h"

#include "text/sentence.h"
#include "text/unicode.h"

struct lh_chunker
lh_chunker_over(lh_str text, size_t size, size_t overlap)
{
    if (size == 0) {
        size = LH_CHUNK_SIZE_DEFAULT;
        overlap = overlap ? overlap : LH_CHUNK_OVERLAP_DEFAULT;
    }
    return (struct lh_chunker){
        .text = text, .size = size, .overlap = overlap > size / 2 ? size / 2 : overlap};
}

static size_t
chars_pass(lh_str text, size_t at, size_t count)
{
    while (count-- > 0 && at < text.len)
        (void)text_char_next(text, &at);
    return at;
}

static size_t
chars_pass_back(lh_str text, size_t start, size_t at, size_t count)
{
    while (count-- > 0 && at > start)
        at = text_char_before(text, at);
    return at;
}

/* The last sentence end in (from, to]; 0 when there is none. */
static size_t
last_sentence_end(lh_str text, size_t from, size_t to)
{
    size_t end, last = 0;

    while (lh_sentence_end_find(text, from, to, &end)) {
        last = end;
        from = end;
    }
    return last;
}

/* The last end of a line, or of a word, in (from, to]; 0 when there is none. */
static size_t
last_blank(lh_str text, size_t from, size_t to, bool is_line)
{
    size_t at = to;

    while (at > from) {
        size_t behind = at;
        uint32_t code = at < text.len ? text_char_next(text, &behind) : '\n';
        if (is_line ? code == '\n' : text_is_blank(code)) {
            size_t end = text_blanks_pass_back(text, from, at);
            return end > from ? end : 0;
        }
        at = text_char_before(text, at);
    }
    return 0;
}

/* Where a chunk ends that may reach up to `full` and must hold more than `from`. */
static size_t
chunk_end(lh_str text, size_t from, size_t full)
{
    size_t end = last_sentence_end(text, from, full);

    if (end == 0)
        end = last_blank(text, from, full, true);
    if (end == 0)
        end = last_blank(text, from, full, false);
    if (end == 0)
        end = full;
    return text_blanks_pass_back(text, from, end);
}

/* The first sentence that starts in [low, end); `end` when none does. */
static size_t
sentence_start(lh_str text, size_t low, size_t end)
{
    size_t before = low ? text_char_before(text, low) : 0, sentence_end;

    while (lh_sentence_end_find(text, before, end, &sentence_end)) {
        size_t start = text_blanks_pass(text, sentence_end);
        if (start >= end)
            break;
        if (start >= low)
            return start;
        before = sentence_end;
    }
    return end;
}

/* The first word that starts in (low, end); `low` when none does. */
static size_t
word_start(lh_str text, size_t low, size_t end)
{
    size_t at = low;

    while (at < end) {
        size_t behind = at;
        if (text_is_blank(text_char_next(text, &behind)))
            break;
        at = behind;
    }
    at = text_blanks_pass(text, at);
    return at < end ? at : low;
}

static size_t
overlap_start(const struct lh_chunker *c, size_t start, size_t end)
{
    size_t low = chars_pass_back(c->text, start, end, c->overlap);
    size_t at;

    if (low >= end)
        return end;
    at = sentence_start(c->text, low, end);
    return at < end ? at : word_start(c->text, low, end);
}

bool
lh_chunker_next(struct lh_chunker *c, struct lh_chunk *out)
{
    size_t fresh = text_blanks_pass(c->text, c->covered);
    size_t start = text_blanks_pass(c->text, c->at);
    size_t full, end;

    if (fresh >= c->text.len)
        return false;
    full = chars_pass(c->text, start, c->size);
    if (full <= fresh) { /* more blanks than the chunk has room for */
        start = fresh;
        full = chars_pass(c->text, start, c->size);
    }
    end = full < c->text.len ? chunk_end(c->text, fresh, full)
                             : text_blanks_pass_back(c->text, fresh, c->text.len);
    c->covered = end;
    c->at = overlap_start(c, start, end);
    *out = (struct lh_chunk){lh_str_slice(c->text, start, end), start, end};
    return true;
}
