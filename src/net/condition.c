#include "net/condition.h"

static bool
range_spec_parse(lh_str spec, uint64_t size, uint64_t *from, uint64_t *length, bool *is_satisfiable)
{
    uint64_t first, last = UINT64_MAX;
    lh_str head;

    if (!lh_str_cut(&spec, '-', &head))
        return false;
    if (head.len == 0) {
        uint64_t suffix;

        if (!lh_str_u64(spec, &suffix))
            return false;
        *is_satisfiable = suffix > 0 && size > 0;
        *length = suffix < size ? suffix : size;
        *from = size - *length;
        return true;
    }
    if (!lh_str_u64(head, &first) || (spec.len > 0 && !lh_str_u64(spec, &last)) || last < first)
        return false;
    *is_satisfiable = first < size;
    if (*is_satisfiable) {
        *from = first;
        *length = (last < size - 1 ? last : size - 1) - first + 1;
    }
    return true;
}

bool
lh_range_parse(lh_str header, uint64_t size, uint64_t *from, uint64_t *length, bool *is_satisfiable)
{
    uint64_t start = 0, count = 0;
    bool is_ok = false;
    lh_str unit;
    size_t comma;

    if (!lh_str_cut(&header, '=', &unit) || !lh_str_eq_nocase(lh_str_trim(unit), LH_STR("bytes")))
        return false;
    if (lh_str_find_char(header, ',', &comma))
        return false;
    if (!range_spec_parse(lh_str_trim(header), size, &start, &count, &is_ok))
        return false;
    *from = is_ok ? start : 0;
    *length = is_ok ? count : 0;
    *is_satisfiable = is_ok;
    return true;
}

static bool
tag_is_weak(lh_str tag)
{
    return lh_str_starts(tag, LH_STR("W/"));
}

static lh_str
tag_opaque(lh_str tag)
{
    return tag_is_weak(tag) ? lh_str_slice(tag, 2, tag.len) : tag;
}

static bool
char_parts_tags(char c)
{
    return c == ',' || c == ' ' || c == '\t';
}

/* Takes the next tag off the list. A quoted tag may hold commas, so the list is not cut at those.
 */
static bool
tag_next(lh_str *list, lh_str *tag)
{
    size_t start, end, quote;

    while (list->len > 0 && char_parts_tags(list->ptr[0]))
        *list = lh_str_slice(*list, 1, list->len);
    if (list->len == 0)
        return false;
    start = tag_is_weak(*list) ? 2 : 0;
    if (start < list->len && list->ptr[start] == '"') {
        if (!lh_str_find_char(lh_str_slice(*list, start + 1, list->len), '"', &quote))
            return false;
        end = start + quote + 2;
    } else if (!lh_str_find_char(*list, ',', &end)) {
        end = list->len;
    }
    *tag = lh_str_trim(lh_str_slice(*list, 0, end));
    *list = lh_str_slice(*list, end, list->len);
    return true;
}

bool
lh_etag_match(lh_str list, lh_str etag, bool weak)
{
    lh_str tag;

    if (etag.len == 0)
        return false;
    if (lh_str_eq(lh_str_trim(list), LH_STR("*")))
        return true;
    while (tag_next(&list, &tag)) {
        bool is_comparable = weak || (!tag_is_weak(tag) && !tag_is_weak(etag));

        if (is_comparable && lh_str_eq(tag_opaque(tag), tag_opaque(etag)))
            return true;
    }
    return false;
}

enum lh_condition
lh_condition_check(lh_str if_match, lh_str if_none_match, lh_str etag, bool is_read)
{
    if (if_match.ptr && !lh_etag_match(if_match, etag, false))
        return LH_CONDITION_FAILED;
    if (if_none_match.ptr && lh_etag_match(if_none_match, etag, true))
        return is_read ? LH_CONDITION_NOT_MODIFIED : LH_CONDITION_FAILED;
    return LH_CONDITION_NONE;
}

bool
lh_if_range_holds(lh_str if_range, lh_str etag)
{
    lh_str wanted = lh_str_trim(if_range);

    if (!if_range.ptr)
        return true;
    return etag.len > 0 && !tag_is_weak(etag) && lh_str_eq(wanted, etag);
}
