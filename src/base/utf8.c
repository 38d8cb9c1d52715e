#include "base/utf8.h"

size_t
lh_utf8_encode(uint32_t code, char to[LH_UTF8_MAX])
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (char)(0x80 | (code >> 6 & 0x3F));
    to[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

void
lh_buf_add_utf8(struct lh_buf *b, uint32_t code)
{
    char bytes[LH_UTF8_MAX];
    size_t n = lh_utf8_encode(code, bytes);

    lh_buf_add_str(b, (lh_str){bytes, n});
}
