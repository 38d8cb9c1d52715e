#include <stdlib.h>
#include "base/alloc.h"
#include "store/s3_parts.h"

/* ---- birth and death ---- */

static void
s3_free(struct lh_bucket *base)
{
    s3_client_fini(&s3_of(base)->client);
    bucket_fini(base);
    free(base);
}

static const struct bucket_ops s3_ops = {
    .backend = "s3",
    .is_remote = true,
    .upload_begin = s3_upload_begin,
    .upload_write = s3_upload_write,
    .upload_commit = s3_upload_commit,
    .upload_free = s3_upload_free,
    .put_file = s3_put_file,
    .remove = s3_remove,
    .remove_page = s3_remove_page,
    .head = s3_head,
    .open = s3_open,
    .read = s3_read,
    .file = s3_file,
    .is_proven = s3_is_proven,
    .reader_free = s3_reader_free,
    .list = s3_list,
    .free = s3_free,
};

struct lh_bucket *
s3_bucket_new(struct s3_shared *shared, const struct lh_bucket_spec *spec,
              struct store_limits *limits)
{
    struct s3_bucket *b = LH_NEW(struct s3_bucket);

    bucket_init(&b->base, &s3_ops, spec->name, limits);
    s3_client_init(&b->client, &b->base, shared, spec);
    atomic_init(&b->wants_bare_etags, false);
    atomic_init(&b->conditional_complete, S3_NOT_KNOWN);
    atomic_init(&b->swept_ms, INT64_MIN / 2);
    return &b->base;
}
