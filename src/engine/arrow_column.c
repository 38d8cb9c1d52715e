#include "engine/arrow_column.h"

#include <limits.h>

#include "engine/result_text.h"
#include "engine/result_value.h"

/* ---- layouts ---- */

static size_t
storage_width(duckdb_type id)
{
    switch (id) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_UTINYINT:
        return 1;
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_USMALLINT:
        return 2;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DATE:
        return 4;
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_INTERVAL:
    case DUCKDB_TYPE_UUID:
        return 16;
    default:
        return 8;
    }
}

static enum arrow_layout
layout_of(const struct result_type *type)
{
    switch (type->id) {
    case DUCKDB_TYPE_SQLNULL:
        return ARROW_NULL;
    case DUCKDB_TYPE_BOOLEAN:
        return ARROW_BITS;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
        return ARROW_BINARY;
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_BIGNUM:
    case DUCKDB_TYPE_BIT:
    case DUCKDB_TYPE_TIME_TZ:
        return ARROW_TEXT;
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_MAP:
        return ARROW_LIST;
    case DUCKDB_TYPE_ARRAY:
        return ARROW_FIXED_LIST;
    case DUCKDB_TYPE_STRUCT:
        return ARROW_STRUCT;
    case DUCKDB_TYPE_UNION:
        return ARROW_UNION;
    default:
        return ARROW_FIXED;
    }
}

/* Offsets begin with a zero, also those of no rows. */
static void
offsets_begin(struct arrow_column *c)
{
    static const int32_t zero;

    lh_buf_clear(&c->offsets);
    if (c->layout == ARROW_BINARY || c->layout == ARROW_TEXT || c->layout == ARROW_LIST)
        lh_buf_add(&c->offsets, &zero, sizeof(zero));
}

void
arrow_column_init(struct arrow_column *c, const struct result_type *type, struct lh_arena *arena)
{
    *c = (struct arrow_column){.type = type, .layout = layout_of(type)};
    c->width = storage_width(type->id == DUCKDB_TYPE_ENUM ? type->storage : type->id);
    lh_buf_init(&c->validity, LH_BUF_UNLIMITED);
    lh_buf_init(&c->values, LH_BUF_UNLIMITED);
    lh_buf_init(&c->offsets, LH_BUF_UNLIMITED);
    offsets_begin(c);
    c->member_count = type->member_count;
    c->members = lh_arena_array(arena, c->member_count + 1, sizeof(*c->members));
    for (size_t i = 0; i < c->member_count; i++)
        arrow_column_init(&c->members[i], &type->members[i], arena);
}

void
arrow_column_fini(struct arrow_column *c)
{
    lh_buf_fini(&c->validity);
    lh_buf_fini(&c->values);
    lh_buf_fini(&c->offsets);
    for (size_t i = 0; i < c->member_count; i++)
        arrow_column_fini(&c->members[i]);
}

void
arrow_column_clear(struct arrow_column *c)
{
    c->rows = c->null_count = 0;
    lh_buf_clear(&c->validity);
    lh_buf_clear(&c->values);
    offsets_begin(c);
    for (size_t i = 0; i < c->member_count; i++)
        arrow_column_clear(&c->members[i]);
}

size_t
arrow_column_bytes(const struct arrow_column *c)
{
    size_t n = c->validity.len + c->values.len + c->offsets.len;

    for (size_t i = 0; i < c->member_count; i++)
        n += arrow_column_bytes(&c->members[i]);
    return n;
}

/* ---- bits ---- */

/* Makes the bitmap `rows` bits long, new ones set to `bit`. */
static void
bits_extend(struct lh_buf *bits, size_t from, size_t rows, bool bit)
{
    size_t bytes = (rows + 7) / 8;

    for (; from % 8 != 0 && from < rows; from++)
        if (bit)
            bits->data[from / 8] |= (uint8_t)(1u << from % 8);
    if (bytes > bits->len) {
        size_t more = bytes - bits->len;
        uint8_t *to = lh_buf_reserve(bits, more);

        if (!to)
            return;
        memset(to, bit ? 0xFF : 0, more);
        lh_buf_advance(bits, more);
    }
}

static void
bit_clear(struct lh_buf *bits, size_t at)
{
    bits->data[at / 8] &= (uint8_t) ~(1u << at % 8);
}

