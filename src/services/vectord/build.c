#include "services/vectord/build.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/thread.h"
#include "services/catalogd/client.h"
#include "services/jobs.h"
#include "services/vectord/carry.h"
#include "services/vectord/embed.h"
#include "services/vectord/generations.h"
#include "services/vectord/model.h"
#include "services/vectord/playbook.h"

enum { FIT_TEXTS_MAX = 200000, FIT_SHARE = 4, COMMIT_ROWS = 4000 };

/* What a job has to do; lives until the job ends. */
struct build {
    struct vectord *v;
    struct lh_arena arena;
    char name[VECTOR_NAME_MAX];
    struct vector_source source;
    struct vector_generation_spec spec; /* of the new generation; of a refresh: of the current */
    bool is_refresh, promotes;
    bool carries; /* items put in by hand go along */
};

/* What it has done so far. */
struct working {
    struct build *b;
    struct lh_job *job;
    struct lh_call *call;
    struct vector_generation *g;   /* written to */
    struct vector_generation *old; /* looked at for vectors that can be kept; may be g; or NULL */
    uint64_t total, rows, items, embedded, kept, unchanged, skipped, removed;
    double unknown_sum; /* of lsa, weighted by texts */
    struct lh_arena seen_arena;
    lh_str *seen_ids; /* of a refresh */
    size_t seen_count, seen_capacity;
    struct vector_names seen;
};

/* ---- one page ---- */

static lh_status
page_read(struct working *w, uint64_t offset, struct lh_arena *arena, struct vector_page *page,
          struct lh_error *err)
{
    size_t most = w->b->v->text_max;

    LH_TRY(lh_call_check(w->call, err));
    LH_TRY(vector_generation_check(w->b->v, w->call, lh_str_of(w->b->name), &w->b->spec, err));
    LH_TRY(vector_source_page(w->b->v, w->call, &w->b->source, offset, arena, page, err));
    for (size_t i = 0; i < page->count; i++)
        if (page->rows[i].text.len > most)
            return lh_fail(err, LH_TOO_BIG, "vectors.text_too_big",
                           "row '%.*s' has a text of %zu bytes, %zu are allowed "
                           "(vectors.text_max); \"chunk\" cuts texts into pieces",
                           LH_FMT(lh_str_fit(page->rows[i].id, 64)), page->rows[i].text.len, most);
    return LH_OK;
}

/* The vector that the text has already, or NULL. */
static const float *
vector_keep(struct working *w, const struct vector_row *row, struct lh_arena *arena,
            bool *is_unchanged)
{
    struct vector_generation *old = w->old;
    const struct vector_record *r;
    float *vector;
    bool is_same;
    uint32_t slot;

    *is_unchanged = false;
    if (old == NULL)
        return NULL;
    pthread_rwlock_rdlock(&old->shared.lock);
    r = vector_generation_find(old, row->id, &slot);
    is_same = r && r->text.ptr && lh_str_eq(r->text, row->text);
    *is_unchanged = is_same && r->metadata.ptr && lh_str_eq(r->metadata, row->metadata);
    pthread_rwlock_unlock(&old->shared.lock);
    if (!is_same)
        return NULL;
    vector = lh_arena_array(arena, old->spec.dimension, sizeof(*vector));
    return lh_ann_load(old->ann, slot, vector, old->spec.dimension, NULL) == LH_OK ? vector : NULL;
}

static lh_status
texts_embed(struct working *w, struct vector_row *const *rows, size_t count, struct lh_arena *arena,
            struct lh_error *err)
{
    size_t dim = w->g->spec.dimension;
    lh_str *texts = lh_arena_array(arena, count + 1, sizeof(*texts));
    float *floats = lh_arena_array(arena, count * dim + 1, sizeof(*floats));

