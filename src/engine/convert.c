/*
 * The order of a conversion of text: open (unpack, transcode, map), tell the format, read names,
 * guess types on the first block, write Parquet. When a value surprises the writer, types are
 * guessed on the whole file and it is written again: at most twice more, because guesses on
 * everything can only be wrong about types that were wanted, and those are then given up. A file
 * that was taken for UTF-8 and shows nothing but broken UTF-8 beyond ASCII is begun again as
 * Latin-1.
 */
#include "engine/convert.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "engine/convert_format.h"
#include "engine/convert_plan.h"
#include "engine/csv_records.h"
#include "engine/footer.h"
#include "engine/json_records.h"
#include "engine/parquet_input.h"

#define UNPACKED_MAX ((uint64_t)64 << 30)
#define SAMPLE_ROWS "20"
#define RUNS_MAX 6
#define DISCOVER_BYTES RECORD_BLOCK_BYTES

struct job {
    struct lh_call *call;
    const struct lh_convert_options *options;
    struct lh_convert_result *out;
    struct engine_connection *c;
    struct convert_input input;
    struct convert_format format;
    struct csv_records csv;
    struct json_records json;
    bool is_json, has_scan;
    struct convert_scan scan;
    struct convert_rejects *rejects;
    struct lh_buf notes; /* JSON array members: columns guessed again */
    struct lh_json_writer notes_writer;
    unsigned runs;
};

/* ---- columns ---- */

static void
columns_set(struct job *j, const lh_str *written, size_t count)
{
    struct lh_arena *arena = &j->out->arena;
    const char **names = lh_arena_array(arena, count, sizeof(*names));
    lh_str *nulls = lh_arena_array(arena, j->options->null_count, sizeof(*nulls));

    for (size_t i = 0; i < j->options->null_count; i++)
        nulls[i] = lh_str_of(j->options->nulls[i]);
    convert_names_fix(written, count, arena, names);
    if (j->has_scan)
        convert_scan_fini(&j->scan);
    convert_scan_init(&j->scan);
    j->has_scan = true;
    j->scan.call = j->call;
    j->scan.reader = j->is_json ? &j->json.reader : &j->csv.reader;
    j->scan.dialect = j->is_json ? NULL : &j->csv.dialect;
    j->scan.columns = lh_arena_array(arena, count, sizeof(*j->scan.columns));
    j->scan.column_count = count;
    j->scan.nulls = nulls;
    j->scan.null_count = j->options->null_count;
    j->scan.rejects = j->rejects;
    j->scan.threads_max = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    j->scan.arena = arena;
    for (size_t i = 0; i < count; i++)
        j->scan.columns[i].name = names[i];
}

static lh_str
header_text(struct job *j, const struct record_field *f)
{
    char *to;

    if (f->kind != FIELD_ESCAPED)
        return (lh_str){f->ptr, f->len};
    to = lh_arena_alloc(&j->out->arena, f->len);
    return (lh_str){to, csv_field_unescape(&j->csv.dialect, f, to)};
}

static lh_status
csv_open(struct job *j, struct lh_error *err)
{
    lh_str text = lh_str_slice(j->input.data, j->input.bom, j->input.data.len);
    lh_str sample = lh_str_slice(text, 0, CSV_SAMPLE_BYTES);
    struct csv_hints hints = {.delimiter = lh_str_of(j->options->delimiter),
                              .header = j->options->header,
                              .is_tsv = j->format.is_tsv};
    struct csv_dialect dialect;
    struct record_field *fields;
    lh_str *names;
    size_t written;

    csv_dialect_sniff(sample, sample.len == text.len, &hints, &dialect);
    csv_records_init(&j->csv, j->input.data, j->input.bom, &dialect);
    if (lh_str_trim(text).len == 0)
        return lh_fail(err, LH_INVALID, "ingest.unreadable", "the file has nothing but blanks");
    names = lh_arena_array(&j->out->arena, dialect.column_count, sizeof(*names));
    fields = lh_alloc_array(CSV_COLUMNS_MAX, sizeof(*fields));
    written = csv_records_header(&j->csv, fields);
    for (size_t i = 0; i < written && i < dialect.column_count; i++)
        names[i] = header_text(j, &fields[i]);
    free(fields);
    columns_set(j, names, dialect.column_count);
    return LH_OK;
}

static lh_status
json_columns(struct job *j, size_t bytes, struct lh_error *err)
{
    lh_str *names;

    LH_TRY(json_records_discover(&j->json, bytes, err));
    if (j->json.name_count == 0 && bytes < j->input.data.len)
        LH_TRY(json_records_discover(&j->json, j->input.data.len, err));
    if (j->json.name_count == 0)
        return lh_fail(err, LH_INVALID, "ingest.unreadable", "the file has no record with a field");
    names = lh_arena_array(&j->out->arena, j->json.name_count, sizeof(*names));
    for (size_t i = 0; i < j->json.name_count; i++)
        names[i] = j->json.names[i].text;
    columns_set(j, names, j->json.name_count);
    return LH_OK;
}

