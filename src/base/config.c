/*
 * A config is a row of values beside a row of keys. Loading fills it from the left to the right of
 * the order of precedence: defaults, then the file as the TOML walk delivers it, then the
 * environment; lh_config_set comes later. Each step replaces a value whole. One table of an array
 * of tables is a config of its own, whose keys are the `fields`.
 */
#include "base/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/abort.h"
#include "base/alloc.h"
#include "base/config_value.h"
#include "base/file.h"
#include "base/toml.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define PLACE_MAX 512
#define NEAR_MAX 3

struct lh_config {
    const struct lh_config_key **keys;
    struct config_value *values; /* one for each key */
    size_t count;
};

/* ---- building ---- */

static size_t
key_index(const struct lh_config *c, lh_str name)
{
    size_t i = 0;

    while (i < c->count && !lh_str_eq(name, lh_str_of(c->keys[i]->name)))
        i++;
    return i;
}

static void
config_add_keys(struct lh_config *c, const struct lh_config_key *table)
{
    for (; table->name != NULL; table++) {
        if (key_index(c, lh_str_of(table->name)) < c->count)
            lh_abort("config key %s is declared twice", table->name);
        c->keys = lh_realloc_array(c->keys, c->count + 1, sizeof(*c->keys));
        c->keys[c->count++] = table;
    }
}

/* A default that does not read is a bug, found by the first start. */
static void
config_add_defaults(struct lh_config *c)
{
    LH_AUTO_ERROR(err);

    c->values = lh_alloc_array(c->count, sizeof(*c->values));
    for (size_t i = 0; i < c->count; i++) {
        const struct lh_config_key *key = c->keys[i];
        if (key->kind == LH_CONFIG_TABLES || key->def == NULL)
            continue;
        if (config_value_read(key, lh_str_of(key->def), "default", &c->values[i], &err) != LH_OK)
            lh_abort("config key %s: %s", key->name, err.text);
    }
}

static struct lh_config *
config_new(const struct lh_config_key *const *tables)
{
    struct lh_config *c = LH_NEW(struct lh_config);

    for (; *tables != NULL; tables++)
        config_add_keys(c, *tables);
    config_add_defaults(c);
    return c;
}

void
lh_config_free(struct lh_config *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        config_value_fini(&c->values[i]);
    free(c->values);
    free(c->keys);
    free(c);
}

/* Takes the content of `from`; `source` is copied. */
static void
value_replace(struct config_value *to, struct config_value *from, const char *source)
{
    config_value_fini(to);
    *to = *from;
    to->source = lh_strdup(source);
    *from = (struct config_value){0};
}

/* ---- near names ---- */

static size_t
min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance by one row of the table; names past its width are not near anything. */
static size_t
distance(lh_str a, lh_str b)
{
    size_t row[65];

    if (a.len > 64 || b.len > 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t changed = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            row[j] = min3(row[j] + 1, row[j - 1] + 1, changed);
        }
    }
    return row[b.len];
}

static lh_str
last_part(lh_str name)
{
    size_t from = name.len;

    while (from > 0 && name.ptr[from - 1] != '.')
        from--;
    return lh_str_slice(name, from, name.len);
}

/* A few letters off, or the right name in the wrong table. */
static bool
is_near(lh_str asked, lh_str known)
{
    size_t allowed = asked.len / 4 < 1 ? 1 : asked.len / 4 > 3 ? 3 : asked.len / 4;

    return distance(asked, known) <= allowed || lh_str_eq(last_part(asked), last_part(known));
}

/* `[bucket]` where `[[bucket]]` is meant makes every key in it unknown. */
static const char *
table_around(const struct lh_config *c, lh_str name)
{
    for (size_t i = 0; i < c->count; i++) {
        lh_str table = lh_str_of(c->keys[i]->name);
        if (c->keys[i]->kind == LH_CONFIG_TABLES && lh_str_starts(name, table) &&
            name.len > table.len && name.ptr[table.len] == '.')
            return c->keys[i]->name;
    }
    return NULL;
}

