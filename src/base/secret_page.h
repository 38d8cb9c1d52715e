/*
 * secret_page: bytes that must not leave the process, for this folder.
 *
 * A page is mapped by itself, left out of core files (MADV_DONTDUMP), zero in children
 * (MADV_WIPEONFORK), locked in memory as far as RLIMIT_MEMLOCK goes, and cleared before it is
 * unmapped. Growing moves it and clears what it leaves.
 */
#ifndef LH_BASE_SECRET_PAGE_H
#define LH_BASE_SECRET_PAGE_H

#include "base/str.h"

struct secret_page {
    char *data;
    size_t len, cap;
};

void secret_page_add(struct secret_page *p, const void *ptr, size_t n);
char *secret_page_reserve(struct secret_page *p, size_t n); /* room behind data + len */
void secret_page_fini(struct secret_page *p);

/* Fields are kept as "FIELD\0value\0"…; `prefix` and `field` become capitals. */
void secret_page_put(struct secret_page *p, lh_str prefix, lh_str field, lh_str value);
/* Steps over them: *at begins at 0. */
bool secret_page_next(const struct secret_page *p, size_t *at, lh_str *field, lh_str *value);

#endif
