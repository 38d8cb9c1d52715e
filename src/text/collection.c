#include "text/collection.h"

#include <stdio.h>
#include "base/buf.h"

#define TEXT_MAX ((size_t)64 << 20)

void
lh_collection_fini(struct lh_collection *c)
{
    lh_arena_fini(&c->arena);
    *c = (struct lh_collection){0};
}

/* Room for one more in an array of the arena; old copies stay behind in it. */
static void *
array_grow(struct lh_arena *a, void *list, size_t count, size_t size)
{
    if (count & (count - 1))
        return list;
    void *larger = lh_arena_array(a, count ? count * 2 : 1, size);
    if (count)
        memcpy(larger, list, count * size);
    return larger;
}

static void
text_add(struct lh_collection *c, struct lh_collection_texts *to, lh_str name, lh_str text)
{
    to->list = array_grow(&c->arena, to->list, to->count, sizeof(*to->list));
    to->list[to->count++] =
        (struct lh_collection_text){lh_arena_str(&c->arena, name), lh_arena_str(&c->arena, text)};
}

static lh_status
format_fail(struct lh_error *err, size_t line, const char *what)
{
    return lh_fail(err, LH_INVALID, "eval.format", "line %zu: %s", line, what);
}

/* ---- SMART ---- */

struct smart {
    struct lh_collection *c;
    struct lh_collection_texts *to;
    bool by_position;
    lh_str name;
    struct lh_buf text;
    char field; /* the letter of the field that lines belong to */
};

static void
smart_end(struct smart *s)
{
    char position[24];

    if (s->name.ptr == NULL)
        return;
    if (s->by_position) {
        snprintf(position, sizeof(position), "%zu", s->to->count + 1);
        s->name = lh_str_of(position);
    }
    text_add(s->c, s->to, s->name, lh_buf_str(&s->text));
    s->name = LH_STR_NONE;
}

static bool
is_field(lh_str line)
{
    return line.len >= 2 && line.ptr[0] == '.' && line.ptr[1] >= 'A' && line.ptr[1] <= 'Z' &&
           (line.len == 2 || line.ptr[2] == ' ');
}

static lh_status
smart_line(struct smart *s, lh_str line, size_t number, struct lh_error *err)
{
    if (is_field(line)) {
        s->field = line.ptr[1];
        if (s->field != 'I')
            return LH_OK;
        smart_end(s);
        lh_buf_clear(&s->text);
        s->name = lh_str_trim(lh_str_slice(line, 2, line.len));
        return s->name.len ? LH_OK : format_fail(err, number, "\".I\" without a number");
    }
    if (s->name.ptr == NULL)
        return format_fail(err, number, "text before the first \".I\"");
    if (s->field == 'T' || s->field == 'W') {
        lh_buf_add_str(&s->text, line);
        lh_buf_add_char(&s->text, '\n');
    }
    return LH_OK;
}

static lh_status
smart_read(struct lh_collection *c, struct lh_collection_texts *to, bool by_position, lh_str bytes,
           struct lh_error *err)
{
    struct smart s = {.c = c, .to = to, .by_position = by_position};
    lh_str line;
    lh_status status = LH_OK;

    lh_buf_init(&s.text, TEXT_MAX);
    for (size_t number = 1; status == LH_OK && lh_str_next(&bytes, '\n', &line); number++) {
        line = lh_str_ends(line, LH_STR("\r")) ? lh_str_slice(line, 0, line.len - 1) : line;
        if (lh_str_trim(line).len)
            status = smart_line(&s, line, number, err);
    }
    if (status == LH_OK)
        smart_end(&s);
    if (status == LH_OK)
        status = lh_buf_check(&s.text, "a text of the collection", err);
    lh_buf_fini(&s.text);
    return status;
}

/* ---- TREC ---- */

/* What stands between `open` and `close` at or after the view's begin, and moves behind it. */
static bool
element_next(lh_str *rest, lh_str open, lh_str close, lh_str *out)
{
    size_t from, to;

    if (!lh_str_find(*rest, open, &from))
        return false;
    lh_str inside = lh_str_slice(*rest, from + open.len, rest->len);
    if (!lh_str_find(inside, close, &to))
        to = inside.len;
    *out = lh_str_slice(inside, 0, to);
    *rest = lh_str_slice(inside, to, inside.len);
    return true;
}

static void
tags_drop(lh_str text, struct lh_buf *out)
{
    bool is_inside = false;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '<')
            is_inside = true;
        if (!is_inside)
            lh_buf_add_char(out, text.ptr[i]);
        if (text.ptr[i] == '>') {
            is_inside = false;
            lh_buf_add_char(out, ' ');
        }
    }
}

