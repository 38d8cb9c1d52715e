#include "engine/lake_io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "engine/footers.h"
#include "engine/lake_fs.h"

enum { TEXT_MAX = LH_ERROR_TEXT_MAX };

/* What the files of one name share; in the list while any of them is open. */
struct engine_object {
    char *uri;
    struct lh_reader_at *reader;
    struct lh_object_info info;
    struct engine_object *next;
    size_t refs;
};

struct engine_file {
    struct engine_reads *reads;
    struct engine_object *object; /* NULL: mem:// */
    struct lh_call call;
    uint64_t size_bytes;
    struct engine_file *next, *prev;
};

/* ---- of a connection ---- */

static void
tally_clear(struct lh_read_tally *t)
{
    atomic_store(&t->remote_bytes, 0);
    atomic_store(&t->remote_requests, 0);
    atomic_store(&t->memory_bytes, 0);
    atomic_store(&t->disk_bytes, 0);
}

void
engine_reads_init(struct engine_reads *r, struct lh_store *store, bool is_restricted)
{
    *r = (struct engine_reads){.store = store, .is_restricted = is_restricted};
    r->mem.write_fd = -1;
    pthread_mutex_init(&r->shared.lock, NULL);
    atomic_init(&r->bytes, 0);
    atomic_init(&r->requests, 0);
    tally_clear(&r->tally);
}

void
engine_reads_fini(struct engine_reads *r)
{
    lh_error_clear(&r->shared.failure);
    pthread_mutex_destroy(&r->shared.lock);
}

void
engine_reads_reset(struct engine_reads *r)
{
    LH_AUTO_LOCK(&r->shared.lock);

    lh_error_clear(&r->shared.failure);
    atomic_store(&r->bytes, 0);
    atomic_store(&r->requests, 0);
    atomic_store(&r->rescued_by, NULL);
    tally_clear(&r->tally);
}

void
engine_reads_cancel(struct engine_reads *r)
{
    LH_AUTO_LOCK(&r->shared.lock);

    for (struct engine_file *f = r->shared.files; f; f = f->next)
        lh_call_cancel(&f->call);
}

void
engine_reads_allow(struct engine_reads *r, const char *const *uris, size_t count)
{
    LH_AUTO_LOCK(&r->shared.lock);

    r->shared.allowed = uris;
    r->shared.allowed_count = count;
    r->shared.allowed_hint = 0;
}

bool
engine_reads_failure(struct engine_reads *r, struct lh_error *err)
{
    LH_AUTO_LOCK(&r->shared.lock);

    if (r->shared.failure.status == LH_OK)
        return false;
    lh_error_copy(err, &r->shared.failure);
    return true;
}

char *
engine_mem_begin(struct engine_reads *r, char text[ENGINE_MEM_NAME])
{
    static atomic_uint_fast64_t last;

    r->mem = (struct engine_mem){.id = atomic_fetch_add(&last, 1) + 1, .write_fd = -1};
    snprintf(text, ENGINE_MEM_NAME, "mem://%llu", (unsigned long long)r->mem.id);
    return text;
}

void
engine_mem_end(struct engine_reads *r)
{
    r->mem = (struct engine_mem){.write_fd = -1};
}

/* ---- of a file ---- */

void
engine_reads_fail(struct engine_reads *r, const struct lh_error *err)
{
    LH_AUTO_LOCK(&r->shared.lock);

    if (r->shared.failure.status == LH_OK)
        lh_error_copy(&r->shared.failure, err);
}

/* Tells DuckDB in `text` and remembers the first for us. */
static bool
failed(struct engine_reads *r, const struct lh_error *err, char *text)
{
    engine_reads_fail(r, err);
    (void)lh_str_copy(text, TEXT_MAX, lh_str_of(err->text));
    return false;
}

static bool
is_allowed(struct engine_reads *r, const char *uri)
{
    LH_AUTO_LOCK(&r->shared.lock);
    size_t count = r->shared.allowed_count;

    if (!r->is_restricted)
        return true;
    for (size_t i = 0; i < count; i++) {
        size_t at = (r->shared.allowed_hint + i) % count;

        if (strcmp(r->shared.allowed[at], uri) == 0) {
            r->shared.allowed_hint = at;
            return true;
        }
    }
    return false;
}

/* ---- objects ---- */

