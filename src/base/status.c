#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

/* Defined below; in front of them the header puts a word for the analyzer. */
#undef lh_fail
#undef lh_fail_errno

static const char *const status_names[LH_STATUS_COUNT] = {
    [LH_OK] = "ok",
    [LH_INVALID] = "invalid",
    [LH_NOT_FOUND] = "not_found",
    [LH_EXISTS] = "exists",
    [LH_CONFLICT] = "conflict",
    [LH_DENIED] = "denied",
    [LH_BUSY] = "busy",
    [LH_TOO_BIG] = "too_big",
    [LH_NO_SPACE] = "no_space",
    [LH_TIMEOUT] = "timeout",
    [LH_CANCELED] = "canceled",
    [LH_UNAVAILABLE] = "unavailable",
    [LH_CORRUPT] = "corrupt",
    [LH_IO] = "io",
    [LH_UNSUPPORTED] = "unsupported",
    [LH_BUG] = "bug",
};

/* Room for one whole UTF-8 sequence past the limit, so that a cut can see whether it splits one. */
struct draft {
    char text[LH_ERROR_TEXT_MAX + 4];
};

static void
draft_vprintf(struct draft *d, const char *fmt, va_list args)
{
    if (vsnprintf(d->text, sizeof(d->text), fmt, args) < 0)
        d->text[0] = '\0';
}

/* The text promises one line: whatever came in from a library or a peer is made to keep that. */
static void
one_line(char *text)
{
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
}

static void
text_set(struct lh_error *err, const char *text)
{
    lh_str cut = lh_str_fit(lh_str_of(text), LH_ERROR_TEXT_MAX - 1);

    memcpy(err->text, cut.ptr, cut.len);
    err->text[cut.len] = '\0';
    one_line(err->text);
}

static void
error_replace(struct lh_error *err, lh_status status, const char *reason, const char *text)
{
    err->status = status;
    (void)lh_str_copy(err->reason, sizeof(err->reason), lh_str_of(reason));
    text_set(err, text);
    free(err->extra);
    err->extra = NULL;
}

static lh_status
status_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return LH_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return LH_DENIED;
    case ENOSPC:
    case EDQUOT:
        return LH_NO_SPACE;
    default:
        return LH_IO;
    }
}

static void
reason_of_errno(int errnum, char reason[LH_ERROR_REASON_MAX])
{
    const char *name = strerrorname_np(errnum);

    snprintf(reason, LH_ERROR_REASON_MAX, "os.%s", name != NULL ? name : "unknown");
    for (char *c = reason; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
}

const char *
lh_status_name(lh_status status)
{
    if ((unsigned)status >= LH_STATUS_COUNT)
        return "unknown";
    return status_names[status];
}

lh_status
lh_fail(struct lh_error *err, lh_status status, const char *reason, const char *fmt, ...)
{
    if (err == NULL)
        return status;
    /* Built aside: the arguments may point into the error that is being replaced. */
    struct draft d;
    char own_reason[LH_ERROR_REASON_MAX];
    va_list args;
    va_start(args, fmt);
    draft_vprintf(&d, fmt, args);
    va_end(args);
    (void)lh_str_copy(own_reason, sizeof(own_reason), lh_str_of(reason));
    error_replace(err, status, own_reason, d.text);
    return status;
}

lh_status
lh_fail_errno(struct lh_error *err, int errnum, const char *fmt, ...)
{
    lh_status status = status_of_errno(errnum);

    if (err == NULL)
        return status;
    struct draft d, whole;
    char system[128], reason[LH_ERROR_REASON_MAX];
    va_list args;
    va_start(args, fmt);
    draft_vprintf(&d, fmt, args);
    va_end(args);
    reason_of_errno(errnum, reason);
    /* A long path must not push the system's message out of the text. */
    const char *message = strerror_r(errnum, system, sizeof(system));
    size_t room = sizeof(err->text) - strlen(message) - 3;
    lh_str asked = lh_str_fit(lh_str_of(d.text), room);
    snprintf(whole.text, sizeof(whole.text), "%.*s: %s", LH_FMT(asked), message);
    error_replace(err, status, reason, whole.text);
    return status;
}

void
lh_error_extra_set(struct lh_error *err, const char *json_object_text)
{
    if (err == NULL)
        return;
    char *copy = lh_strdup(json_object_text);
    free(err->extra);
    err->extra = copy;
}

lh_status
lh_error_wrap(struct lh_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return LH_BUG;
    struct draft context, whole;
    va_list args;
    va_start(args, fmt);
    draft_vprintf(&context, fmt, args);
    va_end(args);
    int len = snprintf(whole.text, sizeof(whole.text), "%s: %s", context.text, err->text);
    if (len > 0)
        text_set(err, whole.text);
    return err->status;
}

bool
lh_error_is(const struct lh_error *err, const char *reason)
{
    return err != NULL && err->status != LH_OK && strcmp(err->reason, reason) == 0;
}

void
lh_error_copy(struct lh_error *to, const struct lh_error *from)
{
    if (to == NULL || to == from)
        return;
    char *extra = lh_strdup(from->extra);
    free(to->extra);
    *to = *from;
    to->extra = extra;
}

void
lh_error_clear(struct lh_error *err)
{
    if (err == NULL)
        return;
    free(err->extra);
    *err = (struct lh_error){0};
}

void
lh_auto_free_chars(char **p)
{
    free(*p);
    *p = NULL;
}

/* Runs as a scope ends, often just before errno is reported: it must not change it. */
void
lh_auto_close_fd(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}
