/*
 * f64: doubles to and from text, independent of the locale, for this folder.
 *
 * Behind it stands std::to_chars and std::from_chars: the shortest text that reads back as the same
 * bits, and the nearest double of a text. C has neither without the locale.
 */
#ifndef LH_BASE_F64_H
#define LH_BASE_F64_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BASE_F64_TEXT_MAX 32

/* Writes a finite `v` without NUL and returns the length; the text is a JSON number. */
size_t base_f64_format(double v, char text[BASE_F64_TEXT_MAX]);
/* The whole text as a finite decimal number; no blanks, no leading plus, no names. False past the
 * range too. */
bool base_f64_parse(const char *ptr, size_t len, double *out);

#ifdef __cplusplus
}
#endif

#endif
