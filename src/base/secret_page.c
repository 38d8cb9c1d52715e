#include "base/secret_page.h"

#include <sys/mman.h>
#include <unistd.h>
#include "base/abort.h"

static char *
map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || madvise(p, size, MADV_DONTDUMP) != 0 ||
        madvise(p, size, MADV_WIPEONFORK) != 0)
        lh_abort("no memory for secrets");
    (void)mlock(p, size);
    return p;
}

static void
unmap(char *p, size_t size)
{
    if (!p)
        return;
    explicit_bzero(p, size);
    (void)munmap(p, size);
}

char *
secret_page_reserve(struct secret_page *p, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), cap;
    char *data;

    if (p->cap - p->len >= n)
        return p->data + p->len;
    cap = (p->len + n + p->cap + page - 1) / page * page;
    data = map(cap);
    if (p->len > 0)
        memcpy(data, p->data, p->len);
    unmap(p->data, p->cap);
    p->data = data;
    p->cap = cap;
    return p->data + p->len;
}

void
secret_page_add(struct secret_page *p, const void *ptr, size_t n)
{
    if (n == 0)
        return;
    memcpy(secret_page_reserve(p, n), ptr, n);
    p->len += n;
}

void
secret_page_fini(struct secret_page *p)
{
    unmap(p->data, p->cap);
    *p = (struct secret_page){0};
}

static void
add_capitals(struct secret_page *p, lh_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        c = (char)(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
        secret_page_add(p, &c, 1);
    }
}

void
secret_page_put(struct secret_page *p, lh_str prefix, lh_str field, lh_str value)
{
    add_capitals(p, prefix);
    add_capitals(p, field);
    secret_page_add(p, "", 1);
    secret_page_add(p, value.ptr, value.len);
    secret_page_add(p, "", 1);
}

bool
secret_page_next(const struct secret_page *p, size_t *at, lh_str *field, lh_str *value)
{
    if (*at >= p->len)
        return false;
    *field = lh_str_of(p->data + *at);
    *at += field->len + 1;
    *value = lh_str_of(p->data + *at);
    *at += value->len + 1;
    return true;
}
