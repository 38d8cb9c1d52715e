#include "stand_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/table_cells.h"
#include "world.h"

#define FILE_BYTES_MAX ((size_t)16 << 20)

static char spool[64];
static unsigned spool_count;

/* Files in memory where the machine has a place for that. */
void
stand_in_begin(void)
{
    (void)snprintf(spool, sizeof(spool), "%s/lh-sim-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(spool) == NULL) {
        perror(spool);
        exit(2);
    }
}

void
stand_in_end(void)
{
    (void)lh_dir_remove_tree(spool, NULL);
}

/* ---- the store: one bucket, that of the node that asks ---- */

static struct lh_store *
store_of(struct node *n)
{
    return (struct lh_store *)n;
}

lh_status
__wrap_lh_store_open(const struct lh_config *config, const char *data_dir,
                     struct lh_secrets *secrets, struct lh_store **out, struct lh_error *err)
{
    (void)config, (void)data_dir, (void)secrets, (void)err;
    *out = store_of(sim_node());
    return LH_OK;
}

void
__wrap_lh_store_free(struct lh_store *s)
{
    (void)s;
}

/* There is no rescue bucket here. */
void
__wrap_lh_store_on_rescue(struct lh_store *s, lh_rescue_listener listener, void *self)
{
    (void)s, (void)listener, (void)self;
}

struct lh_bucket *
__wrap_lh_store_primary(struct lh_store *s)
{
    return node_bucket((struct node *)s);
}

lh_status
__wrap_lh_store_bucket(struct lh_store *s, struct lh_call *call, lh_str name,
                       struct lh_bucket **out, struct lh_error *err)
{
    (void)call;
    if (!lh_str_eq(name, LH_STR("primary")))
        return lh_fail(err, LH_NOT_FOUND, "store.no_bucket", "there is only primary");
    *out = node_bucket((struct node *)s);
    return LH_OK;
}

const char *
__wrap_lh_store_spool_dir(struct lh_store *s)
{
    (void)s;
    return spool;
}

lh_status
__wrap_lh_store_spool_file(struct lh_store *s, const char *suffix, char *path, size_t path_size,
                           int *fd, struct lh_error *err)
{
    (void)s;
    (void)snprintf(path, path_size, "%s/%u%s", spool, ++spool_count, suffix);
    *fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return *fd >= 0 ? LH_OK : lh_fail_errno(err, errno, "spooling");
}

/* ---- queryd: nobody reads ---- */

lh_status
__wrap_lh_query_reading(struct lh_mesh *m, struct lh_call *call, int64_t before_us, json_t **out,
                        struct lh_error *err)
{
    (void)m, (void)call, (void)before_us, (void)err;
    *out = json_pack("{s:[],s:i}", "reading", "starting", 0);
    return LH_OK;
}

/* ---- the engine: none ---- */

lh_status
__wrap_lh_env_work_engine(const struct lh_env *env, struct lh_engine **out, struct lh_error *err)
{
    (void)env, (void)err;
    *out = NULL;
    return LH_OK;
}

/* ---- tables ---- */

static void
cell_print(struct lh_json_writer *w, const struct lh_table *t, size_t row, size_t column,
           enum lh_cell_type type)
{
    if (lh_table_is_null(t, row, column))
        lh_json_put_null(w);
    else if (type == LH_CELL_TEXT)
        lh_json_put_str(w, lh_table_text(t, row, column));
    else if (type == LH_CELL_F64)
        lh_json_put_f64(w, lh_table_f64(t, row, column));
    else
        lh_json_put_i64(w, lh_table_i64(t, row, column));
}

static void
rows_print(struct lh_json_writer *w, const struct lh_table *t)
{
    lh_json_array_begin(w);
    for (size_t row = 0; row < lh_table_rows(t); row++) {
        lh_json_array_begin(w);
        for (size_t column = 0; column < lh_table_columns(t); column++)
            cell_print(w, t, row, column, t->columns[column].type);
        lh_json_array_end(w);
    }
    lh_json_array_end(w);
}

static void
header_print(struct lh_json_writer *w, const struct lh_table *t)
{
    lh_json_array_begin(w);
    for (size_t column = 0; column < lh_table_columns(t); column++) {
        lh_json_put_cstr(w, t->columns[column].name);
        lh_json_put_i64(w, t->columns[column].type);
    }
    lh_json_array_end(w);
}

