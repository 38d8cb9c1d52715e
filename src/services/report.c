#include "services/report.h"

#include "base/time.h"

#define REPORT_BYTES_MAX ((size_t)64 << 20)
#define LINE_BYTES_MAX ((size_t)64 << 10)
#define TELL_MS 200
#define TEXT_MAX 2000

lh_status
lh_report_begin(struct lh_report *r, const struct lh_request *req, struct lh_response *res,
                struct lh_error *err)
{
    lh_str accept = lh_request_header(req, "Accept");

    *r = (struct lh_report){.res = res, .began_ms = lh_time_mono_ms()};
    lh_buf_init(&r->body, REPORT_BYTES_MAX);
    r->is_lines = lh_str_eq(accept, LH_STR("application/x-ndjson"));
    if (r->is_lines)
        return lh_response_begin(res, 200, "application/x-ndjson", -1, err);
    r->w = lh_json_writer_over(&r->body);
    lh_json_object_begin(&r->w);
    lh_json_key(&r->w, "differences");
    lh_json_array_begin(&r->w);
    return LH_OK;
}

void
lh_report_fini(struct lh_report *r)
{
    lh_buf_fini(&r->body);
}

static lh_status
line_send(struct lh_report *r, struct lh_buf *line, struct lh_error *err)
{
    lh_buf_add_char(line, '\n');
    LH_TRY(lh_buf_check(line, "a line of the report", err));
    return lh_response_write(r->res, lh_buf_bytes(line), err);
}

static void
difference_print(struct lh_json_writer *w, const char *bucket, lh_str key, const char *what,
                 const char *expected, const char *found)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "bucket", bucket);
    lh_json_set_str(w, "key", key);
    lh_json_set_cstr(w, "what", what);
    lh_json_set_str(w, "expected", lh_str_fit(lh_str_of(expected), TEXT_MAX));
    lh_json_set_str(w, "found", lh_str_fit(lh_str_of(found), TEXT_MAX));
    lh_json_object_end(w);
}

lh_status
lh_report_difference(struct lh_report *r, const char *bucket, lh_str key, const char *what,
                     const char *expected, const char *found, struct lh_error *err)
{
    LH_AUTO_BUF(line, LINE_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&line);

    r->differences++;
    if (!r->is_lines) {
        difference_print(&r->w, bucket, key, what, expected, found);
        if (r->body.is_failed)
            return lh_fail(err, LH_TOO_BIG, "report.too_big",
                           "there are more differences than one document holds; ask for "
                           "application/x-ndjson");
        return LH_OK;
    }
    lh_json_object_begin(&w);
    lh_json_key(&w, "difference");
    difference_print(&w, bucket, key, what, expected, found);
    lh_json_object_end(&w);
    return line_send(r, &line, err);
}

/* A reader that has gone is noticed by the call, not here. */
void
lh_report_progress(struct lh_report *r, uint64_t objects, uint64_t bytes)
{
    LH_AUTO_BUF(line, LINE_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&line);
    int64_t now = lh_time_mono_ms();

    r->objects += objects;
    r->bytes += bytes;
    if (!r->is_lines || now - r->told_ms < TELL_MS)
        return;
    r->told_ms = now;
    lh_json_object_begin(&w);
    lh_json_key(&w, "progress");
    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "objects", r->objects);
    lh_json_set_u64(&w, "bytes", r->bytes);
    lh_json_object_end(&w);
    lh_json_object_end(&w);
    (void)line_send(r, &line, NULL);
}

static void
checked_print(const struct lh_report *r, struct lh_json_writer *w)
{
    lh_json_key(w, "checked");
    lh_json_object_begin(w);
    lh_json_set_u64(w, "objects", r->objects);
    lh_json_set_u64(w, "bytes", r->bytes);
    lh_json_set_u64(w, "differences", r->differences);
    lh_json_set_i64(w, "elapsed_ms", lh_time_mono_ms() - r->began_ms);
    lh_json_object_end(w);
}

static lh_status
last_line_send(struct lh_report *r, lh_status status, const struct lh_error *why,
               struct lh_error *err)
{
    LH_AUTO_BUF(line, LINE_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&line);

    lh_json_object_begin(&w);
    if (status == LH_OK) {
        checked_print(r, &w);
    } else {
        lh_json_key(&w, "error");
        lh_json_object_begin(&w);
        lh_json_set_cstr(&w, "code", why->reason);
        lh_json_set_cstr(&w, "detail", why->text);
        lh_json_object_end(&w);
    }
    lh_json_object_end(&w);
    return line_send(r, &line, err);
}

lh_status
lh_report_end(struct lh_report *r, lh_status status, const struct lh_error *why,
              struct lh_error *err)
{
    if (r->is_lines)
        return last_line_send(r, status, why, err);
    if (status != LH_OK) {
        lh_error_copy(err, why);
        return status;
    }
    lh_json_array_end(&r->w);
    checked_print(r, &r->w);
    lh_json_object_end(&r->w);
    return lh_response_json(r->res, 200, &r->body, err);
}
