#include <errno.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"
#include "store/replicate_parts.h"

#define WINDOW_BYTES ((size_t)256 << 10)
#define PENDING_BYTES ((size_t)256 << 10)

/* ---- the old list ---- */

static lh_status
window_fill(struct replicate_old *o, struct lh_call *call, struct lh_error *err)
{
    uint64_t rest = o->info.size_bytes - o->read_to;
    size_t n = rest < WINDOW_BYTES ? (size_t)rest : WINDOW_BYTES;
    uint8_t *to = lh_buf_reserve(&o->window, n);

    if (!to)
        return lh_buf_check(&o->window, "a line of the list of copies", err);
    LH_TRY(lh_reader_at_read(o->reader, call, o->read_to, to, n, err));
    lh_buf_advance(&o->window, n);
    o->read_to += n;
    return LH_OK;
}

static lh_status
entry_take(struct replicate_old *o, struct lh_call *call, struct lh_error *err)
{
    lh_str rest;
    size_t end;

    while (rest = lh_str_slice(lh_buf_str(&o->window), o->line_at, SIZE_MAX),
           !lh_str_find_char(rest, '\n', &end)) {
        lh_buf_drop_front(&o->window, o->line_at);
        o->line_at = 0;
        if (o->read_to < o->info.size_bytes) {
            LH_TRY(window_fill(o, call, err));
            continue;
        }
        o->is_over = o->window.len == 0;
        return o->is_over ? LH_OK
                          : lh_fail(err, LH_CORRUPT, "store.replica_index",
                                    "the list of copies has a line that does not end");
    }
    o->line_len = end + 1;
    return replica_entry_read(lh_str_slice(rest, 0, end), &o->entry, err);
}

lh_status
replicate_old_open(struct replicate_old *o, struct lh_bucket *rescue, struct lh_call *call,
                   const char *key, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status;

    *o = (struct replicate_old){0};
    lh_buf_init(&o->window, 2 * (WINDOW_BYTES + REPLICA_LINE_MAX));
    status = lh_object_open(rescue, call, lh_str_of(key), &o->reader, &o->info, &why);
    if (status == LH_OK)
        return entry_take(o, call, err);
    o->is_over = true;
    if (status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

void
replicate_old_fini(struct replicate_old *o)
{
    lh_reader_at_free(o->reader);
    lh_buf_fini(&o->window);
}

lh_status
replicate_old_next(struct replicate_old *o, struct lh_call *call, struct lh_error *err)
{
    o->line_at += o->line_len;
    o->at += o->line_len;
    o->line_len = 0;
    return entry_take(o, call, err);
}

/* ---- the new list ---- */

lh_status
replicate_new_open(struct replicate_new *n, struct lh_store *s, struct lh_bucket *rescue,
                   const char *key, const char *etag, struct lh_error *err)
{
    *n = (struct replicate_new){.store = s, .rescue = rescue, .fd = -1};
    lh_buf_init(&n->pending, PENDING_BYTES + REPLICA_LINE_MAX);
    (void)lh_str_copy(n->key, sizeof(n->key), lh_str_of(key));
    (void)lh_str_copy(n->etag, sizeof(n->etag), lh_str_of(etag));
    return lh_store_spool_file(s, ".ndjson", n->path, sizeof(n->path), &n->fd, err);
}

void
replicate_new_fini(struct replicate_new *n)
{
    lh_buf_fini(&n->pending);
    if (n->fd < 0)
        return;
    close(n->fd);
    (void)unlink(n->path);
}

static lh_status
pending_flush(struct replicate_new *n, struct lh_error *err)
{
    LH_TRY(lh_buf_check(&n->pending, "the list of copies", err));
    LH_TRY(lh_file_write_all(n->fd, lh_buf_bytes(&n->pending), err));
    n->size_bytes += n->pending.len;
    lh_buf_clear(&n->pending);
    return LH_OK;
}

lh_status
replicate_new_add(struct replicate_new *n, const struct replica_entry *e, struct lh_error *err)
{
    replica_entry_print(e, &n->pending);
    return n->pending.len < PENDING_BYTES ? LH_OK : pending_flush(n, err);
}

static lh_status
gathered_send(const struct replicate_new *n, struct lh_upload *u, struct lh_error *err)
{
    LH_AUTO_CHARS step = lh_alloc(WINDOW_BYTES);

    for (uint64_t at = 0; at < n->size_bytes;) {
        uint64_t rest = n->size_bytes - at;
        size_t len = rest < WINDOW_BYTES ? (size_t)rest : WINDOW_BYTES;
        LH_TRY(lh_file_pread_all(n->fd, step, len, at, err));
        LH_TRY(lh_upload_write(u, lh_bytes_of(step, len), err));
        at += len;
    }
    return LH_OK;
}

static lh_status
rest_send(struct replicate_old *o, struct lh_call *call, struct lh_upload *u, struct lh_error *err)
{
    LH_AUTO_CHARS step = lh_alloc(WINDOW_BYTES);

    for (uint64_t at = o->at; o->reader && at < o->info.size_bytes;) {
        uint64_t rest = o->info.size_bytes - at;
        size_t len = rest < WINDOW_BYTES ? (size_t)rest : WINDOW_BYTES;
        LH_TRY(lh_reader_at_read(o->reader, call, at, step, len, err));
        LH_TRY(lh_upload_write(u, lh_bytes_of(step, len), err));
        at += len;
    }
    return LH_OK;
}

static lh_status
list_put(struct replicate_new *n, struct lh_call *call, struct replicate_old *o,
         struct lh_object_info *info, struct lh_error *err)
{
    const struct lh_put_options options = {.if_absent = !n->etag[0],
                                           .if_match = n->etag[0] ? n->etag : NULL,
                                           .content_type = "application/x-ndjson"};
    LH_AUTO(lh_upload) *u = NULL;

    LH_TRY(pending_flush(n, err));
    LH_TRY(bucket_upload_begin(n->rescue, call, lh_str_of(n->key), &options, &u, err));
    LH_TRY(gathered_send(n, u, err));
    LH_TRY(rest_send(o, call, u, err));
    return lh_upload_commit(u, info, err);
}

lh_status
replicate_new_put(struct replicate_new *n, struct lh_call *call, struct replicate_old *o,
                  struct lh_error *err)
{
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status = list_put(n, call, o, &info, &why);

    if (status == LH_CONFLICT && lh_error_is(&why, "store.precondition"))
        return lh_fail(err, LH_BUSY, "store.replicate_race",
                       "somebody else is filling bucket '%s': %s has changed meanwhile",
                       lh_bucket_name(n->rescue), n->key);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    memcpy(n->etag, info.etag, sizeof(n->etag));
    n->is_changed = false;
    return LH_OK;
}
