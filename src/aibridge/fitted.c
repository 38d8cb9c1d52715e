#include <stdlib.h>
#include "aibridge/parts.h"
#include "base/alloc.h"

static void
fitted_free(struct bridge_fitted *f)
{
    lh_lsa_free(f->lsa);
    free(f);
}

void
bridge_fitted_unref(struct lh_bridge *b, struct bridge_fitted *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&b->fitted.lock);
    bool is_last = --f->refs == 0;
    pthread_mutex_unlock(&b->fitted.lock);
    if (is_last)
        fitted_free(f);
}

/* Where `name` is, or where it would be. */
static size_t
place_of(const struct lh_bridge *b, lh_str name, bool *is_there)
{
    size_t low = 0, high = b->fitted.count;

    *is_there = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = lh_str_cmp(lh_str_of(b->fitted.list[mid]->name), name);
        *is_there |= order == 0;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct bridge_fitted *
bridge_fitted_find(struct lh_bridge *b, lh_str name)
{
    bool is_there;

    LH_AUTO_LOCK(&b->fitted.lock);
    size_t at = place_of(b, name, &is_there);
    if (!is_there)
        return NULL;
    b->fitted.list[at]->refs++;
    return b->fitted.list[at];
}

/* Puts `f` in its place; returns what was there before, or NULL. */
static struct bridge_fitted *
fitted_put(struct lh_bridge *b, struct bridge_fitted *f)
{
    struct bridge_fitted *old = NULL;
    bool is_there;

    LH_AUTO_LOCK(&b->fitted.lock);
    size_t at = place_of(b, lh_str_of(f->name), &is_there);
    if (is_there) {
        old = b->fitted.list[at];
    } else {
        b->fitted.list =
            lh_realloc_array(b->fitted.list, b->fitted.count + 1, sizeof(*b->fitted.list));
        memmove(&b->fitted.list[at + 1], &b->fitted.list[at],
                (b->fitted.count - at) * sizeof(*b->fitted.list));
        b->fitted.count++;
    }
    b->fitted.list[at] = f;
    return old;
}

lh_status
lh_bridge_lsa_register(struct lh_bridge *b, lh_str name, struct lh_lsa *m, struct lh_error *err)
{
    if (bridge_model_of(b, name)) {
        lh_lsa_free(m);
        return lh_fail(err, LH_EXISTS, "bridge.name_taken",
                       "model '%.*s' is one of the configuration", LH_FMT(name));
    }
    struct bridge_fitted *f = LH_NEW(struct bridge_fitted);
    f->lsa = m;
    f->refs = 1;
    if (name.len == 0 || !lh_str_copy(f->name, sizeof(f->name), name)) {
        fitted_free(f);
        return lh_fail(err, LH_INVALID, "bridge.name", "a model's name has 1 to %d bytes",
                       LH_BRIDGE_NAME_MAX - 1);
    }
    bridge_fitted_unref(b, fitted_put(b, f));
    return LH_OK;
}

void
lh_bridge_unregister(struct lh_bridge *b, lh_str name)
{
    struct bridge_fitted *f = NULL;
    bool is_there;

    pthread_mutex_lock(&b->fitted.lock);
    size_t at = place_of(b, name, &is_there);
    if (is_there) {
        f = b->fitted.list[at];
        b->fitted.count--;
        memmove(&b->fitted.list[at], &b->fitted.list[at + 1],
                (b->fitted.count - at) * sizeof(*b->fitted.list));
    }
    pthread_mutex_unlock(&b->fitted.lock);
    bridge_fitted_unref(b, f);
}

void
bridge_fitted_clear(struct lh_bridge *b)
{
    for (size_t i = 0; i < b->fitted.count; i++)
        fitted_free(b->fitted.list[i]);
    free(b->fitted.list);
    b->fitted.list = NULL;
    b->fitted.count = 0;
}

/* One at a time, so that `see` runs under no lock. */
void
bridge_fitted_see(struct lh_bridge *b, void (*see)(void *ctx, const struct lh_bridge_model *model),
                  void *ctx)
{
    char last[LH_BRIDGE_NAME_MAX] = "";

    for (;;) {
        bool is_there;
        pthread_mutex_lock(&b->fitted.lock);
        size_t at = place_of(b, lh_str_of(last), &is_there) + is_there;
        struct bridge_fitted *f = at < b->fitted.count ? b->fitted.list[at] : NULL;
        if (f)
            f->refs++;
        pthread_mutex_unlock(&b->fitted.lock);
        if (!f)
            return;
        struct lh_lsa_info info;
        lh_lsa_info_get(f->lsa, &info);
        struct lh_bridge_model seen = {f->name, BRIDGE_BUILT_IN, LH_BRIDGE_EMBED, info.dim};
        see(ctx, &seen);
        memcpy(last, f->name, sizeof(last));
        bridge_fitted_unref(b, f);
    }
}
