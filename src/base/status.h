/*
 * status: how every fallible function of Lakehouse reports.
 *
 * A function returns a `lh_status`; the details go into the caller's `struct lh_error`. A status
 * names what the caller can *do*, so the list is closed; a reason (`catalog.schema_drift`) is the
 * stable, machine-readable name of what happened, so reasons grow. The text is one line for people:
 * what was asked, what was found, which limit applied.
 *
 * Owns     `extra`, a JSON object of further members for the answer, or NULL. Whoever declares a
 *          `struct lh_error` declares it with LH_AUTO_ERROR, so it is released with the scope.
 * Threads  an error belongs to one thread.
 */
#ifndef LH_BASE_STATUS_H
#define LH_BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum lh_status {
    LH_OK = 0,
    LH_INVALID,     /* the request is wrong; do not repeat it */
    LH_NOT_FOUND,   /* the thing named does not exist */
    LH_EXISTS,      /* create-if-absent found it present */
    LH_CONFLICT,    /* somebody else was first; read again and decide */
    LH_DENIED,      /* this principal may not */
    LH_BUSY,        /* a limit of concurrency; repeat later */
    LH_TOO_BIG,     /* a limit of size */
    LH_NO_SPACE,    /* the disk or quota is full */
    LH_TIMEOUT,     /* the deadline passed */
    LH_CANCELED,    /* the caller went away or asked to stop */
    LH_UNAVAILABLE, /* a peer does not answer; repeat later */
    LH_CORRUPT,     /* stored bytes are not what was written */
    LH_IO,          /* the operating system refused */
    LH_UNSUPPORTED, /* well-formed, but not something this build does */
    LH_BUG,         /* an invariant of ours is broken */
    LH_STATUS_COUNT
} lh_status;

#define LH_ERROR_REASON_MAX 64
#define LH_ERROR_TEXT_MAX 512

struct lh_error {
    lh_status status;
    char reason[LH_ERROR_REASON_MAX];
    char text[LH_ERROR_TEXT_MAX];
    char *extra; /* JSON object text, heap, or NULL */
};

/* The status in lower case with underscores: "not_found". Never NULL. */
const char *lh_status_name(lh_status status);

/* Fills `err` (which may be NULL) and returns `status`, so that `return lh_fail(…)` reads well.
 * An earlier content is replaced. Over-long texts are cut at a UTF-8 boundary. */
lh_status lh_fail(struct lh_error *err, lh_status status, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Like lh_fail, with ": " and strerror(errnum) appended; status and reason follow from errnum:
 * ENOENT NOT_FOUND, EACCES/EPERM/EROFS DENIED, ENOSPC/EDQUOT NO_SPACE, else IO; reason "os.<name>".
 */
lh_status lh_fail_errno(struct lh_error *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Attaches extra answer members: `json_object_text` is copied. No-op on NULL err. */
void lh_error_extra_set(struct lh_error *err, const char *json_object_text);

/* Puts "context: " before the text, keeping status, reason and extra. Returns err->status;
 * BUG for a NULL err, which knows no status to keep: wrap only errors of your own. */
lh_status
lh_error_wrap(struct lh_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool lh_error_is(const struct lh_error *err, const char *reason);
void lh_error_copy(struct lh_error *to, const struct lh_error *from);
void lh_error_clear(struct lh_error *err); /* releases and zeroes; may be used again */

#define LH_AUTO_ERROR(name) __attribute__((cleanup(lh_error_clear))) struct lh_error name = {0}

/* Returns the status of a failed call from the enclosing function. */
#define LH_TRY(expr)                                                                               \
    do {                                                                                           \
        lh_status lh_try_ = (expr);                                                                \
        if (lh_try_ != LH_OK)                                                                      \
            return lh_try_;                                                                        \
    } while (0)

/*
 * Owning locals. `LH_AUTO(store_list) *l = NULL;` calls store_list_free(l) when the scope ends.
 * A type opts in with LH_AUTO_DEFINE(store_list) after its `_free` is declared; `_free` accepts
 * NULL.
 */
#define LH_AUTO(type) __attribute__((cleanup(type##_auto_free))) struct type
#define LH_AUTO_DEFINE(type)                                                                       \
    static inline void type##_auto_free(struct type **lh_p)                                        \
    {                                                                                              \
        type##_free(*lh_p);                                                                        \
    }

/* Moves a pointer out of an owning local. */
#define lh_take(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) lh_take_ = (p);                                                              \
        (p) = NULL;                                                                                \
        lh_take_;                                                                                  \
    })

/* `char *` locals from the heap. */
void lh_auto_free_chars(char **p);
#define LH_AUTO_CHARS __attribute__((cleanup(lh_auto_free_chars))) char *

/* File descriptors; -1 is "none". */
void lh_auto_close_fd(int *fd);
#define LH_AUTO_FD __attribute__((cleanup(lh_auto_close_fd))) int

/* The analyzer sees one file at a time: it is told here that what fails does not return LH_OK. */
#ifdef __clang_analyzer__
static inline lh_status
lh_failed(lh_status status)
{
    if (status == LH_OK)
        __builtin_unreachable();
    return status;
}
#define lh_fail(...) lh_failed(lh_fail(__VA_ARGS__))
#define lh_fail_errno(...) lh_failed(lh_fail_errno(__VA_ARGS__))
#endif

#endif
