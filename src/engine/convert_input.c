#include "engine/convert_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static lh_status
work_file_open(const char *path, char **name, int *fd, struct lh_error *err)
{
    LH_AUTO_CHARS made = lh_asprintf("%s.XXXXXX", path);

    *fd = mkostemp(made, O_CLOEXEC);
    if (*fd < 0)
        return lh_fail_errno(err, errno, "creating a work file");
    *name = lh_take(made);
    return LH_OK;
}

static void
map_release(struct convert_input *in)
{
    if (in->map)
        munmap(in->map, in->map_size);
    in->map = NULL;
    in->data = LH_STR("");
}

static lh_status
map_file(struct convert_input *in, int fd, struct lh_error *err)
{
    struct stat st;
    void *map;

    map_release(in);
    if (fstat(fd, &st) != 0)
        return lh_fail_errno(err, errno, "reading the file");
    if (st.st_size == 0)
        return lh_fail(err, LH_INVALID, "ingest.unreadable", "the file is empty");
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return lh_fail_errno(err, errno, "mapping the file");
    in->map = map;
    in->map_size = (size_t)st.st_size;
    in->data = (lh_str){map, in->map_size};
    return LH_OK;
}

static lh_status
file_unpack(struct convert_input *in, const struct convert_input_options *options,
            struct lh_call *call, int fd, struct lh_error *err)
{
    LH_AUTO_FD to = -1;

    LH_TRY(work_file_open(options->path, &in->unpacked_path, &to, err));
    LH_TRY(compression_unpack(in->compression, call, fd, to, options->unpacked_max, err));
    return map_file(in, to, err);
}

/* The mapped bytes past the mark, as UTF-8 in a work file that has no name any more. */
static lh_status
text_transcode(struct convert_input *in, const struct convert_input_options *options,
               struct lh_call *call, struct lh_error *err)
{
    LH_AUTO_CHARS name = NULL;
    LH_AUTO_FD to = -1;
    lh_str text = lh_str_slice(in->data, in->bom, in->data.len);

    LH_TRY(work_file_open(options->path, &name, &to, err));
    unlink(name);
    LH_TRY(transcode_to_utf8(in->encoding, call, lh_str_bytes(text), to, err));
    in->bom = 0;
    return map_file(in, to, err);
}

lh_status
convert_input_open(const struct convert_input_options *options, struct lh_call *call,
                   struct convert_input *out, struct lh_error *err)
{
    LH_AUTO_FD fd = open(options->path, O_RDONLY | O_CLOEXEC);
    enum encoding declared;

    *out = (struct convert_input){0};
    if (fd < 0)
        return lh_fail_errno(err, errno, "opening %s", options->path);
    LH_TRY(map_file(out, fd, err));
    out->compression = compression_sniff(lh_str_bytes(out->data));
    if (out->compression != COMPRESSION_NONE)
        LH_TRY(file_unpack(out, options, call, fd, err));
    out->encoding = encoding_sniff(lh_str_bytes(out->data), &out->bom);
    out->is_encoding_sure = out->bom > 0 || out->encoding != ENCODING_UTF8;
    if (!out->is_encoding_sure && encoding_parse(options->charset, &declared)) {
        out->encoding = declared;
        out->is_encoding_sure = true;
    }
    return out->encoding == ENCODING_UTF8 ? LH_OK : text_transcode(out, options, call, err);
}

lh_status
convert_input_reread(struct convert_input *in, const struct convert_input_options *options,
                     struct lh_call *call, struct lh_error *err)
{
    in->encoding = ENCODING_LATIN1;
    in->is_encoding_sure = true;
    return text_transcode(in, options, call, err);
}

void
convert_input_fini(struct convert_input *in)
{
    map_release(in);
    if (in->unpacked_path)
        unlink(in->unpacked_path);
    free(in->unpacked_path);
    in->unpacked_path = NULL;
}
