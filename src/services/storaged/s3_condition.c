#include "services/storaged/s3.h"

#include "base/time.h"
#include "net/condition.h"

/* Clients send ETags with and without quotes. */
static lh_str
quoted(lh_str tag, struct lh_arena *arena)
{
    if (!tag.ptr || tag.len == 0 || lh_str_eq(tag, LH_STR("*")) || tag.ptr[0] == '"' ||
        lh_str_starts(tag, LH_STR("W/")))
        return tag;
    return lh_str_of(lh_arena_printf(arena, "\"%.*s\"", LH_FMT(tag)));
}

static lh_str
shown(const struct lh_object_info *info, struct lh_arena *arena)
{
    return lh_str_of(lh_arena_printf(arena, "\"%.*s\"", LH_FMT(door_etag(info))));
}

bool
door_etag_meets(lh_str list, const struct lh_object_info *info)
{
    LH_AUTO_ARENA(arena);

    return lh_etag_match(quoted(list, &arena), shown(info, &arena), false);
}

/* ---- reads ---- */

static lh_str
prefixed(const struct s3_request *r, const char *prefix, const char *name)
{
    return door_request_field(r, lh_arena_printf(&r->call->arena, "%s%s", prefix, name));
}

/* HTTP dates have whole seconds. */
static bool
is_newer_than(const struct lh_object_info *info, lh_str date, bool *is_date)
{
    int64_t us;

    *is_date = date.ptr && lh_time_parse_http(date, &us);
    return *is_date && info->modified_us / 1000000 > us / 1000000;
}

enum lh_condition
door_condition_judge(const struct s3_request *r, const char *prefix,
                     const struct lh_object_info *info)
{
    struct lh_arena *arena = &r->call->arena;
    lh_str if_match = quoted(prefixed(r, prefix, "if-match"), arena);
    lh_str if_none_match = quoted(prefixed(r, prefix, "if-none-match"), arena);
    bool is_date, is_newer;
    enum lh_condition c = lh_condition_check(if_match, if_none_match, shown(info, arena), true);

    if (c == LH_CONDITION_FAILED)
        return c;
    is_newer = is_newer_than(info, prefixed(r, prefix, "if-unmodified-since"), &is_date);
    if (!if_match.ptr && is_date && is_newer)
        return LH_CONDITION_FAILED;
    is_newer = is_newer_than(info, prefixed(r, prefix, "if-modified-since"), &is_date);
    if (!if_none_match.ptr && is_date && !is_newer)
        return LH_CONDITION_NOT_MODIFIED;
    return c;
}

/* ---- writes ---- */

static lh_status
fail_precondition(const struct s3_request *r, const char *which, struct lh_error *err)
{
    return lh_fail(err, LH_CONFLICT, "store.precondition",
                   "at least one of the preconditions did not hold: %s of '%.*s'", which,
                   LH_FMT(lh_str_fit(r->key, 200)));
}

static lh_status
absence_judge(const struct s3_request *r, lh_str if_none_match, struct s3_condition *c,
              struct lh_error *err)
{
    if (!if_none_match.ptr)
        return LH_OK;
    if (!lh_str_eq(if_none_match, LH_STR("*")))
        return lh_fail(err, LH_UNSUPPORTED, "s3.NotImplemented",
                       "If-None-Match of a write can only be *");
    if (c->has_old)
        return fail_precondition(r, "If-None-Match", err);
    c->if_absent = true;
    return LH_OK;
}

static lh_status
match_judge(const struct s3_request *r, lh_str if_match, struct s3_condition *c,
            struct lh_error *err)
{
    if (!if_match.ptr)
        return LH_OK;
    if (!c->has_old)
        return lh_fail(err, LH_NOT_FOUND, "s3.NoSuchKey",
                       "If-Match was given, but there is no object '%.*s'",
                       LH_FMT(lh_str_fit(r->key, 200)));
    if (!door_etag_meets(if_match, &c->old))
        return fail_precondition(r, "If-Match", err);
    c->if_match = c->old.etag;
    return LH_OK;
}

lh_status
door_condition_read(const struct s3_request *r, struct s3_condition *c, struct lh_error *err)
{
    *c = (struct s3_condition){0};
    LH_TRY(storage_old_look(r->b, r->call, r->key, &c->old, &c->has_old, err));
    LH_TRY(absence_judge(r, door_request_field(r, "If-None-Match"), c, err));
    return match_judge(r, door_request_field(r, "If-Match"), c, err);
}
