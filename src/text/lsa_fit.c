/*
 * Fitting: sample the texts, count their words, keep the terms that can connect texts, weigh them
 * by their entropy, scale every text to length 1 so that long ones do not rule, and decompose.
 */
#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "text/dice.h"
#include "text/lsa_parts.h"
#include "text/sparse.h"
#include "text/svd.h"

#define TEXTS_MAX_DEFAULT 50000
#define TERMS_MAX_DEFAULT 50000
#define FEW_TEXTS 20
#define CHECK_EVERY 256

struct fit {
    const struct lh_lsa_options *options;
    const lh_str *texts;
    size_t *sample; /* which of them */
    size_t text_count, dim, texts_max, terms_max, documents_min;
    const char *language;
    struct text_terms terms;   /* of the sample, in the order they came */
    struct text_sparse counts; /* texts × terms, values are counts */
    size_t entry_cap;
    struct term *of_term;
    size_t kept_count;
};

/* What is known of a term. */
struct term {
    uint32_t number;    /* in the order they came */
    uint32_t documents; /* it occurs in */
    uint32_t kept_as;   /* number in the model, or TEXT_TABLE_NONE */
    double count, sum;  /* occurrences, and of their count · log(count) by text */
};

static lh_status
fit_check(const struct fit *f, struct lh_error *err)
{
    return f->options->check ? f->options->check(f->options->check_ctx, err) : LH_OK;
}

/* Selection sampling (Knuth 3.4.2, S): each text with the same chance, in their own order. */
static void
sample_draw(struct fit *f, size_t count)
{
    uint64_t state = f->options->seed ^ 0x5A4D504CU;
    size_t wanted = count < f->texts_max ? count : f->texts_max;

    f->sample = lh_alloc_array(wanted + 1, sizeof(*f->sample));
    for (size_t i = 0; i < count && f->text_count < wanted; i++) {
        if (text_dice(&state) % (count - i) < wanted - f->text_count)
            f->sample[f->text_count++] = i;
    }
}

/* ---- counting ---- */

static void
row_add(struct fit *f, size_t row, const struct lsa_words *words)
{
    size_t at = f->counts.starts[row], needed = at + words->count;

    if (needed > f->entry_cap) {
        f->entry_cap = needed + needed / 2 + 1024;
        f->counts.column =
            lh_realloc_array(f->counts.column, f->entry_cap, sizeof(*f->counts.column));
        f->counts.value = lh_realloc_array(f->counts.value, f->entry_cap, sizeof(*f->counts.value));
    }
    for (size_t i = 0; i < words->count; i++) {
        f->counts.column[at + i] = (uint32_t)words->list[i].key;
        f->counts.value[at + i] = (float)words->list[i].count;
    }
    f->counts.starts[row + 1] = needed;
}

static lh_status
texts_count(struct fit *f, struct lh_error *err)
{
    LH_AUTO(lh_tokenizer) *t = NULL;
    struct lsa_words words = {0};
    lh_status status = LH_OK;

    LH_TRY(lsa_tokenizer_new(f->language, &t, err));
    f->counts.rows = f->text_count;
    f->counts.starts = lh_alloc_array(f->text_count + 1, sizeof(*f->counts.starts));
    for (size_t i = 0; status == LH_OK && i < f->text_count; i++) {
        if (i % CHECK_EVERY == 0)
            status = fit_check(f, err);
        lsa_words_gather(&words, t, f->texts[f->sample[i]], &f->terms, true);
        row_add(f, i, &words);
    }
    lsa_words_fini(&words);
    return status;
}

/* ---- choosing and weighing terms ---- */

static void
terms_measure(struct fit *f)
{
    f->of_term = lh_alloc_array(f->terms.count + 1, sizeof(*f->of_term));
    for (uint32_t i = 0; i < f->terms.count; i++)
        f->of_term[i].number = i;
    for (size_t i = 0; i < f->counts.starts[f->text_count]; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): with entries there are arrays */
        struct term *term = &f->of_term[f->counts.column[i]];
        double count = (double)f->counts.value[i];
        term->documents++;
        term->count += count;
        term->sum += count * log(count);
    }
}

/* 1 minus the entropy of the term's spread over the texts: 1 for a term of one text, 0 for one that
 * is in all of them equally often. */
static double
global_weight(const struct fit *f, const struct term *term)
{
    if (f->text_count < 2)
        return 1;
    double entropy = log(term->count) - term->sum / term->count;
    double weight = 1 - entropy / log((double)f->text_count);
    return weight > 0 ? weight : 0;
}

