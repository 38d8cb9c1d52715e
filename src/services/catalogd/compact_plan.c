#include "services/catalogd/compact_plan.h"

/* ---- ranges ---- */

static bool
is_hidden_from(const struct lh_snapshot *v, size_t i)
{
    return v->erasure != NULL && v->erasure->first[i] > 0;
}

static bool
is_candidate(const struct lh_snapshot *v, size_t i, const struct compact_wish *wish)
{
    return is_hidden_from(v, i) || v->files[i].size_bytes < wish->target_bytes / 2;
}

/* May the file stand in one object with those before it? */
static bool
fits(const struct lh_snapshot *v, const struct compact_range *r, uint64_t bytes, size_t i,
     const struct compact_wish *wish)
{
    return strcmp(v->files[r->begin].bucket, v->files[i].bucket) == 0 &&
           bytes + v->files[i].size_bytes <= wish->target_bytes;
}

static bool
has_hidden(const struct lh_snapshot *v, const struct compact_range *r)
{
    for (size_t i = r->begin; i < r->end; i++)
        if (is_hidden_from(v, i))
            return true;
    return false;
}

/* From `*at` on, the longest range of candidates that fits; it may be of one file. */
static struct compact_range
range_next(const struct lh_snapshot *v, size_t *at, const struct compact_wish *wish)
{
    struct compact_range r;
    uint64_t bytes;

    while (*at < v->file_count && !is_candidate(v, *at, wish))
        (*at)++;
    r = (struct compact_range){*at, *at};
    if (*at == v->file_count)
        return r;
    bytes = v->files[(*at)++].size_bytes;
    while (*at < v->file_count && is_candidate(v, *at, wish) && fits(v, &r, bytes, *at, wish))
        bytes += v->files[(*at)++].size_bytes;
    r.end = *at;
    return r;
}

size_t
compact_ranges(const struct lh_snapshot *v, const struct compact_wish *wish,
               struct compact_range *out)
{
    size_t count = 0, saved = 0, at = 0;
    bool must = false;

    while (at < v->file_count) {
        struct compact_range r = range_next(v, &at, wish);
        bool is_needed = has_hidden(v, &r);

        if (r.end - r.begin < 2 && !is_needed)
            continue;
        out[count++] = r;
        saved += r.end - r.begin - 1;
        must |= is_needed;
    }
    return must || (count > 0 && saved >= wish->objects_min) ? count : 0;
}

/* ---- splicing ---- */

static bool
is_same(const struct lh_catalog_file *a, const struct lh_catalog_file *b)
{
    return strcmp(a->key, b->key) == 0 && strcmp(a->bucket, b->bucket) == 0;
}

static bool
stands_at(const struct compact_piece *p, const struct lh_catalog_file *files, size_t count,
          size_t at)
{
    if (at + p->old_count > count)
        return false;
    for (size_t i = 0; i < p->old_count; i++)
        if (!is_same(&p->old[i], &files[at + i]))
            return false;
    return true;
}

/* Pieces stand in the order of the files they were made of, and so they are met. */
bool
compact_splice(const struct lh_catalog_file *files, size_t count,
               const struct compact_piece *pieces, size_t piece_count, struct lh_catalog_file *out,
               size_t *out_count)
{
    size_t next = 0, made = 0;

    for (size_t at = 0; at < count;) {
        if (next < piece_count && stands_at(&pieces[next], files, count, at)) {
            if (pieces[next].made.key != NULL)
                out[made++] = pieces[next].made;
            at += pieces[next++].old_count;
        } else {
            out[made++] = files[at++];
        }
    }
    *out_count = made;
    return next == piece_count;
}