static lh_status
json_open(struct job *j, struct lh_error *err)
{
    enum json_layout layout;

    j->is_json = true;
    if (!json_layout_sniff(j->input.data, j->input.bom, j->format.format == LH_FORMAT_NDJSON,
                           &layout))
        return lh_fail(err, LH_INVALID, "ingest.unreadable",
                       "the file does not begin with a JSON object or array");
    json_records_init(&j->json, j->input.data, j->input.bom, layout);
    if (layout == JSON_LINES)
        j->out->format = LH_FORMAT_NDJSON;
    return json_columns(j, DISCOVER_BYTES, err);
}

/* ---- running ---- */

static lh_status
types_plan(struct job *j, struct lh_error *err)
{
    LH_TRY(convert_plan_force(&j->scan, j->c, j->options->types, err));
    return convert_plan_resolve(&j->scan, j->c, j->options, err);
}

static lh_status
write_run(struct job *j, struct lh_error *err)
{
    LH_AUTO_BUF(after, 8192);

    if (j->options->is_preview)
        return convert_scan_write(&j->scan, j->c, "SELECT count(*) FROM ", "", NULL, err);
    lh_buf_add_cstr(&after, ") TO ");
    engine_quote_literal(&after, lh_str_of(j->options->out_path));
    lh_buf_add_cstr(&after, " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)");
    return convert_scan_write(&j->scan, j->c, "COPY (SELECT * FROM ", lh_buf_cstr(&after), NULL,
                              err);
}

/* After a surprise: look at everything, names included. */
static lh_status
guess_again(struct job *j, struct lh_error *err)
{
    convert_plan_note(&j->scan, &j->notes_writer);
    if (j->rejects)
        LH_TRY(convert_rejects_clear(j->rejects, err));
    if (j->is_json && atomic_load(&j->json.has_unknown))
        LH_TRY(json_columns(j, j->input.data.len, err));
    LH_TRY(convert_scan_guess(&j->scan, j->c, err));
    return types_plan(j, err);
}

static lh_status
rows_write(struct job *j, struct lh_error *err)
{
    LH_TRY(convert_scan_sample(&j->scan, err));
    LH_TRY(types_plan(j, err));
    for (j->runs = 1;; j->runs++) {
        LH_AUTO_ERROR(why);
        lh_status status = write_run(j, &why);
        bool has_unknown = j->is_json && atomic_load(&j->json.has_unknown);
        if (status == LH_OK && !has_unknown)
            return LH_OK;
        if (status != LH_OK && !lh_error_is(&why, "convert.surprise")) {
            lh_error_copy(err, &why);
            return status;
        }
        if (j->runs == RUNS_MAX)
            return lh_fail(err, LH_BUG, "ingest.types_unsettled",
                           "the types of the file did not settle in %d passes", RUNS_MAX);
        LH_TRY(guess_again(j, err));
    }
}

/* Nothing beyond ASCII is UTF-8, so it never was. */
static bool
is_latin1(struct job *j)
{
    return !j->input.is_encoding_sure && atomic_load(&j->scan.not_utf8) > 0 &&
           atomic_load(&j->scan.beyond_ascii) == 0 &&
           encoding_is_latin1(lh_str_bytes(j->input.data));
}

static lh_status
text_open(struct job *j, struct lh_error *err)
{
    return j->format.format == LH_FORMAT_CSV ? csv_open(j, err) : json_open(j, err);
}

static lh_status
text_convert(struct job *j, const struct convert_input_options *input, struct lh_error *err)
{
    LH_TRY(text_open(j, err));
    LH_TRY(rows_write(j, err));
    if (!is_latin1(j))
        return LH_OK;
    LH_TRY(convert_input_reread(&j->input, input, j->call, err));
    if (j->rejects)
        LH_TRY(convert_rejects_clear(j->rejects, err));
    if (j->is_json)
        json_records_fini(&j->json);
    LH_TRY(text_open(j, err));
    return rows_write(j, err);
}

/* ---- the outcome ---- */

static void
text_put(struct lh_json_writer *w, const char *key, char c)
{
    lh_json_key(w, key);
    if (c == '\0')
        lh_json_put_null(w);
    else
        lh_json_put_str(w, (lh_str){&c, 1});
}

static void
csv_details(const struct csv_dialect *d, struct lh_json_writer *w)
{
    lh_json_set_str(w, "delimiter", (lh_str){d->delimiter, d->delimiter_len});
    text_put(w, "quote", d->quote);
    text_put(w, "escape", d->escape);
    lh_json_set_cstr(w, "comment", d->comment[0] ? d->comment : NULL);
    lh_json_set_bool(w, "header", d->has_header);
}

