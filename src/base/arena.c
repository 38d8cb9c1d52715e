/*
 * Blocks are chained, the newest first, and doubled in size up to a limit. What does not fit an
 * ordinary block gets one of its own, chained behind the newest so that the rest of that one stays
 * in use.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/abort.h"
#include "base/alloc.h"

#define ARENA_ALIGN 16
#define ARENA_BLOCK_FIRST 4096
#define ARENA_BLOCK_LAST (256 * 1024)

struct lh_arena_block {
    struct lh_arena_block *next;
    size_t size;
    size_t used;
    alignas(ARENA_ALIGN) uint8_t data[];
};

static struct lh_arena_block *
block_new(size_t size)
{
    struct lh_arena_block *b = malloc(sizeof(*b) + size);

    if (b == NULL)
        lh_abort("out of memory allocating a block of %zu bytes", size);
    b->next = NULL;
    b->size = size;
    b->used = 0;
    return b;
}

static void
blocks_free(struct lh_arena_block *b)
{
    while (b != NULL) {
        struct lh_arena_block *next = b->next;
        free(b);
        b = next;
    }
}

static struct lh_arena_block *
block_own(struct lh_arena *a, size_t size)
{
    struct lh_arena_block *b = block_new(size);

    if (a->head == NULL) {
        a->head = b;
    } else {
        b->next = a->head->next;
        a->head->next = b;
    }
    return b;
}

static struct lh_arena_block *
block_push(struct lh_arena *a)
{
    size_t size = ARENA_BLOCK_FIRST;

    if (a->head != NULL && a->head->size >= size)
        size = a->head->size < ARENA_BLOCK_LAST / 2 ? a->head->size * 2 : ARENA_BLOCK_LAST;
    struct lh_arena_block *b = block_new(size);
    b->next = a->head;
    a->head = b;
    return b;
}

static struct lh_arena_block *
block_for(struct lh_arena *a, size_t size)
{
    if (a->head != NULL && a->head->size - a->head->used >= size)
        return a->head;
    if (size > ARENA_BLOCK_FIRST / 2)
        return block_own(a, size);
    return block_push(a);
}

void
lh_arena_init(struct lh_arena *a)
{
    *a = (struct lh_arena){0};
}

void
lh_arena_fini(struct lh_arena *a)
{
    blocks_free(a->head);
    *a = (struct lh_arena){0};
}

void
lh_arena_reset(struct lh_arena *a)
{
    if (a->head != NULL) {
        blocks_free(a->head->next);
        a->head->next = NULL;
        a->head->used = 0;
    }
    /* One huge request must not pin its memory for the life of the arena. */
    if (a->head != NULL && a->head->size > ARENA_BLOCK_LAST) {
        blocks_free(a->head);
        a->head = NULL;
    }
    a->used_bytes = 0;
}

void *
lh_arena_alloc(struct lh_arena *a, size_t size)
{
    size_t padded;

    if (__builtin_add_overflow(size, (size_t)ARENA_ALIGN - 1, &padded) || padded > SIZE_MAX / 2)
        lh_abort("arena allocation of %zu bytes overflows", size);
    padded &= ~(size_t)(ARENA_ALIGN - 1);
    if (padded == 0)
        padded = ARENA_ALIGN;
    struct lh_arena_block *b = block_for(a, padded);
    void *ptr = b->data + b->used;
    b->used += padded;
    a->used_bytes += padded;
    return memset(ptr, 0, padded);
}

void *
lh_arena_array(struct lh_arena *a, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        lh_abort("arena allocation of %zu times %zu bytes overflows", count, size);
    return lh_arena_alloc(a, total);
}

char *
lh_arena_cstr(struct lh_arena *a, lh_str s)
{
    char *copy = lh_arena_alloc(a, s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

lh_str
lh_arena_str(struct lh_arena *a, lh_str s)
{
    return (lh_str){lh_arena_cstr(a, s), s.len};
}

char *
lh_arena_printf(struct lh_arena *a, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        lh_abort("cannot format \"%s\"", fmt);
    char *text = lh_arena_alloc(a, (size_t)len + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}