    for (size_t from = 0; from < count; from += VECTOR_EMBED_MAX) {
        size_t n = count - from < VECTOR_EMBED_MAX ? count - from : VECTOR_EMBED_MAX;
        struct lh_bridge_embedding report = {0};

        for (size_t i = from; i < from + n; i++)
            texts[i] = rows[i]->text;
        LH_TRY(vector_embed(w->g, w->call, texts + from, n, floats + from * dim, &report, err));
        w->unknown_sum += report.unknown_share * (double)n;
        w->embedded += n;
    }
    for (size_t i = 0; i < count; i++)
        rows[i]->vector = floats + i * dim;
    return LH_OK;
}

/* Texts without any word that the model knows have no direction and are left out. */
static size_t
zeros_drop(struct working *w, struct vector_row *rows, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (w->g->metric == LH_ANN_COSINE && vector_is_zero(rows[i].vector, w->g->spec.dimension))
            w->skipped++;
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

static lh_status
rows_commit(struct working *w, struct vector_row *rows, size_t count, struct lh_error *err)
{
    for (size_t from = 0; from < count; from += COMMIT_ROWS) {
        size_t n = count - from < COMMIT_ROWS ? count - from : COMMIT_ROWS;
        struct vector_change change = {.rows = rows + from, .count = n};

        LH_TRY(vector_commit(w->g, w->call, &change, err));
        LH_FAULT("vectors.build_amid", err);
    }
    w->items += count;
    return LH_OK;
}

static lh_str
seen_id(const void *ctx, uint32_t at)
{
    return ((const struct working *)ctx)->seen_ids[at];
}

static void
seen_note(struct working *w, lh_str id)
{
    if (w->seen_count == w->seen_capacity) {
        w->seen_capacity = w->seen_capacity ? 2 * w->seen_capacity : 1024;
        w->seen_ids = lh_realloc_array(w->seen_ids, w->seen_capacity, sizeof(*w->seen_ids));
    }
    w->seen_ids[w->seen_count] = lh_arena_str(&w->seen_arena, id);
    vector_names_set(&w->seen, (uint32_t)w->seen_count++);
}

static lh_status
page_write(struct working *w, struct vector_page *page, struct lh_arena *arena,
           struct lh_error *err)
{
    struct vector_row **missing = lh_arena_array(arena, page->count + 1, sizeof(*missing));
    size_t missing_count = 0, kept = 0;

    for (size_t i = 0; i < page->count; i++) {
        struct vector_row *row = &page->rows[kept];
        bool is_unchanged;

        page->rows[kept] = page->rows[i];
        if (w->b->is_refresh)
            seen_note(w, row->id);
        row->vector = vector_keep(w, row, arena, &is_unchanged);
        if (w->b->is_refresh && is_unchanged && row->vector) {
            w->unchanged++;
            continue;
        }
        if (row->vector)
            w->kept++;
        else
            missing[missing_count++] = row;
        kept++;
    }
    LH_TRY(texts_embed(w, missing, missing_count, arena, err));
    return rows_commit(w, page->rows, zeros_drop(w, page->rows, kept), err);
}

/* ---- all pages ---- */

static void
progress_tell(struct working *w, double from, double to)
{
    double share = w->total > 0 ? (double)w->rows / (double)w->total : 1;

    lh_job_progress(w->job, from + (to - from) * share,
                    "%llu of %llu rows, %llu items, %llu embedded", (unsigned long long)w->rows,
                    (unsigned long long)w->total, (unsigned long long)w->items,
                    (unsigned long long)w->embedded);
}

static lh_status
page_next(struct working *w, struct vector_page *page, struct lh_error *err)
{
    LH_AUTO_ARENA(arena);

    LH_TRY(page_read(w, w->rows, &arena, page, err));
    w->rows += page->source_rows;
    w->skipped += page->skipped;
    return page_write(w, page, &arena, err);
}

/* From its rows being read to its items being there, a page of what answers already is not to be
 * overtaken by a deletion, which would not find those items (tombstoned.h). */
static lh_status
page_take(struct working *w, struct vector_page *page, struct lh_error *err)
{
    LH_AUTO_LOCK(&w->g->tombstones.lock);

    return page_next(w, page, err);
}

/* From the first row on; what was embedded is found in the generation itself. */
static void
pages_restart(struct working *w)
{
    w->rows = w->items = w->kept = w->unchanged = w->skipped = 0;
    if (w->old == NULL)
        w->old = w->g;
}

static lh_status
pages_write(struct working *w, double from, struct lh_error *err)
{
    struct build *b = w->b;
    struct vector_page page = {0};
    uint64_t erased, now;

    LH_TRY(vector_source_erased(b->v, w->call, &b->source, &erased, err));
    while (!page.is_last) {
        b->source.has_tombstones = erased > 0;
        LH_TRY(page_take(w, &page, err));
        progress_tell(w, from, 0.98);
        LH_TRY(vector_source_erased(b->v, w->call, &b->source, &now, err));
        if (now != erased) {
            pages_restart(w);
            page.is_last = false;
            erased = now;
        }
    }
    return LH_OK;
}

/* ---- fitting ---- */

struct fitting {
    struct lh_arena arena;
    lh_str *texts;
    size_t count, capacity, bytes;
};

/* Texts to learn from are no part of an index, but of the memory that indexes may have. */
static bool
fitting_has_room(const struct working *w, const struct fitting *f)
{
    return f->count < FIT_TEXTS_MAX && f->bytes < w->b->v->budget.max_bytes / FIT_SHARE;
}

static void
texts_add(struct fitting *f, const struct vector_page *page)
{
    for (size_t i = 0; i < page->count && f->count < FIT_TEXTS_MAX; i++) {
        if (f->count == f->capacity) {
            f->capacity = f->capacity ? 2 * f->capacity : 4096;
            f->texts = lh_realloc_array(f->texts, f->capacity, sizeof(*f->texts));
        }
        f->bytes += page->rows[i].text.len;
        f->texts[f->count++] = lh_arena_str(&f->arena, page->rows[i].text);
    }
}

static lh_status
texts_gather(struct working *w, struct fitting *f, struct lh_error *err)
{
    struct vector_page page = {0};

    for (uint64_t offset = 0; !page.is_last && fitting_has_room(w, f); offset += page.source_rows) {
        LH_AUTO_ARENA(arena);

        LH_TRY(page_read(w, offset, &arena, &page, err));
        texts_add(f, &page);
    }
    return LH_OK;
}

static lh_status
call_check(void *call, struct lh_error *err)
{
    return lh_call_check(call, err);
}

struct learning {
    const lh_str *texts;
    size_t count;
    const struct lh_lsa_options *options;
    struct lh_lsa **out;
    struct lh_error *err;
    lh_status status;
};

static void
learning_run(void *arg)
{
    struct learning *l = arg;

    l->status = lh_lsa_fit(l->texts, l->count, l->options, l->out, l->err);
}

/* It takes seconds of every processor that it is given, which searches want too. */
static lh_status
fit_aside(struct learning *l)
{
    lh_thread_run_aside("lsa", learning_run, l);
    return l->status;
}

static lh_status
model_fit(struct working *w, const struct vector_log *log, struct fitting *f, struct lh_error *err)
{
    const struct lh_lsa_options options = {
        .threads = w->b->v->build_threads,
        .check = call_check,
        .check_ctx = w->call,
    };
    LH_AUTO(lh_lsa) *model = NULL;

    LH_TRY(texts_gather(w, f, err));
    if (f->count == 0)
        return lh_fail(err, LH_INVALID, "vectors.source",
                       "there are no texts that a model could be learned from");
    lh_job_progress(w->job, 0.05, "learning a model from %zu texts", f->count);
    LH_TRY(fit_aside(&(struct learning){f->texts, f->count, &options, &model, err}));
    return vector_model_store(w->b->v, w->call, log, model, err);
}

static lh_status
model_make(struct working *w, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    struct fitting f = {0};
    struct vector_log log;
    lh_status status;

    LH_TRY(vector_definition_load(w->b->v->bucket, w->call, lh_str_of(w->b->name), &d, err));
    log = vector_log_of(w->b->v->bucket, d, &w->b->spec);
    lh_arena_init(&f.arena);
    status = model_fit(w, &log, &f, err);
    free(f.texts);
    lh_arena_fini(&f.arena);
    return status;
}

/* ---- a new generation ---- */

static char *
source_text(const struct build *b)
{
    LH_AUTO_BUF(text, (size_t)1 << 20);
    struct lh_json_writer w = lh_json_writer_over(&text);

    lh_json_object_begin(&w);
    vector_source_print(&b->source, &w);
    lh_json_object_end(&w);
    return lh_buf_take_cstr(&text);
}

static void
old_find(struct working *w)
{
    struct vector_generation *old = NULL;

    if (vector_current(w->b->v, w->call, lh_str_of(w->b->name), &old, NULL) != LH_OK)
        return;
    if (strcmp(old->spec.model, w->b->spec.model) == 0 &&
        old->spec.dimension == w->b->spec.dimension &&
        !vector_model_is_fitted(lh_str_of(old->spec.model)))
        w->old = old;
    else
        vector_generation_unref(old);
}

/* Before it answers, and after that once more: what was put in meanwhile went to the one before. */
static lh_status
generation_answer(struct working *w, const char *source, struct lh_error *err)
{
    struct build *b = w->b;
    LH_AUTO(vector_generation) *from = NULL;
    struct vector_carried carried = {0};

    if (b->carries) {
        LH_TRY(vector_current(b->v, w->call, lh_str_of(b->name), &from, err));
        LH_TRY(vector_carry(from, w->g, b->source.dataset, w->call, &carried, err));
    }
    LH_FAULT("vectors.before_promote", err);
    LH_TRY(vector_generation_finish(b->v, w->call, lh_str_of(b->name), &b->spec, source,
                                    b->promotes, err));
    LH_FAULT("vectors.after_promote", err);
    if (b->carries)
        LH_TRY(vector_carry(from, w->g, b->source.dataset, w->call, &carried, err));
    w->items += carried.items;
    w->embedded += carried.items;
    w->skipped += carried.left_out;
    return LH_OK;
}

static lh_status
generation_write(struct working *w, struct lh_error *err)
{
    struct build *b = w->b;
    LH_AUTO_CHARS source = NULL;
    bool is_fitted = vector_model_is_fitted(lh_str_of(b->spec.model));

    if (is_fitted)
        LH_TRY(model_make(w, err));
    LH_TRY(vector_generation_get(b->v, w->call, lh_str_of(b->name), b->spec.number, &w->g, err));
    old_find(w);
    LH_TRY(pages_write(w, is_fitted ? 0.3 : 0, err));
    source = source_text(b);
    return generation_answer(w, source, err);
}

static json_t *
result_of(const struct working *w)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "generation",
                     (json_int_t)w->b->spec.number, "version", (json_int_t)w->b->source.version,
                     "rows", (json_int_t)w->rows, "items", (json_int_t)w->items, "embedded",
                     (json_int_t)w->embedded, "kept", (json_int_t)w->kept, "unchanged",
                     (json_int_t)w->unchanged, "skipped", (json_int_t)w->skipped, "removed",
                     (json_int_t)w->removed);
}