/* NULL rows of the slice become zero bits; without any, the bitmap stays as empty as it is. */
static void
validity_append(struct arrow_column *c, const struct result_cells *cells, size_t from, size_t count)
{
    size_t before = c->null_count;

    for (size_t i = 0; cells->validity && i < count; i++) {
        if (!result_cell_is_null(cells, from + i))
            continue;
        if (c->null_count++ == 0)
            bits_extend(&c->validity, 0, c->rows, true);
        if (c->null_count == before + 1)
            bits_extend(&c->validity, c->rows, c->rows + count, true);
        bit_clear(&c->validity, c->rows + i);
    }
    if (c->null_count == before && before > 0)
        bits_extend(&c->validity, c->rows, c->rows + count, true);
}

static void
booleans_append(struct arrow_column *c, const struct result_cells *cells, size_t from, size_t count)
{
    bits_extend(&c->values, c->rows, c->rows + count, true);
    for (size_t i = 0; i < count; i++)
        if (!cells->data[from + i] || result_cell_is_null(cells, from + i))
            bit_clear(&c->values, c->rows + i);
}

/* ---- values of fixed width ---- */

static void
decimals_put(const struct result_cells *cells, size_t from, size_t count, uint8_t *to)
{
    for (size_t i = 0; i < count; i++) {
        result_wide v = result_cell_wide(cells, from + i);

        memcpy(to + 16 * i, &v, 16);
    }
}

static void
uuids_put(const struct result_cells *cells, size_t from, size_t count, uint8_t *to)
{
    const duckdb_hugeint *v = (const duckdb_hugeint *)(const void *)cells->data + from;

    for (size_t i = 0; i < count; i++) {
        uint64_t upper = __builtin_bswap64((uint64_t)v[i].upper ^ ((uint64_t)1 << 63));
        uint64_t lower = __builtin_bswap64(v[i].lower);

        memcpy(to + 16 * i, &upper, 8);
        memcpy(to + 16 * i + 8, &lower, 8);
    }
}

static lh_status
intervals_put(const struct result_cells *cells, size_t from, size_t count, uint8_t *to,
              struct lh_error *err)
{
    const duckdb_interval *v = (const duckdb_interval *)(const void *)cells->data + from;

    for (size_t i = 0; i < count; i++) {
        int64_t ns = 0;

        if (!result_cell_is_null(cells, from + i) && __builtin_mul_overflow(v[i].micros, 1000, &ns))
            return lh_fail(err, LH_INVALID, "sql.arrow",
                           "an interval is longer than Arrow's nanoseconds can hold");
        memcpy(to + 16 * i, &v[i].months, 4);
        memcpy(to + 16 * i + 4, &v[i].days, 4);
        memcpy(to + 16 * i + 8, &ns, 8);
    }
    return LH_OK;
}

/* What lies in a vector under a NULL is whatever was in that memory before. */
static void
nulls_zero(const struct result_cells *cells, size_t from, size_t count, size_t width, uint8_t *to)
{
    for (size_t i = 0; cells->validity && i < count; i++)
        if (result_cell_is_null(cells, from + i))
            memset(to + width * i, 0, width);
}

static lh_status
fixed_append(struct arrow_column *c, const struct result_cells *cells, size_t from, size_t count,
             struct lh_error *err)
{
    uint8_t *to = lh_buf_reserve(&c->values, count * c->width);

    if (!to)
        return lh_buf_check(&c->values, "a column of a record batch", err);
    switch (c->type->id) {
    case DUCKDB_TYPE_DECIMAL:
        decimals_put(cells, from, count, to);
        break;
    case DUCKDB_TYPE_UUID:
        uuids_put(cells, from, count, to);
        break;
    case DUCKDB_TYPE_INTERVAL:
        LH_TRY(intervals_put(cells, from, count, to, err));
        break;
    default:
        memcpy(to, cells->data + from * c->width, count * c->width);
    }
    nulls_zero(cells, from, count, c->width, to);
    lh_buf_advance(&c->values, count * c->width);
    return LH_OK;
}

/* ---- values with offsets ---- */

static int32_t *
offsets_reserve(struct arrow_column *c, size_t count)
{
    return (int32_t *)(void *)lh_buf_reserve(&c->offsets, count * sizeof(int32_t));
}

