#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/abort.h"

/* malloc(0) may answer NULL, which would look like a failure. */
static size_t
at_least_one(size_t size)
{
    return size > 0 ? size : 1;
}

static size_t
product(size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        lh_abort("allocation of %zu times %zu bytes overflows", count, size);
    return total;
}

void *
lh_alloc(size_t size)
{
    void *ptr = calloc(1, at_least_one(size));

    if (ptr == NULL)
        lh_abort("out of memory allocating %zu bytes", size);
    return ptr;
}

void *
lh_alloc_array(size_t count, size_t size)
{
    return lh_alloc(product(count, size));
}

void *
lh_realloc_array(void *ptr, size_t count, size_t size)
{
    size_t total = at_least_one(product(count, size));
    void *grown = realloc(ptr, total);

    if (grown == NULL)
        lh_abort("out of memory allocating %zu bytes", total);
    return grown;
}

char *
lh_strdup(const char *s)
{
    if (s == NULL)
        return NULL;
    size_t size = strlen(s) + 1;
    return memcpy(lh_alloc(size), s, size);
}

char *
lh_asprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        lh_abort("cannot format \"%s\"", fmt);
    return text;
}