static void
details_set(struct job *j)
{
    static const char *const layouts[] = {"lines", "array", "values"};
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    struct lh_json_writer w = lh_json_writer_over(&text);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "encoding", encoding_name(j->input.encoding));
    lh_json_set_cstr(&w, "compression", compression_name(j->input.compression));
    if (j->is_json)
        lh_json_set_cstr(&w, "layout", layouts[j->json.layout]);
    else
        csv_details(&j->csv.dialect, &w);
    lh_json_set_u64(&w, "passes", j->runs);
    lh_json_array_end(&j->notes_writer);
    lh_json_key(&w, "guessed_again");
    lh_json_put_raw(&w, lh_buf_str(&j->notes));
    lh_json_object_end(&w);
    j->out->details = lh_buf_take_cstr(&text);
}

static lh_status
preview_finish(struct job *j, struct lh_error *err)
{
    struct lh_arena *arena = &j->out->arena;
    duckdb_result r;
    char *text;

    j->scan.rejects = NULL;
    LH_TRY(convert_scan_write(&j->scan, j->c,
                              "SELECT CAST(to_json(list(p)) AS VARCHAR) FROM (SELECT * FROM ",
                              " LIMIT " SAMPLE_ROWS ") p", &r, err));
    text = duckdb_value_varchar(&r, 0, 0);
    j->out->sample = lh_strdup(text ? text : "[]");
    duckdb_free(text);
    duckdb_destroy_result(&r);
    j->out->column_count = j->scan.column_count;
    j->out->columns = lh_arena_array(arena, j->out->column_count, sizeof(*j->out->columns));
    for (size_t i = 0; i < j->out->column_count; i++) {
        j->out->columns[i].name = j->scan.columns[i].name;
        j->out->columns[i].type = j->scan.columns[i].type_name;
    }
    return LH_OK;
}

static lh_status
text_finish(struct job *j, struct lh_error *err)
{
    uint64_t rows = atomic_load(&j->scan.rows), rejected = atomic_load(&j->scan.rows_rejected);

    details_set(j);
    if (j->options->is_preview) {
        LH_TRY(preview_finish(j, err));
        j->out->rows = rows;
    } else {
        LH_TRY(footer_read(j->c, &j->options->out_path, 1, j->out, err));
        if (rejected > 0)
            LH_TRY(convert_rejects_write(j->rejects, j->options->rejects_path, err));
    }
    j->out->rows_in = rows + rejected;
    j->out->rows_rejected = rejected;
    if (j->out->rows != rows)
        return lh_fail(err, LH_BUG, "ingest.rows_lost", "%llu rows were read and %llu written",
                       (unsigned long long)rows, (unsigned long long)j->out->rows);
    return LH_OK;
}

static lh_status
job_run(struct job *j, struct lh_engine *work, struct lh_error *err)
{
    struct convert_input_options input = {
        .path = j->options->path,
        .charset = convert_charset(j->options->content_type),
        .unpacked_max = j->options->unpacked_max ? j->options->unpacked_max : UNPACKED_MAX,
    };

    LH_TRY(convert_input_open(&input, j->call, &j->input, err));
    LH_TRY(convert_format_choose(j->options, &j->input, &j->format, err));
    LH_TRY(engine_connection_take(work, j->call, &j->c, err));
    j->out->format = j->format.format;
    if (j->format.format == LH_FORMAT_PARQUET)
        return parquet_input_convert(j->c, &j->input, j->options, j->out, err);
    if (!j->options->is_preview)
        LH_TRY(convert_rejects_new(work, j->call, &j->rejects, err));
    LH_TRY(text_convert(j, &input, err));
    return text_finish(j, err);
}

static void
job_fini(struct job *j)
{
    if (j->has_scan)
        convert_scan_fini(&j->scan);
    if (j->is_json)
        json_records_fini(&j->json);
    convert_rejects_free(j->rejects);
    engine_connection_free(j->c);
    convert_input_fini(&j->input);
    lh_buf_fini(&j->notes);
}

lh_status
lh_convert_file(struct lh_engine *work, struct lh_call *call,
                const struct lh_convert_options *options, struct lh_convert_result *out,
                struct lh_error *err)
{
    struct job j = {.call = call, .options = options, .out = out};
    lh_status status;

    *out = (struct lh_convert_result){0};
    lh_buf_init(&j.notes, LH_BUF_UNLIMITED);
    j.notes_writer = lh_json_writer_over(&j.notes);
    lh_json_array_begin(&j.notes_writer);
    status = job_run(&j, work, err);
    job_fini(&j);
    if (status != LH_OK)
        lh_convert_result_fini(out);
    return status;
}

void
lh_convert_result_fini(struct lh_convert_result *r)
{
    lh_arena_fini(&r->arena);
    free(r->details);
    free(r->sample);
    r->details = r->sample = NULL;
    r->columns = NULL;
    r->column_count = 0;
}
