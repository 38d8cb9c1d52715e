/*
 * abort: the end of a process whose own invariant is broken.
 *
 * For what only a bug of ours, or memory running out, can cause; it is active in every build,
 * unlike assert. Bytes, disks, peers, clocks and people get a `struct lh_error` instead.
 */
#ifndef LH_BASE_ABORT_H
#define LH_BASE_ABORT_H

/* Writes one line to standard error and aborts, so that a core file and the line tell the story. */
_Noreturn void lh_abort(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
