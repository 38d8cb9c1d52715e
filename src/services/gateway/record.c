#include "services/gateway/record.h"

#include <stdio.h>
#include <unistd.h>
#include "base/encoding.h"
#include "base/file.h"

#define RECORD_MAX ((size_t)64 << 20)

/* ---- encoding ---- */

static void
owner_print(const struct gateway_owner *owner, struct lh_json_writer *w)
{
    lh_json_key(w, "owner");
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "id", owner->id);
    lh_json_set_cstr(w, "machine", owner->machine);
    lh_json_set_i64(w, "pid", owner->pid);
    lh_json_set_i64(w, "started", owner->started);
    lh_json_object_end(w);
}

static void
answer_print(const struct gateway_record *r, struct lh_json_writer *w)
{
    LH_AUTO_BUF(base64, RECORD_MAX);

    lh_json_set_cstr(w, "request_sha256", r->request_sha256);
    lh_json_set_i64(w, "status", r->status);
    lh_json_key(w, "headers");
    lh_json_object_begin(w);
    for (size_t i = 0; i < r->header_count; i++) {
        lh_json_key_str(w, r->headers[i].name);
        lh_json_put_str(w, r->headers[i].value);
    }
    lh_json_object_end(w);
    if (!r->is_kept)
        return;
    lh_base64_encode(&base64, r->body);
    lh_json_set_str(w, "body", lh_buf_str(&base64));
}

void
gateway_record_encode(const struct gateway_record *r, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "state", r->is_answer ? "answer" : "claim");
    lh_json_set_i64(&w, "time_us", r->time_us);
    lh_json_set_i64(&w, "lease_ms", r->lease_ms);
    owner_print(&r->owner, &w);
    if (r->is_answer)
        answer_print(r, &w);
    lh_json_object_end(&w);
}

/* ---- decoding ---- */

static lh_status
text_load(const json_t *object, const char *field, struct lh_arena *arena, const char **out,
          struct lh_error *err)
{
    lh_str text = LH_STR_NONE;

    LH_TRY(lh_json_str(object, field, &text, err));
    *out = lh_arena_cstr(arena, text);
    return LH_OK;
}

static lh_status
owner_load(const json_t *object, struct lh_arena *arena, struct gateway_owner *out,
           struct lh_error *err)
{
    const json_t *owner = json_object_get(object, "owner");

    LH_TRY(text_load(owner, "id", arena, &out->id, err));
    LH_TRY(text_load(owner, "machine", arena, &out->machine, err));
    LH_TRY(lh_json_i64(owner, "pid", &out->pid, err));
    return lh_json_i64(owner, "started", &out->started, err);
}

static lh_status
headers_load(json_t *object, struct lh_arena *arena, struct gateway_record *out,
             struct lh_error *err)
{
    json_t *headers = NULL, *value;
    const char *name;

    LH_TRY(lh_json_object_opt(object, "headers", &headers, err));
    json_object_foreach (headers, name, value) {
        if (!json_is_string(value) || out->header_count == LH_RESPONSE_HEADERS_MAX)
            return lh_fail(err, LH_INVALID, "request.field_type", "a header is not text");
        out->headers[out->header_count++] =
            (struct lh_header){lh_arena_str(arena, lh_str_of(name)),
                               lh_arena_str(arena, lh_str_of(json_string_value(value)))};
    }
    return LH_OK;
}

static lh_status
body_load(json_t *object, struct lh_arena *arena, struct gateway_record *out, struct lh_error *err)
{
    LH_AUTO_BUF(body, RECORD_MAX);
    lh_str base64 = LH_STR_NONE;

    LH_TRY(lh_json_str_opt(object, "body", &base64, err));
    out->is_kept = base64.ptr != NULL;
    if (!lh_base64_decode(&body, base64))
        return lh_fail(err, LH_INVALID, "request.field_type", "the body is not base64");
    out->body = lh_str_bytes(lh_arena_str(arena, lh_buf_str(&body)));
    return LH_OK;
}

static lh_status
answer_load(json_t *object, struct lh_arena *arena, struct gateway_record *out,
            struct lh_error *err)
{
    int64_t status = 0;

    LH_TRY(text_load(object, "request_sha256", arena, &out->request_sha256, err));
    LH_TRY(lh_json_i64(object, "status", &status, err));
    if (status < 200 || status > 299)
        return lh_fail(err, LH_INVALID, "request.field_type", "the status is not a success");
    out->status = (int)status;
    LH_TRY(headers_load(object, arena, out, err));
    return body_load(object, arena, out, err);
}

static lh_status
record_load(json_t *object, struct lh_arena *arena, struct gateway_record *out,
            struct lh_error *err)
{
    lh_str state = LH_STR_NONE;

    LH_TRY(lh_json_str(object, "state", &state, err));
    LH_TRY(lh_json_i64(object, "time_us", &out->time_us, err));
    LH_TRY(lh_json_i64(object, "lease_ms", &out->lease_ms, err));
    LH_TRY(owner_load(object, arena, &out->owner, err));
    out->is_answer = lh_str_eq(state, LH_STR("answer"));
    return out->is_answer ? answer_load(object, arena, out, err) : LH_OK;
}

lh_status
gateway_record_decode(lh_str text, struct lh_arena *arena, struct gateway_record *out,
                      struct lh_error *err)
{
    LH_AUTO_JSON object = NULL;
    LH_AUTO_ERROR(why);
    struct gateway_record r = {0};

    if (lh_json_parse(text, &object, &why) != LH_OK ||
        record_load(object, arena, &r, &why) != LH_OK)
        return lh_fail(err, LH_CORRUPT, "idempotency.record",
                       "the record of an idempotency key cannot be read: %s", why.text);
    *out = r;
    return LH_OK;
}

/* ---- owner ---- */

/* proc(5): field 22 of stat, counted after the command's closing parenthesis. -1 without such a
 * process. */
static int64_t
process_started(int64_t pid)
{
    char path[64], text[1024];
    long long started = -1;
    char *after;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    f = fopen(path, "re");
    if (!f)
        return -1;
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    after = strrchr(text, ')');
    if (!after ||
        sscanf(after,
               ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
               "%*s %lld",
               &started) != 1)
        return -1;
    return started;
}

/* "" when the system does not say: then nothing is certain, and only leases count. */
static const char *
machine_name(struct lh_arena *arena)
{
    LH_AUTO_BUF(boot, 64);
    char space[64];
    ssize_t n = readlink("/proc/self/ns/pid", space, sizeof(space));

    if (n <= 0 || lh_file_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL) != LH_OK)
        return "";
    return lh_arena_printf(arena, "%.*s %.*s", LH_FMT(lh_str_trim(lh_buf_str(&boot))), (int)n,
                           space);
}

struct gateway_owner
gateway_owner_new(struct lh_arena *arena)
{
    char *id = lh_arena_alloc(arena, LH_UUID_TEXT);

    lh_uuid_format(lh_uuid_v4(), id);
    return (struct gateway_owner){
        .id = id,
        .machine = machine_name(arena),
        .pid = getpid(),
        .started = process_started(getpid()),
    };
}

bool
gateway_owner_is_gone(const struct gateway_owner *owner, const struct gateway_owner *self)
{
    return self->machine[0] && strcmp(owner->machine, self->machine) == 0 &&
           process_started(owner->pid) != owner->started;
}
