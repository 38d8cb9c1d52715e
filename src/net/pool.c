#include "net/pool.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

/* How long one waits for a free handle without looking whether the call still lives. */
#define LOOK_MS 20

struct net_origin {
    lh_str name; /* "http://127.0.0.1:3100" */
    struct net_handle *idle;
    size_t in_use;
    struct net_origin *next;
};

struct net_pool {
    size_t max_per_origin;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t given;
        struct net_origin *origins; /* as many as the configuration names: a short list */
    } state;
};

static void
handle_free(struct net_handle *h)
{
    if (h->easy)
        curl_easy_cleanup(h->easy);
    if (h->multi)
        curl_multi_cleanup(h->multi);
    free(h);
}

static struct net_handle *
handle_new(struct net_origin *origin)
{
    struct net_handle *h = LH_NEW(struct net_handle);

    h->origin = origin;
    h->easy = curl_easy_init();
    h->multi = curl_multi_init();
    if (h->easy && h->multi)
        return h;
    handle_free(h);
    return NULL;
}

static lh_str
origin_cut(const char *url)
{
    const char *authority = strstr(url, "://");
    const char *from = authority ? authority + 3 : url;

    return (lh_str){url, (size_t)(from - url) + strcspn(from, "/?#")};
}

/* The lock is held. */
static struct net_origin *
origin_get(struct net_pool *p, lh_str name)
{
    struct net_origin *o = p->state.origins;

    while (o && !lh_str_eq(o->name, name))
        o = o->next;
    if (o)
        return o;
    o = LH_NEW(struct net_origin);
    o->name = lh_str_of(lh_str_dup(name));
    o->next = p->state.origins;
    p->state.origins = o;
    return o;
}

struct net_pool *
net_pool_new(size_t max_per_origin)
{
    struct net_pool *p = LH_NEW(struct net_pool);

    p->max_per_origin = max_per_origin ? max_per_origin : 1;
    pthread_mutex_init(&p->state.lock, NULL);
    lh_cond_init(&p->state.given);
    return p;
}

static void
origin_free(struct net_origin *o)
{
    while (o->idle) {
        struct net_handle *h = o->idle;

        o->idle = h->next;
        handle_free(h);
    }
    free((char *)o->name.ptr);
    free(o);
}

void
net_pool_free(struct net_pool *p)
{
    if (!p)
        return;
    while (p->state.origins) {
        struct net_origin *o = p->state.origins;

        p->state.origins = o->next;
        origin_free(o);
    }
    pthread_cond_destroy(&p->state.given);
    pthread_mutex_destroy(&p->state.lock);
    free(p);
}

/* *out stays NULL when a new handle may be made for the place that was taken. */
static lh_status
place_take(struct net_pool *p, struct lh_call *call, lh_str name, struct net_origin **origin,
           struct net_handle **out, struct lh_error *err)
{
    LH_AUTO_LOCK(&p->state.lock);
    struct net_origin *o = origin_get(p, name);

    while (o->in_use >= p->max_per_origin) {
        LH_TRY(lh_call_check(call, err));
        lh_cond_wait_until(&p->state.given, &p->state.lock, lh_time_mono_ms() + LOOK_MS);
    }
    o->in_use++;
    *out = o->idle;
    if (o->idle)
        o->idle = o->idle->next;
    *origin = o;
    return LH_OK;
}

static void
place_give(struct net_pool *p, struct net_origin *o, struct net_handle *h)
{
    LH_AUTO_LOCK(&p->state.lock);

    o->in_use--;
    if (h) {
        h->next = o->idle;
        o->idle = h;
    }
    pthread_cond_signal(&p->state.given);
}

lh_status
net_pool_take(struct net_pool *p, struct lh_call *call, const char *url, struct net_handle **out,
              struct lh_error *err)
{
    struct net_origin *origin = NULL;
    struct net_handle *h = NULL;

    LH_TRY(place_take(p, call, origin_cut(url), &origin, &h, err));
    if (!h)
        h = handle_new(origin);
    if (!h) {
        place_give(p, origin, NULL);
        return lh_fail(err, LH_UNAVAILABLE, "net.connect", "no memory for another connection");
    }
    *out = h;
    return LH_OK;
}

void
net_pool_give(struct net_pool *p, struct net_handle *h, bool keep)
{
    struct net_origin *origin = h->origin;

    if (!keep) {
        handle_free(h);
        h = NULL;
    }
    place_give(p, origin, h);
}