static lh_status
unknown_key(const struct lh_config *c, lh_str name, const char *where, struct lh_error *err)
{
    const char *table = table_around(c, name);
    if (table != NULL)
        return lh_fail(err, LH_INVALID, "config.unknown_key",
                       "%s: unknown key \"%.*s\"; an array of tables is written [[%s]]", where,
                       LH_FMT(name), table);
    LH_AUTO_BUF(near, LH_ERROR_TEXT_MAX);
    int count = 0;

    for (size_t i = 0; i < c->count && count < NEAR_MAX; i++) {
        if (!is_near(name, lh_str_of(c->keys[i]->name)))
            continue;
        lh_buf_printf(&near, "%s\"%s\"", count++ > 0 ? " or " : "; did you mean ",
                      c->keys[i]->name);
    }
    if (count > 0)
        lh_buf_add_char(&near, '?');
    return lh_fail(err, LH_INVALID, "config.unknown_key", "%s: unknown key \"%.*s\"%s", where,
                   LH_FMT(name), lh_buf_cstr(&near));
}

/* ---- file ---- */

/* Where the walk stands: in the document, in one table of an array, in a list. */
struct filling {
    const char *file;
    struct lh_config *config; /* the document's, or the table's */
    struct lh_config *outer;  /* the document's while inside a table */
    char table_place[PLACE_MAX];
    struct config_value list; /* being gathered */
    bool in_list;
};

static char *
place_text(const struct filling *f, struct base_toml_place at, char text[PLACE_MAX])
{
    snprintf(text, PLACE_MAX, "%s:%u:%u", f->file, at.line, at.column);
    return text;
}

static const char *
item_kind_name(enum base_toml_kind kind)
{
    switch (kind) {
    case BASE_TOML_STR:
        return "a string";
    case BASE_TOML_I64:
        return "an integer";
    case BASE_TOML_F64:
        return "a floating-point number";
    case BASE_TOML_BOOL:
        return "a boolean";
    case BASE_TOML_DATE:
        return "a date or time";
    case BASE_TOML_LIST_BEGIN:
    case BASE_TOML_LIST_END:
        return "a list";
    case BASE_TOML_TABLE_BEGIN:
    case BASE_TOML_TABLE_END:
        break;
    }
    return "a table";
}

static lh_status
wrong_type(const struct lh_config_key *key, const char *where, enum base_toml_kind found,
           struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "config.type", "%s: %s must be %s, not %s", where, key->name,
                   config_kind_name(key->kind), item_kind_name(found));
}

/* Numbers that stand as such. What is written as a string goes through config_value_read instead.
 */
static bool
number_take(enum lh_config_kind kind, const struct base_toml_item *item, struct config_value *v)
{
    bool is_i64 = item->kind == BASE_TOML_I64;

    v->i64 = item->i64;
    v->f64 = is_i64 ? (double)item->i64 : item->f64;
    switch (kind) {
    case LH_CONFIG_I64:
        return is_i64;
    case LH_CONFIG_SIZE:
    case LH_CONFIG_DURATION:
        return is_i64 && item->i64 >= 0;
    case LH_CONFIG_F64:
        return is_i64 || (item->kind == BASE_TOML_F64 && isfinite(v->f64));
    case LH_CONFIG_BOOL:
        return item->kind == BASE_TOML_BOOL;
    default:
        return false;
    }
}

static bool
is_written_as_string(enum lh_config_kind kind)
{
    return kind == LH_CONFIG_STR || kind == LH_CONFIG_SIZE || kind == LH_CONFIG_DURATION;
}

static lh_status
scalar_read(const struct lh_config_key *key, const struct base_toml_item *item, const char *where,
            struct config_value *v, struct lh_error *err)
{
    if (item->kind == BASE_TOML_STR && is_written_as_string(key->kind))
        return config_value_read(key, item->str, where, v, err);
    if (!number_take(key->kind, item, v))
        return wrong_type(key, where, item->kind, err);
    return config_value_check(key, where, v, err);
}

static lh_status
list_add(struct filling *f, const struct lh_config_key *key, const struct base_toml_item *item,
         const char *where, struct lh_error *err)
{
    if (key->kind != LH_CONFIG_LIST)
        return wrong_type(key, where, BASE_TOML_LIST_BEGIN, err);
    if (item->kind != BASE_TOML_STR)
        return lh_fail(err, LH_INVALID, "config.type", "%s: %s must hold strings, not %s", where,
                       key->name, item_kind_name(item->kind));
    config_value_list_add(&f->list, item->str);
    return LH_OK;
}