static void
working_fini(struct working *w)
{
    if (w->old != w->g)
        vector_generation_unref(w->old);
    vector_generation_unref(w->g);
    vector_names_fini(&w->seen);
    free(w->seen_ids);
    lh_arena_fini(&w->seen_arena);
}

/* On a call of its own: that of the job may be cancelled. */
static void
generation_abandon(struct build *b)
{
    struct lh_call call;

    lh_call_init(&call);
    (void)vector_generation_drop(b->v, &call, lh_str_of(b->name), &b->spec, NULL);
    lh_call_fini(&call);
}

static lh_status
build_run(void *context, struct lh_job *job, struct lh_call *call, json_t **result,
          struct lh_error *err)
{
    struct build *b = context;
    struct working w = {.b = b, .job = job, .call = call};
    lh_status status;

    status = vector_source_count(b->v, call, &b->source, &w.total, err);
    if (status == LH_OK)
        status = generation_write(&w, err);
    if (status == LH_OK)
        *result = result_of(&w);
    working_fini(&w);
    if (status != LH_OK)
        generation_abandon(b);
    return status;
}

static void
build_release(void *context)
{
    struct build *b = context;

    lh_arena_fini(&b->arena);
    free(b);
}

/* ---- starting a build ---- */

static struct build *
build_new(struct vectord *v, lh_str name)
{
    struct build *b = LH_NEW(struct build);

    b->v = v;
    lh_arena_init(&b->arena);
    lh_str_copy(b->name, sizeof(b->name), name);
    b->promotes = true;
    return b;
}

