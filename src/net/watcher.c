/*
 * Slots are indexed by descriptor. Descriptors are reused at once, so every use of a slot has a
 * generation and an event carries the one it was registered under: an event that was already
 * fetched when its socket went away finds another generation and is dropped. What is watched is
 * referenced under the lock and told without it. Descriptors are read, shut and closed under it,
 * which does not wait and keeps their slots true.
 */
#include "net/watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

#define TICK_MS 1000
#define PENDING_STEP_MS 20 /* how exactly graces and lingering end */
#define LINGER_MS 10000
#define LINGER_MAX 64
#define LINGER_STEP_BYTES ((size_t)1 << 20)
#define EVENTS_MAX 64
#define WAKE_EVENT UINT64_MAX

enum slot_kind { SLOT_FREE, SLOT_WATCHED, SLOT_LINGERING };

struct slot {
    enum slot_kind kind;
    uint32_t generation;
    void *watched;
    int64_t expires_ms; /* 0: never */
    bool is_told;
};

struct net_watcher {
    struct net_watcher_options options;
    pthread_t thread;
    int epoll_fd;
    int wake_fd;
    struct {
        pthread_mutex_t lock;
        struct slot *slots;
        size_t count;
        size_t expiring;
        size_t lingering;
        bool is_stopping;
    } state;
};

static struct slot *
slot_get(struct net_watcher *w, int fd)
{
    size_t want = (size_t)fd + 1;

    if (want > w->state.count) {
        size_t count = w->state.count ? w->state.count : 64;

        while (count < want)
            count *= 2;
        w->state.slots = lh_realloc_array(w->state.slots, count, sizeof(struct slot));
        memset(w->state.slots + w->state.count, 0, (count - w->state.count) * sizeof(struct slot));
        w->state.count = count;
    }
    return &w->state.slots[fd];
}

static void
slot_expire_at(struct net_watcher *w, struct slot *s, int64_t ms)
{
    w->state.expiring += (size_t)(ms != 0) - (size_t)(s->expires_ms != 0);
    s->expires_ms = ms;
}

static void
slot_release(struct net_watcher *w, struct slot *s)
{
    slot_expire_at(w, s, 0);
    s->kind = SLOT_FREE;
    s->watched = NULL;
}