lh_status
__wrap_lh_table_encode(struct lh_engine *work, struct lh_call *call, const struct lh_table *t,
                       struct lh_buf *parquet, struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(parquet);

    (void)work, (void)call;
    lh_json_object_begin(&w);
    lh_json_key(&w, "columns");
    header_print(&w, t);
    lh_json_key(&w, "meta");
    lh_json_object_begin(&w);
    for (size_t i = 0; i < t->meta_count; i++)
        lh_json_set_str(&w, t->meta[i].key, t->meta[i].value);
    lh_json_object_end(&w);
    lh_json_key(&w, "rows");
    rows_print(&w, t);
    lh_json_object_end(&w);
    return lh_buf_check(parquet, "the table", err);
}

static struct lh_table *
table_head_read(const json_t *columns)
{
    size_t count = json_array_size(columns) / 2;
    struct lh_table_column *list = lh_alloc_array(count + 1, sizeof(*list));
    struct lh_table *t;

    for (size_t i = 0; i < count; i++)
        list[i] = (struct lh_table_column){
            .name = json_string_value(json_array_get(columns, 2 * i)),
            .type = (enum lh_cell_type)json_integer_value(json_array_get(columns, 2 * i + 1))};
    t = lh_table_new(list, count);
    free(list);
    return t;
}

static void
cell_read(struct lh_table *t, size_t row, size_t column, const json_t *cell)
{
    if (json_is_string(cell))
        lh_table_set_text(t, row, column, lh_str_of(json_string_value(cell)));
    else if (json_is_real(cell))
        lh_table_set_f64(t, row, column, json_real_value(cell));
    else if (json_is_integer(cell))
        lh_table_set_i64(t, row, column, json_integer_value(cell));
}

lh_status
__wrap_lh_table_decode(struct lh_engine *work, struct lh_call *call, lh_bytes parquet,
                       struct lh_table **out, struct lh_error *err)
{
    LH_AUTO_JSON all = NULL;
    json_t *value, *row;
    const char *key;
    struct lh_table *t;
    size_t i, j;

    (void)work, (void)call;
    LH_TRY(lh_json_parse(lh_bytes_str(parquet), &all, err));
    t = table_head_read(json_object_get(all, "columns"));
    json_object_foreach (json_object_get(all, "meta"), key, value) {
        lh_table_meta_set(t, key, lh_str_of(json_string_value(value)));
    }
    json_array_foreach (json_object_get(all, "rows"), i, row) {
        size_t at = lh_table_row_add(t);

        json_array_foreach (row, j, value) {
            cell_read(t, at, j, value);
        }
    }
    *out = t;
    return LH_OK;
}

/* ---- files of rows ---- */

static size_t
lines_count(lh_str text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    return count;
}

static lh_status
file_write(const char *path, lh_str text, struct lh_error *err)
{
    FILE *f = fopen(path, "w");
    size_t written;

    if (f == NULL)
        return lh_fail_errno(err, errno, "writing %s", path);
    written = fwrite(text.ptr, 1, text.len, f);
    if (fclose(f) != 0 || written != text.len)
        return lh_fail_errno(err, errno, "writing %s", path);
    return LH_OK;
}

static void
result_columns(const struct lh_buf *rows, struct lh_convert_result *out)
{
    static const char *const names[] = {"id", "value"};

    *out = (struct lh_convert_result){.format = LH_FORMAT_CSV, .column_count = 2};
    lh_arena_init(&out->arena);
    out->rows = out->rows_in = lines_count(lh_buf_str(rows));
    out->columns = lh_arena_array(&out->arena, 2, sizeof(*out->columns));
    for (size_t i = 0; i < 2; i++)
        out->columns[i] = (struct lh_convert_column){.name = names[i], .type = "VARCHAR"};
    out->details = lh_strdup("{}");
}

static lh_status
result_fill(const struct lh_buf *rows, const char *path, struct lh_convert_result *out,
            struct lh_error *err)
{
    result_columns(rows, out);
    return file_write(path, lh_buf_str(rows), err);
}

