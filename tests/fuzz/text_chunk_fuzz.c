/*
 * Any bytes as a text: chunks are slices of it in order, every one holds something new, sentences
 * and tokens lie inside it, and everything ends. The first two bytes are size and overlap.
 */
#include <stdlib.h>

#include "text/chunk.h"
#include "text/hash_model.h"
#include "text/sentence.h"
#include "text/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
chunks_walk(lh_str text, size_t size, size_t overlap)
{
    struct lh_chunker c = lh_chunker_over(text, size, overlap);
    struct lh_chunk chunk;
    size_t covered = 0;

    while (lh_chunker_next(&c, &chunk)) {
        if (chunk.start >= chunk.end || chunk.end > text.len || chunk.end <= covered ||
            chunk.text.ptr != text.ptr + chunk.start || chunk.text.len != chunk.end - chunk.start)
            abort();
        covered = chunk.end;
    }
}

static void
sentences_walk(lh_str text)
{
    struct lh_sentences s = lh_sentences_over(text);
    const char *end = text.ptr;
    lh_str sentence;

    while (lh_sentences_next(&s, &sentence)) {
        if (sentence.ptr < end || sentence.len == 0)
            abort();
        end = sentence.ptr + sentence.len;
    }
}

static void
tokens_walk(lh_str text, const char *language)
{
    struct lh_tokenizer_options o = {.language = language, .drops_stop_words = true};
    struct lh_tokenizer *t = NULL;
    struct lh_token token;

    if (lh_tokenizer_new(&o, &t, NULL) != LH_OK)
        abort();
    lh_tokenizer_start(t, text);
    while (lh_tokenizer_next(t, &token)) {
        if (token.term.len == 0 || token.start >= token.end || token.end > text.len ||
            !lh_str_is_utf8(token.term))
            abort();
    }
    lh_tokenizer_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    float vector[LH_HASH_MODEL_DIM];

    if (size < 2)
        return 0;
    char *copy = malloc(size - 1); /* of its own, so that a read past the end is noticed */
    memcpy(copy, data + 2, size - 2);
    lh_str text = {copy, size - 2};
    chunks_walk(text, data[0], data[1]);
    sentences_walk(text);
    tokens_walk(text, NULL);
    tokens_walk(text, "english");
    (void)lh_hash_embed(text, vector);
    free(copy);
    return 0;
}
