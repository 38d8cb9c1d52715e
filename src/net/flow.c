#include "net/flow.h"

#include <microhttpd.h>
#include <unistd.h>
#include "base/file.h"
#include "base/thread.h"
#include "base/time.h"

/* How long a blocked worker goes without looking whether its call was cancelled directly. */
#define LOOK_MS 50
/* Buffers up to here are kept for the next request. */
#define KEPT_BYTES ((size_t)16 << 10)
#define FILE_STEP_BYTES ((size_t)64 << 10)

void
net_flow_init(struct net_flow *f)
{
    *f = (struct net_flow){.answer.fd = -1};
    pthread_mutex_init(&f->state.lock, NULL);
    lh_cond_init(&f->state.changed);
    net_window_init(&f->state.in, NET_FLOW_WINDOW_BYTES);
    net_window_init(&f->state.out, NET_FLOW_WINDOW_BYTES);
}

static void
answer_reset(struct net_answer *a)
{
    struct lh_buf kept = a->whole;

    if (a->fd >= 0)
        close(a->fd);
    if (kept.cap > KEPT_BYTES)
        lh_buf_fini(&kept);
    lh_buf_clear(&kept);
    *a = (struct net_answer){.whole = kept, .fd = -1};
}

void
net_flow_reset(struct net_flow *f)
{
    answer_reset(&f->answer);
    f->mhd = NULL;
    f->call = NULL;
    f->body_max = 0;
    f->is_inline = false;
    f->reading = f->writing = (struct net_patience){0};
    f->state.suspended_for = NET_FLOW_FOR_NOTHING;
    f->state.is_gone = false;
    f->state.is_body_wanted = false;
    f->state.is_body_ended = false;
    f->state.is_body_dropped = false;
    f->state.is_body_too_big = false;
    f->state.is_answer_ready = false;
    f->state.is_answer_ended = false;
    f->state.body_bytes = 0;
    net_window_fini(&f->state.in);
    net_window_fini(&f->state.out);
    net_window_init(&f->state.in, NET_FLOW_WINDOW_BYTES);
    net_window_init(&f->state.out, NET_FLOW_WINDOW_BYTES);
}

void
net_flow_fini(struct net_flow *f)
{
    answer_reset(&f->answer);
    lh_buf_fini(&f->answer.whole);
    net_window_fini(&f->state.in);
    net_window_fini(&f->state.out);
    pthread_cond_destroy(&f->state.changed);
    pthread_mutex_destroy(&f->state.lock);
}

/* ---- suspending: the lock is held ---- */

static void
flow_suspend(struct net_flow *f, enum net_flow_waits_for what_for)
{
    f->state.suspended_for = what_for;
    MHD_suspend_connection(f->mhd);
}

static void
flow_resume(struct net_flow *f)
{
    if (f->state.suspended_for == NET_FLOW_FOR_NOTHING)
        return;
    f->state.suspended_for = NET_FLOW_FOR_NOTHING;
    MHD_resume_connection(f->mhd);
}

static void
flow_resume_from(struct net_flow *f, enum net_flow_waits_for what_for)
{
    if (f->state.suspended_for == what_for)
        flow_resume(f);
}

/* ---- network side ---- */

enum net_flow_next
net_flow_next(struct net_flow *f)
{
    LH_AUTO_LOCK(&f->state.lock);

    if (f->state.is_answer_ready)
        return NET_FLOW_ANSWER;
    if (f->state.is_body_wanted && !f->state.is_body_ended)
        return NET_FLOW_BODY;
    flow_suspend(f, NET_FLOW_FOR_WORKER);
    return NET_FLOW_WAIT;
}

size_t
net_flow_body_put(struct net_flow *f, const void *from, size_t n)
{
    LH_AUTO_LOCK(&f->state.lock);
    size_t taken;

    if (f->body_max && n > f->body_max - f->state.body_bytes) {
        f->state.is_body_too_big = f->state.is_body_dropped = true;
        pthread_cond_signal(&f->state.changed);
    }
    if (f->state.is_body_dropped || f->state.is_answer_ended)
        return n;
    taken = net_window_put(&f->state.in, from, n);
    f->state.body_bytes += taken;
    pthread_cond_signal(&f->state.changed);
    if (taken < n)
        flow_suspend(f, NET_FLOW_FOR_ROOM);
    return taken;
}