static lh_status
too_big(struct lh_error *err)
{
    return lh_fail(err, LH_TOO_BIG, "sql.arrow",
                   "the values of one column are too large for a record batch of Arrow");
}

static lh_status
bytes_append(struct arrow_column *c, const struct result_cells *cells, size_t from, size_t count,
             struct lh_error *err)
{
    int32_t *offsets = offsets_reserve(c, count);

    for (size_t i = 0; i < count; i++) {
        if (result_cell_is_null(cells, from + i))
            ;
        else if (c->layout == ARROW_TEXT)
            result_plain_text(cells, from + i, &c->values);
        else
            lh_buf_add_str(&c->values, result_cell_str(cells, from + i));
        if (c->values.len > INT32_MAX)
            return too_big(err);
        offsets[i] = (int32_t)c->values.len;
    }
    lh_buf_advance(&c->offsets, count * sizeof(*offsets));
    return LH_OK;
}

/* Rows of a list's members, of a MAP both its keys and its values. */
static lh_status
items_append(struct arrow_column *c, const struct result_cells *cells, size_t from, size_t count,
             struct lh_error *err)
{
    for (size_t i = 0; count > 0 && i < c->member_count; i++)
        LH_TRY(arrow_column_append(&c->members[i], &cells->members[i], from, count, err));
    return LH_OK;
}

/* Lists that lie one behind the other, which is how they mostly lie, are taken in one piece. */
static lh_status
lists_append(struct arrow_column *c, const struct result_cells *cells, size_t from, size_t count,
             struct lh_error *err)
{
    const duckdb_list_entry *e = (const duckdb_list_entry *)(const void *)cells->data + from;
    size_t at = c->members[0].rows, run_from = 0, run_count = 0;
    int32_t *offsets = offsets_reserve(c, count);

    for (size_t i = 0; i < count; i++) {
        size_t length = result_cell_is_null(cells, from + i) ? 0 : e[i].length;

        if (length > 0 && e[i].offset != run_from + run_count) {
            LH_TRY(items_append(c, cells, run_from, run_count, err));
            run_from = e[i].offset;
            run_count = 0;
        }
        run_count += length;
        at += length;
        if (at > INT32_MAX)
            return too_big(err);
        offsets[i] = (int32_t)at;
    }
    lh_buf_advance(&c->offsets, count * sizeof(*offsets));
    return items_append(c, cells, run_from, run_count, err);
}

/* ---- unions ---- */

static lh_status
unions_append(struct arrow_column *c, const struct result_cells *cells, size_t from, size_t count,
              struct lh_error *err)
{
    uint8_t *to = lh_buf_reserve(&c->values, count);

    for (size_t i = 0; to && i < count; i++) {
        uint8_t tag = cells->tags[from + i];

        to[i] = result_cell_is_null(cells, from + i) || tag >= c->member_count ? 0 : tag;
    }
    lh_buf_advance(&c->values, count);
    return items_append(c, cells, from, count, err);
}

/* ---- all ---- */

static lh_status
values_append(struct arrow_column *c, const struct result_cells *cells, size_t from, size_t count,
              struct lh_error *err)
{
    size_t size = c->type->array_size;

    switch (c->layout) {
    case ARROW_BITS:
        booleans_append(c, cells, from, count);
        return LH_OK;
    case ARROW_FIXED:
        return fixed_append(c, cells, from, count, err);
    case ARROW_BINARY:
    case ARROW_TEXT:
        return bytes_append(c, cells, from, count, err);
    case ARROW_LIST:
        return lists_append(c, cells, from, count, err);
    case ARROW_FIXED_LIST:
        return items_append(c, cells, from * size, count * size, err);
    case ARROW_STRUCT:
        return items_append(c, cells, from, count, err);
    case ARROW_UNION:
        return unions_append(c, cells, from, count, err);
    default:
        return LH_OK;
    }
}

lh_status
arrow_column_append(struct arrow_column *c, const struct result_cells *cells, size_t from,
                    size_t count, struct lh_error *err)
{
    if (c->layout == ARROW_NULL)
        c->null_count += count;
    else if (c->layout != ARROW_UNION)
        validity_append(c, cells, from, count);
    LH_TRY(values_append(c, cells, from, count, err));
    c->rows += count;
    return LH_OK;
}
