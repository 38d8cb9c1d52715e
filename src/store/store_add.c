/* Adding buckets at run time, and removing them: records in primary. */
#include "store/store_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/thread.h"
#include "base/alloc.h"

static bool
is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    while (n > 1 && folder[n - 1] == '/')
        n--;
    return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/' || n == 1);
}

static lh_status
root_refuse(const char *root, const char *why, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "store.bucket_root", "the root '%.200s' %s", root, why);
}

/* Two buckets in one folder would give an object two names, and one of them could remove what the
 * other relies on. */
static lh_status
root_apart_check(struct lh_store *s, const char *root, struct lh_error *err)
{
    LH_AUTO_LOCK(&s->lock.mutex);

    if (is_inside(s->data_dir, root))
        return root_refuse(root, "holds the data folder", err);
    for (struct store_entry *e = s->lock.first; e; e = e->next)
        if (!e->is_removed && *e->spec.root &&
            (is_inside(root, e->spec.root) || is_inside(e->spec.root, root)))
            return root_refuse(root, "overlaps with that of another bucket", err);
    return LH_OK;
}

static lh_status
root_allowed_check(struct lh_store *s, const char *root, struct lh_error *err)
{
    size_t count = lh_config_list_count(s->config, "store.bucket_roots");

    for (size_t i = 0; i < count; i++)
        if (is_inside(root, lh_config_list_at(s->config, "store.bucket_roots", i)))
            return LH_OK;
    return count == 0 ? LH_OK : root_refuse(root, "is in none of store.bucket_roots", err);
}

static lh_status
root_form_check(const char *root, struct lh_error *err)
{
    lh_str rest = lh_str_of(root), part;

    if (*root != '/')
        return root_refuse(root, "is not an absolute path", err);
    while (lh_str_next(&rest, '/', &part))
        if (lh_str_eq(part, LH_STR(".")) || lh_str_eq(part, LH_STR("..")))
            return root_refuse(root, "has a component '.' or '..'", err);
    return LH_OK;
}

static lh_status
root_check(struct lh_store *s, const char *root, struct lh_error *err)
{
    LH_TRY(root_form_check(root, err));
    LH_TRY(root_allowed_check(s, root, err));
    return root_apart_check(s, root, err);
}

/* Checked as written before the folder is made, and as it really is after: a link on the way can
 * lead anywhere. */
static lh_status
root_make(struct lh_store *s, const char *root, char real[PATH_MAX], struct lh_error *err)
{
    LH_TRY(root_check(s, root, err));
    LH_TRY(lh_dir_make(root, 0777, err));
    if (!realpath(root, real))
        return lh_fail_errno(err, errno, "cannot find the folder %s", root);
    return root_check(s, real, err);
}

static lh_status
record_put(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
           struct lh_error *err)
{
    const struct lh_put_options o = {.if_absent = true, .content_type = "application/json"};
    LH_AUTO_BUF(json, STORE_RECORD_BYTES_MAX);
    char key[LH_KEY_MAX + 1];

    store_record_encode(spec, &json);
    LH_TRY(lh_buf_check(&json, "the record of the bucket", err));
    return lh_object_put(s->primary, call, lh_str_of(store_record_key(spec->name, key)),
                         lh_buf_bytes(&json), &o, NULL, err);
}

static lh_status
fail_exists(const char *name, struct lh_error *err)
{
    return lh_fail(err, LH_EXISTS, "store.bucket_exists", "there is a bucket '%s' already", name);
}

static lh_status
bucket_absent_check(struct lh_store *s, struct lh_call *call, const char *name,
                    struct lh_error *err)
{
    LH_AUTO_ERROR(found);
    struct lh_bucket *b;
    lh_status status = lh_store_bucket(s, call, lh_str_of(name), &b, &found);

    if (status == LH_OK)
        return fail_exists(name, err);
    if (status != LH_NOT_FOUND && err)
        lh_error_copy(err, &found);
    return status == LH_NOT_FOUND ? LH_OK : status;
}

static lh_status
endpoint_allowed_check(struct lh_store *s, const struct lh_bucket_spec *spec, struct lh_error *err)
{
    size_t count = lh_config_list_count(s->config, "store.bucket_endpoints");

    for (size_t i = 0; i < count; i++)
        if (strcmp(spec->endpoint, lh_config_list_at(s->config, "store.bucket_endpoints", i)) == 0)
            return LH_OK;
    return count == 0
               ? LH_OK
               : lh_fail(err, LH_INVALID, "store.bucket_endpoint",
                         "the endpoint '%.200s' is not in store.bucket_endpoints", spec->endpoint);
}

/* As with folders: an object has one name. */
static lh_status
place_apart_check(struct lh_store *s, const struct lh_bucket_spec *spec, struct lh_error *err)
{
    LH_AUTO_LOCK(&s->lock.mutex);

    for (struct store_entry *e = s->lock.first; e; e = e->next) {
        struct lh_bucket_spec view = store_spec_view(&e->spec);
        if (!e->is_removed && store_spec_is_same_place(&view, spec))
            return lh_fail(err, LH_INVALID, "store.bucket_endpoint",
                           "'%s' at %.200s is bucket '%s' already", spec->bucket, spec->endpoint,
                           e->spec.name);
    }
    return LH_OK;
}

