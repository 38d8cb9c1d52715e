/*
 * manifest_decode: any table at all, read as a manifest.
 *
 * The input is cut at 0x1D: first the metadata values in the order below, then rows of six cells.
 * An empty cell is NULL. What is taken must be the same when it is written and read once more.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/abort.h"
#include "services/catalogd/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = {
    "format",      "dataset",  "dataset_id",  "version",        "parent",
    "created_at",  "mode",     "source",      "content_sha256", "ingest_key",
    "fingerprint", "rejects",  "rows",        "rows_rejected",  "size_bytes",
    "actor",       "trace_id", "commit_id",   "columns",        "ingest_keys",
    "tombstones",  "erased",   "hidden_rows", "reason",         "requested_by",
};

static const struct lh_table_column columns[] = {
    {"bucket", LH_CELL_TEXT},     {"key", LH_CELL_TEXT},       {"sha256", LH_CELL_TEXT},
    {"ingest_key", LH_CELL_TEXT}, {"size_bytes", LH_CELL_I64}, {"rows", LH_CELL_I64},
};

enum { TEXT_COLUMNS = 4, COLUMNS = 6, ROWS_MAX = 1000 };

static void
cell_set(struct lh_table *t, size_t row, size_t column, lh_str text)
{
    int64_t number;

    if (text.len == 0)
        return;
    if (column < TEXT_COLUMNS)
        lh_table_set_text(t, row, column, text);
    else if (lh_str_i64(text, &number))
        lh_table_set_i64(t, row, column, number);
}

static struct lh_table *
table_make(lh_str input)
{
    struct lh_table *t = lh_table_new(columns, COLUMNS);
    lh_str part;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (lh_str_next(&input, '\x1d', &part))
            lh_table_meta_set(t, keys[i], part);
    for (size_t row = 0; row < ROWS_MAX && input.ptr != NULL; row++) {
        lh_table_row_add(t);
        for (size_t column = 0; column < COLUMNS; column++)
            if (lh_str_next(&input, '\x1d', &part))
                cell_set(t, row, column, part);
    }
    return t;
}

static void
twice_check(const struct catalog_snapshot *s, lh_str dataset, uint64_t version)
{
    LH_AUTO(lh_table) *t = NULL;
    LH_AUTO(catalog_snapshot) *again = NULL;

    if (catalog_manifest_to_table(s, &t, NULL) != LH_OK ||
        catalog_manifest_from_table(t, dataset, version, &again, NULL) != LH_OK)
        lh_abort("a manifest that was read cannot be written and read again");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    LH_AUTO(lh_table) *t = table_make((lh_str){(const char *)data, size});
    LH_AUTO(catalog_snapshot) *s = NULL;
    lh_str dataset = lh_table_meta(t, "dataset");
    uint64_t version = 0;

    (void)lh_str_u64(lh_table_meta(t, "version"), &version);
    if (catalog_manifest_from_table(t, dataset, version, &s, NULL) == LH_OK)
        twice_check(s, dataset, version);
    return 0;
}
