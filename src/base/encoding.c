#include "base/encoding.h"

int
lh_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Both nibbles of the two digits at p, or -1. */
static int
hex_byte(const char *p)
{
    int high = lh_hex_value(p[0]), low = lh_hex_value(p[1]);

    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void
lh_hex_encode(struct lh_buf *out, lh_bytes in)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = lh_buf_reserve(out, in.len > SIZE_MAX / 2 ? SIZE_MAX : in.len * 2);

    if (to == NULL)
        return;
    for (size_t i = 0; i < in.len; i++) {
        *to++ = (uint8_t)digits[in.ptr[i] >> 4];
        *to++ = (uint8_t)digits[in.ptr[i] & 15];
    }
    lh_buf_advance(out, in.len * 2);
}

bool
lh_hex_decode(struct lh_buf *out, lh_str in)
{
    if (in.len % 2 != 0)
        return false;
    uint8_t *to = lh_buf_reserve(out, in.len / 2);
    if (to == NULL)
        return false;
    for (size_t i = 0; i < in.len; i += 2) {
        int byte = hex_byte(in.ptr + i);
        if (byte < 0)
            return false;
        *to++ = (uint8_t)byte;
    }
    lh_buf_advance(out, in.len / 2);
    return true;
}

static void
base64_quad(uint8_t *to, const uint8_t *from, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t v = (uint32_t)from[0] << 16;

    if (n > 1)
        v |= (uint32_t)from[1] << 8;
    if (n > 2)
        v |= from[2];
    to[0] = (uint8_t)digits[v >> 18];
    to[1] = (uint8_t)digits[v >> 12 & 63];
    to[2] = (uint8_t)(n > 1 ? digits[v >> 6 & 63] : '=');
    to[3] = (uint8_t)(n > 2 ? digits[v & 63] : '=');
}

void
lh_base64_encode(struct lh_buf *out, lh_bytes in)
{
    size_t len = in.len / 3 * 4 + (in.len % 3 != 0 ? 4 : 0);
    uint8_t *to = lh_buf_reserve(out, len);

    if (to == NULL)
        return;
    for (size_t i = 0; i < in.len; i += 3, to += 4)
        base64_quad(to, in.ptr + i, in.len - i < 3 ? in.len - i : 3);
    lh_buf_advance(out, len);
}

static int
base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits, of which the last `padding` are '='; the bits that padding leaves over must be zero.
 */
static bool
base64_unquad(uint8_t *to, const char *from, size_t padding)
{
    uint32_t v = 0;

    for (size_t i = 0; i < 4; i++) {
        int digit = i < 4 - padding ? base64_value(from[i]) : 0;
        if (digit < 0)
            return false;
        v = v << 6 | (uint32_t)digit;
    }
    if ((padding == 1 && (v & 0xFF) != 0) || (padding == 2 && (v & 0xFFFF) != 0))
        return false;
    to[0] = (uint8_t)(v >> 16);
    if (padding < 2)
        to[1] = (uint8_t)(v >> 8);
    if (padding < 1)
        to[2] = (uint8_t)v;
    return true;
}

bool
lh_base64_decode(struct lh_buf *out, lh_str in)
{
    if (in.len % 4 != 0)
        return false;
    if (in.len == 0)
        return true;
    size_t padding = in.ptr[in.len - 1] != '=' ? 0 : in.ptr[in.len - 2] != '=' ? 1 : 2;
    size_t len = in.len / 4 * 3 - padding;
    uint8_t *to = lh_buf_reserve(out, len);
    if (to == NULL)
        return false;
    for (size_t i = 0; i < in.len; i += 4, to += 3)
        if (!base64_unquad(to, in.ptr + i, i + 4 == in.len ? padding : 0))
            return false;
    lh_buf_advance(out, len);
    return true;
}

static bool
is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void
lh_percent_encode(struct lh_buf *out, lh_str in, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = (uint8_t)in.ptr[i];
        if (is_unreserved(in.ptr[i]) || (keep_slash && c == '/'))
            lh_buf_add_char(out, in.ptr[i]);
        else
            lh_buf_add(out, (const char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

bool
lh_percent_decode(struct lh_buf *out, lh_str in, bool plus_is_blank)
{
    size_t had = out->len;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            int byte = in.len - i < 3 ? -1 : hex_byte(in.ptr + i + 1);
            if (byte < 0) {
                out->len = had;
                return false;
            }
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        lh_buf_add_char(out, c);
    }
    return !out->is_failed;
}
