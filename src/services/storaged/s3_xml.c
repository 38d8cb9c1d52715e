#include "services/storaged/s3_xml.h"

#include "base/utf8.h"

struct xml {
    lh_str in;
    size_t at;
    const struct s3_xml_visitor *visitor;
    lh_str open[S3_XML_DEPTH_MAX]; /* whole names */
    int depth;                     /* open elements */
    bool has_root;
    struct lh_buf text; /* of the innermost element, since its last child */
};

static lh_status
malformed(const struct xml *x, const char *what, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "s3.MalformedXML", "the XML: %s at byte %zu", what, x->at);
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || (unsigned char)c >= 0x80;
}

static lh_str
rest_of(const struct xml *x)
{
    return lh_str_slice(x->in, x->at, x->in.len);
}

static bool
skip(struct xml *x, lh_str expected)
{
    if (!lh_str_starts(rest_of(x), expected))
        return false;
    x->at += expected.len;
    return true;
}

static void
spaces_skip(struct xml *x)
{
    while (x->at < x->in.len && is_space(x->in.ptr[x->at]))
        x->at++;
}

static lh_str
name_take(struct xml *x)
{
    size_t from = x->at;

    while (x->at < x->in.len && is_name_char(x->in.ptr[x->at]))
        x->at++;
    return lh_str_slice(x->in, from, x->at);
}

/* Moves behind the next `mark`; *before gets what stood in front of it. */
static lh_status
until(struct xml *x, lh_str mark, lh_str *before, struct lh_error *err)
{
    lh_str rest = rest_of(x);
    size_t at;

    if (!lh_str_find(rest, mark, &at))
        return malformed(x, "something is not closed", err);
    *before = lh_str_slice(rest, 0, at);
    x->at += at + mark.len;
    return LH_OK;
}

/* ---- text ---- */

static int
digit_of(char c, unsigned base)
{
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;

    return digit >= 0 && (unsigned)digit < base ? digit : -1;
}

/* "#65" or "#x41" */
static bool
reference_number(lh_str name, uint32_t *out)
{
    unsigned base = name.len > 1 && name.ptr[1] == 'x' ? 16 : 10;
    size_t from = base == 16 ? 2 : 1;
    uint32_t value = 0;

    if (name.len <= from || name.len > from + 8)
        return false;
    for (size_t i = from; i < name.len; i++) {
        int digit = digit_of(name.ptr[i], base);

        if (digit < 0 || value > 0x110000)
            return false;
        value = value * base + (uint32_t)digit;
    }
    *out = value;
    return value > 0 && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff);
}

static bool
entity_add(struct lh_buf *out, lh_str name)
{
    static const struct {
        lh_str name;
        char c;
    } entities[] = {{LH_STR("lt"), '<'},
                    {LH_STR("gt"), '>'},
                    {LH_STR("amp"), '&'},
                    {LH_STR("quot"), '"'},
                    {LH_STR("apos"), '\''}};
    uint32_t value;

    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (lh_str_eq(name, entities[i].name)) {
            lh_buf_add_char(out, entities[i].c);
            return true;
        }
    }
    if (name.len == 0 || name.ptr[0] != '#' || !reference_number(name, &value))
        return false;
    lh_buf_add_utf8(out, value);
    return true;
}

/* Up to the next '<'. Line ends are one LF (XML 1.0, 2.11). */
static lh_status
text_take(struct xml *x, struct lh_error *err)
{
    while (x->at < x->in.len && x->in.ptr[x->at] != '<') {
        char c = x->in.ptr[x->at++];
        lh_str name;

        if (c == '&') {
            LH_TRY(until(x, LH_STR(";"), &name, err));
            if (!entity_add(&x->text, name))
                return malformed(x, "a reference means nothing", err);
        } else if (c == '\r') {
            if (!lh_str_starts(rest_of(x), LH_STR("\n")))
                lh_buf_add_char(&x->text, '\n');
        } else if (c == '\0') {
            return malformed(x, "there is a NUL", err);
        } else {
            lh_buf_add_char(&x->text, c);
        }
    }
    if (x->text.is_failed)
        return malformed(x, "an element has too much text", err);
    return LH_OK;
}

/* ---- elements ---- */

static lh_str
local_name(lh_str name)
{
    size_t at;

    return lh_str_find_char(name, ':', &at) ? lh_str_slice(name, at + 1, name.len) : name;
}