static void
object_free(struct engine_object *o)
{
    if (!o)
        return;
    lh_reader_at_free(o->reader);
    free(o->uri);
    free(o);
}

/* The one that is open under this name, with a reference; else `ours`, entered (NULL: none). */
static struct engine_object *
object_share(struct engine_reads *r, const char *uri, struct engine_object *ours)
{
    LH_AUTO_LOCK(&r->shared.lock);
    struct engine_object *o = r->shared.objects;

    while (o && strcmp(o->uri, uri) != 0)
        o = o->next;
    if (!o && ours) {
        ours->next = r->shared.objects;
        r->shared.objects = ours;
        o = ours;
    }
    if (o)
        o->refs++;
    return o;
}

/* True when nobody has it any more: it is out of the list, and the caller's to free. */
static bool
object_leave(struct engine_reads *r, struct engine_object *o)
{
    LH_AUTO_LOCK(&r->shared.lock);
    struct engine_object **at = &r->shared.objects;

    if (--o->refs > 0)
        return false;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    return true;
}

static void
rescue_note(struct engine_file *f)
{
    const char *by = atomic_load_explicit(&f->call.rescued_by, memory_order_relaxed);

    if (by)
        atomic_store(&f->reads->rescued_by, by);
}

static lh_status
object_new(struct engine_file *f, const char *uri, struct engine_object **out, struct lh_error *err)
{
    struct lh_bucket *bucket;
    struct lh_reader_at *reader;
    struct lh_object_info info;
    lh_str name, key;

    if (!lh_lake_uri_parse(lh_str_of(uri), &name, &key))
        return lh_fail(err, LH_INVALID, "engine.uri", "\"%s\" is not lake://bucket/key", uri);
    LH_TRY(lh_store_bucket(f->reads->store, &f->call, name, &bucket, err));
    LH_TRY(lh_object_open(bucket, &f->call, key, &reader, &info, err));
    rescue_note(f);
    lh_reader_at_use(reader, &f->reads->tally, true);
    *out = LH_NEW(struct engine_object);
    (*out)->uri = lh_strdup(uri);
    (*out)->reader = reader;
    (*out)->info = info;
    return LH_OK;
}

/* Two threads may open at the same time: one of the readers is closed again. */
static lh_status
object_open(struct engine_file *f, const char *uri, struct lh_error *err)
{
    struct engine_object *o = object_share(f->reads, uri, NULL), *ours = NULL;

    if (!o) {
        LH_TRY(object_new(f, uri, &ours, err));
        o = object_share(f->reads, uri, ours);
        if (o != ours)
            object_free(ours);
    }
    f->object = o;
    f->size_bytes = o->info.size_bytes;
    return LH_OK;
}

static lh_status
mem_open(struct engine_file *f, const char *uri, bool is_write, struct lh_error *err)
{
    const struct engine_mem *mem = &f->reads->mem;
    char own[ENGINE_MEM_NAME];

    snprintf(own, sizeof(own), "mem://%llu", (unsigned long long)mem->id);
    if (mem->id == 0 || strcmp(own, uri) != 0)
        return lh_fail(err, LH_DENIED, "sql.not_allowed", "%s is not of this statement", uri);
    if (is_write != (mem->write || mem->write_fd >= 0))
        return lh_fail(err, LH_DENIED, "sql.not_allowed", "%s is open the other way", uri);
    f->size_bytes = mem->read.len;
    return LH_OK;
}

static lh_status
file_open(struct engine_file *f, const char *uri, bool is_write, struct lh_error *err)
{
    if (strncmp(uri, "mem://", 6) == 0)
        return mem_open(f, uri, is_write, err);
    if (is_write)
        return lh_fail(err, LH_DENIED, "sql.not_allowed", "%s: the lake is read only", uri);
    if (!is_allowed(f->reads, uri))
        return lh_fail(err, LH_DENIED, "sql.not_allowed", "%s is not bound to this statement", uri);
    LH_TRY(object_open(f, uri, err));
    if (f->reads->footers)
        engine_footers_note(f->reads->footers, f->reads->connection, uri);
    return LH_OK;
}

/* A call is of one thread, and files are of many: each has its own, alike but for the arena. */
static void
call_derive(struct lh_call *own, const struct lh_call *of)
{
    lh_call_init(own);
    if (!of)
        return;
    own->principal = of->principal;
    own->trace = of->trace;
    own->deadline_ms = of->deadline_ms;
    own->source = of->source;
    own->reads_straight = of->reads_straight;
    if (atomic_load(&of->is_canceled))
        lh_call_cancel(own);
}

