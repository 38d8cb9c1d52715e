/* Any bytes as an answer of an S3 store: they are walked or refused, and what is told of lies
 * within its limits. */
#include <stdlib.h>
#include <string.h>

#include "store/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lh_status
visit(void *self, const char *path, lh_str text, struct lh_error *err)
{
    size_t *told = self;

    (void)err;
    if (strlen(path) >= S3_XML_PATH_MAX || text.len > S3_XML_TEXT_MAX || path[0] == '\0')
        abort();
    for (size_t i = 0; i < text.len; i++)
        *told += (unsigned char)text.ptr[i] == 0;
    return LH_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t zeros = 0;

    (void)s3_xml_walk((lh_str){(const char *)data, size}, visit, &zeros, NULL);
    if (zeros > 0)
        abort();
    return 0;
}
