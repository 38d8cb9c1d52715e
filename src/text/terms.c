#include "text/terms.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/hash.h"

void
text_terms_fini(struct text_terms *t)
{
    text_table_fini(&t->table);
    free(t->bytes);
    free(t->ends);
    *t = (struct text_terms){0};
}

bool
text_terms_prepare(const struct text_terms *t, size_t more, struct text_table *spare)
{
    return text_table_grow(&t->table, more, spare);
}

void
text_terms_commit(struct text_terms *t, struct text_table *spare)
{
    text_table_fini(&t->table);
    t->table = *spare;
    *spare = (struct text_table){0};
}

lh_str
text_terms_at(const struct text_terms *t, uint32_t number)
{
    size_t start = number ? t->ends[number - 1] : 0;

    return (lh_str){t->bytes + start, t->ends[number] - start};
}

struct wanted {
    const struct text_terms *terms;
    lh_str term;
};

static bool
is_wanted(const void *ctx, uint32_t number)
{
    const struct wanted *w = ctx;

    return lh_str_eq(text_terms_at(w->terms, number), w->term);
}

static uint32_t
term_hash(lh_str term)
{
    return (uint32_t)lh_xxh64(term.ptr, term.len, 0);
}

uint32_t
text_terms_find(const struct text_terms *t, lh_str term)
{
    struct wanted w = {t, term};

    return text_table_find(&t->table, term_hash(term), is_wanted, &w);
}

static void
term_append(struct text_terms *t, lh_str term)
{
    if (t->bytes_len + term.len > t->bytes_cap) {
        t->bytes_cap = (t->bytes_len + term.len) * 2 + 256;
        t->bytes = lh_realloc_array(t->bytes, t->bytes_cap, 1);
    }
    if (t->count == t->cap) {
        t->cap = t->cap * 2 + 64;
        t->ends = lh_realloc_array(t->ends, t->cap, sizeof(*t->ends));
    }
    memcpy(t->bytes + t->bytes_len, term.ptr, term.len);
    t->bytes_len += term.len;
    t->ends[t->count++] = t->bytes_len;
}

uint32_t
text_terms_put(struct text_terms *t, lh_str term)
{
    uint32_t number = text_terms_find(t, term);
    struct text_table larger;

    if (number != TEXT_TABLE_NONE)
        return number;
    if (text_terms_prepare(t, 1, &larger))
        text_terms_commit(t, &larger);
    term_append(t, term);
    number = (uint32_t)(t->count - 1);
    text_table_put(&t->table, term_hash(term), number);
    return number;
}

size_t
text_terms_bytes(const struct text_terms *t)
{
    return t->table.size * sizeof(struct text_slot) + t->bytes_cap + t->cap * sizeof(*t->ends);
}
