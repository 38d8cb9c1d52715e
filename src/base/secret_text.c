#include "base/secret_text.h"

#include "base/encoding.h"

struct reader {
    const char *at, *end;
    unsigned line;
    struct secret_page *scratch; /* the last string, unescaped */
};

static lh_status
fail_syntax(const struct reader *r, const char *wanted, struct lh_error *err)
{
    return lh_fail(err, LH_CORRUPT, "secret.syntax",
                   "the secrets are not as they should be: line "
                   "%u has no %s",
                   r->line, wanted);
}

static bool
is_at_end(const struct reader *r)
{
    return r->at == r->end;
}

static bool
take(struct reader *r, char c)
{
    if (is_at_end(r) || *r->at != c)
        return false;
    r->at++;
    return true;
}

static void
skip_blanks(struct reader *r, bool over_lines)
{
    for (; !is_at_end(r); r->at++) {
        if (*r->at == '\n' && over_lines)
            r->line++;
        else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r')
            return;
    }
}

/* ---- strings ---- */

static void
add_utf8(struct secret_page *p, unsigned code)
{
    char bytes[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)(n == 1 ? code : (0xF00u >> n & 0xFF) | code);
    secret_page_add(p, bytes, n);
}

static bool
take_hex(struct reader *r, unsigned *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        int v = is_at_end(r) ? -1 : lh_hex_value(*r->at);
        if (v < 0)
            return false;
        *code = *code << 4 | (unsigned)v;
    }
    return true;
}

/* Behind "\u". NUL is refused: values end with one. */
static bool
take_unicode(struct reader *r)
{
    unsigned high, low;

    if (!take_hex(r, &high) || high == 0 || (high >= 0xDC00 && high < 0xE000))
        return false;
    if (high < 0xD800 || high > 0xDFFF) {
        add_utf8(r->scratch, high);
        return true;
    }
    if (!take(r, '\\') || !take(r, 'u') || !take_hex(r, &low) || low < 0xDC00 || low > 0xDFFF)
        return false;
    add_utf8(r->scratch, 0x10000 + ((high & 0x3FF) << 10 | (low & 0x3FF)));
    return true;
}

static bool
take_escape(struct reader *r)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (is_at_end(r))
        return false;
    if (*r->at == 'u') {
        r->at++;
        return take_unicode(r);
    }
    found = *r->at ? strchr(names, *r->at) : NULL;
    if (!found)
        return false;
    secret_page_add(r->scratch, &bytes[found - names], 1);
    r->at++;
    return true;
}

/* The view is good until the next string. `quote` '\'' has no escapes. */
static lh_status
string_read(struct reader *r, char quote, size_t *begin, struct lh_error *err)
{
    *begin = r->scratch->len;
    if (!take(r, quote))
        return fail_syntax(r, "string", err);
    while (!take(r, quote)) {
        if (is_at_end(r) || (unsigned char)*r->at < 0x20)
            return fail_syntax(r, "end of the string", err);
        if (quote == '"' && take(r, '\\')) {
            if (!take_escape(r))
                return fail_syntax(r, "known escape", err);
            continue;
        }
        secret_page_add(r->scratch, r->at++, 1);
    }
    secret_page_add(r->scratch, "", 1);
    return LH_OK;
}

static lh_str
string_at(const struct reader *r, size_t begin)
{
    return lh_str_of(r->scratch->data + begin);
}

/* ---- JSON ---- */

/* Calls `member` behind the colon of each, with where the key begins in the scratch page. */
typedef lh_status member_read(struct reader *r, size_t key, void *arg, struct lh_error *err);

static lh_status
object_read(struct reader *r, member_read *member, void *arg, struct lh_error *err)
{
    bool is_first = true;

    if (!take(r, '{'))
        return fail_syntax(r, "'{'", err);
    for (skip_blanks(r, true); !take(r, '}'); skip_blanks(r, true)) {
        size_t key;

        if (!is_first && !take(r, ','))
            return fail_syntax(r, "',' or '}'", err);
        is_first = false;
        skip_blanks(r, true);
        LH_TRY(string_read(r, '"', &key, err));
        skip_blanks(r, true);
        if (!take(r, ':'))
            return fail_syntax(r, "':'", err);
        skip_blanks(r, true);
        LH_TRY(member(r, key, arg, err));
    }
    return LH_OK;
}

