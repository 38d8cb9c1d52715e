#include "engine/json_token.h"

#include "base/utf8.h"

const char *
json_blank_skip(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* ---- strings ---- */

static int
hex4(const char *p)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

/* `p` is at the 'u' of \uXXXX. Returns the end of the escape (of both for a surrogate pair), or
 * NULL. */
static const char *
unicode_escape(const char *p, const char *end, uint32_t *code)
{
    int high, low;

    if (end - p < 5 || (high = hex4(p + 1)) < 0)
        return NULL;
    *code = (uint32_t)high;
    if (high < 0xD800 || high > 0xDFFF)
        return p + 5;
    if (high > 0xDBFF || end - p < 11 || p[5] != '\\' || p[6] != 'u')
        return NULL;
    low = hex4(p + 7);
    if (low < 0xDC00 || low > 0xDFFF)
        return NULL;
    *code = 0x10000 + (((uint32_t)high - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    return p + 11;
}

static const char *
string_read(const char *p, const char *end, struct record_field *out, const char **why)
{
    const char *from = ++p;
    bool has_escapes = false;
    uint32_t code;

    for (;;) {
        while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
            p++;
        if (p == end) {
            *why = "a string is not closed";
            return NULL;
        }
        if (*p == '"')
            break;
        if (*p != '\\') {
            *why = "a control character stands in a string";
            return NULL;
        }
        has_escapes = true;
        p++;
        if (p < end && *p != '\0' && strchr("\"\\/bfnrt", *p))
            p++;
        else if (p == end || *p != 'u' || (p = unicode_escape(p, end, &code)) == NULL) {
            *why = "a string has a wrong escape";
            return NULL;
        }
    }
    *out = (struct record_field){.ptr = from,
                                 .len = (uint32_t)(p - from),
                                 .kind = FIELD_JSON_STRING,
                                 .has_escapes = has_escapes};
    return p + 1;
}

size_t
json_string_unescape(const struct record_field *field, char *to)
{
    static const char from[] = "bfnrt", plain[] = "\b\f\n\r\t";
    const char *p = field->ptr, *end = p + field->len, *at;
    size_t n = 0;
    uint32_t code = 0;

    while (p < end) {
        if (*p != '\\') {
            to[n++] = *p++;
            continue;
        }
        p++;
        if (*p == 'u') {
            p = unicode_escape(p, end, &code);
            n += lh_utf8_encode(code, to + n);
            continue;
        }
        at = strchr(from, *p);
        to[n++] = at ? plain[at - from] : *p;
        p++;
    }
    return n;
}

/* ---- numbers and words ---- */

static const char *
digits_skip(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static const char *
number_read(const char *p, const char *end, struct record_field *out, const char **why)
{
    const char *from = p, *q;

    *why = "a number is malformed";
    if (*p == '-')
        p++;
    q = digits_skip(p, end);
    if (q == p || (*p == '0' && q > p + 1))
        return NULL;
    p = q;
    if (p < end && *p == '.') {
        q = digits_skip(p + 1, end);
        if (q == p + 1)
            return NULL;
        p = q;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        q = digits_skip(p, end);
        if (q == p)
            return NULL;
        p = q;
    }
    *out =
        (struct record_field){.ptr = from, .len = (uint32_t)(p - from), .kind = FIELD_JSON_NUMBER};
    return p;
}

static const char *
word_read(const char *p, const char *end, struct record_field *out, const char **why)
{
    static const struct {
        lh_str word;
        enum field_kind kind;
    } words[] = {{LH_STR("true"), FIELD_JSON_BOOL},
                 {LH_STR("false"), FIELD_JSON_BOOL},
                 {LH_STR("null"), FIELD_NULL}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = words[i].word.len;
        if ((size_t)(end - p) >= n && memcmp(p, words[i].word.ptr, n) == 0) {
            *out =
                (struct record_field){.ptr = p, .len = (uint32_t)n, .kind = (uint8_t)words[i].kind};
            return p + n;
        }
    }
    *why = "a value is expected";
    return NULL;
}

/* ---- values ---- */

static const char *
value_read(const char *p, const char *end, int depth, struct record_field *out, const char **why);

static const char *
key_read(const char *p, const char *end, struct record_field *key, const char **why)
{
    if (p == end || *p != '"') {
        *why = "a field name in quotes is expected";
        return NULL;
    }
    p = string_read(p, end, key, why);
    if (!p)
        return NULL;
    p = json_blank_skip(p, end);
    if (p == end || *p != ':') {
        *why = "a colon is expected after a field name";
        return NULL;
    }
    return json_blank_skip(p + 1, end);
}

/* `p` is at the opening bracket. */
static const char *
nested_read(const char *p, const char *end, int depth, struct record_field *out, const char **why)
{
    const char *from = p;
    bool is_object = *p == '{';
    char close = is_object ? '}' : ']';
    struct record_field part;

    if (depth >= JSON_DEPTH_MAX) {
        *why = "values are nested too deeply";
        return NULL;
    }
    p = json_blank_skip(p + 1, end);
    if (p < end && *p == close)
        p++;
    else
        for (;;) {
            if (is_object && (p = key_read(p, end, &part, why)) == NULL)
                return NULL;
            if ((p = value_read(p, end, depth + 1, &part, why)) == NULL)
                return NULL;
            p = json_blank_skip(p, end);
            if (p < end && *p == close) {
                p++;
                break;
            }
            if (p == end || *p != ',') {
                *why = is_object ? "a comma or '}' is expected" : "a comma or ']' is expected";
                return NULL;
            }
            p = json_blank_skip(p + 1, end);
        }
    *out =
        (struct record_field){.ptr = from, .len = (uint32_t)(p - from), .kind = FIELD_JSON_NESTED};
    return p;
}

static const char *
value_read(const char *p, const char *end, int depth, struct record_field *out, const char **why)
{
    if (p == end) {
        *why = "the text ends where a value is expected";
        return NULL;
    }
    if (*p == '"')
        return string_read(p, end, out, why);
    if (*p == '{' || *p == '[')
        return nested_read(p, end, depth, out, why);
    if (*p == '-' || (*p >= '0' && *p <= '9'))
        return number_read(p, end, out, why);
    return word_read(p, end, out, why);
}

const char *
json_value_read(const char *p, const char *end, struct record_field *out, const char **why)
{
    return value_read(p, end, 0, out, why);
}

const char *
json_value_span(const char *p, const char *end)
{
    size_t depth = 0;

    for (; p < end; p++) {
        switch (*p) {
        case '"':
            for (p++; p < end && *p != '"'; p++)
                p += *p == '\\';
            if (p >= end)
                return NULL;
            break;
        case '{':
        case '[':
            depth++;
            continue;
        case '}':
        case ']':
            if (depth == 0)
                return p; /* of the array around a scalar */
            depth--;
            break;
        case ',':
        case ' ':
        case '\n':
        case '\r':
        case '\t':
            if (depth == 0)
                return p; /* a scalar ends here */
            continue;
        default:
            continue;
        }
        if (depth == 0)
            return p + 1;
    }
    return depth == 0 ? end : NULL;
}

struct json_walk
json_walk_over(const struct record_field *nested)
{
    const char *end = nested->ptr + nested->len - 1;

    return (struct json_walk){.at = json_blank_skip(nested->ptr + 1, end),
                              .end = end,
                              .is_object = nested->ptr[0] == '{'};
}

bool
json_walk_next(struct json_walk *w, struct record_field *key, struct record_field *value)
{
    const char *why, *p = w->at;

    if (p >= w->end)
        return false;
    if (w->is_object)
        p = key_read(p, w->end, key, &why);
    p = p ? json_value_read(p, w->end, value, &why) : NULL;
    if (!p) { /* accepted before, so only a wrong call comes here */
        w->at = w->end;
        return false;
    }
    p = json_blank_skip(p, w->end);
    if (p < w->end && *p == ',')
        p = json_blank_skip(p + 1, w->end);
    w->at = p;
    return true;
}
