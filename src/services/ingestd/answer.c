#include "services/ingestd/answer.h"

#include "base/time.h"

static void
column_put(struct lh_json_writer *w, const char *name, const char *type)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", name);
    lh_json_set_cstr(w, "type", type);
    lh_json_object_end(w);
}

static void
elapsed_put(const struct ingest *in, struct lh_json_writer *w)
{
    lh_json_set_i64(w, "elapsed_ms", (lh_time_mono_ns() - in->started_ns) / 1000000);
}

static void
counts_put(struct lh_json_writer *w, uint64_t rows, uint64_t rejected)
{
    lh_json_set_u64(w, "rows", rows);
    lh_json_set_u64(w, "rows_in", rows + rejected);
    lh_json_set_u64(w, "rows_rejected", rejected);
}

/* Rows that the unchanged version has from this very content. */
static uint64_t
held_rows(const struct ingest *in, const struct lh_snapshot *s)
{
    for (size_t i = 0; i < s->file_count; i++)
        if (s->files[i].ingest_key && strcmp(s->files[i].ingest_key, in->ingest_key) == 0)
            return s->files[i].rows;
    return s->rows;
}

static bool
is_last(const struct ingest *in, const struct lh_snapshot *s)
{
    return s->ingest_key_count > 0 &&
           strcmp(s->ingest_keys[s->ingest_key_count - 1], in->ingest_key) == 0;
}

static void
unchanged_put(const struct ingest *in, const struct lh_snapshot *s, struct lh_json_writer *w)
{
    bool has_rejects = is_last(in, s);

    counts_put(w, held_rows(in, s), has_rejects ? s->rows_rejected : 0);
    lh_json_set_cstr(w, "rejects", has_rejects ? s->rejects : NULL);
}

void
answer_print(const struct ingest *in, const struct ingest_outcome *o, struct lh_buf *out)
{
    const struct lh_snapshot *s = o->snapshot;
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "dataset", s->dataset);
    lh_json_set_cstr(&w, "dataset_id", s->dataset_id);
    lh_json_set_u64(&w, "version", s->version);
    lh_json_set_cstr(&w, "mode", ingest_mode_name(in->request->mode));
    if (o->is_unchanged) {
        unchanged_put(in, s, &w);
    } else {
        counts_put(&w, in->file.rows, in->file.rows_rejected);
        lh_json_set_cstr(&w, "rejects", s->rejects);
        lh_json_set_cstr(&w, "format", lh_file_format_name(in->file.format));
        lh_json_set_raw(&w, "details", lh_str_of(in->file.details ? in->file.details : "{}"));
    }
    lh_json_set_u64(&w, "total_rows", s->rows);
    lh_json_key(&w, "columns");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < s->column_count; i++)
        column_put(&w, s->columns[i].name, s->columns[i].type);
    lh_json_array_end(&w);
    lh_json_set_cstr(&w, "fingerprint", s->fingerprint);
    lh_json_set_cstr(&w, "content_sha256", in->upload->sha256);
    lh_json_set_bool(&w, "unchanged", o->is_unchanged);
    elapsed_put(in, &w);
    lh_json_object_end(&w);
}

static const char *
would_name(const struct ingest *in, const struct ingest_outcome *o)
{
    if (o->is_unchanged)
        return "unchanged";
    if (in->plan.has_drift && !in->request->may_evolve)
        return "refuse";
    return in->head ? ingest_mode_name(in->request->mode) : "create";
}

void
answer_preview_print(const struct ingest *in, const struct ingest_outcome *o, struct lh_buf *out)
{
    const struct lh_convert_result *f = &in->file;
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_bool(&w, "preview", true);
    lh_json_set_cstr(&w, "dataset", in->request->dataset);
    lh_json_set_u64(&w, "version", in->head ? in->head->version : 0);
    lh_json_set_cstr(&w, "would", would_name(in, o));
    lh_json_set_bool(&w, "unchanged", o->is_unchanged);
    lh_json_set_cstr(&w, "format", lh_file_format_name(f->format));
    lh_json_set_raw(&w, "details", lh_str_of(f->details ? f->details : "{}"));
    counts_put(&w, f->rows, f->rows_rejected);
    lh_json_key(&w, "columns");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < f->column_count; i++)
        column_put(&w, f->columns[i].name, f->columns[i].type);
    lh_json_array_end(&w);
    lh_json_set_raw(&w, "sample", lh_str_of(f->sample ? f->sample : "[]"));
    lh_json_key(&w, "drift");
    if (in->head && in->plan.has_drift)
        schema_drift_print(in->head, f, &w);
    else
        lh_json_put_null(&w);
    lh_json_set_cstr(&w, "content_sha256", in->upload->sha256);
    elapsed_put(in, &w);
    lh_json_object_end(&w);
}