/* An empty list is how "no tables" is written, too. */
static lh_status
list_begin(struct filling *f, const struct lh_config_key *key, const char *where,
           struct lh_error *err)
{
    if (key->kind != LH_CONFIG_LIST && key->kind != LH_CONFIG_TABLES)
        return wrong_type(key, where, BASE_TOML_LIST_BEGIN, err);
    f->in_list = true;
    return LH_OK;
}

static lh_status
table_begin(struct filling *f, const struct lh_config_key *key, const char *where,
            struct lh_error *err)
{
    if (key->kind != LH_CONFIG_TABLES || f->outer != NULL)
        return wrong_type(key, where, BASE_TOML_TABLE_BEGIN, err);
    f->outer = f->config;
    f->config = config_new((const struct lh_config_key *const[]){key->fields, NULL});
    (void)lh_str_copy(f->table_place, sizeof(f->table_place), lh_str_of(where));
    return LH_OK;
}

static lh_status
check_required(const struct lh_config *c, const char *table_name, const char *where,
               struct lh_error *err)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->keys[i]->def == NULL && c->keys[i]->kind != LH_CONFIG_TABLES &&
            c->values[i].source == NULL)
            return lh_fail(err, LH_INVALID, "config.missing", "%s: this [[%s]] needs \"%s\"", where,
                           table_name, c->keys[i]->name);
    return LH_OK;
}

static lh_status
table_end(struct filling *f, const struct lh_config_key *key, struct config_value *v,
          struct lh_error *err)
{
    LH_TRY(check_required(f->config, key->name, f->table_place, err));
    v->tables = lh_realloc_array(v->tables, v->table_count + 1, sizeof(*v->tables));
    v->tables[v->table_count++] = f->config;
    f->config = f->outer;
    f->outer = NULL;
    if (v->source == NULL)
        v->source = lh_strdup(f->table_place);
    return LH_OK;
}

static lh_status
item_take(struct filling *f, const struct base_toml_item *item, size_t i, struct lh_error *err)
{
    const struct lh_config_key *key = f->config->keys[i];
    struct config_value *v = &f->config->values[i];
    char where[PLACE_MAX];

    place_text(f, item->value, where);
    if (item->kind == BASE_TOML_TABLE_BEGIN)
        return table_begin(f, key, where, err);
    if (item->kind == BASE_TOML_LIST_BEGIN)
        return f->in_list ? list_add(f, key, item, where, err) : list_begin(f, key, where, err);
    if (item->kind == BASE_TOML_LIST_END) {
        f->in_list = false;
        value_replace(v, &f->list, where);
        return LH_OK;
    }
    if (f->in_list)
        return list_add(f, key, item, where, err);
    __attribute__((cleanup(config_value_fini))) struct config_value fresh = {0};
    LH_TRY(scalar_read(key, item, where, &fresh, err));
    value_replace(v, &fresh, where);
    return LH_OK;
}

static lh_status
item_visit(void *arg, const struct base_toml_item *item, struct lh_error *err)
{
    struct filling *f = arg;
    char where[PLACE_MAX];

    if (item->kind == BASE_TOML_TABLE_END) {
        size_t of_outer = key_index(f->outer, item->path);
        return table_end(f, f->outer->keys[of_outer], &f->outer->values[of_outer], err);
    }
    size_t i = key_index(f->config, item->path);
    if (i == f->config->count)
        return unknown_key(f->config, item->path, place_text(f, item->key, where), err);
    return item_take(f, item, i, err);
}

static void
filling_fini(struct filling *f)
{
    config_value_fini(&f->list);
    if (f->outer != NULL)
        lh_config_free(f->config);
}

static lh_status
fill_from_toml(struct lh_config *c, lh_str toml, const char *name, struct lh_error *err)
{
    __attribute__((cleanup(filling_fini))) struct filling f = {.file = name, .config = c};

    return base_toml_walk(toml, name, item_visit, &f, err);
}

/* ---- environment and command line ---- */

static lh_status
value_set(struct lh_config *c, size_t i, lh_str text, const char *source, struct lh_error *err)
{
    __attribute__((cleanup(config_value_fini))) struct config_value fresh = {0};

    LH_TRY(config_value_read(c->keys[i], text, source, &fresh, err));
    value_replace(&c->values[i], &fresh, source);
    return LH_OK;
}

