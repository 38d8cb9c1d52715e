#include "text/lsa.h"

#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/hash.h"
#include "text/lsa_parts.h"

struct lh_lsa *
lsa_new(size_t dim, size_t term_count, lh_str language)
{
    struct lh_lsa *m = LH_NEW(struct lh_lsa);

    m->dim = dim;
    m->weights = lh_alloc_array(term_count + 1, sizeof(*m->weights));
    m->vectors = lh_alloc_array((term_count + 1) * dim, sizeof(*m->vectors));
    m->singular_values = lh_alloc_array(dim, sizeof(*m->singular_values));
    (void)lh_str_copy(m->language, sizeof(m->language), language);
    return m;
}

void
lh_lsa_free(struct lh_lsa *m)
{
    if (!m)
        return;
    text_terms_fini(&m->terms);
    free(m->weights);
    free(m->vectors);
    free(m->singular_values);
    free(m);
}

lh_status
lsa_tokenizer_new(const char *language, struct lh_tokenizer **out, struct lh_error *err)
{
    struct lh_tokenizer_options o = {
        .language = strcmp(language, "none") == 0 ? NULL : language,
        .drops_stop_words = true,
    };

    return lh_tokenizer_new(&o, out, err);
}

double
lsa_local_weight(uint32_t count)
{
    return sqrt((double)count);
}

/* ---- the words of a text ---- */

void
lsa_words_fini(struct lsa_words *w)
{
    free(w->list);
    *w = (struct lsa_words){0};
}

static void
word_add(struct lsa_words *w, uint64_t key)
{
    if (w->count == w->cap) {
        w->cap = w->cap * 2 + 64;
        w->list = lh_realloc_array(w->list, w->cap, sizeof(*w->list));
    }
    w->list[w->count++] = (struct lsa_word){key, 1};
}

static int
by_key(const void *a, const void *b)
{
    const struct lsa_word *x = a, *y = b;

    return x->key < y->key ? -1 : x->key > y->key;
}

static void
equal_words_merge(struct lsa_words *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->count; i++) {
        if (n && w->list[n - 1].key == w->list[i].key)
            w->list[n - 1].count++;
        else
            w->list[n++] = w->list[i];
    }
    w->count = n;
}

void
lsa_words_gather(struct lsa_words *w, struct lh_tokenizer *t, lh_str text, struct text_terms *terms,
                 bool learns)
{
    struct lh_token token;

    w->count = 0;
    lh_tokenizer_start(t, text);
    while (lh_tokenizer_next(t, &token)) {
        uint32_t number =
            learns ? text_terms_put(terms, token.term) : text_terms_find(terms, token.term);
        if (number == TEXT_TABLE_NONE)
            word_add(w, LSA_UNKNOWN | lh_xxh64(token.term.ptr, token.term.len, 0));
        else
            word_add(w, number);
    }
    if (w->count > 1)
        qsort(w->list, w->count, sizeof(*w->list), by_key);
    equal_words_merge(w);
}

/* ---- embedding ---- */

struct fold {
    double *sum;
    double known, unknown; /* weight */
};

static void
word_fold(const struct lh_lsa *m, const struct lsa_word *word, struct fold *f)
{
    double local = lsa_local_weight(word->count);

    if (word->key & LSA_UNKNOWN) {
        f->unknown += local * (double)m->weight_max;
        return;
    }
    double weight = local * (double)m->weights[word->key];
    const float *vector = m->vectors + word->key * m->dim;
    for (size_t i = 0; i < m->dim; i++)
        f->sum[i] += weight * (double)vector[i];
    f->known += weight;
}

static bool
scale(const double *sum, size_t dim, float *out)
{
    double square = 0;

    for (size_t i = 0; i < dim; i++)
        square += sum[i] * sum[i];
    double length = sqrt(square);
    bool is_there = length > 1e-30;
    for (size_t i = 0; i < dim; i++)
        out[i] = is_there ? (float)(sum[i] / length) : 0;
    return is_there;
}

