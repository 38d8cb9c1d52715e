#include "net/header.h"

static bool
char_is_token(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool
char_is_unsafe(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

lh_str
net_header_find(const struct lh_header *headers, size_t count, const char *name)
{
    lh_str want = lh_str_of(name);

    for (size_t i = 0; i < count; i++) {
        if (lh_str_eq_nocase(headers[i].name, want))
            return headers[i].value;
    }
    return LH_STR_NONE;
}

bool
net_header_is_token(lh_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!char_is_token((unsigned char)name.ptr[i]))
            return false;
    }
    return name.len > 0;
}

lh_str
net_header_value_safe(struct lh_arena *arena, lh_str value)
{
    lh_str text = lh_str_trim(value);
    char *copy = lh_arena_cstr(arena, text);

    for (size_t i = 0; i < text.len; i++) {
        if (char_is_unsafe((unsigned char)copy[i]))
            copy[i] = ' ';
    }
    return (lh_str){copy, text.len};
}

bool
net_header_list_has(lh_str list, lh_str token)
{
    lh_str part;

    while (lh_str_next(&list, ',', &part)) {
        if (lh_str_eq_nocase(lh_str_trim(part), token))
            return true;
    }
    return false;
}

bool
net_header_is_hop_by_hop(lh_str name, lh_str connection)
{
    static const char *const fields[] = {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        NULL,
    };

    for (size_t i = 0; fields[i]; i++) {
        if (lh_str_eq_nocase(name, lh_str_of(fields[i])))
            return true;
    }
    return connection.len > 0 && net_header_list_has(connection, name);
}
