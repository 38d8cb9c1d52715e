#include "apps/cli/eval_run.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "text/bm25.h"
#include "text/fuse.h"
#include "text/hash_model.h"
#include "text/lsa.h"

struct eval_run {
    const struct lh_collection *c;
    struct lh_bm25 *bm25;
    struct lh_lsa *lsa;
    float *lsa_vectors; /* of document i */
    float *hash_vectors;
    struct judged {
        lh_str query, document;
    } * relevant; /* sorted */
    size_t relevant_count;
};

const char *
eval_leg_name(enum eval_leg leg)
{
    static const char *const names[] = {"bm25", "lsa", "hash", "hybrid", "hybrid-hash"};

    return names[leg];
}

/* ---- judgements ---- */

static int
by_pair(const void *a, const void *b)
{
    const struct judged *x = a, *y = b;
    int order = lh_str_cmp(x->query, y->query);

    return order ? order : lh_str_cmp(x->document, y->document);
}

static void
relevant_gather(struct eval_run *r)
{
    size_t n = 0;

    r->relevant = lh_alloc_array(r->c->judgement_count + 1, sizeof(*r->relevant));
    for (size_t i = 0; i < r->c->judgement_count; i++) {
        const struct lh_collection_judgement *j = &r->c->judgements[i];
        if (j->grade > 0)
            r->relevant[n++] = (struct judged){j->query, j->document};
    }
    qsort(r->relevant, n, sizeof(*r->relevant), by_pair);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || by_pair(&r->relevant[i - 1], &r->relevant[i]) != 0)
            r->relevant[r->relevant_count++] = r->relevant[i];
    }
}

static bool
is_relevant(const struct eval_run *r, lh_str query, lh_str document)
{
    struct judged wanted = {query, document};

    return bsearch(&wanted, r->relevant, r->relevant_count, sizeof(wanted), by_pair) != NULL;
}

static size_t
relevant_count(const struct eval_run *r, lh_str query)
{
    size_t n = 0;

    for (size_t i = 0; i < r->relevant_count; i++)
        n += lh_str_eq(r->relevant[i].query, query);
    return n;
}

/* ---- building ---- */

static lh_status
bm25_build(struct eval_run *r, struct lh_error *err)
{
    LH_TRY(lh_bm25_new(NULL, &r->bm25, err));
    for (size_t i = 0; i < r->c->documents.count; i++)
        LH_TRY(lh_bm25_put(r->bm25, i, r->c->documents.list[i].text, err));
    return LH_OK;
}

static lh_status
lsa_build(struct eval_run *r, struct lh_error *err)
{
    size_t count = r->c->documents.count;
    lh_str *texts = lh_alloc_array(count + 1, sizeof(*texts));

    for (size_t i = 0; i < count; i++)
        texts[i] = r->c->documents.list[i].text;
    lh_status status = lh_lsa_fit(texts, count, NULL, &r->lsa, err);
    free(texts);
    LH_TRY(status);
    r->lsa_vectors = lh_alloc_array(count, LH_LSA_DIM * sizeof(float));
    for (size_t i = 0; i < count; i++)
        (void)lh_lsa_embed(r->lsa, r->c->documents.list[i].text, r->lsa_vectors + i * LH_LSA_DIM,
                           NULL);
    return LH_OK;
}

static void
hash_build(struct eval_run *r)
{
    size_t count = r->c->documents.count;

    r->hash_vectors = lh_alloc_array(count, LH_HASH_MODEL_DIM * sizeof(float));
    for (size_t i = 0; i < count; i++)
        (void)lh_hash_embed(r->c->documents.list[i].text, r->hash_vectors + i * LH_HASH_MODEL_DIM);
}

lh_status
eval_run_new(const struct lh_collection *c, unsigned legs, struct eval_run **out,
             struct lh_error *err)
{
    LH_AUTO(eval_run) *r = LH_NEW(struct eval_run);
    unsigned with_lsa = 1U << EVAL_HYBRID, with_hash = 1U << EVAL_HYBRID_HASH;

    r->c = c;
    relevant_gather(r);
    if (legs & (1U << EVAL_BM25 | with_lsa | with_hash))
        LH_TRY(bm25_build(r, err));
    if (legs & (1U << EVAL_LSA | with_lsa))
        LH_TRY(lsa_build(r, err));
    if (legs & (1U << EVAL_HASH | with_hash))
        hash_build(r);
    *out = lh_take(r);
    return LH_OK;
}

void
eval_run_free(struct eval_run *r)
{
    if (!r)
        return;
    lh_bm25_free(r->bm25);
    lh_lsa_free(r->lsa);
    free(r->lsa_vectors);
    free(r->hash_vectors);
    free(r->relevant);
    free(r);
}

/* ---- ranking ---- */

struct scored {
    double score;
    uint64_t document;
};

static int
best_first(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->document < y->document ? -1 : x->document > y->document;
}

