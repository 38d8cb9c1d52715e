#include "services/catalogd/name.h"

#include <stdio.h>

#include "services/catalogd/client.h"

/* Drawn once at random for this system. Changing it would change the id of every dataset. */
static const lh_uuid space = {{0x5b, 0x2d, 0x0e, 0x91, 0x7c, 0x46, 0x4f, 0x0a, 0x9d, 0x3e, 0x61,
                               0xb8, 0x2f, 0xc4, 0x15, 0xe7}};

/* Unqualified names that DuckDB resolves by itself: system views of its default search path. */
static const char *const kept_prefixes[] = {"duckdb_", "pg_", "sqlite_", "pragma_", NULL};
static const char *const kept_names[] = {"information_schema", NULL};

static bool
char_is_name(char c, bool is_first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!is_first && c >= '0' && c <= '9');
}

static bool
name_is_formed(lh_str name)
{
    if (name.len == 0 || name.len > CATALOG_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!char_is_name(name.ptr[i], i == 0))
            return false;
    return true;
}

static bool
name_is_kept(lh_str name)
{
    for (size_t i = 0; kept_prefixes[i] != NULL; i++)
        if (lh_str_eq_nocase(lh_str_slice(name, 0, strlen(kept_prefixes[i])),
                             lh_str_of(kept_prefixes[i])))
            return true;
    for (size_t i = 0; kept_names[i] != NULL; i++)
        if (lh_str_eq_nocase(name, lh_str_of(kept_names[i])))
            return true;
    return false;
}

lh_status
lh_catalog_name_check(lh_str name, struct lh_error *err)
{
    if (!name_is_formed(name))
        return lh_fail(err, LH_INVALID, "catalog.name",
                       "'%.*s' is no dataset name: a letter or '_', then up to %d letters, digits "
                       "or '_'",
                       LH_FMT(lh_str_fit(name, 80)), CATALOG_NAME_MAX - 1);
    if (name_is_kept(name))
        return lh_fail(err, LH_INVALID, "catalog.name",
                       "'%.*s' is a name that the SQL engine keeps for itself", LH_FMT(name));
    return LH_OK;
}

lh_uuid
catalog_name_id(lh_str name)
{
    return lh_uuid_v5(space, name);
}

lh_uuid
catalog_version_id(lh_str name, uint64_t version)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)version);
    return lh_uuid_v5(catalog_name_id(name), lh_str_of(text));
}

/* ---- near names ---- */

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t
smallest(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* Levenshtein over one row; names are at most 63 bytes, longer ones are cut, which only makes them
 * look nearer. */
size_t
catalog_name_distance(lh_str a, lh_str b, size_t limit)
{
    size_t row[CATALOG_NAME_MAX + 1];

    a = lh_str_slice(a, 0, CATALOG_NAME_MAX);
    b = lh_str_slice(b, 0, CATALOG_NAME_MAX);
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];

            row[j] = smallest(above + 1, row[j - 1] + 1,
                              diagonal + (lower(a.ptr[i - 1]) != lower(b.ptr[j - 1])));
            diagonal = above;
        }
    }
    return row[b.len] <= limit ? row[b.len] : limit + 1;
}

size_t
catalog_name_near_limit(lh_str name)
{
    return name.len < 6 ? 2 : name.len / 3;
}
