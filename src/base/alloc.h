/*
 * alloc: heap allocation that cannot fail.
 *
 * Small allocations abort the process when memory is out: the kernel overcommits, and a half-failed
 * request that limps on is worse than a restart. Sizes that come from outside are checked against a
 * limit first.
 */
#ifndef LH_BASE_ALLOC_H
#define LH_BASE_ALLOC_H

#include <stddef.h>

void *lh_alloc(size_t size);                                  /* zeroed */
void *lh_alloc_array(size_t count, size_t size);              /* zeroed, overflow-checked */
void *lh_realloc_array(void *ptr, size_t count, size_t size); /* not zeroed */
char *lh_strdup(const char *s);                               /* NULL in, NULL out */
char *lh_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define LH_NEW(type) ((type *)lh_alloc(sizeof(type)))

#endif
