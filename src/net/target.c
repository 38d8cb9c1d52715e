#include "net/target.h"

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool
needs_decoding(lh_str in, enum net_target_decoding how)
{
    return memchr(in.ptr, '%', in.len) || (how == NET_TARGET_QUERY && memchr(in.ptr, '+', in.len));
}

lh_status
net_target_decode(struct lh_arena *arena, lh_str in, enum net_target_decoding how, lh_str *out,
                  struct lh_error *err)
{
    char *to;
    size_t len = 0;

    if (in.len == 0 || !needs_decoding(in, how)) {
        *out = in;
        return LH_OK;
    }
    to = lh_arena_alloc(arena, in.len + 1);
    for (size_t i = 0; i < in.len; i++) {
        int high, low;

        if (in.ptr[i] != '%') {
            to[len++] = how == NET_TARGET_QUERY && in.ptr[i] == '+' ? ' ' : in.ptr[i];
            continue;
        }
        high = i + 2 < in.len ? hex_digit(in.ptr[i + 1]) : -1;
        low = i + 2 < in.len ? hex_digit(in.ptr[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return lh_fail(err, LH_INVALID, "request.target",
                           "the target holds an escape that is not %%01 to %%FF at byte %zu", i);
        if (how == NET_TARGET_KEEP_SLASH && high == 2 && low == 15) {
            memcpy(to + len, "%2F", 3);
            len += 3;
        } else {
            to[len++] = (char)(high << 4 | low);
        }
        i += 2;
    }
    *out = (lh_str){to, len};
    return LH_OK;
}

static size_t
query_count(lh_str query)
{
    size_t count = query.len > 0;

    for (size_t i = 0; i < query.len; i++)
        count += query.ptr[i] == '&';
    return count;
}

static lh_status
query_parse(struct lh_arena *arena, lh_str query, struct lh_request *req, struct lh_error *err)
{
    size_t max = query_count(query);
    struct lh_header *list;
    size_t count = 0;
    lh_str part;

    if (max == 0)
        return LH_OK;
    if (max > NET_TARGET_QUERY_MAX)
        return lh_fail(err, LH_INVALID, "request.target",
                       "the query has %zu parameters; the limit is %d", max, NET_TARGET_QUERY_MAX);
    list = lh_arena_array(arena, max, sizeof(*list));
    while (lh_str_next(&query, '&', &part)) {
        lh_str name;

        if (part.len == 0)
            continue;
        lh_str_cut(&part, '=', &name);
        LH_TRY(net_target_decode(arena, name, NET_TARGET_QUERY, &list[count].name, err));
        LH_TRY(net_target_decode(arena, part, NET_TARGET_QUERY, &list[count].value, err));
        count++;
    }
    req->query = list;
    req->query_count = count;
    return LH_OK;
}

/* "http://host/path" is a valid target too (RFC 9112 3.2.2); only its path matters here. */
static lh_str
authority_skip(lh_str text)
{
    size_t at;
    lh_str rest;

    if (lh_str_starts(text, LH_STR("http://")))
        rest = lh_str_slice(text, 7, text.len);
    else if (lh_str_starts(text, LH_STR("https://")))
        rest = lh_str_slice(text, 8, text.len);
    else
        return text;
    return lh_str_find_char(rest, '/', &at) ? lh_str_slice(rest, at, rest.len) : LH_STR("/");
}

static bool
is_printable(lh_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

lh_status
net_target_parse(struct lh_arena *arena, lh_str text, struct lh_request *req, struct lh_error *err)
{
    lh_str query = authority_skip(text);
    lh_str path;

    req->target = query;
    req->path = LH_STR("/");
    if (query.len == 0 || query.ptr[0] != '/' || !is_printable(query))
        return lh_fail(err, LH_INVALID, "request.target", "the target must be a path");
    lh_str_cut(&query, '?', &path);
    LH_TRY(net_target_decode(arena, path, NET_TARGET_KEEP_SLASH, &req->path, err));
    return query_parse(arena, query, req, err);
}
