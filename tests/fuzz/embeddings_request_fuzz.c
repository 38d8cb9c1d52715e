/*
 * Any bytes as the body of an embeddings request, and of a chat request: texts lie inside the
 * parsed body, and what is refused has a reason.
 */
#include <stdlib.h>

#include "services/vectord/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
texts_touch(const lh_str *texts, size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < texts[i].len; c++)
            sum += (uint8_t)texts[i].ptr[c];
    }
    return sum;
}

static void
embeddings_try(lh_str body)
{
    struct openai_embeddings_request r;
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(err);

    if (openai_embeddings_read(body, &arena, &r, &err) != LH_OK) {
        if (err.reason[0] == '\0')
            abort();
        return;
    }
    if (r.count == 0)
        abort();
    (void)texts_touch(r.texts, r.count);
    openai_embeddings_fini(&r);
}

static void
chat_try(lh_str body)
{
    struct openai_chat_request r;
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(err);

    if (openai_chat_read(body, &arena, &r, &err) != LH_OK) {
        if (err.reason[0] == '\0')
            abort();
        return;
    }
    for (size_t i = 0; i < r.prompt.count; i++)
        (void)texts_touch(&r.prompt.messages[i].content, 1);
    (void)texts_touch(r.prompt.stop, r.prompt.stop_count);
    openai_chat_fini(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of its own, so that a read past the end is noticed */

    memcpy(copy, data, size);
    embeddings_try((lh_str){copy, size});
    chat_try((lh_str){copy, size});
    free(copy);
    return 0;
}