lh_status
__wrap_lh_convert_file(struct lh_engine *work, struct lh_call *call,
                       const struct lh_convert_options *options, struct lh_convert_result *out,
                       struct lh_error *err)
{
    LH_AUTO_BUF(rows, FILE_BYTES_MAX);

    (void)work, (void)call;
    LH_TRY(lh_file_read(options->path, FILE_BYTES_MAX, &rows, err));
    return result_fill(&rows, options->out_path, out, err);
}

static bool
has_key(lh_str rows, lh_str key)
{
    lh_str line, first;

    while (lh_str_next(&rows, '\n', &line)) {
        first = line;
        if (lh_str_cut(&line, ' ', &first) && lh_str_eq(first, key))
            return true;
    }
    return false;
}

static void
rows_keep(lh_str old, lh_str newer, bool has_keys, struct lh_buf *out)
{
    lh_str line, rest, key;

    while (lh_str_next(&old, '\n', &line)) {
        rest = line;
        if (line.len == 0 || (has_keys && lh_str_cut(&rest, ' ', &key) && has_key(newer, key)))
            continue;
        lh_buf_add_str(out, line);
        lh_buf_add_char(out, '\n');
    }
}

lh_status
__wrap_lh_merge_files(struct lh_engine *work, struct lh_call *call,
                      const struct lh_merge_options *options, struct lh_convert_result *out,
                      struct lh_error *err)
{
    LH_AUTO_BUF(rows, FILE_BYTES_MAX);
    LH_AUTO_BUF(newer, FILE_BYTES_MAX);
    lh_str bucket, key;

    (void)work;
    LH_TRY(lh_file_read(options->new_path, FILE_BYTES_MAX, &newer, err));
    for (size_t i = 0; i < options->old.uri_count; i++) {
        LH_AUTO_BUF(old, FILE_BYTES_MAX);

        if (!lh_lake_uri_parse(lh_str_of(options->old.uris[i]), &bucket, &key))
            return lh_fail(err, LH_BUG, "sim.uri", "%s", options->old.uris[i]);
        LH_TRY(lh_object_get(node_bucket(sim_node()), call, key, &old, NULL, err));
        rows_keep(lh_buf_str(&old), lh_buf_str(&newer), options->key_column != NULL, &rows);
    }
    lh_buf_add_str(&rows, lh_buf_str(&newer));
    return result_fill(&rows, options->out_path, out, err);
}

/* ---- compaction ---- */

static lh_status
rows_load(struct lh_call *call, const struct lh_rows *rows, struct lh_buf *out,
          struct lh_error *err)
{
    lh_str bucket, key;

    for (size_t i = 0; i < rows->uri_count; i++) {
        if (!lh_lake_uri_parse(lh_str_of(rows->uris[i]), &bucket, &key))
            return lh_fail(err, LH_BUG, "sim.uri", "%s", rows->uris[i]);
        LH_TRY(lh_object_get(node_bucket(sim_node()), call, key, out, NULL, err));
    }
    return LH_OK;
}

lh_status
__wrap_lh_rows_write(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                     const char *path, struct lh_error *err)
{
    LH_AUTO_BUF(text, FILE_BYTES_MAX);

    (void)work;
    LH_TRY(rows_load(call, rows, &text, err));
    return file_write(path, lh_buf_str(&text), err);
}

lh_status
__wrap_lh_rows_digest(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                      struct lh_rows_digest *out, struct lh_error *err)
{
    LH_AUTO_BUF(text, FILE_BYTES_MAX);
    uint8_t digest[LH_SHA256_BYTES];

    (void)work;
    LH_TRY(rows_load(call, rows, &text, err));
    lh_sha256_of(lh_buf_bytes(&text), digest);
    lh_sha256_hex(digest, out->text);
    out->rows = lines_count(lh_buf_str(&text));
    return LH_OK;
}

lh_status
__wrap_lh_footer_statistics(struct lh_engine *work, struct lh_call *call, const char *const *uris,
                            size_t count, struct lh_convert_result *out, struct lh_error *err)
{
    const struct lh_rows rows = {.uris = uris, .uri_count = count};
    LH_AUTO_BUF(text, FILE_BYTES_MAX);

    (void)work;
    LH_TRY(rows_load(call, &rows, &text, err));
    result_columns(&text, out);
    return LH_OK;
}
