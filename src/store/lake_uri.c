#include "store/store.h"

bool
lh_lake_uri_parse(lh_str uri, lh_str *bucket, lh_str *key)
{
    lh_str scheme = LH_STR("lake://"), rest, name;

    if (!lh_str_starts(uri, scheme))
        return false;
    rest = lh_str_slice(uri, scheme.len, uri.len);
    if (!lh_str_cut(&rest, '/', &name) || lh_bucket_name_check(name, NULL) != LH_OK ||
        lh_key_check(rest, NULL) != LH_OK)
        return false;
    *bucket = name;
    *key = rest;
    return true;
}
