/*
 * Patterns form a tree with one level for each segment. A node has its literal children, one child
 * for `{name}`, and the routes of `{name...}`; a path is walked literal first, so the most literal
 * pattern that has the method wins. The walk notes which methods the other fitting patterns have,
 * for 405 and Allow.
 *
 * Parameters are not decoded while walking: the path keeps %2F, so its segments and those of the
 * encoded target run in parallel, and the winner's parameters are cut from the encoded one.
 */
#include "net/router.h"

#include "base/abort.h"
#include "base/alloc.h"
#include "net/target.h"

#define METHODS LH_METHOD_COUNT

struct entry {
    const struct lh_route *route;
    void *service;
    size_t index;
    size_t param_count;
    struct param {
        lh_str name;
        size_t segment; /* counted from 0 */
        bool is_rest;
    } params[LH_REQUEST_PARAMS_MAX];
};

struct node {
    lh_str literal;
    struct node **children;
    size_t child_count;
    struct node *any;             /* {name} */
    struct entry *exact[METHODS]; /* the path ends here */
    struct entry *rest[METHODS];  /* {name...} takes what follows */
};

struct lh_router {
    struct node root;
    size_t count;
};

struct walk {
    enum lh_method method;
    unsigned allowed; /* a bit for each method of a pattern that fits */
};

/* ---- building ---- */

static struct node *
child_find(const struct node *n, lh_str literal)
{
    for (size_t i = 0; i < n->child_count; i++) {
        if (lh_str_eq(n->children[i]->literal, literal))
            return n->children[i];
    }
    return NULL;
}

static struct node *
child_get(struct node *n, lh_str literal)
{
    struct node *child = child_find(n, literal);

    if (child)
        return child;
    child = LH_NEW(struct node);
    child->literal = literal;
    n->children = lh_realloc_array(n->children, n->child_count + 1, sizeof(struct node *));
    n->children[n->child_count++] = child;
    return child;
}

static void
entry_set(struct entry **slot, struct entry *e)
{
    if (*slot)
        lh_abort("route %s %s was added twice", lh_method_name(e->route->method),
                 e->route->pattern);
    *slot = e;
}

static void
param_add(struct entry *e, lh_str name, size_t segment, bool is_rest)
{
    if (e->param_count == LH_REQUEST_PARAMS_MAX)
        lh_abort("route %s has more than %d parameters", e->route->pattern, LH_REQUEST_PARAMS_MAX);
    e->params[e->param_count++] = (struct param){name, segment, is_rest};
}

static void
pattern_add(struct lh_router *r, struct entry *e)
{
    struct node *n = &r->root;
    lh_str pattern = lh_str_of(e->route->pattern);
    lh_str rest = lh_str_slice(pattern, 1, pattern.len), part;

    if (pattern.ptr[0] != '/')
        lh_abort("route %s does not start with /", pattern.ptr);
    for (size_t segment = 0; lh_str_next(&rest, '/', &part); segment++) {
        bool is_param = part.len > 2 && part.ptr[0] == '{' && lh_str_ends(part, LH_STR("}"));

        if (!is_param) {
            n = child_get(n, part);
        } else if (lh_str_ends(part, LH_STR("...}"))) {
            param_add(e, lh_str_slice(part, 1, part.len - 4), segment, true);
            entry_set(&n->rest[e->route->method], e);
            return;
        } else {
            param_add(e, lh_str_slice(part, 1, part.len - 1), segment, false);
            if (!n->any)
                n->any = LH_NEW(struct node);
            n = n->any;
        }
    }
    entry_set(&n->exact[e->route->method], e);
}

struct lh_router *
lh_router_new(void)
{
    return LH_NEW(struct lh_router);
}

void
lh_router_add(struct lh_router *r, const struct lh_route *routes, void *service)
{
    for (; routes->pattern; routes++) {
        struct entry *e = LH_NEW(struct entry);

        e->route = routes;
        e->service = service;
        e->index = r->count++;
        if ((routes->flags & LH_ROUTE_INLINE) && (routes->flags & LH_ROUTE_STREAMS_BODY))
            lh_abort("route %s cannot wait for a body on a network thread", routes->pattern);
        pattern_add(r, e);
    }
}

static void
node_clear(struct node *n)
{
    for (size_t m = 0; m < METHODS; m++) {
        free(n->exact[m]);
        free(n->rest[m]);
    }
    for (size_t i = 0; i < n->child_count; i++) {
        node_clear(n->children[i]);
        free(n->children[i]);
    }
    free(n->children);
    if (n->any)
        node_clear(n->any);
    free(n->any);
}