static bool
slot_register(struct net_watcher *w, int fd, struct slot *s, enum slot_kind kind, uint32_t events)
{
    struct epoll_event event = {.events = events};

    s->generation++;
    s->kind = kind;
    s->is_told = false;
    event.data.u64 = (uint64_t)s->generation << 32 | (uint32_t)fd;
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void
wake(struct net_watcher *w)
{
    uint64_t one = 1;

    /* A full counter has woken it already. */
    (void)!write(w->wake_fd, &one, sizeof(one));
}

/* ---- on the watcher's thread ---- */

static void
linger_close(struct net_watcher *w, int fd, struct slot *s)
{
    slot_release(w, s);
    w->state.lingering--;
    close(fd);
}

static void
linger_read(struct net_watcher *w, int fd, struct slot *s)
{
    /* MSG_TRUNC makes TCP throw the bytes away without copying them. */
    ssize_t n = recv(fd, NULL, LINGER_STEP_BYTES, MSG_TRUNC | MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        linger_close(w, fd, s);
}

/* Returns what to tell, referenced, or NULL. */
static void *
slot_tell(struct net_watcher *w, struct slot *s)
{
    slot_expire_at(w, s, 0);
    if (s->is_told)
        return NULL;
    s->is_told = true;
    w->options.ref(s->watched);
    return s->watched;
}

static void *
event_take(struct net_watcher *w, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    struct slot *s = slot_get(w, fd);

    if (s->kind == SLOT_FREE || s->generation != (uint32_t)(event->data.u64 >> 32))
        return NULL;
    if (s->kind == SLOT_LINGERING) {
        linger_read(w, fd, s);
        return NULL;
    }
    if (event->events & (EPOLLHUP | EPOLLERR))
        return slot_tell(w, s);
    if (!s->is_told && !s->expires_ms)
        slot_expire_at(w, s, lh_time_mono_ms() + w->options.grace_ms);
    return NULL;
}

static void *
expiry_take(struct net_watcher *w, int fd, int64_t now)
{
    struct slot *s = &w->state.slots[fd];

    if (!s->expires_ms || s->expires_ms > now)
        return NULL;
    if (s->kind == SLOT_WATCHED)
        return slot_tell(w, s);
    linger_close(w, fd, s);
    return NULL;
}

static void
tell(struct net_watcher *w, void *watched)
{
    if (!watched)
        return;
    w->options.gone(watched);
    w->options.unref(watched);
}

static void
events_handle(struct net_watcher *w, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        void *watched = NULL;
        uint64_t drained;

        if (events[i].data.u64 == WAKE_EVENT) {
            (void)!read(w->wake_fd, &drained, sizeof(drained));
            continue;
        }
        pthread_mutex_lock(&w->state.lock);
        watched = event_take(w, &events[i]);
        pthread_mutex_unlock(&w->state.lock);
        tell(w, watched);
    }
}

static void
expiries_handle(struct net_watcher *w)
{
    int64_t now = lh_time_mono_ms();

    for (size_t fd = 0;; fd++) {
        void *watched = NULL;
        bool is_over;

        pthread_mutex_lock(&w->state.lock);
        while (fd < w->state.count && !w->state.slots[fd].expires_ms)
            fd++;
        is_over = fd >= w->state.count;
        if (!is_over)
            watched = expiry_take(w, (int)fd, now);
        pthread_mutex_unlock(&w->state.lock);
        tell(w, watched);
        if (is_over)
            return;
    }
}

static bool
pending(struct net_watcher *w, bool *is_stopping)
{
    LH_AUTO_LOCK(&w->state.lock);

    *is_stopping = w->state.is_stopping;
    return w->state.expiring > 0;
}

static void *
watcher_run(void *arg)
{
    struct net_watcher *w = arg;
    struct epoll_event events[EVENTS_MAX];
    int64_t tick_at = lh_time_mono_ms() + TICK_MS;
    bool is_stopping;

    for (;;) {
        bool is_pending = pending(w, &is_stopping);
        int count;

        if (is_stopping)
            return NULL;
        count = epoll_wait(w->epoll_fd, events, EVENTS_MAX, is_pending ? PENDING_STEP_MS : TICK_MS);
        events_handle(w, events, count);
        if (is_pending)
            expiries_handle(w);
        if (lh_time_mono_ms() >= tick_at) {
            w->options.tick(w->options.self);
            tick_at = lh_time_mono_ms() + TICK_MS;
        }
    }
}

/* ---- from any thread ---- */

void
net_watcher_add(struct net_watcher *w, int fd, void *watched)
{
    LH_AUTO_LOCK(&w->state.lock);
    struct slot *s = slot_get(w, fd);

    s->watched = watched;
    /* Edges: a FIN that waits out its grace must not spin, and a later reset must still be seen. */
    if (!slot_register(w, fd, s, SLOT_WATCHED, EPOLLRDHUP | EPOLLET))
        slot_release(w, s);
}

void
net_watcher_remove(struct net_watcher *w, int fd, const void *watched)
{
    LH_AUTO_LOCK(&w->state.lock);
    struct slot *s = slot_get(w, fd);

    if (s->kind != SLOT_WATCHED || s->watched != watched)
        return;
    epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    slot_release(w, s);
}

void
net_watcher_gone_all(struct net_watcher *w)
{
    for (size_t fd = 0;; fd++) {
        void *watched = NULL;
        bool is_over;

        pthread_mutex_lock(&w->state.lock);
        is_over = fd >= w->state.count;
        if (!is_over && w->state.slots[fd].kind == SLOT_WATCHED)
            watched = slot_tell(w, &w->state.slots[fd]);
        pthread_mutex_unlock(&w->state.lock);
        tell(w, watched);
        if (is_over)
            return;
    }
}

void
net_watcher_linger(struct net_watcher *w, int fd)
{
    bool is_kept = false;

    shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&w->state.lock);
    if (w->state.lingering < LINGER_MAX && !w->state.is_stopping) {
        struct slot *s = slot_get(w, fd);

        is_kept = slot_register(w, fd, s, SLOT_LINGERING, EPOLLIN | EPOLLRDHUP);
        if (is_kept) {
            w->state.lingering++;
            slot_expire_at(w, s, lh_time_mono_ms() + LINGER_MS);
        } else {
            slot_release(w, s);
        }
    }
    pthread_mutex_unlock(&w->state.lock);
    if (is_kept)
        wake(w);
    else
        close(fd);
}

static void
watcher_release(struct net_watcher *w)
{
    for (size_t fd = 0; fd < w->state.count; fd++) {
        if (w->state.slots[fd].kind == SLOT_LINGERING)
            close((int)fd);
    }
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    pthread_mutex_destroy(&w->state.lock);
    free(w->state.slots);
    free(w);
}

static lh_status
watcher_open(struct net_watcher *w, struct lh_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_EVENT};

    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->epoll_fd < 0 || w->wake_fd < 0 ||
        epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event) != 0)
        return lh_fail_errno(err, errno, "cannot watch sockets");
    return lh_thread_start(&w->thread, "http-watch", watcher_run, w, err);
}

lh_status
net_watcher_start(const struct net_watcher_options *options, struct net_watcher **out,
                  struct lh_error *err)
{
    struct net_watcher *w = LH_NEW(struct net_watcher);
    lh_status status;

    w->options = *options;
    pthread_mutex_init(&w->state.lock, NULL);
    status = watcher_open(w, err);
    if (status != LH_OK) {
        watcher_release(w);
        return status;
    }
    *out = w;
    return LH_OK;
}

void
net_watcher_free(struct net_watcher *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->state.lock);
    w->state.is_stopping = true;
    pthread_mutex_unlock(&w->state.lock);
    wake(w);
    lh_thread_join(w->thread);
    watcher_release(w);
}