/* LAKEHOUSE_QUERY_MEMORY_LIMIT for query.memory_limit; the caller frees it. */
static char *
variable_name(const char *key_name)
{
    char *name = lh_asprintf("LAKEHOUSE_%s", key_name);

    for (char *c = name; *c != '\0'; c++) {
        if (*c == '.')
            *c = '_';
        else if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    }
    return name;
}

static lh_status
fill_from_environment(struct lh_config *c, struct lh_error *err)
{
    for (size_t i = 0; i < c->count; i++) {
        LH_AUTO_CHARS variable = variable_name(c->keys[i]->name);
        const char *text = getenv(variable);
        if (text == NULL || c->keys[i]->kind == LH_CONFIG_TABLES)
            continue;
        LH_TRY(value_set(c, i, lh_str_of(text), variable, err));
    }
    return LH_OK;
}

lh_status
lh_config_set(struct lh_config *c, const char *name, lh_str value, struct lh_error *err)
{
    size_t i = key_index(c, lh_str_of(name));

    if (i == c->count)
        return unknown_key(c, lh_str_of(name), "command line", err);
    return value_set(c, i, value, "command line", err);
}

/* ---- loading ---- */

lh_status
lh_config_parse(const struct lh_config_key *const *tables, lh_str toml, const char *name,
                struct lh_config **out, struct lh_error *err)
{
    LH_AUTO(lh_config) *c = config_new(tables);

    LH_TRY(fill_from_toml(c, toml, name, err));
    LH_TRY(fill_from_environment(c, err));
    *out = lh_take(c);
    return LH_OK;
}

lh_status
lh_config_load(const struct lh_config_key *const *tables, const char *path, struct lh_config **out,
               struct lh_error *err)
{
    LH_AUTO_BUF(text, FILE_MAX_BYTES);

    if (path == NULL)
        return lh_config_parse(tables, LH_STR(""), "", out, err);
    LH_TRY(lh_file_read(path, FILE_MAX_BYTES, &text, err));
    return lh_config_parse(tables, lh_buf_str(&text), path, out, err);
}

/* ---- reading ---- */

static const struct config_value *
value_get(const struct lh_config *c, const char *name, enum lh_config_kind kind)
{
    size_t i = key_index(c, lh_str_of(name));

    if (i == c->count || c->keys[i]->kind != kind)
        lh_abort("there is no config key %s that is %s", name, config_kind_name(kind));
    return &c->values[i];
}

const char *
lh_config_str(const struct lh_config *c, const char *name)
{
    const struct config_value *v = value_get(c, name, LH_CONFIG_STR);

    return v->str != NULL ? v->str : "";
}

int64_t
lh_config_i64(const struct lh_config *c, const char *name)
{
    return value_get(c, name, LH_CONFIG_I64)->i64;
}

double
lh_config_f64(const struct lh_config *c, const char *name)
{
    return value_get(c, name, LH_CONFIG_F64)->f64;
}

bool
lh_config_bool(const struct lh_config *c, const char *name)
{
    return value_get(c, name, LH_CONFIG_BOOL)->i64 != 0;
}

uint64_t
lh_config_size(const struct lh_config *c, const char *name)
{
    return (uint64_t)value_get(c, name, LH_CONFIG_SIZE)->i64;
}

int64_t
lh_config_ms(const struct lh_config *c, const char *name)
{
    return value_get(c, name, LH_CONFIG_DURATION)->i64;
}

size_t
lh_config_list_count(const struct lh_config *c, const char *name)
{
    return value_get(c, name, LH_CONFIG_LIST)->list_count;
}

const char *
lh_config_list_at(const struct lh_config *c, const char *name, size_t i)
{
    const struct config_value *v = value_get(c, name, LH_CONFIG_LIST);

    if (i >= v->list_count)
        lh_abort("config list %s has %zu elements, not %zu", name, v->list_count, i + 1);
    return v->list[i];
}

bool
lh_config_is_set(const struct lh_config *c, const char *name)
{
    size_t i = key_index(c, lh_str_of(name));

    if (i == c->count)
        lh_abort("there is no config key %s", name);
    return c->values[i].source != NULL;
}

size_t
lh_config_tables_count(const struct lh_config *c, const char *name)
{
    return value_get(c, name, LH_CONFIG_TABLES)->table_count;
}

