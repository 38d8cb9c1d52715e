#include "base/f64.h"

#include <charconv>
#include <cmath>

extern "C" size_t
base_f64_format(double v, char text[BASE_F64_TEXT_MAX])
{
    auto [end, ec] = std::to_chars(text, text + BASE_F64_TEXT_MAX, v);
    return ec == std::errc() ? static_cast<size_t>(end - text) : 0;
}

/* from_chars also reads "inf" and "nan"; both begin with a letter after the sign. */
static bool
begins_like_a_number(const char *ptr, size_t len)
{
    if (len > 0 && *ptr == '-') {
        ptr++;
        len--;
    }
    return len > 0 && ((*ptr >= '0' && *ptr <= '9') || *ptr == '.');
}

extern "C" bool
base_f64_parse(const char *ptr, size_t len, double *out)
{
    double v = 0;

    if (!begins_like_a_number(ptr, len))
        return false;
    auto [end, ec] = std::from_chars(ptr, ptr + len, v);
    if (ec != std::errc() || end != ptr + len || !std::isfinite(v))
        return false;
    *out = v;
    return true;
}
