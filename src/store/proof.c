#include "store/proof.h"

#include <stdio.h>
#include "base/time.h"

char *
store_proof_key(const char *name, char key[LH_KEY_MAX + 1])
{
    (void)snprintf(key, LH_KEY_MAX + 1, "_storage/proofs/%s.json", name);
    return key;
}

static const char *
text_of(const char *s)
{
    return s ? s : "";
}

void
lh_bucket_health_print(const struct lh_bucket_health *h, struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    lh_json_set_bool(w, "write", h->can_write);
    lh_json_set_bool(w, "conditional_put", h->has_create_if_absent);
    lh_json_set_bool(w, "compare_and_swap", h->has_compare_and_swap);
    lh_json_set_bool(w, "range", h->has_range);
    lh_json_set_bool(w, "list", h->has_list);
    lh_json_set_bool(w, "checksums", h->has_checksums);
    lh_json_object_end(w);
}

void
store_proof_encode(const struct lh_bucket_spec *spec, const struct lh_bucket_proof *proof,
                   struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "name", spec->name);
    lh_json_set_cstr(&w, "backend", spec->backend);
    lh_json_set_cstr(&w, "root", text_of(spec->root));
    lh_json_set_cstr(&w, "endpoint", text_of(spec->endpoint));
    lh_json_set_cstr(&w, "bucket", text_of(spec->bucket));
    lh_json_set_time(&w, "proven_at", proof->proven_us);
    lh_json_key(&w, "capabilities");
    lh_bucket_health_print(&proof->health, &w);
    lh_json_set_bool(&w, "ignores_conditions", proof->health.ignores_conditions);
    lh_json_set_i64(&w, "latency_us", proof->health.latency_us);
    lh_json_set_cstr(&w, "detail", proof->health.detail);
    lh_json_object_end(&w);
    lh_buf_add_char(out, '\n');
}

static bool
is_same_place(const json_t *v, const struct lh_bucket_spec *spec)
{
    const char *names[] = {"backend", "root", "endpoint", "bucket"};
    const char *values[] = {spec->backend, text_of(spec->root), text_of(spec->endpoint),
                            text_of(spec->bucket)};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *found = json_string_value(json_object_get(v, names[i]));
        if (!found || strcmp(found, values[i]) != 0)
            return false;
    }
    return true;
}

static lh_status
fields_read(const json_t *v, struct lh_bucket_proof *out, struct lh_error *err)
{
    struct lh_bucket_health *h = &out->health;
    lh_str detail, proven_at;
    json_t *c = NULL;

    LH_TRY(lh_json_object_opt(v, "capabilities", &c, err));
    LH_TRY(lh_json_bool_opt(c, "write", &h->can_write, err));
    LH_TRY(lh_json_bool_opt(c, "conditional_put", &h->has_create_if_absent, err));
    LH_TRY(lh_json_bool_opt(c, "compare_and_swap", &h->has_compare_and_swap, err));
    LH_TRY(lh_json_bool_opt(c, "range", &h->has_range, err));
    LH_TRY(lh_json_bool_opt(c, "list", &h->has_list, err));
    LH_TRY(lh_json_bool_opt(c, "checksums", &h->has_checksums, err));
    LH_TRY(lh_json_bool_opt(v, "ignores_conditions", &h->ignores_conditions, err));
    LH_TRY(lh_json_i64_opt(v, "latency_us", &h->latency_us, err));
    LH_TRY(lh_json_str(v, "detail", &detail, err));
    LH_TRY(lh_json_str(v, "proven_at", &proven_at, err));
    if (!lh_str_copy(h->detail, sizeof(h->detail), detail) ||
        !lh_time_parse(proven_at, &out->proven_us))
        return lh_fail(err, LH_CORRUPT, "store.proof", "detail or time is not as it should be");
    h->is_reachable = true;
    return LH_OK;
}

lh_status
store_proof_decode(const struct lh_bucket_spec *spec, lh_str json, struct lh_bucket_proof *out,
                   struct lh_error *err)
{
    struct lh_bucket_proof proof = {0};
    LH_AUTO_JSON v = NULL;
    LH_AUTO_ERROR(why);
    lh_status status = lh_json_parse(json, &v, &why);

    if (status == LH_OK && !is_same_place(v, spec))
        return lh_fail(err, LH_NOT_FOUND, "store.no_proof",
                       "what was proven of bucket '%s' was in another place", spec->name);
    if (status == LH_OK)
        status = fields_read(v, &proof, &why);
    if (status != LH_OK)
        return lh_fail(err, LH_CORRUPT, "store.proof", "the proof of bucket '%s': %s", spec->name,
                       why.text);
    *out = proof;
    return LH_OK;
}