static lh_status
element_end(struct xml *x, struct lh_error *err)
{
    lh_str name = x->open[--x->depth];
    lh_str text = lh_buf_str(&x->text);
    lh_status status = x->visitor->element(x->visitor->self, x->depth, local_name(name),
                                           text.ptr ? text : LH_STR(""), err);

    lh_buf_clear(&x->text);
    return status;
}

static lh_status
attributes_skip(struct xml *x, struct lh_error *err)
{
    for (;;) {
        lh_str value;
        char quote;

        spaces_skip(x);
        if (name_take(x).len == 0)
            return LH_OK;
        spaces_skip(x);
        if (!skip(x, LH_STR("=")))
            return malformed(x, "an attribute has no value", err);
        spaces_skip(x);
        quote = x->at < x->in.len ? x->in.ptr[x->at] : '\0';
        if (quote != '"' && quote != '\'')
            return malformed(x, "a value has no quotes", err);
        x->at++;
        LH_TRY(until(x, (lh_str){quote == '"' ? "\"" : "'", 1}, &value, err));
    }
}

static lh_status
open_tag(struct xml *x, struct lh_error *err)
{
    lh_str name = name_take(x);
    bool is_empty;

    if (name.len == 0)
        return malformed(x, "a tag has no name", err);
    if (x->depth == 0 && x->has_root)
        return malformed(x, "there are two documents", err);
    if (x->depth == S3_XML_DEPTH_MAX)
        return malformed(x, "it is too deep", err);
    LH_TRY(attributes_skip(x, err));
    is_empty = skip(x, LH_STR("/"));
    if (!skip(x, LH_STR(">")))
        return malformed(x, "a tag is not closed", err);
    x->has_root = true;
    x->open[x->depth++] = name;
    lh_buf_clear(&x->text);
    return is_empty ? element_end(x, err) : LH_OK;
}

static lh_status
close_tag(struct xml *x, struct lh_error *err)
{
    lh_str name = name_take(x);

    spaces_skip(x);
    if (x->depth == 0 || !lh_str_eq(name, x->open[x->depth - 1]) || !skip(x, LH_STR(">")))
        return malformed(x, "a tag closes what is not open", err);
    return element_end(x, err);
}

static lh_status
cdata_take(struct xml *x, struct lh_error *err)
{
    lh_str text = LH_STR("");

    LH_TRY(until(x, LH_STR("]]>"), &text, err));
    lh_buf_add_str(&x->text, text);
    if (x->depth == 0 || x->text.is_failed || memchr(text.ptr, '\0', text.len))
        return malformed(x, "text stands where none may", err);
    return LH_OK;
}

static lh_status
markup_take(struct xml *x, struct lh_error *err)
{
    lh_str skipped;

    if (skip(x, LH_STR("<?")))
        return until(x, LH_STR("?>"), &skipped, err);
    if (skip(x, LH_STR("<!--")))
        return until(x, LH_STR("-->"), &skipped, err);
    if (skip(x, LH_STR("<![CDATA[")))
        return cdata_take(x, err);
    if (skip(x, LH_STR("<!")))
        return malformed(x, "a document type is not allowed", err);
    if (skip(x, LH_STR("</")))
        return close_tag(x, err);
    x->at++;
    return open_tag(x, err);
}

static lh_status
outside_check(struct xml *x, struct lh_error *err)
{
    if (x->depth > 0)
        return LH_OK;
    if (lh_str_trim(lh_buf_str(&x->text)).len > 0)
        return malformed(x, "text stands outside", err);
    lh_buf_clear(&x->text);
    return LH_OK;
}

static lh_status
document_read(struct xml *x, struct lh_error *err)
{
    (void)skip(x, LH_STR("\xef\xbb\xbf"));
    while (x->at < x->in.len) {
        LH_TRY(text_take(x, err));
        LH_TRY(outside_check(x, err));
        if (x->at < x->in.len)
            LH_TRY(markup_take(x, err));
    }
    if (x->depth > 0 || !x->has_root)
        return malformed(x, "it ends too early", err);
    return LH_OK;
}

lh_status
door_xml_read(lh_str document, const struct s3_xml_visitor *visitor, struct lh_error *err)
{
    struct xml x = {.in = document, .visitor = visitor};
    lh_status status;

    if (!lh_str_is_utf8(document))
        return malformed(&x, "it is not UTF-8", err);
    lh_buf_init(&x.text, S3_XML_TEXT_MAX);
    status = document_read(&x, err);
    lh_buf_fini(&x.text);
    return status;
}