/* The strings of a source that was resolved are in the call's arena; the job outlives that. */
static void
source_own(struct build *b)
{
    for (size_t i = 0; i < b->source.metadata_count; i++)
        b->source.metadata_columns[i] = lh_arena_str(&b->arena, b->source.metadata_columns[i]);
}

static lh_status
model_choose(struct vectord *v, struct lh_call *call, lh_str wanted,
             struct vector_generation_spec *spec, struct lh_error *err)
{
    char found[LH_BRIDGE_NAME_MAX];
    size_t dim = LH_LSA_DIM;

    if (wanted.ptr == NULL)
        wanted = lh_str_of(lh_arena_cstr(&call->arena, lh_str_of(spec->model)));
    if (vector_model_is_fitted(wanted) || wanted.len == 0) {
        lh_str_copy(found, sizeof(found), LH_STR(LH_LSA_NAME));
    } else {
        LH_TRY(lh_bridge_model_find(v->bridge, LH_BRIDGE_EMBED, wanted, found, err));
        LH_TRY(lh_bridge_dim(v->bridge, call, lh_str_of(found), &dim, err));
    }
    lh_str_copy(spec->model, sizeof(spec->model), lh_str_of(found));
    spec->dimension = (uint32_t)dim;
    return LH_OK;
}