void
lh_router_free(struct lh_router *r)
{
    if (!r)
        return;
    node_clear(&r->root);
    free(r);
}

size_t
lh_router_count(const struct lh_router *r)
{
    return r->count;
}

/* ---- finding ---- */

static const struct entry *
entry_pick(struct entry *const *by_method, struct walk *w)
{
    const struct entry *found = NULL;

    for (unsigned m = 0; m < METHODS; m++) {
        if (by_method[m])
            w->allowed |= 1u << m;
    }
    if ((unsigned)w->method < METHODS)
        found = by_method[w->method];
    if (!found && w->method == LH_HEAD)
        found = by_method[LH_GET];
    return found;
}

/* Patterns are a handful of levels deep, and so is this recursion, however long the path. */
static const struct entry *
node_find(const struct node *n, lh_str rest, struct walk *w)
{
    const struct entry *found = NULL;
    const struct node *child;
    lh_str part;

    if (rest.ptr == NULL)
        return entry_pick(n->exact, w);
    lh_str after = rest;
    lh_str_next(&after, '/', &part);
    child = child_find(n, part);
    if (child)
        found = node_find(child, after, w);
    if (!found && n->any && part.len > 0)
        found = node_find(n->any, after, w);
    if (!found)
        found = entry_pick(n->rest, w);
    return found;
}

/* The encoded segment number `segment`, or everything from it on. */
static lh_str
segment_cut(lh_str path, size_t segment, bool is_rest)
{
    lh_str rest = lh_str_slice(path, 1, path.len), part = rest;

    for (size_t i = 0; i < segment; i++)
        lh_str_next(&rest, '/', &part);
    if (is_rest || !lh_str_next(&rest, '/', &part))
        return rest;
    return part;
}

static lh_str
encoded_path(const struct lh_request *req)
{
    lh_str rest = req->target, path;

    if (req->target.len == 0)
        return req->path;
    lh_str_cut(&rest, '?', &path);
    return path;
}

static lh_status
params_fill(const struct entry *e, struct lh_arena *arena, struct lh_request *req,
            struct lh_error *err)
{
    lh_str path = encoded_path(req);

    for (size_t i = 0; i < e->param_count; i++) {
        const struct param *p = &e->params[i];
        lh_str part = segment_cut(path, p->segment, p->is_rest);

        req->params[i].name = p->name;
        LH_TRY(net_target_decode(arena, part, NET_TARGET_ALL, &req->params[i].value, err));
    }
    req->param_count = e->param_count;
    return LH_OK;
}

static lh_str
allow_print(unsigned allowed, struct lh_arena *arena)
{
    char *text = lh_arena_alloc(arena, 64);

    if (allowed & 1u << LH_GET)
        allowed |= 1u << LH_HEAD;
    for (unsigned m = 0; m < METHODS; m++) {
        if (!(allowed & 1u << m))
            continue;
        if (text[0])
            strcat(text, ", ");
        strcat(text, lh_method_name((enum lh_method)m));
    }
    return lh_str_of(text);
}

static lh_status
refuse(const struct walk *w, struct lh_arena *arena, const struct lh_request *req, lh_str *allow,
       struct lh_error *err)
{
    lh_str path = lh_str_fit(req->path, 200);

    if (!w->allowed)
        return lh_fail(err, LH_NOT_FOUND, "request.route", "there is nothing at %.*s",
                       LH_FMT(path));
    *allow = allow_print(w->allowed, arena);
    return lh_fail(err, LH_INVALID, "request.method", "%.*s takes %.*s, not %s", LH_FMT(path),
                   LH_FMT(*allow), lh_method_name(w->method));
}

lh_status
lh_router_find(const struct lh_router *r, struct lh_arena *arena, struct lh_request *req,
               struct lh_match *out, lh_str *allow, struct lh_error *err)
{
    struct walk w = {.method = req->method};
    const struct entry *e = NULL;

    if (req->path.len > 0 && req->path.ptr[0] == '/')
        e = node_find(&r->root, lh_str_slice(req->path, 1, req->path.len), &w);
    if (!e)
        return refuse(&w, arena, req, allow, err);
    LH_TRY(params_fill(e, arena, req, err));
    req->route = e->route->pattern;
    *out = (struct lh_match){e->route, e->service, e->index};
    return LH_OK;
}
