#include "engine/transcode.h"

#include "base/file.h"
#include "base/utf8.h"

#define CHUNK ((size_t)1 << 20) /* of output */
#define SNIFF_BYTES 512

/* Code points of bytes 0x80 to 0x9F in Windows-1252; the five free ones stay control characters. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

const char *
encoding_name(enum encoding e)
{
    static const char *const names[] = {"utf-8", "utf-16le", "utf-16be", "latin-1"};

    return names[e];
}

bool
encoding_parse(lh_str charset, enum encoding *out)
{
    static const struct {
        lh_str name;
        enum encoding encoding;
    } table[] = {{LH_STR("utf-8"), ENCODING_UTF8},          {LH_STR("utf8"), ENCODING_UTF8},
                 {LH_STR("us-ascii"), ENCODING_UTF8},       {LH_STR("utf-16le"), ENCODING_UTF16LE},
                 {LH_STR("utf-16be"), ENCODING_UTF16BE},    {LH_STR("iso-8859-1"), ENCODING_LATIN1},
                 {LH_STR("latin1"), ENCODING_LATIN1},       {LH_STR("latin-1"), ENCODING_LATIN1},
                 {LH_STR("windows-1252"), ENCODING_LATIN1}, {LH_STR("cp1252"), ENCODING_LATIN1}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (lh_str_eq_nocase(charset, table[i].name)) {
            *out = table[i].encoding;
            return true;
        }
    }
    return false;
}

enum encoding
encoding_sniff(lh_bytes head, size_t *bom)
{
    size_t even = 0, odd = 0, n = head.len < SNIFF_BYTES ? head.len & ~(size_t)1 : SNIFF_BYTES;

    *bom = 0;
    if (head.len >= 3 && memcmp(head.ptr, "\xEF\xBB\xBF", 3) == 0) {
        *bom = 3;
        return ENCODING_UTF8;
    }
    if (head.len >= 2 && head.ptr[0] == 0xFF && head.ptr[1] == 0xFE) {
        *bom = 2;
        return ENCODING_UTF16LE;
    }
    if (head.len >= 2 && head.ptr[0] == 0xFE && head.ptr[1] == 0xFF) {
        *bom = 2;
        return ENCODING_UTF16BE;
    }
    for (size_t i = 0; i < n; i += 2) {
        even += head.ptr[i] == 0;
        odd += head.ptr[i + 1] == 0;
    }
    /* Mostly ASCII: nearly every second byte is zero, and never the other one. */
    if (odd * 10 >= n / 2 * 7 && even == 0 && n >= 4)
        return ENCODING_UTF16LE;
    if (even * 10 >= n / 2 * 7 && odd == 0 && n >= 4)
        return ENCODING_UTF16BE;
    return ENCODING_UTF8;
}

static bool
is_word(uint8_t b)
{
    return (unsigned)(b | 32) - 'a' < 26 || (unsigned)b - '0' < 10 || b >= 0xC0;
}

bool
encoding_is_latin1(lh_bytes text)
{
    /* Euro, quotes, dashes, pound, section, copyright, degree, plus-minus, squares, micro, half …
     */
    static const char signs[] =
        "\x80\x85\x91\x92\x93\x94\x95\x96\x97\x99\xA3\xA7\xA9\xAB\xAE\xB0\xB1\xB2\xB3"
        "\xB5\xBA\xBB\xBC\xBD\xBE";
    uint64_t high = 0, good = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.ptr[i];
        bool is_near =
            (i > 0 && is_word(text.ptr[i - 1])) || (i + 1 < text.len && is_word(text.ptr[i + 1]));
        if (b < 0x80)
            continue;
        if (b == 0xFF || (b < 0xA0 && windows_1252[b - 0x80] == b))
            return false;
        high++;
        good += is_near && (b >= 0xC0 || strchr(signs, (char)b) != NULL);
    }
    return high > 0 && good * 2 >= high;
}

static uint32_t
unit_at(enum encoding from, const uint8_t *p)
{
    return from == ENCODING_UTF16LE ? (uint32_t)(p[0] | p[1] << 8) : (uint32_t)(p[0] << 8 | p[1]);
}

/* One code point at `at`; returns its length in bytes, 0 when there is none. */
static size_t
code_read(enum encoding from, lh_bytes in, size_t at, uint32_t *code)
{
    uint32_t high, low;

    if (from == ENCODING_LATIN1) {
        uint8_t b = in.ptr[at];
        *code = b >= 0x80 && b < 0xA0 ? windows_1252[b - 0x80] : b;
        return 1;
    }
    if (in.len - at < 2)
        return 0;
    high = unit_at(from, in.ptr + at);
    *code = high;
    if (high < 0xD800 || high > 0xDFFF)
        return 2;
    if (high > 0xDBFF || in.len - at < 4)
        return 0;
    low = unit_at(from, in.ptr + at + 2);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    *code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    return 4;
}

lh_status
transcode_to_utf8(enum encoding from, struct lh_call *call, lh_bytes in, int fd_to,
                  struct lh_error *err)
{
    LH_AUTO_BUF(out, CHUNK * 2);
    uint32_t code = 0;

    for (size_t at = 0; at < in.len;) {
        size_t n = code_read(from, in, at, &code);
        if (n == 0)
            return lh_fail(err, LH_INVALID, "ingest.unreadable",
                           "the text is not %s: half a character at byte offset %zu",
                           encoding_name(from), at);
        lh_buf_add_utf8(&out, code);
        at += n;
        if (out.len < CHUNK && at < in.len)
            continue;
        LH_TRY(lh_call_check(call, err));
        LH_TRY(lh_file_write_all(fd_to, lh_buf_bytes(&out), err));
        lh_buf_clear(&out);
    }
    return LH_OK;
}
