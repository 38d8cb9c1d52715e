/* The shortest text that reads back as the same bits: C has no such thing, and base offers it for
 * buffers only. */
#include <charconv>
#include <cstddef>

extern "C" {
#include "engine/result_text.h"
}

extern "C" size_t
result_f32_text(float v, char *to)
{
    return static_cast<size_t>(std::to_chars(to, to + RESULT_TEXT_MAX, v).ptr - to);
}

extern "C" size_t
result_f64_text(double v, char *to)
{
    return static_cast<size_t>(std::to_chars(to, to + RESULT_TEXT_MAX, v).ptr - to);
}