static lh_status
build_read(struct build *b, struct lh_call *call, const json_t *body, struct lh_error *err)
{
    static const char *const fields[] = {
        "dataset", "id_column", "text_columns",    "metadata_columns", "where",        "chunk",
        "model",   "m",         "ef_construction", "ef_search",        "quantization", "promote",
        "version", NULL};
    LH_AUTO(vector_definition) *d = NULL;
    lh_str model = LH_STR_NONE;

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(vector_definition_load(b->v->bucket, call, lh_str_of(b->name), &d, err));
    LH_TRY(vector_source_read(body, &b->arena, &b->source, err));
    LH_TRY(lh_json_str_opt(body, "model", &model, err));
    LH_TRY(lh_json_bool_opt(body, "promote", &b->promotes, err));
    b->spec = *vector_definition_find(d, d->current);
    b->spec.source = b->spec.note = NULL;
    b->spec.log = 0;
    LH_TRY(vector_parameters_read(body, &b->spec.parameters, err));
    LH_TRY(model_choose(b->v, call, model, &b->spec, err));
    return vector_source_resolve(b->v, call, &b->source, err);
}

/* Takes the build. */
static lh_status
build_begin(struct build *b, struct lh_call *call, struct lh_buf *answer, struct lh_error *err)
{
    const struct lh_job_work work = {.kind = "index.build",
                                     .subject = lh_arena_cstr(&call->arena, lh_str_of(b->name)),
                                     .run = build_run,
                                     .release = build_release,
                                     .context = b};
    struct vectord *v = b->v;
    LH_AUTO_CHARS source = source_text(b);
    struct vector_generation_spec made; /* the job may end, and its build with it, before this */
    char id[LH_UUID_TEXT];
    lh_status status;

    source_own(b);
    b->spec.source = source;
    status = vector_generation_begin(v, call, lh_str_of(b->name), &b->spec, &b->spec, err);
    if (status != LH_OK) {
        build_release(b);
        return status;
    }
    made = b->spec;
    status = lh_jobs_start(v->jobs, call, &work, id, err);
    if (status != LH_OK) {
        (void)vector_generation_drop(v, call, lh_str_of(work.subject), &made, NULL);
        return status;
    }
    lh_jobs_accepted_print(id, answer);
    /* It may have ended already: then there is nothing to note. */
    (void)vector_generation_job_set(v, call, lh_str_of(work.subject), &made, id, NULL);
    return vectord_event(v, call, work.subject, "index.build_started", LH_STR_NONE,
                         lh_str_of(source), err);
}