static lh_status
trec_documents_read(struct lh_collection *c, lh_str bytes, struct lh_error *err)
{
    lh_str document, name;
    LH_AUTO_BUF(text, TEXT_MAX);

    while (element_next(&bytes, LH_STR("<DOC>"), LH_STR("</DOC>"), &document)) {
        lh_buf_clear(&text);
        if (!element_next(&document, LH_STR("<DOCNO>"), LH_STR("</DOCNO>"), &name))
            return lh_fail(err, LH_INVALID, "eval.format", "document %zu has no <DOCNO>",
                           c->documents.count + 1);
        tags_drop(document, &text);
        LH_TRY(lh_buf_check(&text, "a text of the collection", err));
        text_add(c, &c->documents, lh_str_trim(name), lh_buf_str(&text));
    }
    return LH_OK;
}

static lh_status
topics_read(struct lh_collection *c, lh_str bytes, struct lh_error *err)
{
    lh_str topic, name, title;

    while (element_next(&bytes, LH_STR("<top>"), LH_STR("</top>"), &topic)) {
        if (!element_next(&topic, LH_STR("<num>"), LH_STR("<"), &name) ||
            !element_next(&topic, LH_STR("<title>"), LH_STR("<"), &title))
            return lh_fail(err, LH_INVALID, "eval.format", "topic %zu has no <num> or no <title>",
                           c->queries.count + 1);
        name = lh_str_trim(name);
        if (lh_str_starts(name, LH_STR("Number:")))
            name = lh_str_trim(lh_str_slice(name, 7, name.len));
        text_add(c, &c->queries, name, lh_str_trim(title));
    }
    return LH_OK;
}

static lh_status
tabbed_read(struct lh_collection *c, lh_str bytes, struct lh_error *err)
{
    lh_str line, name;

    for (size_t number = 1; lh_str_next(&bytes, '\n', &line); number++) {
        line = lh_str_trim(line);
        if (line.len == 0)
            continue;
        if (!lh_str_cut(&line, '\t', &name))
            return format_fail(err, number, "a query is \"number<TAB>text\"");
        text_add(c, &c->queries, lh_str_trim(name), lh_str_trim(line));
    }
    return LH_OK;
}

/* ---- the three files ---- */

lh_status
lh_collection_documents_read(struct lh_collection *c, lh_str bytes, struct lh_error *err)
{
    lh_str begin = lh_str_trim(bytes);

    if (lh_str_starts(begin, LH_STR(".I")))
        return smart_read(c, &c->documents, false, bytes, err);
    if (lh_str_starts(begin, LH_STR("<DOC>")))
        return trec_documents_read(c, bytes, err);
    return lh_fail(err, LH_INVALID, "eval.format",
                   "documents begin with \".I\" (SMART) or \"<DOC>\" (TREC)");
}

lh_status
lh_collection_queries_read(struct lh_collection *c, lh_str bytes, struct lh_error *err)
{
    lh_str begin = lh_str_trim(bytes);

    if (lh_str_starts(begin, LH_STR(".I")))
        return smart_read(c, &c->queries, true, bytes, err);
    if (lh_str_starts(begin, LH_STR("<top>")))
        return topics_read(c, bytes, err);
    return tabbed_read(c, bytes, err);
}

/* Up to `max` words of a line, split at blanks and tabs; more are counted, not kept. */
static size_t
words_split(lh_str line, lh_str *words, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < line.len;) {
        size_t start = i;
        while (i < line.len && line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r')
            i++;
        if (i == start) {
            i++;
            continue;
        }
        if (count < max)
            words[count] = lh_str_slice(line, start, i);
        count++;
    }
    return count;
}

lh_status
lh_collection_judgements_read(struct lh_collection *c, lh_str bytes, struct lh_error *err)
{
    lh_str line, words[4];

    for (size_t number = 1; lh_str_next(&bytes, '\n', &line); number++) {
        size_t count = words_split(line, words, 4);
        int64_t grade;
        if (count == 0)
            continue;
        if ((count != 3 && count != 4) || !lh_str_i64(words[count - 1], &grade) || grade < -1000 ||
            grade > 1000)
            return format_fail(err, number, "a judgement is \"query document grade\"");
        c->judgements =
            array_grow(&c->arena, c->judgements, c->judgement_count, sizeof(*c->judgements));
        c->judgements[c->judgement_count++] =
            (struct lh_collection_judgement){lh_arena_str(&c->arena, words[0]),
                                             lh_arena_str(&c->arena, words[count - 2]), (int)grade};
    }
    return LH_OK;
}