bool
lh_lsa_embed(const struct lh_lsa *m, lh_str text, float *out, float *unknown_share)
{
    struct lsa_words words = {0};
    struct fold fold = {.sum = lh_alloc_array(m->dim, sizeof(double))};
    LH_AUTO(lh_tokenizer) *t = NULL;

    (void)lsa_tokenizer_new(m->language, &t, NULL); /* the model was made with this language */
    /* Looking up changes nothing. */
    lsa_words_gather(&words, t, text, (struct text_terms *)(uintptr_t)&m->terms, false);
    for (size_t i = 0; i < words.count; i++)
        word_fold(m, &words.list[i], &fold);
    bool is_there = scale(fold.sum, m->dim, out);
    double weight = fold.known + fold.unknown;
    if (unknown_share)
        *unknown_share = weight > 0 ? (float)(fold.unknown / weight) : 1;
    lsa_words_fini(&words);
    free(fold.sum);
    return is_there;
}

/* ---- the model as a table ---- */

void
lh_lsa_info_get(const struct lh_lsa *m, struct lh_lsa_info *out)
{
    *out = (struct lh_lsa_info){
        .dim = m->dim,
        .text_count = m->text_count,
        .term_count = m->terms.count,
        .seed = m->seed,
        .language = m->language,
        .singular_values = m->singular_values,
    };
}

void
lh_lsa_row_get(const struct lh_lsa *m, size_t i, struct lh_lsa_row *out)
{
    *out = (struct lh_lsa_row){text_terms_at(&m->terms, (uint32_t)i), m->weights[i],
                               m->vectors + i * m->dim};
}

size_t
lh_lsa_bytes(const struct lh_lsa *m)
{
    return sizeof(*m) + text_terms_bytes(&m->terms) +
           (m->terms.count + 1) * (m->dim + 1) * sizeof(float);
}

static lh_status
damage(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_CORRUPT, "lsa.damaged", "the table of an lsa model is damaged: %s",
                   what);
}

static bool
are_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return false;
    }
    return true;
}

static int
by_term(const void *a, const void *b)
{
    const struct lh_lsa_row *const *x = a, *const *y = b;

    return lh_str_cmp((*x)->term, (*y)->term);
}

static lh_status
row_put(struct lh_lsa *m, const struct lh_lsa_row *row, struct lh_error *err)
{
    size_t i = m->terms.count;

    if (row->term.len == 0 || row->term.len > LH_TOKEN_MAX)
        return damage(err, "a term is empty or too long");
    if (text_terms_find(&m->terms, row->term) != TEXT_TABLE_NONE)
        return damage(err, "a term stands in it twice");
    if (!isfinite(row->weight) || row->weight < 0 || !are_finite(row->vector, m->dim))
        return damage(err, "a number is not what it can be");
    (void)text_terms_put(&m->terms, row->term);
    m->weights[i] = row->weight;
    m->weight_max = row->weight > m->weight_max ? row->weight : m->weight_max;
    memcpy(m->vectors + i * m->dim, row->vector, m->dim * sizeof(*row->vector));
    return LH_OK;
}

static lh_status
rows_put(struct lh_lsa *m, const struct lh_lsa_row *rows, size_t count, struct lh_error *err)
{
    const struct lh_lsa_row **order = lh_alloc_array(count + 1, sizeof(*order));
    lh_status status = LH_OK;

    for (size_t i = 0; i < count; i++)
        order[i] = &rows[i];
    qsort(order, count, sizeof(*order), by_term);
    for (size_t i = 0; status == LH_OK && i < count; i++)
        status = row_put(m, order[i], err);
    free(order);
    return status;
}

lh_status
lh_lsa_from_rows(const struct lh_lsa_info *info, const struct lh_lsa_row *rows, struct lh_lsa **out,
                 struct lh_error *err)
{
    LH_AUTO(lh_lsa) *m = NULL;
    LH_AUTO(lh_tokenizer) *t = NULL;

    if (info->dim == 0 || info->dim > LSA_DIM_MAX || info->term_count >= TEXT_TABLE_NONE)
        return damage(err, "its size is not what it can be");
    if (strlen(info->language) >= LSA_LANGUAGE_MAX || !are_finite(info->singular_values, info->dim))
        return damage(err, "its description is not what it can be");
    LH_TRY(lsa_tokenizer_new(info->language, &t, err));
    m = lsa_new(info->dim, info->term_count, lh_str_of(info->language));
    LH_TRY(rows_put(m, rows, info->term_count, err));
    memcpy(m->singular_values, info->singular_values, m->dim * sizeof(float));
    m->text_count = info->text_count;
    m->seed = info->seed;
    *out = lh_take(m);
    return LH_OK;
}