lh_status
vector_build_start(struct vectord *v, struct lh_call *call, lh_str name, const json_t *body,
                   struct lh_buf *answer, struct lh_error *err)
{
    struct build *b;
    lh_status status;

    if (lh_str_eq(name, LH_STR(VECTOR_PLAYBOOK_INDEX)))
        return lh_fail(err, LH_INVALID, "vectors.reserved",
                       "playbooks are recorded (POST /v1/playbooks), not built");
    b = build_new(v, name);
    status = build_read(b, call, body, err);

    if (status == LH_OK)
        return build_begin(b, call, answer, err);
    build_release(b);
    return status;
}

/* ---- refresh ---- */

static lh_status
vanished_remove(struct working *w, struct lh_error *err)
{
    struct vector_generation *g = w->g;
    LH_AUTO_ARENA(arena);
    lh_str mark = vector_source_mark(w->b->source.dataset, &arena);
    size_t count = 0;
    struct vector_row *gone;

    pthread_rwlock_rdlock(&g->shared.lock);
    gone = lh_arena_array(&arena, (size_t)g->shared.slot_count + 1, sizeof(*gone));
    for (uint32_t i = 0; i < g->shared.slot_count; i++) {
        const struct vector_record *r = g->shared.records[i];

        if (r && r->died == 0 && vector_source_is_of(mark, r->metadata) &&
            vector_names_find(&w->seen, r->id) == VECTOR_NO_SLOT)
            gone[count++] = (struct vector_row){.id = lh_arena_str(&arena, r->id),
                                                .is_removal = true,
                                                .only_sequence = r->sequence};
    }
    pthread_rwlock_unlock(&g->shared.lock);
    w->removed = count;
    for (size_t from = 0; from < count; from += COMMIT_ROWS) {
        size_t n = count - from < COMMIT_ROWS ? count - from : COMMIT_ROWS;
        struct vector_change change = {.rows = gone + from, .count = n};

        LH_TRY(vector_commit(g, w->call, &change, err));
    }
    return LH_OK;
}

static bool
has_drifted(const struct working *w)
{
    double most = lh_config_f64(w->b->v->env->config, "vectors.drift_max");

    return vector_model_is_fitted(lh_str_of(w->g->spec.model)) && w->embedded > 0 &&
           w->unknown_sum / (double)w->embedded > most;
}

static lh_status
generation_refresh(struct working *w, struct lh_error *err)
{
    struct build *b = w->b;
    LH_AUTO_CHARS source = source_text(b);

    LH_TRY(vector_current(b->v, w->call, lh_str_of(b->name), &w->g, err));
    if (w->g->spec.number != b->spec.number)
        return lh_fail(err, LH_CONFLICT, "vectors.generation_changed",
                       "another generation of '%s' became current meanwhile", b->name);
    w->old = w->g;
    w->seen.id = seen_id;
    w->seen.ctx = w;
    LH_TRY(pages_write(w, 0, err));
    LH_TRY(vanished_remove(w, err));
    return vector_generation_finish(b->v, w->call, lh_str_of(b->name), &b->spec, source, false,
                                    err);
}

