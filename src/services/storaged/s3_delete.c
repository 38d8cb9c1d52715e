/* DELETE of an object, and of many in one request. */
#include <stdatomic.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "services/storaged/s3.h"

#define OBJECTS_MAX 1000 /* of one request, as in S3 */
#define HANDS_MAX 7      /* threads beside the worker's */
#define ITEMS_PER_HAND 8

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

    LH_TRY(door_key_check_write(r, key, err));
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

/* ---- by several hands ---- */

struct outcome {
    bool is_deleted;
    const char *code; /* of S3, when it failed */
    char *message;
};

/* One request's batch. Each removal waits for the disk twice, and those of several threads share
 * what the journal writes; so a large batch is dealt out. */
struct crew {
    struct s3_request *r;
    const struct batch *batch;
    struct outcome *outcomes;
    atomic_size_t next;
};

static lh_status
doomed_remove(struct s3_request *r, const struct doomed *d, struct lh_error *err)
{
    if (d->version.len > 0 && !lh_str_eq(d->version, LH_STR("null")))
        return lh_fail(err, LH_NOT_FOUND, "s3.NoSuchVersion",
                       "the objects of this door have no versions");
    return door_object_remove(r, d->key, d->etag, err);
}

/* Each fails for itself; the failures of the bucket among them are told to the journal, since the
 * answer as a whole is a success. */
static void
item_run(struct crew *crew, struct s3_request *r, size_t i)
{
    struct outcome *o = &crew->outcomes[i];
    LH_AUTO_ERROR(err);
    int http;

    /* Whoever asked has gone, or not: that is the request's to say. */
    if (lh_call_check(crew->r->call, &err) == LH_OK &&
        doomed_remove(r, &crew->batch->items[i], &err) == LH_OK) {
        o->is_deleted = true;
        return;
    }
    storage_failure_report(r->door->storage, r->call, r->req, &err);
    o->code = door_error_code(&err, &http);
    o->message = lh_strdup(err.text);
}

static void
items_run(struct crew *crew, struct s3_request *r)
{
    size_t i;

    while ((i = atomic_fetch_add(&crew->next, 1)) < crew->batch->count)
        item_run(crew, r, i);
}

/* A call belongs to one thread: each hand has its own, on behalf of the same principal. */
static void *
hand_run(void *self)
{
    struct crew *crew = self;
    const struct lh_call *from = crew->r->call;
    struct s3_request r = *crew->r;
    struct lh_call call;

    lh_call_init(&call);
    call.principal = from->principal;
    call.trace = from->trace;
    call.deadline_ms = from->deadline_ms;
    call.source = from->source;
    r.call = &call;
    items_run(crew, &r);
    lh_call_fini(&call);
    return NULL;
}

static void
crew_run(struct crew *crew)
{
    size_t wanted = crew->batch->count / ITEMS_PER_HAND, started = 0;
    pthread_t hands[HANDS_MAX];

    wanted = wanted < HANDS_MAX ? wanted : HANDS_MAX;
    while (started < wanted &&
           lh_thread_start(&hands[started], "s3-delete", hand_run, crew, NULL) == LH_OK)
        started++;
    items_run(crew, crew->r);
    for (size_t i = 0; i < started; i++)
        lh_thread_join(hands[i]);
}

/* ---- the answer ---- */

static void
deleted_put(struct lh_buf *out, lh_str key)
{
    lh_buf_add_cstr(out, "<Deleted>");
    door_xml_put(out, "Key", key);
    lh_buf_add_cstr(out, "</Deleted>");
}

static void
error_put(struct lh_buf *out, lh_str key, const struct outcome *o)
{
    lh_buf_add_cstr(out, "<Error>");
    door_xml_put(out, "Key", key);
    door_xml_put_cstr(out, "Code", o->code);
    door_xml_put_cstr(out, "Message", o->message);
    lh_buf_add_cstr(out, "</Error>");
}

static void
batch_run(struct s3_request *r, const struct batch *b, struct lh_buf *out)
{
    struct crew crew = {.r = r, .batch = b};

    crew.outcomes = lh_arena_array(&r->call->arena, b->count + 1, sizeof(crew.outcomes[0]));
    crew_run(&crew);
    for (size_t i = 0; i < b->count; i++) {
        struct outcome *o = &crew.outcomes[i];

        if (!o->is_deleted)
            error_put(out, b->items[i].key, o);
        else if (!b->is_quiet)
            deleted_put(out, b->items[i].key);
        free(o->message);
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