static int
most_frequent_first(const void *a, const void *b)
{
    const struct term *x = a, *y = b;

    if (x->documents != y->documents)
        return x->documents > y->documents ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

struct kept {
    lh_str term;
    uint32_t number;
};

static int
by_term(const void *a, const void *b)
{
    return lh_str_cmp(((const struct kept *)a)->term, ((const struct kept *)b)->term);
}

/* The terms to keep, ascending. */
static struct kept *
terms_choose(struct fit *f)
{
    struct term *order = lh_alloc_array(f->terms.count + 1, sizeof(*order));

    memcpy(order, f->of_term, f->terms.count * sizeof(*order));
    qsort(order, f->terms.count, sizeof(*order), most_frequent_first);
    while (f->kept_count < f->terms.count && f->kept_count < f->terms_max &&
           order[f->kept_count].documents >= f->documents_min)
        f->kept_count++;
    struct kept *kept = lh_alloc_array(f->kept_count + 1, sizeof(*kept));
    for (size_t i = 0; i < f->kept_count; i++)
        kept[i] = (struct kept){text_terms_at(&f->terms, order[i].number), order[i].number};
    qsort(kept, f->kept_count, sizeof(*kept), by_term);
    free(order);
    return kept;
}

static struct lh_lsa *
model_begin(struct fit *f)
{
    struct kept *kept = terms_choose(f);
    struct lh_lsa *m = lsa_new(f->dim, f->kept_count, lh_str_of(f->language));

    for (uint32_t i = 0; i < f->terms.count; i++)
        f->of_term[i].kept_as = TEXT_TABLE_NONE;
    for (uint32_t i = 0; i < f->kept_count; i++) {
        struct term *term = &f->of_term[kept[i].number];
        term->kept_as = text_terms_put(&m->terms, kept[i].term);
        m->weights[i] = (float)global_weight(f, term);
        m->weight_max = m->weights[i] > m->weight_max ? m->weights[i] : m->weight_max;
    }
    m->text_count = f->text_count;
    m->seed = f->options->seed;
    free(kept);
    return m;
}

/* ---- the matrix ---- */

static void
row_scale(struct text_sparse *w, size_t row)
{
    double square = 0;

    for (size_t i = w->starts[row]; i < w->starts[row + 1]; i++)
        square += (double)w->value[i] * (double)w->value[i];
    for (size_t i = w->starts[row]; square > 0 && i < w->starts[row + 1]; i++)
        w->value[i] = (float)((double)w->value[i] / sqrt(square));
}

static struct text_sparse
matrix_weigh(const struct fit *f, const struct lh_lsa *m)
{
    size_t entries = f->counts.starts[f->text_count], n = 0;
    struct text_sparse w = {
        .rows = f->text_count,
        .columns = f->kept_count,
        .starts = lh_alloc_array(f->text_count + 1, sizeof(*w.starts)),
        .column = lh_alloc_array(entries + 1, sizeof(*w.column)),
        .value = lh_alloc_array(entries + 1, sizeof(*w.value)),
    };

    for (size_t row = 0; row < w.rows; row++) {
        for (size_t i = f->counts.starts[row]; i < f->counts.starts[row + 1]; i++) {
            uint32_t term = f->of_term[f->counts.column[i]].kept_as;
            if (term == TEXT_TABLE_NONE)
                continue;
            w.column[n] = term;
            w.value[n++] =
                (float)(lsa_local_weight((uint32_t)f->counts.value[i]) * (double)m->weights[term]);
        }
        w.starts[row + 1] = n;
        row_scale(&w, row);
    }
    return w;
}

static lh_status
model_solve(const struct fit *f, struct lh_lsa *m, struct lh_error *err)
{
    struct text_svd_options o = {
        .rank = f->dim,
        .seed = f->options->seed,
        .threads = f->options->threads,
        .check = f->options->check,
        .check_ctx = f->options->check_ctx,
    };
    struct text_sparse w = matrix_weigh(f, m);
    lh_status status = text_svd(&w, &o, m->singular_values, m->vectors, err);

    text_sparse_fini(&w);
    return status;
}

/* Directions that explain little of the texts are mostly noise, and the more so the fewer texts
 * there are: each is damped by the root of its singular value, relative to the largest. Measured in
 * docs/decisions/retrieval-quality.md. */
static void
vectors_damp(struct lh_lsa *m)
{
    for (size_t term = 0; term < m->terms.count; term++) {
        float *vector = m->vectors + term * m->dim;
        for (size_t i = 0; i < m->dim && m->singular_values[0] > 0; i++)
            vector[i] *= sqrtf(m->singular_values[i] / m->singular_values[0]);
    }
}

/* ---- in order ---- */

static lh_status
fit_run(struct fit *f, size_t count, struct lh_lsa **out, struct lh_error *err)
{
    LH_AUTO(lh_lsa) *m = NULL;

    sample_draw(f, count);
    LH_TRY(texts_count(f, err));
    terms_measure(f);
    f->counts.columns = f->terms.count;
    m = model_begin(f);
    if (f->kept_count == 0)
        return lh_fail(err, LH_INVALID, "lsa.no_terms",
                       "no word occurs in %zu of the %zu texts, so there is nothing to learn from",
                       f->documents_min, f->text_count);
    LH_TRY(model_solve(f, m, err));
    vectors_damp(m);
    *out = lh_take(m);
    return LH_OK;
}

static size_t
or_default(size_t given, size_t usual)
{
    return given ? given : usual;
}

lh_status
lh_lsa_fit(const lh_str *texts, size_t count, const struct lh_lsa_options *options,
           struct lh_lsa **out, struct lh_error *err)
{
    static const struct lh_lsa_options usual;
    const struct lh_lsa_options *o = options ? options : &usual;
    struct fit f = {
        .options = o,
        .texts = texts,
        .dim = or_default(o->dim, LH_LSA_DIM),
        .texts_max = or_default(o->texts_max, TEXTS_MAX_DEFAULT),
        .terms_max = or_default(o->terms_max, TERMS_MAX_DEFAULT),
        .documents_min = or_default(o->documents_min, count < FEW_TEXTS ? 1 : 2),
        .language = o->language ? o->language : "english",
    };

    if (f.dim > LSA_DIM_MAX || strlen(f.language) >= LSA_LANGUAGE_MAX)
        return lh_fail(err, LH_TOO_BIG, "lsa.options", "at most %d dimensions", LSA_DIM_MAX);
    lh_status status = fit_run(&f, count, out, err);
    text_terms_fini(&f.terms);
    text_sparse_fini(&f.counts);
    free(f.sample);
    free(f.of_term);
    return status;
}
