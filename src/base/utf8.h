/*
 * utf8: code points as UTF-8. What is already UTF-8 is checked by lh_str_is_utf8.
 *
 * Source   RFC 3629
 */
#ifndef LH_BASE_UTF8_H
#define LH_BASE_UTF8_H

#include "base/buf.h"

#define LH_UTF8_MAX 4 /* bytes of one code point */

/* Returns how many bytes. `code` is at most 0x10FFFF; surrogates are for the caller to refuse. */
size_t lh_utf8_encode(uint32_t code, char to[LH_UTF8_MAX]);
void lh_buf_add_utf8(struct lh_buf *b, uint32_t code);

#endif
