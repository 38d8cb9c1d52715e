#include "services/storaged/storage.h"

#include "base/json.h"
#include "services/catalogd/client.h"

#define EXTRA_BYTES_MAX ((size_t)64 << 10)

lh_status
storage_bucket_find(struct storage *s, struct lh_call *call, const struct lh_request *req,
                    struct lh_bucket **out, struct lh_error *err)
{
    return lh_store_bucket(s->env->store, call, lh_request_param(req, "bucket"), out, err);
}

static void
spec_print(struct lh_json_writer *w, const struct lh_bucket_spec *spec)
{
    lh_json_object_begin(w);
    lh_bucket_spec_print(spec, w);
    lh_json_object_end(w);
}

static void
bucket_print(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    (void)b;
    spec_print(self, spec);
}

lh_status
storage_buckets_list(struct storage *s, struct lh_call *call, struct lh_buf *out,
                     struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_key(&w, "buckets");
    lh_json_array_begin(&w);
    LH_TRY(lh_store_buckets(s->env->store, call, bucket_print, &w, err));
    lh_json_array_end(&w);
    lh_json_object_end(&w);
    return LH_OK;
}

static lh_status
local_spec_read(const json_t *body, struct lh_arena *arena, struct lh_bucket_spec *spec,
                struct lh_error *err)
{
    static const char *const fields[] = {"name", "backend", "root", "role", NULL};
    lh_str root = LH_STR("");

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str_opt(body, "root", &root, err));
    spec->root = lh_arena_cstr(arena, root);
    return LH_OK;
}

static lh_status
s3_spec_read(const json_t *body, struct lh_arena *arena, struct lh_bucket_spec *spec,
             struct lh_error *err)
{
    static const char *const fields[] = {"name",        "backend", "endpoint",
                                         "region",      "bucket",  "path_style",
                                         "credentials", "role",    NULL};
    lh_str endpoint = LH_STR(""), region = LH_STR(""), bucket = LH_STR(""), credentials;

    spec->is_path_style = true;
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "credentials", &credentials, err));
    LH_TRY(lh_json_str_opt(body, "endpoint", &endpoint, err));
    LH_TRY(lh_json_str_opt(body, "region", &region, err));
    LH_TRY(lh_json_str_opt(body, "bucket", &bucket, err));
    LH_TRY(lh_json_bool_opt(body, "path_style", &spec->is_path_style, err));
    spec->endpoint = lh_arena_cstr(arena, endpoint);
    spec->region = lh_arena_cstr(arena, region);
    spec->bucket = lh_arena_cstr(arena, bucket);
    spec->credentials = lh_arena_cstr(arena, credentials);
    return LH_OK;
}

/* The backend is looked at first: fields of a backend that this build has not are no misspellings.
 */
static lh_status
spec_read(const json_t *body, struct lh_arena *arena, struct lh_bucket_spec *spec,
          struct lh_error *err)
{
    lh_str name, backend = LH_STR("local"), role = LH_STR("");

    LH_TRY(lh_json_str(body, "name", &name, err));
    LH_TRY(lh_json_str_opt(body, "backend", &backend, err));
    LH_TRY(lh_json_str_opt(body, "role", &role, err));
    *spec = (struct lh_bucket_spec){.name = lh_arena_cstr(arena, name),
                                    .backend = lh_arena_cstr(arena, backend),
                                    .role = lh_arena_cstr(arena, role)};
    if (lh_str_eq(backend, LH_STR("local")))
        return local_spec_read(body, arena, spec, err);
    if (lh_str_eq(backend, LH_STR("s3")))
        return s3_spec_read(body, arena, spec, err);
    return lh_fail(err, LH_UNSUPPORTED, "store.backend",
                   "the backend '%.*s' was asked for; there are: local, s3",
                   LH_FMT(lh_str_fit(backend, 80)));
}

/* As it was recorded: with the folder that it really got. */
struct one_bucket {
    struct lh_json_writer w;
    const char *name;
};

static void
bucket_print_named(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct one_bucket *one = self;

    (void)b;
    if (strcmp(spec->name, one->name) == 0)
        spec_print(&one->w, spec);
}

lh_status
storage_bucket_add(struct storage *s, struct lh_call *call, const json_t *body, struct lh_buf *out,
                   struct lh_error *err)
{
    struct one_bucket one = {.w = lh_json_writer_over(out)};
    struct lh_bucket_spec spec = {0};

    LH_TRY(spec_read(body, &call->arena, &spec, err));
    LH_TRY(lh_store_bucket_add(s->env->store, call, &spec, err));
    LH_TRY(storage_event_add(s, call,
                             &(struct storage_event){.entity_type = "bucket",
                                                     .action = "bucket.added",
                                                     .bucket = lh_str_of(spec.name)},
                             err));
    one.name = spec.name;
    return lh_store_buckets(s->env->store, call, bucket_print_named, &one, err);
}

static lh_status
fail_in_use(lh_str name, const json_t *datasets, struct lh_error *err)
{
    LH_AUTO_BUF(extra, EXTRA_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&extra);
    const char *first = json_string_value(json_array_get(datasets, 0));

    lh_json_object_begin(&w);
    lh_json_key(&w, "datasets");
    lh_json_put_value(&w, datasets);
    lh_json_object_end(&w);
    (void)lh_fail(err, LH_CONFLICT, "store.bucket_in_use",
                  "versions of '%s' and %zu more datasets have objects in bucket '%.*s'; with "
                  "force=true it is forgotten all the same",
                  first ? first : "?", json_array_size(datasets) - 1, LH_FMT(lh_str_fit(name, 80)));
    lh_error_extra_set(err, lh_buf_cstr(&extra));
    return LH_CONFLICT;
}

static lh_status
unused_check(struct storage *s, struct lh_call *call, lh_str name, struct lh_error *err)
{
    LH_AUTO_JSON datasets = NULL;

    LH_TRY(lh_catalog_bucket_datasets(s->env->mesh, call, name, &datasets, err));
    return json_array_size(datasets) == 0 ? LH_OK : fail_in_use(name, datasets, err);
}

/* A bucket that there is not, or that must stay, is told as that before anybody is asked. */
lh_status
storage_bucket_remove(struct storage *s, struct lh_call *call, lh_str name, bool is_forced,
                      struct lh_error *err)
{
    LH_TRY(lh_store_bucket_removable(s->env->store, call, name, err));
    if (!is_forced)
        LH_TRY(unused_check(s, call, name, err));
    LH_TRY(lh_store_bucket_remove(s->env->store, call, name, err));
    return storage_event_add(s, call,
                             &(struct storage_event){.entity_type = "bucket",
                                                     .action = "bucket.removed",
                                                     .bucket = name},
                             err);
}
