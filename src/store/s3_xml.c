/*
 * The texts of the open elements share one buffer, each behind that of the element around it: what
 * an element holds begins where its tag was read. An element around others gets the text between
 * them, which in these documents is white space, appended behind what its children had.
 */
#include "store/s3_xml.h"

#include <stdio.h>
#include "base/utf8.h"

struct level {
    size_t path_len;   /* of the elements around it */
    size_t text_begin; /* in the buffer */
};

struct walker {
    const char *at, *end;
    struct lh_buf text;
    char path[S3_XML_PATH_MAX];
    size_t path_len;
    struct level levels[S3_XML_DEPTH];
    size_t depth;
    bool is_done; /* the outermost element has ended */
    s3_xml_visit *visit;
    void *self;
};

static lh_status
fail_xml(const char *why, struct lh_error *err)
{
    return lh_fail(err, LH_CORRUPT, "s3.xml", "the answer is not the XML that S3 speaks: %s", why);
}

static bool
take(struct walker *w, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(w->end - w->at) < n || memcmp(w->at, text, n) != 0)
        return false;
    w->at += n;
    return true;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_blanks(struct walker *w)
{
    while (w->at < w->end && is_blank(*w->at))
        w->at++;
}

static bool
is_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':';
}

/* Without its prefix; empty when there is none. */
static lh_str
name_take(struct walker *w)
{
    const char *from = w->at, *local = from;

    for (; w->at < w->end && is_name(*w->at); w->at++) {
        if (*w->at == ':')
            local = w->at + 1;
    }
    return (lh_str){local, (size_t)(w->at - local)};
}

/* Passes over everything up to and including `mark`. */
static bool
skip_past(struct walker *w, const char *mark)
{
    lh_str rest = {w->at, (size_t)(w->end - w->at)};
    size_t at;

    if (!lh_str_find(rest, lh_str_of(mark), &at))
        return false;
    w->at += at + strlen(mark);
    return true;
}

/* ---- text ---- */

static bool
add_code(struct lh_buf *out, uint32_t code)
{
    bool is_char = code == 9 || code == 10 || code == 13 || (code >= 0x20 && code <= 0xD7FF) ||
                   (code >= 0xE000 && code <= 0xFFFD) || (code >= 0x10000 && code <= 0x10FFFF);

    if (is_char)
        lh_buf_add_utf8(out, code);
    return is_char;
}

/* Behind "&#". */
static bool
number_take(struct walker *w)
{
    uint32_t base = take(w, "x") ? 16 : 10, code = 0;
    size_t digits = 0;

    for (; w->at < w->end && *w->at != ';'; w->at++, digits++) {
        char c = *w->at;
        uint32_t v = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 99;
        if (v >= base || digits == 7)
            return false;
        code = code * base + v;
    }
    return digits > 0 && take(w, ";") && add_code(&w->text, code);
}

/* Behind '&'. */
static bool
entity_take(struct walker *w)
{
    static const struct {
        const char *name;
        char c;
    } entities[] = {{"lt;", '<'}, {"gt;", '>'}, {"amp;", '&'}, {"quot;", '"'}, {"apos;", '\''}};

    if (take(w, "#"))
        return number_take(w);
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (take(w, entities[i].name)) {
            lh_buf_add_char(&w->text, entities[i].c);
            return true;
        }
    }
    return false;
}

static lh_status
text_take(struct walker *w, struct lh_error *err)
{
    for (; w->at < w->end && *w->at != '<';) {
        if (w->depth == 0 && !is_blank(*w->at))
            return fail_xml("text outside the document", err);
        if (take(w, "&")) {
            if (!entity_take(w))
                return fail_xml("an entity that is not known", err);
            continue;
        }
        if ((unsigned char)*w->at < 0x20 && !is_blank(*w->at))
            return fail_xml("a control character", err);
        lh_buf_add_char(&w->text, *w->at++);
    }
    return lh_buf_check(&w->text, "the text of an element", err);
}

/* ---- elements ---- */

static lh_status
element_close(struct walker *w, struct lh_error *err)
{
    struct level *l = &w->levels[--w->depth];
    lh_str text = lh_str_slice(lh_buf_str(&w->text), l->text_begin, w->text.len);

    LH_TRY(w->visit(w->self, w->path, text, err));
    w->text.len = l->text_begin;
    w->path_len = l->path_len;
    w->path[w->path_len] = '\0';
    w->is_done = w->depth == 0;
    return LH_OK;
}