static void
file_link(struct engine_file *f)
{
    LH_AUTO_LOCK(&f->reads->shared.lock);

    f->next = f->reads->shared.files;
    if (f->next)
        f->next->prev = f;
    f->reads->shared.files = f;
}

static void
file_unlink(struct engine_file *f)
{
    LH_AUTO_LOCK(&f->reads->shared.lock);

    if (f->prev)
        f->prev->next = f->next;
    else
        f->reads->shared.files = f->next;
    if (f->next)
        f->next->prev = f->prev;
}

struct engine_file *
engine_file_open(struct engine_reads *r, const char *uri, bool is_write, char *text)
{
    struct engine_file *f = LH_NEW(struct engine_file);
    LH_AUTO_ERROR(err);

    f->reads = r;
    call_derive(&f->call, r->call);
    file_link(f);
    if (file_open(f, uri, is_write, &err) != LH_OK) {
        failed(r, &err, text);
        engine_file_close(f);
        return NULL;
    }
    return f;
}

void
engine_file_close(struct engine_file *f)
{
    if (!f)
        return;
    file_unlink(f);
    if (f->object && object_leave(f->reads, f->object))
        object_free(f->object);
    lh_call_fini(&f->call);
    free(f);
}

static lh_status
mem_read(const struct engine_mem *mem, void *to, uint64_t n, uint64_t offset, struct lh_error *err)
{
    if (offset > mem->read.len || n > mem->read.len - offset)
        return lh_fail(err, LH_CORRUPT, "engine.mem_range", "a read past the end of mem://");
    memcpy(to, mem->read.ptr + offset, n);
    return LH_OK;
}

bool
engine_file_read(struct engine_file *f, void *to, uint64_t n, uint64_t offset, char *text)
{
    LH_AUTO_ERROR(err);
    lh_status status;

    if (!f->object) {
        status = mem_read(&f->reads->mem, to, n, offset, &err);
    } else {
        status = lh_reader_at_read(f->object->reader, &f->call, offset, to, n, &err);
        rescue_note(f);
        atomic_fetch_add_explicit(&f->reads->bytes, n, memory_order_relaxed);
        atomic_fetch_add_explicit(&f->reads->requests, 1, memory_order_relaxed);
    }
    return status == LH_OK || failed(f->reads, &err, text);
}

static lh_status
fd_write(int fd, const void *from, uint64_t n, uint64_t offset, struct lh_error *err)
{
    const char *p = from;

    while (n > 0) {
        ssize_t done = pwrite(fd, p, n, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return lh_fail_errno(err, errno, "write the answer aside");
        p += done;
        n -= (uint64_t)done;
        offset += (uint64_t)done;
    }
    return LH_OK;
}

static lh_status
mem_write(const struct engine_mem *mem, const void *from, uint64_t n, uint64_t offset,
          struct lh_error *err)
{
    if (mem->write_max > 0 && (offset > mem->write_max || n > mem->write_max - offset))
        return lh_fail(err, LH_TOO_BIG, "sql.too_many_bytes",
                       "the answer is larger than %llu bytes", (unsigned long long)mem->write_max);
    if (mem->write_fd >= 0)
        return fd_write(mem->write_fd, from, n, offset, err);
    if (offset != mem->write->len)
        return lh_fail(err, LH_BUG, "engine.mem_order", "mem:// is written out of order");
    lh_buf_add(mem->write, from, n);
    return lh_buf_check(mem->write, "the table", err);
}

bool
engine_file_write(struct engine_file *f, const void *from, uint64_t n, uint64_t offset, char *text)
{
    LH_AUTO_ERROR(err);

    return mem_write(&f->reads->mem, from, n, offset, &err) == LH_OK ||
           failed(f->reads, &err, text);
}

uint64_t
engine_file_size(const struct engine_file *f)
{
    return f->size_bytes;
}

int64_t
engine_file_modified_us(const struct engine_file *f)
{
    return f->object ? f->object->info.modified_us : 0;
}

const char *
engine_file_tag(const struct engine_file *f)
{
    return f->object ? f->object->info.etag : "";
}
