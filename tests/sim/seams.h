/*
 * seams: the functions that the linker leads elsewhere, and what they were.
 *
 * The names are the linker's (`--wrap`), hence the reserved identifiers.
 */
#ifndef LH_SIM_SEAMS_H
#define LH_SIM_SEAMS_H

#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/types.h>
#include <time.h>

#include "base/id.h"
#include "base/log.h"

/* The linker compares no types, so this does. */
#define SEAM(type, name, ...)                                                                      \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __real_##name(__VA_ARGS__);                                                               \
    _Static_assert(__builtin_types_compatible_p(__typeof__(name), __typeof__(__wrap_##name)),      \
                   #name " is declared otherwise")

/* ---- the machine (seams.c) ---- */

SEAM(int, clock_gettime, clockid_t clock, struct timespec *t);
SEAM(int, nanosleep, const struct timespec *t, struct timespec *left);
SEAM(ssize_t, getrandom, void *to, size_t n, unsigned flags);
SEAM(uint64_t, lh_random_u64, void);
SEAM(lh_uuid, lh_uuid_v7, void);
SEAM(int, pthread_create, pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *),
     void *arg);
SEAM(int, pthread_join, pthread_t thread, void **result);
SEAM(int, pthread_setname_np, pthread_t thread, const char *name);
SEAM(int, pthread_sigmask, int how, const sigset_t *set, sigset_t *old);
SEAM(int, pthread_mutex_lock, pthread_mutex_t *m);
SEAM(int, pthread_mutex_trylock, pthread_mutex_t *m);
SEAM(int, pthread_mutex_unlock, pthread_mutex_t *m);
SEAM(int, pthread_cond_wait, pthread_cond_t *c, pthread_mutex_t *m);
SEAM(int, pthread_cond_timedwait, pthread_cond_t *c, pthread_mutex_t *m,
     const struct timespec *until);
SEAM(int, pthread_cond_signal, pthread_cond_t *c);
SEAM(int, pthread_cond_broadcast, pthread_cond_t *c);
SEAM(bool, lh_log_is_on, enum lh_log_level level);
SEAM(void, lh_log_write, enum lh_log_level level, const char *service, const char *event,
     const struct lh_log_field *fields, size_t count);
SEAM(void, lh_log_error, enum lh_log_level level, const char *service, const char *event,
     const struct lh_error *err);

#endif
