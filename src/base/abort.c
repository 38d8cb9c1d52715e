#include "base/abort.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
lh_abort(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("lakehouse: fatal: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}
