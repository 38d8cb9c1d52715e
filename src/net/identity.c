#include "net/identity.h"

#include <stdio.h>
#include "base/encoding.h"
#include "base/hash.h"
#include "base/time.h"
#include "net/target.h"

#define PRINCIPAL "X-Lakehouse-Principal"
#define DEADLINE "X-Lakehouse-Deadline-Ms"
#define TOKEN "X-Lakehouse-Mesh-Token"
#define FORWARDED "X-Lakehouse-Forwarded"
#define TRACE "traceparent"

#define PRINCIPAL_BYTES_MAX ((size_t)8 << 10)

static const char *const kind_names[] = {
    [LH_PRINCIPAL_ANONYMOUS] = "anonymous",
    [LH_PRINCIPAL_USER] = "user",
    [LH_PRINCIPAL_SYSTEM] = "system",
};

bool
net_identity_owns(lh_str field)
{
    static const char *const own[] = {PRINCIPAL, DEADLINE, TOKEN, FORWARDED, TRACE};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (lh_str_eq_nocase(field, lh_str_of(own[i])))
            return true;
    }
    return false;
}

static lh_str
principal_print(struct lh_call *call)
{
    const struct lh_principal *p = &call->principal;
    LH_AUTO_BUF(text, PRINCIPAL_BYTES_MAX);

    lh_buf_printf(&text, "kind=%s&name=", kind_names[p->kind]);
    lh_percent_encode(&text, lh_str_of(p->name), false);
    lh_buf_add_cstr(&text, "&profile=");
    lh_percent_encode(&text, lh_str_of(p->profile), false);
    lh_buf_add_cstr(&text, p->may_write ? "&write=1" : "&write=0");
    return lh_arena_str(&call->arena, lh_buf_str(&text));
}

size_t
net_identity_write(struct lh_call *call, const char *token, bool is_forwarded,
                   struct lh_header *out)
{
    char trace[LH_TRACEPARENT_TEXT];
    size_t n = 0;

    out[n++] = (struct lh_header){LH_STR(PRINCIPAL), principal_print(call)};
    out[n++] = (struct lh_header){
        LH_STR(TRACE), lh_arena_str(&call->arena, lh_str_of(lh_trace_format(&call->trace, trace)))};
    if (call->deadline_ms != INT64_MAX)
        out[n++] = (struct lh_header){
            LH_STR(DEADLINE), lh_str_of(lh_arena_printf(&call->arena, "%lld",
                                                        (long long)lh_call_remaining_ms(call)))};
    if (token[0])
        out[n++] = (struct lh_header){LH_STR(TOKEN), lh_str_of(token)};
    if (is_forwarded)
        out[n++] = (struct lh_header){LH_STR(FORWARDED), LH_STR("1")};
    return n;
}

static bool
kind_parse(lh_str text, enum lh_principal_kind *out)
{
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
        if (lh_str_eq(text, lh_str_of(kind_names[i]))) {
            *out = (enum lh_principal_kind)i;
            return true;
        }
    }
    return false;
}

static bool
principal_member_read(lh_str name, lh_str value, struct lh_principal *p, struct lh_arena *arena)
{
    if (lh_str_eq(name, LH_STR("kind")))
        return kind_parse(value, &p->kind);
    if (lh_str_eq(name, LH_STR("name")))
        p->name = lh_arena_cstr(arena, value);
    else if (lh_str_eq(name, LH_STR("profile")))
        p->profile = lh_arena_cstr(arena, value);
    else if (lh_str_eq(name, LH_STR("write")))
        p->may_write = lh_str_eq(value, LH_STR("1"));
    return true;
}

static bool
principal_parse(lh_str text, struct lh_principal *out, struct lh_arena *arena)
{
    struct lh_principal p = {.name = "", .profile = ""};
    bool has_kind = false;
    lh_str part, name, value;

    while (lh_str_next(&text, '&', &part)) {
        if (!lh_str_cut(&part, '=', &name) ||
            net_target_decode(arena, part, NET_TARGET_ALL, &value, NULL) != LH_OK ||
            !principal_member_read(name, value, &p, arena))
            return false;
        has_kind = has_kind || lh_str_eq(name, LH_STR("kind"));
    }
    if (has_kind)
        *out = p;
    return has_kind;
}

lh_status
net_identity_read(const struct lh_request *req, struct lh_call *call, struct lh_error *err)
{
    lh_str principal = lh_request_header(req, PRINCIPAL);
    lh_str deadline = lh_request_header(req, DEADLINE);
    int64_t left;

    if (!principal.ptr)
        call->principal = (struct lh_principal){LH_PRINCIPAL_SYSTEM, "system", "", true};
    else if (!principal_parse(principal, &call->principal, &call->arena))
        return lh_fail(err, LH_INVALID, "mesh.identity", PRINCIPAL " is malformed");
    if (!deadline.ptr)
        return LH_OK;
    if (!lh_str_i64(deadline, &left) || left < 0 || left > INT64_MAX / 2)
        return lh_fail(err, LH_INVALID, "mesh.identity", DEADLINE " is malformed");
    call->deadline_ms = lh_time_mono_ms() + left;
    return LH_OK;
}

bool
net_identity_is_forwarded(const struct lh_request *req)
{
    return lh_request_header(req, FORWARDED).ptr != NULL;
}

bool
net_identity_is_trusted(const struct lh_request *req, const char *token)
{
    lh_str shown = lh_request_header(req, TOKEN);

    if (token[0])
        return shown.ptr && lh_bytes_eq_secret(lh_str_bytes(shown), lh_str_bytes(lh_str_of(token)));
    return lh_str_starts(req->peer, LH_STR("127.")) || lh_str_eq(req->peer, LH_STR("::1"));
}
