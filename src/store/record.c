#include "store/record.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/time.h"

void
store_spec_init(struct store_spec *s, const struct lh_bucket_spec *from)
{
    s->name = lh_strdup(from->name);
    s->backend = lh_strdup(from->backend);
    s->root = lh_strdup(from->root);
}

void
store_spec_fini(struct store_spec *s)
{
    free(s->name);
    free(s->backend);
    free(s->root);
    *s = (struct store_spec){0};
}

struct lh_bucket_spec
store_spec_view(const struct store_spec *s)
{
    return (struct lh_bucket_spec){.name = s->name, .backend = s->backend, .root = s->root};
}

bool
store_spec_eq(const struct lh_bucket_spec *a, const struct lh_bucket_spec *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->backend, b->backend) == 0 &&
           strcmp(a->root, b->root) == 0;
}

char *
store_record_key(const char *name, char key[LH_KEY_MAX + 1])
{
    (void)snprintf(key, LH_KEY_MAX + 1, "%s%s%s", STORE_RECORD_PREFIX, name, STORE_RECORD_SUFFIX);
    return key;
}

void
store_record_encode(const struct lh_bucket_spec *spec, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "name", spec->name);
    lh_json_set_cstr(&w, "backend", spec->backend);
    lh_json_set_cstr(&w, "root", spec->root);
    lh_json_set_time(&w, "created_at", lh_time_now_us());
    lh_json_object_end(&w);
    lh_buf_add_char(out, '\n');
}

static lh_status
fields_read(const json_t *v, lh_str name, struct store_spec *out, struct lh_error *err)
{
    static const char *const fields[] = {"name", "backend", "root", "created_at", NULL};
    lh_str found, backend, root, created;

    LH_TRY(lh_json_only(v, fields, err));
    LH_TRY(lh_json_str(v, "name", &found, err));
    LH_TRY(lh_json_str(v, "backend", &backend, err));
    LH_TRY(lh_json_str(v, "root", &root, err));
    LH_TRY(lh_json_str(v, "created_at", &created, err));
    if (!lh_str_eq(found, name) || root.len == 0 || root.ptr[0] != '/')
        return lh_fail(err, LH_CORRUPT, "store.bucket_record",
                       "name or root is not as it should be");
    out->name = lh_str_dup(found);
    out->backend = lh_str_dup(backend);
    out->root = lh_str_dup(root);
    return LH_OK;
}

lh_status
store_record_decode(lh_str name, lh_str json, struct store_spec *out, struct lh_error *err)
{
    LH_AUTO_JSON v = NULL;
    LH_AUTO_ERROR(inner);
    lh_status status = lh_json_parse(json, &v, &inner);

    if (status == LH_OK)
        status = fields_read(v, name, out, &inner);
    if (status != LH_OK)
        return lh_fail(err, LH_CORRUPT, "store.bucket_record", "the record of bucket '%.*s': %s",
                       LH_FMT(lh_str_fit(name, 80)), inner.text);
    return LH_OK;
}
