/*
 * Any bytes as an object key: what passes the check has one path beneath the root that never
 * climbs, whose names fit a file system, and that reads back as the same key. The same bytes as a
 * name found on disk: reading it never overruns.
 */
#include <stdlib.h>

#include "store/local.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
name_check(lh_str name)
{
    if (name.len == 0 || name.len > 250 || lh_str_eq(name, LH_STR(".")) ||
        lh_str_eq(name, LH_STR("..")))
        abort();
}

static void
round_trip(lh_str key)
{
    LH_AUTO_BUF(back, (size_t)2 * LOCAL_PATH_MAX);
    char path[LOCAL_PATH_MAX];
    lh_str rest, name;
    bool is_continued = true;

    local_path_encode(key, path);
    rest = lh_str_of(path);
    if (rest.len >= LOCAL_PATH_MAX || lh_str_eq(rest, LH_STR(LOCAL_OWN_FOLDER)) ||
        lh_str_starts(rest, LH_STR(LOCAL_OWN_FOLDER "/")))
        abort();
    while (lh_str_next(&rest, '/', &name)) {
        name_check(name);
        if (!is_continued)
            lh_buf_add_char(&back, '/');
        if (!local_name_decode(name, &back, &is_continued))
            abort();
    }
    if (is_continued || !lh_str_eq(lh_buf_str(&back), key))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of its own, so that a read past the end is noticed */
    lh_str key = {copy, size}, bucket, rest;
    LH_AUTO_BUF(name, (size_t)1 << 20);
    bool is_continued;

    memcpy(copy, data, size);
    if (lh_key_check(key, NULL) == LH_OK)
        round_trip(key);
    (void)lh_key_owner(key);
    (void)lh_bucket_name_check(key, NULL);
    (void)lh_lake_uri_parse(key, &bucket, &rest);
    (void)local_name_decode(key, &name, &is_continued);
    free(copy);
    return 0;
}