/* The same source into a generation with a model of its own. */
static lh_status
rebuild(struct build *b, struct lh_job *job, struct lh_call *call, json_t **result,
        struct lh_error *err)
{
    b->is_refresh = false;
    b->carries = true;
    b->spec.log = 0;
    LH_TRY(vector_generation_begin(b->v, call, lh_str_of(b->name), &b->spec, &b->spec, err));
    lh_job_progress(job, 0.5, "the texts have drifted: learning a new model");
    return build_run(b, job, call, result, err);
}

static lh_status
refresh_run(void *context, struct lh_job *job, struct lh_call *call, json_t **result,
            struct lh_error *err)
{
    struct build *b = context;
    struct working w = {.b = b, .job = job, .call = call};
    bool is_drifted = false;
    lh_status status;

    status = vector_source_count(b->v, call, &b->source, &w.total, err);
    if (status == LH_OK)
        status = generation_refresh(&w, err);
    if (status == LH_OK) {
        *result = result_of(&w);
        is_drifted = has_drifted(&w);
    }
    working_fini(&w);
    if (status != LH_OK || !is_drifted)
        return status;
    json_decref(*result);
    *result = NULL;
    return rebuild(b, job, call, result, err);
}

static lh_status
refresh_read(struct build *b, struct lh_call *call, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    const struct vector_generation_spec *spec;
    LH_AUTO_JSON source = NULL;

    LH_TRY(vector_definition_load(b->v->bucket, call, lh_str_of(b->name), &d, err));
    spec = vector_definition_find(d, d->current);
    if (spec->source == NULL)
        return lh_fail(err, LH_CONFLICT, "vectors.no_source",
                       "'%s' was not built from a dataset: there is nothing to refresh it from",
                       b->name);
    LH_TRY(lh_json_parse(lh_str_of(spec->source), &source, err));
    LH_TRY(vector_source_read(source, &b->arena, &b->source, err));
    b->source.version = 0;
    b->spec = *spec;
    b->spec.source = b->spec.note = NULL;
    memcpy(b->spec.uid, d->uid, sizeof(b->spec.uid));
    b->is_refresh = true;
    return vector_source_resolve(b->v, call, &b->source, err);
}

lh_status
vector_refresh_start(struct vectord *v, struct lh_call *call, lh_str name, struct lh_buf *answer,
                     struct lh_error *err)
{
    struct build *b = build_new(v, name);
    const struct lh_job_work work = {.kind = "index.refresh",
                                     .subject = lh_arena_cstr(&call->arena, name),
                                     .run = refresh_run,
                                     .release = build_release,
                                     .context = b};
    char id[LH_UUID_TEXT];
    lh_status status = refresh_read(b, call, err);

    if (status != LH_OK) {
        build_release(b);
        return status;
    }
    source_own(b);
    LH_TRY(lh_jobs_start(v->jobs, call, &work, id, err));
    lh_jobs_accepted_print(id, answer);
    return vectord_event(v, call, work.subject, "index.refresh_started", LH_STR_NONE, LH_STR_NONE,
                         err);
}

/* ---- staleness ---- */

int
vector_source_is_stale(struct vectord *v, struct lh_call *call, const char *source)
{
    LH_AUTO_JSON o = NULL;
    LH_AUTO(lh_snapshot) *head = NULL;
    uint64_t version;
    lh_status status;

    if (source == NULL || lh_json_parse(lh_str_of(source), &o, NULL) != LH_OK)
        return 0;
    version = (uint64_t)json_integer_value(json_object_get(o, "version"));
    status = lh_catalog_snapshot(v->catalog, call,
                                 lh_str_of(json_string_value(json_object_get(o, "dataset"))), 0,
                                 &head, NULL);
    if (status == LH_NOT_FOUND)
        return 1; /* deleted: as far from the dataset as can be */
    return status == LH_OK ? head->version > version : -1;
}