void
net_flow_body_end(struct net_flow *f)
{
    LH_AUTO_LOCK(&f->state.lock);

    f->state.is_body_ended = true;
    pthread_cond_signal(&f->state.changed);
}

uint64_t
net_flow_body_bytes(struct net_flow *f)
{
    LH_AUTO_LOCK(&f->state.lock);

    return f->state.body_bytes;
}

bool
net_flow_is_cut_short(struct net_flow *f)
{
    LH_AUTO_LOCK(&f->state.lock);

    return f->state.is_answer_ended && (f->answer.kind == NET_ANSWER_WHOLE || f->answer.is_broken);
}

bool
net_flow_is_body_dropped(struct net_flow *f)
{
    LH_AUTO_LOCK(&f->state.lock);

    return f->state.is_body_dropped || f->state.is_answer_ended;
}

ssize_t
net_flow_answer_take(struct net_flow *f, void *to, size_t max)
{
    LH_AUTO_LOCK(&f->state.lock);
    size_t n = net_window_take(&f->state.out, to, max);

    /* Half a window at a time: a worker woken for every few bytes would do little else. */
    if (net_window_room(&f->state.out) >= NET_FLOW_WINDOW_BYTES / 2)
        pthread_cond_signal(&f->state.changed);
    if (n > 0)
        return (ssize_t)n;
    if (f->state.is_answer_ended)
        return f->answer.is_broken ? -2 : -1;
    flow_suspend(f, NET_FLOW_FOR_OUTPUT);
    return 0;
}

bool
net_flow_gone(struct net_flow *f)
{
    LH_AUTO_LOCK(&f->state.lock);

    f->state.is_gone = true;
    pthread_cond_signal(&f->state.changed);
    return !f->state.is_answer_ended;
}

/* ---- worker side ---- */

void
net_flow_wake(struct net_flow *f)
{
    LH_AUTO_LOCK(&f->state.lock);

    pthread_cond_signal(&f->state.changed);
}

/* Waits for the network thread to move. Only time spent waiting counts against the client, so that
 * a slow handler does not make a quick client look stalled. */
static lh_status
flow_wait(struct net_flow *f, struct net_patience *p, struct lh_error *err)
{
    int64_t before = lh_time_mono_ms();

    if (f->state.is_gone)
        return lh_fail(err, LH_CANCELED, "net.reset", "the client has closed the connection");
    if (p->waited_ms > f->limits.stall_ms)
        return lh_fail(err, LH_TIMEOUT, "net.stalled",
                       "the client moved less than %llu bytes in %lld ms",
                       (unsigned long long)f->limits.progress_min, (long long)f->limits.stall_ms);
    lh_cond_wait_until(&f->state.changed, &f->state.lock, before + LOOK_MS);
    p->waited_ms += lh_time_mono_ms() - before;
    return LH_OK;
}

static void
patience_restore(struct net_flow *f, struct net_patience *p, size_t moved)
{
    p->moved += moved;
    if (p->moved >= f->limits.progress_min)
        *p = (struct net_patience){0};
}

static lh_status
body_step(struct net_flow *f, void *to, size_t size, size_t *got, bool *is_done,
          struct lh_error *err)
{
    *got = net_window_take(&f->state.in, to, size);
    *is_done = *got > 0;
    if (*is_done) {
        patience_restore(f, &f->reading, *got);
        if (net_window_room(&f->state.in) >= NET_FLOW_WINDOW_BYTES / 2)
            flow_resume_from(f, NET_FLOW_FOR_ROOM);
        return LH_OK;
    }
    if (f->state.is_body_too_big)
        return lh_fail(err, LH_TOO_BIG, "request.too_big", "the body is larger than %llu bytes",
                       (unsigned long long)f->body_max);
    if (f->state.is_body_dropped)
        return lh_fail(err, LH_BUG, "request.body_dropped",
                       "the body was given up when the answer outgrew its window");
    *is_done = f->state.is_body_ended;
    if (*is_done)
        return LH_OK;
    LH_TRY(lh_call_check(f->call, err));
    return flow_wait(f, &f->reading, err);
}

static lh_status
source_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct net_flow *f = self;
    LH_AUTO_LOCK(&f->state.lock);
    bool is_done = false;

    if (!f->state.is_body_wanted && !f->state.is_body_ended) {
        f->state.is_body_wanted = true;
        flow_resume_from(f, NET_FLOW_FOR_WORKER);
    }
    while (!is_done)
        LH_TRY(body_step(f, to, size, got, &is_done, err));
    return LH_OK;
}