const struct lh_config *
lh_config_tables_at(const struct lh_config *c, const char *name, size_t i)
{
    const struct config_value *v = value_get(c, name, LH_CONFIG_TABLES);

    if (i >= v->table_count)
        lh_abort("config has %zu [[%s]], not %zu", v->table_count, name, i + 1);
    return v->tables[i];
}

/* ---- printing ---- */

static void
print_plain(const struct lh_config *c, struct lh_buf *out)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->keys[i]->kind == LH_CONFIG_TABLES)
            continue;
        lh_buf_printf(out, "%s = ", c->keys[i]->name);
        config_value_print(c->keys[i], &c->values[i], out);
        lh_buf_printf(out, "  # %s\n",
                      c->values[i].source != NULL ? c->values[i].source : "default");
    }
}

/* Dotted keys first and tables last: TOML has no way back out of a table. */
void
lh_config_print(const struct lh_config *c, struct lh_buf *out)
{
    print_plain(c, out);
    for (size_t i = 0; i < c->count; i++)
        for (size_t t = 0; t < c->values[i].table_count; t++) {
            lh_buf_printf(out, "\n[[%s]]\n", c->keys[i]->name);
            print_plain(c->values[i].tables[t], out);
        }
}

/* A bar would end the cell. */
static void
print_cell(lh_str s, struct lh_buf *out)
{
    lh_str part;

    for (bool more = true; more;) {
        more = lh_str_cut(&s, '|', &part);
        lh_buf_add_str(out, part);
        if (more)
            lh_buf_add_cstr(out, "\\|");
    }
}

static void
reference_bounds(const struct lh_config_key *key, struct lh_buf *out)
{
    if (key->min == 0 && key->max == 0)
        return;
    config_number_print(key->kind, key->min, out);
    lh_buf_add_cstr(out, " to ");
    config_number_print(key->kind, key->max, out);
}

static void
reference_default(const struct lh_config_key *key, bool in_table, struct lh_buf *out)
{
    if (key->def == NULL && in_table && key->kind != LH_CONFIG_TABLES)
        lh_buf_add_cstr(out, "required");
    else if (key->def != NULL && *key->def != '\0')
        lh_buf_printf(out, "`%s`", key->def);
}

/* Without the line end, as only the keys of the first table have a column more. */
static void
reference_row(const struct lh_config_key *key, bool in_table, struct lh_buf *out)
{
    lh_buf_printf(out, "| `%s` | %s | ", key->name, config_kind_name(key->kind));
    reference_default(key, in_table, out);
    lh_buf_add_cstr(out, " | ");
    reference_bounds(key, out);
    lh_buf_add_cstr(out, " | ");
    print_cell(lh_str_of(key->doc), out);
    if (key->is_secret)
        lh_buf_add_cstr(out, " Secret: never shown.");
    lh_buf_add_cstr(out, " |");
}

static void
reference_keys(const struct lh_config_key *key, struct lh_buf *out)
{
    for (; key->name != NULL; key++) {
        LH_AUTO_CHARS variable = variable_name(key->name);
        reference_row(key, false, out);
        if (key->kind == LH_CONFIG_TABLES)
            lh_buf_add_cstr(out, " |\n");
        else
            lh_buf_printf(out, " `%s` |\n", variable);
    }
}

static void
reference_fields(const struct lh_config_key *key, struct lh_buf *out)
{
    lh_buf_printf(out,
                  "\n### Each `[[%s]]`\n\n"
                  "| Key | Value | Default | Range | Meaning |\n"
                  "| --- | --- | --- | --- | --- |\n",
                  key->name);
    for (const struct lh_config_key *field = key->fields; field->name != NULL; field++) {
        reference_row(field, true, out);
        lh_buf_add_char(out, '\n');
    }
}

/* One table of all keys, then one for the fields of each array of tables. */
void
lh_config_reference(const struct lh_config_key *const *tables, struct lh_buf *out)
{
    lh_buf_add_cstr(out, "| Key | Value | Default | Range | Meaning | Environment |\n"
                         "| --- | --- | --- | --- | --- | --- |\n");
    for (const struct lh_config_key *const *t = tables; *t != NULL; t++)
        reference_keys(*t, out);
    for (const struct lh_config_key *const *t = tables; *t != NULL; t++)
        for (const struct lh_config_key *key = *t; key->name != NULL; key++)
            if (key->kind == LH_CONFIG_TABLES)
                reference_fields(key, out);
}
