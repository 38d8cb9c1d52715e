/*
 * What an object is told about itself: x-amz-meta- fields and the few fields of HTTP that a GET
 * gives back. Kept with the object as lines `name:value`, names in lower case.
 */
#include "services/storaged/s3.h"

#define USER_PREFIX "x-amz-meta-"
#define USER_BYTES_MAX 2048 /* names without the prefix, and values, as S3 counts them */
#define USER_FIELDS_MAX 90  /* an answer has room for so many */

static const char *const system_fields[] = {
    "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
};

static bool
is_user_field(lh_str name)
{
    lh_str prefix = LH_STR(USER_PREFIX);

    return name.len > prefix.len && lh_str_eq_nocase(lh_str_slice(name, 0, prefix.len), prefix);
}

static void
lower_add(struct lh_buf *out, lh_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        lh_buf_add_char(out, (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c));
    }
}

static void
line_add(struct lh_buf *out, lh_str name, lh_str value)
{
    lower_add(out, name);
    lh_buf_add_char(out, ':');
    for (size_t i = 0; i < value.len; i++)
        lh_buf_add_char(out, (unsigned char)value.ptr[i] < 0x20 ? ' ' : value.ptr[i]);
    lh_buf_add_char(out, '\n');
}

/* Content-Encoding without `aws-chunked`, which was about the way here only. */
static lh_str
encoding_kept(lh_str value, struct lh_arena *arena)
{
    LH_AUTO_BUF(kept, 1024);
    lh_str part;

    while (lh_str_next(&value, ',', &part)) {
        part = lh_str_trim(part);
        if (part.len == 0 || lh_str_eq_nocase(part, LH_STR("aws-chunked")))
            continue;
        if (kept.len > 0)
            lh_buf_add_cstr(&kept, ", ");
        lh_buf_add_str(&kept, part);
    }
    return lh_arena_str(arena, lh_buf_str(&kept));
}

static void
system_read(const struct s3_request *r, struct lh_buf *out)
{
    for (size_t i = 0; i < sizeof(system_fields) / sizeof(system_fields[0]); i++) {
        lh_str value = door_request_field(r, system_fields[i]);

        if (strcmp(system_fields[i], "content-encoding") == 0)
            value = encoding_kept(value, &r->call->arena);
        if (value.len > 0)
            line_add(out, lh_str_of(system_fields[i]), value);
    }
}

struct user_count {
    size_t fields, bytes;
};

/* Fields of one name are one field with their values joined (RFC 9110 5.3). */
static bool
is_first_of_name(const struct lh_header *list, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (lh_str_eq_nocase(list[k].name, list[i].name))
            return false;
    }
    return true;
}

static lh_str
values_join(const struct lh_header *list, size_t count, size_t first, struct lh_arena *arena)
{
    lh_str joined = lh_str_trim(list[first].value);

    for (size_t k = first + 1; k < count; k++) {
        if (lh_str_eq_nocase(list[k].name, list[first].name))
            joined = lh_str_of(lh_arena_printf(arena, "%.*s,%.*s", LH_FMT(joined),
                                               LH_FMT(lh_str_trim(list[k].value))));
    }
    return joined;
}

static void
user_read(const struct s3_request *r, const struct lh_header *list, size_t count,
          struct user_count *n, struct lh_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        lh_str value;

        if (!is_user_field(list[i].name) || !is_first_of_name(list, i))
            continue;
        value = values_join(list, count, i, &r->call->arena);
        n->fields++;
        n->bytes += list[i].name.len - (sizeof(USER_PREFIX) - 1) + value.len;
        line_add(out, list[i].name, value);
    }
}

lh_status
door_metadata_read(const struct s3_request *r, struct lh_buf *out, struct lh_error *err)
{
    struct user_count n = {0};

    system_read(r, out);
    user_read(r, r->req->headers, r->req->header_count, &n, out);
    if (r->is_presigned)
        user_read(r, r->req->query, r->req->query_count, &n, out);
    if (n.bytes <= USER_BYTES_MAX && n.fields <= USER_FIELDS_MAX && !out->is_failed)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.MetadataTooLarge",
                   "the metadata has %zu fields of %zu bytes, %d and %d are allowed", n.fields,
                   n.bytes, USER_FIELDS_MAX, USER_BYTES_MAX);
}

/* ---- giving it back ---- */

static bool
line_next(lh_str *lines, lh_str *name, lh_str *value)
{
    lh_str line;

    while (lh_str_next(lines, '\n', &line)) {
        *value = line;
        if (lh_str_cut(value, ':', name) && name->len > 0)
            return true;
    }
    return false;
}

lh_str
door_metadata_find(lh_str lines, lh_str name)
{
    lh_str found, value;

    while (line_next(&lines, &found, &value)) {
        if (lh_str_eq(found, name))
            return value;
    }
    return LH_STR_NONE;
}

static bool
is_token(lh_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];

        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return name.len > 0;
}

/* Lines that begin with '!' are the door's own. Room is left for the fields of the answer itself.
 */
void
door_metadata_answer(struct lh_response *res, struct lh_arena *arena, lh_str lines)
{
    lh_str name, value;

    while (line_next(&lines, &name, &value)) {
        if (name.ptr[0] != '!' && is_token(name) &&
            res->header_count < LH_RESPONSE_HEADERS_MAX - 16)
            lh_response_header(res, lh_arena_cstr(arena, name), value);
    }
}

const char *
door_content_type(const struct s3_request *r)
{
    lh_str value = door_request_field(r, "Content-Type");

    return value.len > 0 ? lh_arena_cstr(&r->call->arena, value) : "binary/octet-stream";
}
