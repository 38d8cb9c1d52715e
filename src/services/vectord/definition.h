/*
 * definition: what an index is, as one small object that is only ever changed by compare-and-swap.
 *
 * The object holds the metric, the generations with their parameters, and which of them answers.
 * Everything else about an index is found from it, so promoting a generation, rolling back and
 * deleting an index are each one conditional put or delete of this object.
 *
 * Owns     copies of all its strings. A definition belongs to one thread, or is not changed.
 * Fails    NOT_FOUND "vectors.unknown_index"; EXISTS "vectors.index_exists"; CONFLICT
 *          "vectors.definition_changed" when somebody else was first; CORRUPT "vectors.definition".
 * Format   docs/formats/vectors.md
 */
#ifndef LH_SERVICES_VECTORD_DEFINITION_H
#define LH_SERVICES_VECTORD_DEFINITION_H

#include "ann/ann.h"
#include "base/id.h"
#include "base/json.h"
#include "store/bucket.h"

enum {
    VECTOR_GENERATIONS_MAX = 32, /* of one index, side by side */
    VECTOR_HISTORY_MAX = 32,     /* generations that rollback may go back to */
    VECTOR_NAME_MAX = 64,
    VECTOR_MODEL_MAX = 128
};

enum vector_quantization { VECTOR_QUANTIZATION_NONE, VECTOR_QUANTIZATION_INT8 };

/* 0 is the default of ann/ann.h. */
struct vector_parameters {
    uint32_t m; /* half the links of a node on the lowest level */
    uint32_t ef_construction, ef_search;
    enum vector_quantization quantization;
};

enum vector_state { VECTOR_READY, VECTOR_BUILDING, VECTOR_FAILED };

struct vector_generation_spec {
    uint64_t number; /* from 1, never used again */
    uint64_t log;    /* number of the generation whose batches hold its items; 0 in
                        vector_definition_generation_add: its own */
    enum vector_state state;
    uint32_t dimension;
    char model[VECTOR_MODEL_MAX]; /* "": none; vectors come from outside */
    struct vector_parameters parameters;
    int64_t created_us;
    char uid[LH_UUID_TEXT]; /* in a copy that outlives the definition: whose it is; else "" */
    char *source;           /* JSON of the build that made it, or NULL */
    char *note;             /* why it failed, or NULL */
};

struct vector_definition {
    char name[VECTOR_NAME_MAX];
    char uid[LH_UUID_TEXT]; /* of this index and of no other, whatever its name was before */
    enum lh_ann_metric metric;
    int64_t created_us;
    uint64_t current;  /* generation */
    uint64_t next;     /* the number of the next generation */
    uint64_t revision; /* grows with every change */
    struct vector_generation_spec generations[VECTOR_GENERATIONS_MAX];
    size_t generation_count;
    uint64_t history[VECTOR_HISTORY_MAX]; /* what was current before, the latest last */
    size_t history_count;
    char etag[LH_ETAG_MAX];
};

void vector_definition_free(struct vector_definition *d);
LH_AUTO_DEFINE(vector_definition)

struct vector_generation_spec *
vector_definition_generation(struct vector_definition *d, uint64_t number);
/* NULL when the number is unknown. */
const struct vector_generation_spec *
vector_definition_find(const struct vector_definition *d, uint64_t number);
/* Adds one in the state BUILDING. TOO_BIG "vectors.generations". */
lh_status vector_definition_generation_add(struct vector_definition *d,
                                           const struct vector_generation_spec *spec,
                                           uint64_t *number, struct lh_error *err);
void vector_definition_generation_drop(struct vector_definition *d, uint64_t number);
/* Makes it the one that answers. NOT_FOUND "vectors.unknown_generation"; CONFLICT
 * "vectors.generation_not_ready". */
lh_status
vector_definition_promote(struct vector_definition *d, uint64_t number, struct lh_error *err);
/* Back to what answered before. CONFLICT "vectors.nothing_to_roll_back". */
lh_status vector_definition_rollback(struct vector_definition *d, struct lh_error *err);

/* ---- in the bucket ---- */

lh_status vector_definition_load(struct lh_bucket *b, struct lh_call *call, lh_str name,
                                 struct vector_definition **out, struct lh_error *err);
/* The first one: there must be none of the name. */
lh_status vector_definition_create(struct lh_bucket *b, struct lh_call *call,
                                   struct vector_definition *d, struct lh_error *err);
/* Puts it in place of the one it was loaded from, and takes the new ETag. */
lh_status vector_definition_store(struct lh_bucket *b, struct lh_call *call,
                                  struct vector_definition *d, struct lh_error *err);
lh_status vector_definition_delete(struct lh_bucket *b, struct lh_call *call,
                                   const struct vector_definition *d, struct lh_error *err);
/* Loads, lets `change` edit, stores, and again while somebody else is first. */
lh_status vector_definition_change(struct lh_bucket *b, struct lh_call *call, lh_str name,
                                   lh_status (*change)(void *ctx, struct vector_definition *d,
                                                       struct lh_error *err),
                                   void *ctx, struct vector_definition **out, struct lh_error *err);
/* Names in byte order from just after `after`, in the call's arena. */
lh_status
vector_definition_names(struct lh_bucket *b, struct lh_call *call, lh_str after, size_t limit,
                        lh_str **names, size_t *count, bool *has_more, struct lh_error *err);

/* ---- words ---- */

/* [A-Za-z_][A-Za-z0-9_]{0,62}. INVALID "vectors.name". */
lh_status vector_name_check(lh_str name, struct lh_error *err);
const char *vector_metric_name(enum lh_ann_metric metric);
bool vector_metric_parse(lh_str name, enum lh_ann_metric *out);
const char *vector_quantization_name(enum vector_quantization q);
bool vector_quantization_parse(lh_str name, enum vector_quantization *out);
const char *vector_state_name(enum vector_state state);

/* Reads m, ef_construction, ef_search and quantization where present. INVALID "vectors.parameters".
 */
lh_status
vector_parameters_read(const json_t *object, struct vector_parameters *p, struct lh_error *err);
/* As members of the object that is open. */
void vector_parameters_print(struct lh_json_writer *w, const struct vector_parameters *p);
struct lh_ann_options vector_ann_options(const struct vector_generation_spec *spec,
                                         enum lh_ann_metric metric, size_t max_bytes);

#endif
