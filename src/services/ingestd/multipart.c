/*
 * A carriage return begins the delimiter and occurs nowhere else in it, so a failed match can only
 * begin again at the byte that failed: what was matched so far is data. The first boundary has no
 * line end before it; the machine starts as if it had seen one.
 */
#include "services/ingestd/multipart.h"

#include <stdio.h>

/* ---- parameters ---- */

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static lh_str
blank_trim(lh_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = lh_str_slice(s, 1, s.len);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* The quoted or plain value at the front of *rest, which is moved past it. */
static void
value_take(lh_str *rest, char *to, size_t to_size)
{
    size_t i = 0, n = 0;
    bool is_quoted = rest->len > 0 && rest->ptr[0] == '"';

    for (i = is_quoted; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (is_quoted && c == '\\' && i + 1 < rest->len &&
            (rest->ptr[i + 1] == '"' || rest->ptr[i + 1] == '\\'))
            c = rest->ptr[++i];
        else if (is_quoted ? c == '"' : c == ';' || is_blank(c))
            break;
        if (n + 1 < to_size)
            to[n++] = c;
    }
    to[n] = '\0';
    *rest = lh_str_slice(*rest, i + is_quoted, rest->len);
}

/* Parameter `name` of "value; a=b; c=\"d\"". */
static bool
parameter_find(lh_str header, lh_str name, char *to, size_t to_size)
{
    lh_str rest = header, key;

    if (!lh_str_cut(&rest, ';', &key))
        return false;
    while (rest.len > 0) {
        bool has_value = lh_str_cut(&rest, '=', &key);
        if (!has_value)
            return false;
        rest = blank_trim(rest);
        value_take(&rest, to, to_size);
        if (lh_str_eq_nocase(blank_trim(key), name))
            return true;
        rest = blank_trim(rest);
        if (rest.len > 0 && rest.ptr[0] == ';')
            rest = lh_str_slice(rest, 1, rest.len);
    }
    return false;
}

/* ---- headers of a part ---- */

static lh_status
header_read(lh_str line, struct multipart_part *part, struct lh_error *err)
{
    lh_str rest = line, name;

    if (!lh_str_cut(&rest, ':', &name))
        return lh_fail(err, LH_INVALID, "request.multipart", "a part's header has no colon");
    rest = blank_trim(rest);
    if (lh_str_eq_nocase(name, LH_STR("Content-Disposition"))) {
        if (!parameter_find(rest, LH_STR("name"), part->name, sizeof(part->name)))
            return lh_fail(err, LH_INVALID, "request.multipart", "a part has no name");
        if (!parameter_find(rest, LH_STR("filename"), part->file_name, sizeof(part->file_name)))
            part->file_name[0] = '\0';
    } else if (lh_str_eq_nocase(name, LH_STR("Content-Type"))) {
        lh_str_copy(part->content_type, sizeof(part->content_type), rest);
    }
    return LH_OK;
}

static lh_status
headers_read(struct multipart *m, struct lh_error *err)
{
    struct multipart_part part = {0};
    lh_str rest = {m->headers, m->headers_len}, line;

    while (lh_str_next(&rest, '\n', &line)) {
        line = lh_str_trim(line);
        if (line.len > 0)
            LH_TRY(header_read(line, &part, err));
    }
    if (part.name[0] == '\0')
        return lh_fail(err, LH_INVALID, "request.multipart", "a part has no name");
    return m->handler.begin(m->handler.self, &part, err);
}

static bool
headers_end(const struct multipart *m)
{
    size_t n = m->headers_len;

    return (n >= 4 && memcmp(m->headers + n - 4, "\r\n\r\n", 4) == 0) ||
           (n == 2 && memcmp(m->headers, "\r\n", 2) == 0);
}

static lh_status
headers_byte(struct multipart *m, char c, struct lh_error *err)
{
    if (m->headers_len == sizeof(m->headers))
        return lh_fail(err, LH_INVALID, "request.multipart",
                       "the headers of a part are longer than %d bytes", MULTIPART_HEADERS_MAX);
    m->headers[m->headers_len++] = c;
    if (!headers_end(m))
        return LH_OK;
    LH_TRY(headers_read(m, err));
    m->state = MULTIPART_DATA;
    m->matched = 0;
    return LH_OK;
}

/* ---- the machine ---- */

static lh_status
boundary_byte(struct multipart *m, char c, struct lh_error *err)
{
    if (m->tail_len == 0 && is_blank(c))
        return LH_OK;
    m->tail[m->tail_len++] = c;
    if (m->tail_len < 2)
        return LH_OK;
    if (memcmp(m->tail, "--", 2) == 0) {
        m->state = MULTIPART_END;
        return LH_OK;
    }
    if (memcmp(m->tail, "\r\n", 2) != 0)
        return lh_fail(err, LH_INVALID, "request.multipart", "a boundary does not end its line");
    m->state = MULTIPART_HEADERS;
    m->headers_len = 0;
    return LH_OK;
}

static lh_status
data_emit(struct multipart *m, const void *ptr, size_t len, struct lh_error *err)
{
    if (m->state != MULTIPART_DATA || len == 0)
        return LH_OK;
    return m->handler.data(m->handler.self, lh_bytes_of(ptr, len), err);
}

/* Bytes from *p that belong to the part, up to where the delimiter might begin or goes on. */
static lh_status
content_feed(struct multipart *m, const uint8_t **p, const uint8_t *end, struct lh_error *err)
{
    if (m->matched == 0) {
        const uint8_t *cr = memchr(*p, '\r', (size_t)(end - *p)), *stop = cr ? cr : end;
        LH_TRY(data_emit(m, *p, (size_t)(stop - *p), err));
        *p = stop;
        if (stop == end)
            return LH_OK;
    }
    while (*p < end && m->matched < m->delimiter_len && (char)**p == m->delimiter[m->matched]) {
        ++*p;
        m->matched++;
    }
    if (m->matched == m->delimiter_len) {
        m->state = MULTIPART_BOUNDARY_END;
        m->tail_len = 0;
        return LH_OK;
    }
    if (*p < end) {
        size_t matched = m->matched;
        m->matched = 0;
        return data_emit(m, m->delimiter, matched, err);
    }
    return LH_OK;
}

lh_status
multipart_feed(struct multipart *m, lh_bytes bytes, struct lh_error *err)
{
    const uint8_t *p = bytes.ptr, *end = bytes.ptr + bytes.len;

    while (p < end) {
        switch (m->state) {
        case MULTIPART_PREAMBLE:
        case MULTIPART_DATA:
            LH_TRY(content_feed(m, &p, end, err));
            break;
        case MULTIPART_BOUNDARY_END:
            LH_TRY(boundary_byte(m, (char)*p++, err));
            break;
        case MULTIPART_HEADERS:
            LH_TRY(headers_byte(m, (char)*p++, err));
            break;
        case MULTIPART_END:
            return LH_OK; /* an epilogue means nothing */
        }
    }
    return LH_OK;
}

lh_status
multipart_finish(const struct multipart *m, struct lh_error *err)
{
    if (m->state != MULTIPART_END)
        return lh_fail(err, LH_INVALID, "request.multipart",
                       "the body ends before the last boundary");
    return LH_OK;
}

bool
multipart_is(lh_str content_type)
{
    lh_str rest = content_type, type;

    lh_str_cut(&rest, ';', &type);
    return lh_str_eq_nocase(lh_str_trim(type), LH_STR("multipart/form-data"));
}

lh_status
multipart_init(struct multipart *m, lh_str content_type, const struct multipart_handler *handler,
               struct lh_error *err)
{
    char boundary[MULTIPART_BOUNDARY_MAX + 2];
    size_t len;

    if (!parameter_find(content_type, LH_STR("boundary"), boundary, sizeof(boundary)))
        boundary[0] = '\0';
    len = strlen(boundary);
    if (len == 0 || len > MULTIPART_BOUNDARY_MAX || strchr(boundary, '\r'))
        return lh_fail(err, LH_INVALID, "request.multipart",
                       "Content-Type has no boundary of 1 to %d characters",
                       MULTIPART_BOUNDARY_MAX);
    *m = (struct multipart){.handler = *handler, .matched = 2};
    m->delimiter_len = (size_t)snprintf(m->delimiter, sizeof(m->delimiter), "\r\n--%s", boundary);
    return LH_OK;
}
