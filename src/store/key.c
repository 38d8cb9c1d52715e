#include "store/key.h"

static lh_status
key_refuse(struct lh_error *err, const char *why)
{
    return lh_fail(err, LH_INVALID, "store.key", "the object key %s", why);
}

static lh_status
component_check(lh_str component, struct lh_error *err)
{
    if (component.len == 0)
        return key_refuse(err, "has an empty component: a leading, trailing or doubled '/'");
    if (lh_str_eq(component, LH_STR(".")) || lh_str_eq(component, LH_STR("..")))
        return key_refuse(err, "has a component '.' or '..'");
    return LH_OK;
}

lh_status
lh_key_check(lh_str key, struct lh_error *err)
{
    lh_str component;

    if (key.len == 0)
        return key_refuse(err, "is empty");
    if (key.len > LH_KEY_MAX)
        return lh_fail(err, LH_INVALID, "store.key", "the object key has %zu bytes, %d are allowed",
                       key.len, LH_KEY_MAX);
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (c == '\0' || c == '\r' || c == '\n' || c == '\t')
            return key_refuse(err, "has a NUL, CR, LF or tab");
    }
    if (!lh_str_is_utf8(key))
        return key_refuse(err, "is not UTF-8");
    for (lh_str rest = key; lh_str_next(&rest, '/', &component);)
        LH_TRY(component_check(component, err));
    return LH_OK;
}

const char *
lh_key_owner(lh_str key)
{
    static const struct {
        lh_str prefix;
        const char *service;
    } owners[] = {
        {LH_STR("_catalog"), "catalogd"},  {LH_STR("_data"), "ingestd"},
        {LH_STR("_ingest"), "ingestd"},    {LH_STR("_journal"), "journald"},
        {LH_STR("_vectors"), "vectord"},   {LH_STR("_gateway"), "gateway"},
        {LH_STR("_observer"), "observer"}, {LH_STR("_auditor"), "auditor"},
        {LH_STR("_jobs"), "jobs"},
    };
    lh_str component = {NULL, 0}, rest = key;

    if (!lh_str_starts(key, LH_STR("_")))
        return "";
    (void)lh_str_cut(&rest, '/', &component);
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
        if (lh_str_eq(component, owners[i].prefix))
            return owners[i].service;
    return "storaged";
}

static bool
is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

lh_status
lh_bucket_name_check(lh_str name, struct lh_error *err)
{
    bool is_good = name.len >= 3 && name.len <= 63;

    for (size_t i = 0; is_good && i < name.len; i++) {
        bool is_edge = i == 0 || i == name.len - 1;
        char c = name.ptr[i];
        is_good = is_lower_or_digit(c) || (!is_edge && (c == '.' || c == '-'));
    }
    if (!is_good)
        return lh_fail(
            err, LH_INVALID, "store.bucket_name",
            "a bucket name has 3 to 63 bytes of a-z, 0-9, '.' and '-', and begins and ends "
            "with a letter or digit; '%.*s' does not",
            LH_FMT(lh_str_fit(name, 80)));
    return LH_OK;
}