static lh_status
field_member(struct reader *r, size_t key, void *arg, struct lh_error *err)
{
    struct secret_page *out = arg;
    size_t value;

    LH_TRY(string_read(r, '"', &value, err));
    if (out)
        secret_page_put(out, LH_STR(""), string_at(r, key), string_at(r, value));
    return LH_OK;
}

struct wanted {
    lh_str entry;
    struct secret_page *out;
};

static lh_status
entry_member(struct reader *r, size_t key, void *arg, struct lh_error *err)
{
    const struct wanted *w = arg;
    bool is_it = lh_str_eq_nocase(string_at(r, key), w->entry);

    return object_read(r, field_member, is_it ? w->out : NULL, err);
}

static lh_status
json_read(struct reader *r, member_read *member, void *arg, struct lh_error *err)
{
    skip_blanks(r, true);
    LH_TRY(object_read(r, member, arg, err));
    skip_blanks(r, true);
    return is_at_end(r) ? LH_OK : fail_syntax(r, "end", err);
}

/* ---- TOML ---- */

static bool
is_bare(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static lh_str
bare_read(struct reader *r)
{
    const char *from = r->at;

    while (!is_at_end(r) && is_bare(*r->at))
        r->at++;
    return (lh_str){from, (size_t)(r->at - from)};
}

static lh_status
line_end(struct reader *r, struct lh_error *err)
{
    skip_blanks(r, false);
    if (!is_at_end(r) && *r->at == '#') {
        while (!is_at_end(r) && *r->at != '\n')
            r->at++;
    }
    if (is_at_end(r))
        return LH_OK;
    if (!take(r, '\n'))
        return fail_syntax(r, "end of the line", err);
    r->line++;
    return LH_OK;
}

static lh_status
toml_value(struct reader *r, lh_str key, struct secret_page *out, struct lh_error *err)
{
    size_t value;

    skip_blanks(r, false);
    if (!take(r, '='))
        return fail_syntax(r, "'='", err);
    skip_blanks(r, false);
    LH_TRY(string_read(r, !is_at_end(r) && *r->at == '\'' ? '\'' : '"', &value, err));
    if (out)
        secret_page_put(out, LH_STR(""), key, string_at(r, value));
    return LH_OK;
}

static lh_status
toml_read(struct reader *r, lh_str entry, struct secret_page *out, struct lh_error *err)
{
    bool is_in_table = false, is_it = false;

    for (skip_blanks(r, false); !is_at_end(r); skip_blanks(r, false)) {
        if (take(r, '[')) {
            skip_blanks(r, false);
            is_it = lh_str_eq_nocase(bare_read(r), entry);
            skip_blanks(r, false);
            is_in_table = take(r, ']');
            if (!is_in_table)
                return fail_syntax(r, "']'", err);
        } else if (is_bare(*r->at)) {
            lh_str key = bare_read(r);
            if (!is_in_table)
                return fail_syntax(r, "table to belong to", err);
            LH_TRY(toml_value(r, key, is_it ? out : NULL, err));
        }
        LH_TRY(line_end(r, err));
    }
    return LH_OK;
}

/* ---- both ---- */

lh_status
secret_text_file(lh_str text, lh_str entry, struct secret_page *out, struct lh_error *err)
{
    struct secret_page scratch = {0};
    struct reader r = {text.ptr, text.ptr + text.len, 1, &scratch};
    struct wanted w = {entry, out};
    lh_status status;

    skip_blanks(&r, true);
    if (!is_at_end(&r) && *r.at == '{')
        status = json_read(&r, entry_member, &w, err);
    else
        status = toml_read(&r, entry, out, err);
    secret_page_fini(&scratch);
    return status;
}

lh_status
secret_text_object(lh_str text, struct secret_page *out, struct lh_error *err)
{
    struct secret_page scratch = {0};
    struct reader r = {text.ptr, text.ptr + text.len, 1, &scratch};
    lh_status status = json_read(&r, field_member, out, err);

    secret_page_fini(&scratch);
    return status;
}
