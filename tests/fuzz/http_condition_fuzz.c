/*
 * Any bytes as Range and as a list of entity tags: a range that counts lies within its thing, and
 * what matches strongly matches weakly. The first nine bytes are the size of the thing and the
 * length of the tag.
 */
#include <stdlib.h>
#include <string.h>

#include "net/condition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
range_check(lh_str field, uint64_t size)
{
    uint64_t from = 0, length = 0;
    bool is_satisfiable = false;

    if (!lh_range_parse(field, size, &from, &length, &is_satisfiable) || !is_satisfiable)
        return;
    must(length > 0 && from < size && length <= size - from);
}

static void
tags_check(lh_str list, lh_str tag)
{
    if (lh_etag_match(list, tag, false))
        must(lh_etag_match(list, tag, true));
    if (lh_if_range_holds(list, tag) && list.ptr)
        must(lh_str_eq(lh_str_trim(list), tag));
    if (lh_condition_check(list, LH_STR_NONE, tag, true) == LH_CONDITION_NONE && list.ptr)
        must(lh_etag_match(list, tag, false));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t thing;
    size_t tag_len;
    lh_str rest, tag;

    if (size < 9)
        return 0;
    memcpy(&thing, data, sizeof(thing));
    tag_len = data[8] < size - 9 ? data[8] : size - 9;
    rest = (lh_str){(const char *)data + 9, size - 9};
    tag = lh_str_slice(rest, 0, tag_len);
    rest = lh_str_slice(rest, tag_len, rest.len);
    range_check(rest, thing);
    range_check(rest, thing % 1000);
    tags_check(rest, tag);
    return 0;
}
