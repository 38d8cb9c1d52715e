#include "text/unicode.h"

static bool
is_continuation(lh_str text, size_t at)
{
    return at < text.len && ((uint8_t)text.ptr[at] & 0xC0) == 0x80;
}

static uint32_t
continuation(lh_str text, size_t at)
{
    return (uint8_t)text.ptr[at] & 0x3FU;
}

/* The length that a lead byte announces; 0 for what cannot lead. */
static size_t
lead_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead < 0xE0)
        return 2;
    if (lead >= 0xE0 && lead < 0xF0)
        return 3;
    return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

/* Overlong forms, surrogates and what lies past U+10FFFF are not characters. */
static bool
is_scalar(uint32_t code, size_t length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    return code >= least[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

uint32_t
text_char_next(lh_str text, size_t *at)
{
    uint8_t lead = (uint8_t)text.ptr[*at];
    size_t length = lead_length(lead);
    uint32_t code = lead;

    if (lead < 0x80) {
        *at += 1;
        return lead;
    }
    if (length)
        code = lead & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if (!is_continuation(text, *at + i))
            length = 0;
        else
            code = code << 6 | continuation(text, *at + i);
    }
    if (length == 0 || !is_scalar(code, length)) {
        *at += 1;
        return TEXT_INVALID;
    }
    *at += length;
    return code;
}

size_t
text_char_before(lh_str text, size_t at)
{
    for (size_t back = 1; back <= 4 && back <= at; back++) {
        size_t end = at - back;
        if (!is_continuation(text, end))
            return text_char_next(text, &end) != TEXT_INVALID && end == at ? at - back : at - 1;
    }
    return at - 1;
}

static enum text_kind
ascii_kind(uint32_t code)
{
    bool is_letter = (code | 0x20) >= 'a' && (code | 0x20) <= 'z';

    return is_letter || (code >= '0' && code <= '9') ? TEXT_WORD : TEXT_OTHER;
}

enum text_kind
text_kind_of(uint32_t code)
{
    size_t low = 0, high = text_kind_range_count;

    if (code < 0x80)
        return ascii_kind(code);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (code > text_kind_ranges[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == text_kind_range_count || code < text_kind_ranges[low].first)
        return TEXT_OTHER;
    return (enum text_kind)text_kind_ranges[low].kind;
}

static const struct text_fold *
fold_find(uint32_t code)
{
    size_t low = 0, high = text_fold_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (code > text_folds[mid].code)
            low = mid + 1;
        else
            high = mid;
    }
    return low < text_fold_count && text_folds[low].code == code ? &text_folds[low] : NULL;
}

const uint32_t *
text_fold_of(uint32_t code, uint32_t *self, size_t *count)
{
    const struct text_fold *fold = code < 0x80 ? NULL : fold_find(code);

    if (fold) {
        *count = fold->count;
        return text_fold_pool + fold->at;
    }
    *self = code >= 'A' && code <= 'Z' ? code | 0x20 : code;
    *count = 1;
    return self;
}

bool
text_is_blank(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xA0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool
text_is_lower(uint32_t code)
{
    return (code >= 'a' && code <= 'z') || (code >= 0xDF && code <= 0xFF && code != 0xF7) ||
           (code >= 0x3B1 && code <= 0x3C9) || (code >= 0x430 && code <= 0x45F);
}

size_t
text_blanks_pass(lh_str text, size_t at)
{
    while (at < text.len) {
        size_t behind = at;
        if (!text_is_blank(text_char_next(text, &behind)))
            break;
        at = behind;
    }
    return at;
}

size_t
text_blanks_pass_back(lh_str text, size_t start, size_t end)
{
    while (end > start) {
        size_t before = text_char_before(text, end);
        size_t at = before;
        if (!text_is_blank(text_char_next(text, &at)))
            break;
        end = before;
    }
    return end;
}
