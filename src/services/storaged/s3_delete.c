/* DELETE of an object, and of many in one request. */
#include "base/log.h"
#include "services/storaged/s3.h"

#define OBJECTS_MAX 1000 /* of one request, as in S3 */

static lh_status
removed_event(struct s3_request *r, lh_str key, const struct lh_object_info *old,
              struct lh_error *err)
{
    return storage_event_add(r->door->storage, r->call,
                             &(struct storage_event){.entity_type = "object",
                                                     .action = "object.deleted",
                                                     .bucket = r->bucket_name,
                                                     .key = key,
                                                     .old_info = old},
                             err);
}

/* Deleting what is not there is a success in S3, unless a condition names it. */
static lh_status
absent(lh_status status, lh_str if_match, struct lh_error *err)
{
    if (status != LH_NOT_FOUND || if_match.ptr)
        return status;
    lh_error_clear(err);
    return LH_OK;
}

lh_status
door_object_remove(struct s3_request *r, lh_str key, lh_str if_match, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct lh_object_info old;
    lh_status status;
    bool has_old;

    LH_TRY(door_key_check_write(key, err));
    status = lh_object_head(r->b, r->call, key, &old, &why);
    has_old = status == LH_OK;
    if (has_old && if_match.ptr && !door_etag_meets(if_match, &old))
        return lh_fail(err, LH_CONFLICT, "store.precondition",
                       "at least one of the preconditions did not hold: If-Match of '%.*s'",
                       LH_FMT(lh_str_fit(key, 200)));
    /* A damaged object can be removed. */
    if (has_old || (status == LH_CORRUPT && !if_match.ptr))
        status = lh_object_delete(r->b, r->call, key, if_match.ptr ? old.etag : NULL, &why);
    if (status == LH_OK)
        return removed_event(r, key, has_old ? &old : NULL, err);
    status = absent(status, if_match, &why);
    if (status != LH_OK)
        lh_error_copy(err, &why);
    return status;
}

lh_status
door_object_delete(struct s3_request *r, struct lh_error *err)
{
    LH_TRY(door_object_remove(r, r->key, door_request_field(r, "If-Match"), err));
    return lh_response_empty(r->res, 204, err);
}

/* ---- many ---- */

struct doomed {
    lh_str key, etag, version;
};

struct batch {
    struct lh_arena *arena;
    struct doomed items[OBJECTS_MAX];
    size_t count;
    struct doomed open;
    bool is_quiet;
};

static lh_status
object_end(struct batch *b, struct lh_error *err)
{
    if (!b->open.key.ptr)
        return lh_fail(err, LH_INVALID, "s3.MalformedXML", "an Object has no Key");
    if (b->count == OBJECTS_MAX)
        return lh_fail(err, LH_INVALID, "s3.MalformedXML", "more than %d objects", OBJECTS_MAX);
    b->items[b->count++] = b->open;
    b->open = (struct doomed){0};
    return LH_OK;
}

static lh_status
batch_element(void *self, int depth, lh_str name, lh_str text, struct lh_error *err)
{
    struct batch *b = self;

    if (depth == 0 && !lh_str_eq(name, LH_STR("Delete")))
        return lh_fail(err, LH_INVALID, "s3.MalformedXML", "the document is not a Delete");
    if (depth == 1 && lh_str_eq(name, LH_STR("Object")))
        return object_end(b, err);
    if (depth == 1 && lh_str_eq(name, LH_STR("Quiet")))
        b->is_quiet = lh_str_eq(text, LH_STR("true"));
    if (depth == 2 && lh_str_eq(name, LH_STR("Key")))
        b->open.key = lh_arena_str(b->arena, text);
    if (depth == 2 && lh_str_eq(name, LH_STR("ETag")))
        b->open.etag = lh_arena_str(b->arena, text);
    if (depth == 2 && lh_str_eq(name, LH_STR("VersionId")))
        b->open.version = lh_arena_str(b->arena, text);
    return LH_OK;
}

static lh_status
doomed_remove(struct s3_request *r, const struct doomed *d, struct lh_error *err)
{
    LH_TRY(lh_call_check(r->call, err));
    if (d->version.len > 0 && !lh_str_eq(d->version, LH_STR("null")))
        return lh_fail(err, LH_NOT_FOUND, "s3.NoSuchVersion",
                       "the objects of this door have no versions");
    return door_object_remove(r, d->key, d->etag, err);
}

static void
deleted_put(struct lh_buf *out, lh_str key)
{
    lh_buf_add_cstr(out, "<Deleted>");
    door_xml_put(out, "Key", key);
    lh_buf_add_cstr(out, "</Deleted>");
}

static void
error_put(struct lh_buf *out, lh_str key, const struct lh_error *err)
{
    int http;

    lh_buf_add_cstr(out, "<Error>");
    door_xml_put(out, "Key", key);
    door_xml_put_cstr(out, "Code", door_error_code(err, &http));
    door_xml_put_cstr(out, "Message", err->text);
    lh_buf_add_cstr(out, "</Error>");
}

/* Each fails for itself; the failures of the bucket among them are told to the journal, since the
 * answer as a whole is a success. */
static void
batch_run(struct s3_request *r, const struct batch *b, struct lh_buf *out)
{
    for (size_t i = 0; i < b->count; i++) {
        LH_AUTO_ERROR(err);

        if (doomed_remove(r, &b->items[i], &err) != LH_OK) {
            storage_failure_report(r->door->storage, r->call, r->req, &err);
            error_put(out, b->items[i].key, &err);
        } else if (!b->is_quiet) {
            deleted_put(out, b->items[i].key);
        }
    }
}

lh_status
door_objects_delete(struct s3_request *r, struct lh_error *err)
{
    struct batch *b = LH_ARENA_NEW(&r->call->arena, struct batch);
    const struct s3_xml_visitor visitor = {.element = batch_element, .self = b};
    LH_AUTO_BUF(body, S3_BODY_MAX);
    LH_AUTO_BUF(out, S3_ANSWER_MAX);

    b->arena = &r->call->arena;
    LH_TRY(door_body_take(&r->body, &body, err));
    LH_TRY(door_xml_read(lh_buf_str(&body), &visitor, err));
    lh_buf_add_cstr(&out, S3_XML_HEAD "<DeleteResult xmlns=\"" S3_NAMESPACE "\">");
    batch_run(r, b, &out);
    lh_buf_add_cstr(&out, "</DeleteResult>");
    return door_answer_xml(r, 200, &out, err);
}