static double
dot(const float *a, const float *b, size_t dim)
{
    double sum = 0;

    for (size_t i = 0; i < dim; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static size_t
vectors_rank(const struct eval_run *r, const float *vectors, const float *query, size_t dim,
             size_t k, uint64_t *documents)
{
    size_t count = r->c->documents.count, n = count < k ? count : k;
    struct scored *all = lh_alloc_array(count + 1, sizeof(*all));

    for (size_t i = 0; i < count; i++)
        all[i] = (struct scored){dot(vectors + i * dim, query, dim), i};
    qsort(all, count, sizeof(*all), best_first);
    for (size_t i = 0; i < n; i++)
        documents[i] = all[i].document;
    free(all);
    return n;
}

static size_t
lsa_rank(const struct eval_run *r, lh_str query, size_t k, uint64_t *documents)
{
    float vector[LH_LSA_DIM];

    if (!lh_lsa_embed(r->lsa, query, vector, NULL))
        return 0;
    return vectors_rank(r, r->lsa_vectors, vector, LH_LSA_DIM, k, documents);
}

static size_t
hash_rank(const struct eval_run *r, lh_str query, size_t k, uint64_t *documents)
{
    float vector[LH_HASH_MODEL_DIM];

    if (!lh_hash_embed(query, vector))
        return 0;
    return vectors_rank(r, r->hash_vectors, vector, LH_HASH_MODEL_DIM, k, documents);
}

static lh_status
bm25_rank(struct eval_run *r, lh_str query, size_t k, uint64_t *documents, size_t *count,
          struct lh_error *err)
{
    struct lh_bm25_hit *hits = lh_alloc_array(k, sizeof(*hits));
    lh_status status = lh_bm25_search(r->bm25, query, k, NULL, hits, count, err);

    for (size_t i = 0; status == LH_OK && i < *count; i++)
        documents[i] = hits[i].id;
    free(hits);
    return status;
}

static lh_status
hybrid_rank(struct eval_run *r, bool is_hash, lh_str query, size_t k, uint64_t *documents,
            size_t *count, struct lh_error *err)
{
    uint64_t words[LH_FUSE_DEPTH], vectors[LH_FUSE_DEPTH];
    struct lh_fuse_hit *hits = lh_alloc_array(k, sizeof(*hits));
    struct lh_fuse_leg leg[2] = {
        {words, 0, LH_FUSE_WEIGHT_WORDS},
        {vectors, 0, is_hash ? LH_FUSE_WEIGHT_HASH : LH_FUSE_WEIGHT_VECTORS}};
    lh_status status = bm25_rank(r, query, LH_FUSE_DEPTH, words, &leg[0].count, err);

    leg[1].count = is_hash ? hash_rank(r, query, LH_FUSE_DEPTH, vectors)
                           : lsa_rank(r, query, LH_FUSE_DEPTH, vectors);
    *count = lh_fuse(leg, 2, 0, k, hits);
    for (size_t i = 0; i < *count; i++)
        documents[i] = hits[i].id;
    free(hits);
    return status;
}

lh_status
eval_run_rank(struct eval_run *r, enum eval_leg leg, lh_str query, size_t k, uint64_t *documents,
              size_t *count, struct lh_error *err)
{
    *count = 0;
    switch (leg) {
    case EVAL_BM25:
        return bm25_rank(r, query, k, documents, count, err);
    case EVAL_HYBRID:
    case EVAL_HYBRID_HASH:
        return hybrid_rank(r, leg == EVAL_HYBRID_HASH, query, k, documents, count, err);
    case EVAL_LSA:
        *count = lsa_rank(r, query, k, documents);
        return LH_OK;
    default:
        *count = hash_rank(r, query, k, documents);
        return LH_OK;
    }
}

static void
query_measure(const struct eval_run *r, lh_str query, const uint64_t *documents, size_t count,
              struct lh_eval_mean *sum)
{
    bool *is_good = lh_alloc_array(count + 1, sizeof(*is_good));
    struct lh_eval_ranking ranking = {is_good, count, relevant_count(r, query)};

    for (size_t i = 0; i < count; i++)
        is_good[i] = is_relevant(r, query, r->c->documents.list[documents[i]].name);
    lh_eval_mean_add(sum, &ranking);
    free(is_good);
}

lh_status
eval_run_measure(struct eval_run *r, enum eval_leg leg, size_t k, struct lh_eval_mean *out,
                 struct lh_error *err)
{
    uint64_t *documents = lh_alloc_array(k, sizeof(*documents));
    struct lh_eval_mean sum = {0};
    lh_status status = LH_OK;

    for (size_t i = 0; status == LH_OK && i < r->c->queries.count; i++) {
        const struct lh_collection_text *query = &r->c->queries.list[i];
        size_t count;
        status = eval_run_rank(r, leg, query->text, k, documents, &count, err);
        if (status == LH_OK)
            query_measure(r, query->name, documents, count, &sum);
    }
    free(documents);
    *out = lh_eval_mean_of(&sum);
    return status;
}