static lh_status
s3_prepare(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
           struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    struct lh_bucket *b;
    lh_status status;

    LH_TRY(endpoint_allowed_check(s, spec, err));
    LH_TRY(place_apart_check(s, spec, err));
    LH_TRY(store_backend_open(s, spec, &b, err));
    status = lh_object_list(b, call, LH_STR(""), LH_STR(""), 1, &page, err);
    bucket_free(b);
    return status;
}

static lh_status
bucket_prepare(struct lh_store *s, struct lh_call *call, struct lh_bucket_spec *spec,
               char root[PATH_MAX], char endpoint[S3_ENDPOINT_MAX], struct lh_error *err)
{
    LH_AUTO_CHARS ours = lh_asprintf("%s/buckets/%s", s->data_dir, spec->name);

    if (store_spec_is_s3(spec))
        store_s3_defaults(spec, endpoint);
    LH_TRY(store_spec_check(spec, err));
    if (store_spec_is_s3(spec)) {
        spec->root = "";
        return s3_prepare(s, call, spec, err);
    }
    LH_TRY(root_make(s, spec->root && *spec->root ? spec->root : ours, root, err));
    spec->root = root;
    return LH_OK;
}

/* The list of copies is replaced by compare-and-swap, so a rescue bucket must hold to it. What
 * cannot be found out now is found out when the health is asked for. */
static lh_status
added_prove(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
            const struct lh_bucket_spec *spec, struct lh_error *err)
{
    struct lh_bucket_proof proof;
    struct lh_bucket *ours = b;
    char key[LH_KEY_MAX + 1];

    if (store_proof_take(s, call, b, spec, true, &proof, NULL) != LH_OK ||
        !proof.health.ignores_conditions || !b->is_rescue)
        return LH_OK;
    (void)lh_object_delete(s->primary, call, lh_str_of(store_record_key(spec->name, key)), NULL,
                           NULL);
    store_entry_retire(s, lh_str_of(spec->name));
    (void)atomic_compare_exchange_strong(&s->rescue.rescue, &ours, NULL);
    return lh_fail(err, LH_INVALID, "store.conditions_ignored",
                   "bucket '%s' accepts conditions and ignores them (%s): it cannot be a rescue "
                   "bucket",
                   spec->name, proof.health.detail);
}

lh_status
lh_store_bucket_add(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
                    struct lh_error *err)
{
    struct lh_bucket_spec exact = *spec;
    char root[PATH_MAX], endpoint[S3_ENDPOINT_MAX];
    struct lh_bucket *b;
    lh_status status;

    LH_TRY(lh_bucket_name_check(lh_str_of(spec->name), err));
    LH_TRY(store_backend_check(spec, err));
    LH_TRY(bucket_absent_check(s, call, spec->name, err));
    LH_TRY(bucket_prepare(s, call, &exact, root, endpoint, err));
    status = record_put(s, call, &exact, err);
    if (status == LH_CONFLICT)
        return fail_exists(spec->name, err);
    LH_TRY(status);
    LH_TRY(store_entry_open(s, &exact, false, &b, err));
    return added_prove(s, call, b, &exact, err);
}

static lh_status
removable_check(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_error *err)
{
    struct lh_bucket *b;
    bool is_rescue = false;

    if (store_is_configured(s, name))
        return lh_fail(err, LH_DENIED, "store.bucket_protected",
                       "bucket '%.*s' belongs to the configuration and cannot be removed",
                       LH_FMT(lh_str_fit(name, 80)));
    if (lh_store_bucket(s, call, name, &b, NULL) == LH_OK) {
        LH_AUTO_LOCK(&s->lock.mutex);
        struct store_entry *e = store_entry_find(s, name);
        is_rescue = e && strcmp(e->spec.role, "rescue") == 0;
    }
    if (is_rescue)
        return lh_fail(err, LH_DENIED, "store.bucket_protected",
                       "bucket '%.*s' is the rescue bucket and cannot be removed",
                       LH_FMT(lh_str_fit(name, 80)));
    return LH_OK;
}

lh_status
lh_store_bucket_removable(struct lh_store *s, struct lh_call *call, lh_str name,
                          struct lh_error *err)
{
    char text[80], key[LH_KEY_MAX + 1];
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status;

    LH_TRY(removable_check(s, call, name, err));
    if (lh_bucket_name_check(name, NULL) != LH_OK || !lh_str_copy(text, sizeof(text), name))
        return store_fail_no_bucket(name, err);
    status = lh_object_head(s->primary, call, lh_str_of(store_record_key(text, key)), &info, &why);
    if (status == LH_NOT_FOUND)
        return store_fail_no_bucket(name, err);
    if (status == LH_CORRUPT)
        return LH_OK; /* what cannot be read can be removed */
    if (status != LH_OK)
        lh_error_copy(err, &why);
    return status;
}

lh_status
lh_store_bucket_remove(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_error *err)
{
    char text[80], key[LH_KEY_MAX + 1];
    lh_status status;

    LH_TRY(removable_check(s, call, name, err));
    if (lh_bucket_name_check(name, NULL) != LH_OK || !lh_str_copy(text, sizeof(text), name))
        return store_fail_no_bucket(name, err);
    status = lh_object_delete(s->primary, call, lh_str_of(store_record_key(text, key)), NULL, err);
    if (status == LH_OK || status == LH_NOT_FOUND)
        store_entry_retire(s, name);
    return status == LH_NOT_FOUND ? store_fail_no_bucket(name, err) : status;
}