struct lh_source
net_flow_source(struct net_flow *f, int64_t length)
{
    return (struct lh_source){.read = source_read, .self = f, .length = length};
}

static lh_status
sink_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
           struct lh_error *err)
{
    struct net_flow *f = self;
    struct net_answer *a = &f->answer;

    /* The headers stay in the response, where the network thread finds them. */
    (void)headers;
    (void)count;
    (void)err;
    a->status = status;
    a->length = length;
    a->whole.max = f->is_inline ? NET_FLOW_INLINE_MAX : NET_FLOW_WINDOW_BYTES;
    if (f->is_inline || (length >= 0 && (uint64_t)length <= NET_FLOW_WINDOW_BYTES))
        a->kind = NET_ANSWER_WHOLE;
    else
        a->kind = NET_ANSWER_STREAM;
    return LH_OK;
}

/* Not the deadline: that is for the work, and a slow reader is held to the progress rule. */
static lh_status
reader_check(struct net_flow *f, struct lh_error *err)
{
    if (f->state.is_gone)
        return lh_fail(err, LH_CANCELED, "net.reset", "the client has closed the connection");
    if (lh_call_is_canceled(f->call))
        return lh_call_check(f->call, err);
    return LH_OK;
}

static lh_status
stream_step(struct net_flow *f, lh_bytes *rest, struct lh_error *err)
{
    size_t taken = net_window_put(&f->state.out, rest->ptr, rest->len);

    rest->ptr += taken;
    rest->len -= taken;
    patience_restore(f, &f->writing, taken);
    f->state.is_answer_ready = true;
    if (taken > 0) {
        flow_resume_from(f, NET_FLOW_FOR_WORKER);
        flow_resume_from(f, NET_FLOW_FOR_OUTPUT);
    }
    if (rest->len == 0)
        return LH_OK;
    if (!f->state.is_body_ended) {
        f->state.is_body_dropped = true;
        flow_resume_from(f, NET_FLOW_FOR_ROOM);
    }
    LH_TRY(reader_check(f, err));
    return flow_wait(f, &f->writing, err);
}

static lh_status
sink_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct net_flow *f = self;

    if (f->answer.kind == NET_ANSWER_WHOLE) {
        lh_buf_add(&f->answer.whole, bytes.ptr, bytes.len);
        return lh_buf_check(&f->answer.whole, "the answer", err);
    }
    LH_AUTO_LOCK(&f->state.lock);
    LH_TRY(reader_check(f, err));
    while (bytes.len > 0)
        LH_TRY(stream_step(f, &bytes, err));
    return LH_OK;
}

static lh_status
file_copy(struct net_flow *f, int fd, uint64_t offset, uint64_t length, struct lh_error *err)
{
    LH_AUTO_BUF(step, FILE_STEP_BYTES);
    uint8_t *to = lh_buf_reserve(&step, FILE_STEP_BYTES);

    while (length > 0) {
        size_t n = length < FILE_STEP_BYTES ? (size_t)length : FILE_STEP_BYTES;

        LH_TRY(lh_file_pread_all(fd, to, n, offset, err));
        LH_TRY(sink_write(f, lh_bytes_of(to, n), err));
        offset += n;
        length -= n;
    }
    return LH_OK;
}

static lh_status
sink_send_file(void *self, int fd, uint64_t offset, uint64_t length, struct lh_error *err)
{
    struct net_flow *f = self;
    struct net_answer *a = &f->answer;
    bool is_first = a->whole.len == 0 && !f->state.is_answer_ready;

    if (!is_first || a->length < 0 || (uint64_t)a->length != length) {
        LH_AUTO_FD owned = fd;

        return file_copy(f, owned, offset, length, err);
    }
    a->kind = NET_ANSWER_FILE;
    a->fd = fd;
    a->offset = offset;
    return LH_OK;
}

static void
sink_end(void *self, bool complete)
{
    struct net_flow *f = self;
    LH_AUTO_LOCK(&f->state.lock);

    f->answer.is_broken = !complete;
    f->state.is_answer_ended = true;
    f->state.is_answer_ready = true;
    flow_resume(f);
}

struct lh_sink
net_flow_sink(struct net_flow *f)
{
    return (struct lh_sink){
        .begin = sink_begin,
        .write = sink_write,
        .send_file = sink_send_file,
        .end = sink_end,
        .self = f,
    };
}
