/*
 * From a key to a path and back. A component of a key is a name on disk, except that
 *
 *   - '%' is written %25, since it begins our escapes;
 *   - a name that would mean something else to the file system ("." or ".." as the rest of a long
 * component) or to this backend (".lakehouse" in the root) has its first dot written %2E;
 *   - a component of more than 240 bytes, as written, continues in a folder: its first bytes, then
 * "%+".
 *
 * Every key has exactly one path, so two keys never meet in one file.
 */
#include "store/local.h"

#define NAME_BYTES_MAX                                                                             \
    240 /* file systems allow 255; "%+" and room for a suffix of tools that copy */

#define CONTINUED LH_STR("%+")
#define ESCAPED_PERCENT LH_STR("%25")
#define ESCAPED_DOT LH_STR("%2E")

struct path_writer {
    char *path;
    size_t len;
    size_t name_at; /* where the current name begins */
};

static void
path_add(struct path_writer *w, const char *ptr, size_t n)
{
    memcpy(w->path + w->len, ptr, n);
    w->len += n;
}

/* A UTF-8 sequence is never split, so that names stay text. Keys are checked before: lengths follow
 * from the first byte. */
static size_t
unit_length(const char *at, size_t left)
{
    unsigned char c = (unsigned char)*at;
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    return n < left ? n : left;
}

static void
name_continue(struct path_writer *w)
{
    path_add(w, CONTINUED.ptr, CONTINUED.len);
    path_add(w, "/", 1);
    w->name_at = w->len;
}

static bool
means_something_else(const struct path_writer *w)
{
    lh_str name = {w->path + w->name_at, w->len - w->name_at};

    return lh_str_eq(name, LH_STR(".")) || lh_str_eq(name, LH_STR("..")) ||
           (w->name_at == 0 && lh_str_eq(name, LH_STR(LOCAL_OWN_FOLDER)));
}

static void
name_end(struct path_writer *w)
{
    if (!means_something_else(w))
        return;
    memmove(w->path + w->name_at + ESCAPED_DOT.len, w->path + w->name_at + 1,
            w->len - w->name_at - 1);
    memcpy(w->path + w->name_at, ESCAPED_DOT.ptr, ESCAPED_DOT.len);
    w->len += ESCAPED_DOT.len - 1;
}

static void
component_encode(struct path_writer *w, lh_str component)
{
    for (size_t i = 0; i < component.len;) {
        size_t n = unit_length(component.ptr + i, component.len - i);
        bool is_percent = component.ptr[i] == '%';
        lh_str unit = is_percent ? ESCAPED_PERCENT : (lh_str){component.ptr + i, n};
        if (w->len - w->name_at + unit.len > NAME_BYTES_MAX)
            name_continue(w);
        path_add(w, unit.ptr, unit.len);
        i += n;
    }
    name_end(w);
}

void
local_path_encode(lh_str key, char path[LOCAL_PATH_MAX])
{
    struct path_writer w = {.path = path};
    lh_str rest = key, component;

    while (lh_str_next(&rest, '/', &component)) {
        if (component.len == 0) /* behind the final '/' of a prefix */
            continue;
        if (w.len > 0)
            path_add(&w, "/", 1);
        w.name_at = w.len;
        component_encode(&w, component);
    }
    path[w.len] = '\0';
}

bool
local_name_decode(lh_str name, struct lh_buf *out, bool *is_continued)
{
    size_t at;

    *is_continued = false;
    if (!lh_str_find_char(name, '%', &at)) { /* nearly every name */
        lh_buf_add_str(out, name);
        return !out->is_failed;
    }
    *is_continued = lh_str_ends(name, CONTINUED);
    if (*is_continued)
        name.len -= CONTINUED.len;
    for (size_t i = 0; i < name.len;) {
        lh_str rest = lh_str_slice(name, i, name.len);
        bool is_percent = lh_str_starts(rest, ESCAPED_PERCENT);
        bool is_dot = lh_str_starts(rest, ESCAPED_DOT);
        if (*rest.ptr == '%' && !is_percent && !is_dot)
            return false;
        lh_buf_add_char(out, is_percent ? '%' : is_dot ? '.' : *rest.ptr);
        i += is_percent || is_dot ? ESCAPED_PERCENT.len : 1;
    }
    return !out->is_failed;
}