static lh_status
element_open(struct walker *w, lh_str name, struct lh_error *err)
{
    int n;

    if (w->is_done)
        return fail_xml("a second document", err);
    if (w->depth == S3_XML_DEPTH)
        return fail_xml("too many levels", err);
    w->levels[w->depth++] = (struct level){w->path_len, w->text.len};
    n = snprintf(w->path + w->path_len, sizeof(w->path) - w->path_len, "%s%.*s",
                 w->path_len ? "/" : "", LH_FMT(name));
    if (n < 0 || (size_t)n >= sizeof(w->path) - w->path_len)
        return fail_xml("names that are too long", err);
    w->path_len += (size_t)n;
    return LH_OK;
}

static bool
attribute_skip(struct walker *w)
{
    const char *quote;

    if (name_take(w).len == 0)
        return false;
    skip_blanks(w);
    if (!take(w, "="))
        return false;
    skip_blanks(w);
    quote = take(w, "\"") ? "\"" : take(w, "'") ? "'" : NULL;
    if (!quote)
        return false;
    for (; w->at < w->end && *w->at != *quote; w->at++) {
        if (*w->at == '<')
            return false;
    }
    return take(w, quote);
}

/* Behind '<' of an opening tag. */
static lh_status
tag_open(struct walker *w, struct lh_error *err)
{
    lh_str name = name_take(w);

    if (name.len == 0)
        return fail_xml("a tag without a name", err);
    LH_TRY(element_open(w, name, err));
    for (;;) {
        bool is_apart = w->at < w->end && is_blank(*w->at);

        skip_blanks(w);
        if (take(w, "/>"))
            return element_close(w, err);
        if (take(w, ">"))
            return LH_OK;
        if (!is_apart || !attribute_skip(w))
            return fail_xml("a tag that does not end", err);
    }
}

/* Behind "</". */
static lh_status
tag_close(struct walker *w, struct lh_error *err)
{
    lh_str name = name_take(w), open = {w->path, w->path_len};

    skip_blanks(w);
    if (!take(w, ">") || w->depth == 0)
        return fail_xml("a closing tag that closes nothing", err);
    if (w->depth > 1)
        open = lh_str_slice(open, w->levels[w->depth - 1].path_len + 1, open.len);
    if (!lh_str_eq(name, open))
        return fail_xml("tags that cross", err);
    return element_close(w, err);
}

static lh_status
document_walk(struct walker *w, struct lh_error *err)
{
    (void)take(w, "\xEF\xBB\xBF");
    skip_blanks(w);
    if (take(w, "<?xml") && !skip_past(w, "?>"))
        return fail_xml("a declaration that does not end", err);
    while (w->at < w->end) {
        if (*w->at != '<') {
            LH_TRY(text_take(w, err));
        } else if (take(w, "<!--")) {
            if (!skip_past(w, "-->"))
                return fail_xml("a comment that does not end", err);
        } else if (take(w, "</")) {
            LH_TRY(tag_close(w, err));
        } else {
            w->at++;
            LH_TRY(tag_open(w, err));
        }
    }
    return w->is_done ? LH_OK : fail_xml("it ends in the middle", err);
}

lh_status
s3_xml_walk(lh_str document, s3_xml_visit *visit, void *self, struct lh_error *err)
{
    struct walker w = {
        .at = document.ptr, .end = document.ptr + document.len, .visit = visit, .self = self};
    lh_status status;

    lh_buf_init(&w.text, S3_XML_TEXT_MAX);
    status = document_walk(&w, err);
    lh_buf_fini(&w.text);
    return status;
}

void
s3_xml_escape(struct lh_buf *out, lh_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '<')
            lh_buf_add_cstr(out, "&lt;");
        else if (c == '>')
            lh_buf_add_cstr(out, "&gt;");
        else if (c == '&')
            lh_buf_add_cstr(out, "&amp;");
        else if ((unsigned char)c < 0x20 || c == '"')
            lh_buf_printf(out, "&#%d;", c);
        else
            lh_buf_add_char(out, c);
    }
}
