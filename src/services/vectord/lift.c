#include "services/vectord/lift.h"

#include <math.h>
#include <stdio.h>

enum { DEPTH_MAX = 64 };

void
vector_lifted_fini(struct vector_lifted *l)
{
    lh_buf_fini(&l->json);
    lh_buf_fini(&l->floats);
    lh_buf_fini(&l->ends);
}

/* ---- numbers ---- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits of a number as one integer; what does not fit into 64 bits is left to the slow way. */
struct digits {
    uint64_t mantissa;
    int count;    /* significant ones */
    int exponent; /* of ten */
};

static size_t
digits_scan(lh_str s, size_t at, struct digits *d, bool is_fraction)
{
    while (at < s.len && is_digit(s.ptr[at])) {
        if (d->mantissa > 0 || s.ptr[at] != '0')
            d->count++;
        if (d->count < 19)
            d->mantissa = d->mantissa * 10 + (uint64_t)(s.ptr[at] - '0');
        d->exponent -= is_fraction;
        at++;
    }
    return at;
}

static size_t
exponent_scan(lh_str s, size_t at, struct digits *d)
{
    bool is_negative = false;
    size_t first;
    int value = 0;

    if (at >= s.len || (s.ptr[at] != 'e' && s.ptr[at] != 'E'))
        return at;
    at++;
    if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+'))
        is_negative = s.ptr[at++] == '-';
    first = at;
    for (; at < s.len && is_digit(s.ptr[at]); at++)
        value = value < 10000 ? value * 10 + (s.ptr[at] - '0') : value;
    d->exponent += is_negative ? -value : value;
    return at == first ? 0 : at;
}

/* Where the number ends, or 0: RFC 8259, section 6. */
static size_t
number_scan(lh_str s, struct digits *d)
{
    size_t at = s.len > 0 && s.ptr[0] == '-', first = at;

    at = digits_scan(s, at, d, false);
    if (at == first || (at > first + 1 && s.ptr[first] == '0'))
        return 0;
    if (at < s.len && s.ptr[at] == '.') {
        first = ++at;
        at = digits_scan(s, at, d, true);
        if (at == first)
            return 0;
    }
    return exponent_scan(s, at, d);
}

bool
vector_number_take(lh_str *s, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct digits d = {0};
    size_t end = number_scan(*s, &d);
    double v;

    if (end == 0)
        return false;
    /* Both factors are exact, so one rounding gives the nearest double (Clinger, 1990). */
    if (d.count <= 15 && d.exponent >= -22 && d.exponent <= 22) {
        v = (double)d.mantissa;
        v = d.exponent < 0 ? v / tens[-d.exponent] : v * tens[d.exponent];
        if (s->ptr[0] == '-')
            v = -v;
    } else if (!lh_str_f64(lh_str_slice(*s, 0, end), &v)) {
        v = d.exponent > 0 ? HUGE_VAL : 0;
    }
    *s = lh_str_slice(*s, end, s->len);
    *out = v;
    return true;
}

/* ---- arrays ---- */

static void
blanks_skip(lh_str *s)
{
    while (s->len > 0 && (*s->ptr == ' ' || *s->ptr == '\n' || *s->ptr == '\r' || *s->ptr == '\t'))
        *s = (lh_str){s->ptr + 1, s->len - 1};
}

static bool
char_take(lh_str *s, char c)
{
    blanks_skip(s);
    if (s->len == 0 || *s->ptr != c)
        return false;
    *s = (lh_str){s->ptr + 1, s->len - 1};
    return true;
}

static lh_status
number_read(lh_str *s, struct lh_buf *floats, size_t at, struct lh_error *err)
{
    double v;
    float f;

    blanks_skip(s);
    if (!vector_number_take(s, &v))
        return lh_fail(err, LH_INVALID, "vectors.vector", "vector[%zu] is not a number", at);
    f = (float)v;
    if (!isfinite(f))
        return lh_fail(err, LH_INVALID, "vectors.vector",
                       "vector[%zu] is not a finite 32-bit float", at);
    lh_buf_add(floats, &f, sizeof(f));
    return LH_OK;
}

/* `s` stands after the '['; afterwards behind the ']'. */
static lh_status
array_read(lh_str *s, struct vector_lifted *l, struct lh_error *err)
{
    size_t end;

    if (!char_take(s, ']')) {
        for (size_t at = 0;; at++) {
            LH_TRY(number_read(s, &l->floats, at, err));
            if (char_take(s, ']'))
                break;
            if (!char_take(s, ','))
                return lh_fail(err, LH_INVALID, "vectors.vector",
                               "vector is an array of numbers; after vector[%zu] comes something "
                               "else",
                               at);
        }
    }
    end = l->floats.len / sizeof(float);
    lh_buf_printf(&l->json, "[%zu]", l->ends.len / sizeof(end));
    lh_buf_add(&l->ends, &end, sizeof(end));
    return LH_OK;
}

/* ---- the text around them ---- */

/* Behind the closing quote of a string that `at` is the first byte of. */
static size_t
string_end(lh_str s, size_t at)
{
    while (at < s.len && s.ptr[at] != '"')
        at += s.ptr[at] == '\\' ? 2 : 1;
    return at < s.len ? at + 1 : s.len;
}

struct walk {
    lh_str rest;
    int depth;
    uint64_t objects; /* a bit for each depth that is an object */
};

/* Whether the string just passed is a key "vector" of an object at the wanted depth, with an array
 * behind it; then the array's inside comes next. */
static bool
is_vector(struct walk *w, lh_str string, int depth, struct lh_buf *json)
{
    lh_str ahead = w->rest;

    if (w->depth < 0 || w->depth != depth || !(w->objects >> depth & 1) ||
        !lh_str_eq(string, LH_STR("\"vector\"")) || !char_take(&ahead, ':') ||
        !char_take(&ahead, '['))
        return false;
    lh_buf_add_char(json, ':');
    w->rest = ahead;
    return true;
}

static void
bracket_note(struct walk *w, char c)
{
    if (c == '{' || c == '[') {
        w->depth++;
        /* What closes more than it opened is no JSON; the parser will say so. */
        if (w->depth >= 0 && w->depth < DEPTH_MAX)
            w->objects = c == '{' ? w->objects | UINT64_C(1) << w->depth
                                  : w->objects & ~(UINT64_C(1) << w->depth);
    } else if (c == '}' || c == ']') {
        w->depth--;
    }
}

/* Everything up to the next string. */
static void
run_pass(struct walk *w, struct lh_buf *json)
{
    const char *quote = memchr(w->rest.ptr, '"', w->rest.len);
    size_t n = quote ? (size_t)(quote - w->rest.ptr) : w->rest.len;

    for (size_t i = 0; i < n; i++)
        bracket_note(w, w->rest.ptr[i]);
    lh_buf_add(json, w->rest.ptr, n);
    w->rest = lh_str_slice(w->rest, n, w->rest.len);
}

lh_status
vector_lift(lh_str body, int depth, struct vector_lifted *out, struct lh_error *err)
{
    struct walk w = {.rest = body};

    lh_buf_init(&out->json, 2 * body.len + 64);
    lh_buf_init(&out->floats, 4 * body.len + 64);
    lh_buf_init(&out->ends, 4 * body.len + 64);
    for (run_pass(&w, &out->json); w.rest.len > 0; run_pass(&w, &out->json)) {
        lh_str string = lh_str_slice(w.rest, 0, string_end(w.rest, 1));

        lh_buf_add_str(&out->json, string);
        w.rest = lh_str_slice(w.rest, string.len, w.rest.len);
        if (is_vector(&w, string, depth, &out->json))
            LH_TRY(array_read(&w.rest, out, err));
    }
    return lh_buf_check(&out->json, "the request body", err);
}

void
vector_float_put(struct lh_json_writer *w, float v)
{
    char text[32];

    for (int digits = 6; digits <= 9; digits++) {
        lh_str rest;
        double back;

        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)v);
        rest = lh_str_of(text);
        if (vector_number_take(&rest, &back) && (float)back == v)
            break;
    }
    lh_json_put_raw(w, lh_str_of(text));
}

size_t
vector_lifted_count(const struct vector_lifted *l)
{
    return l->ends.len / sizeof(size_t);
}

const float *
vector_lifted_at(const struct vector_lifted *l, size_t i, size_t *dim)
{
    const size_t *ends = (const size_t *)(const void *)l->ends.data;
    size_t from = i > 0 ? ends[i - 1] : 0;

    *dim = ends[i] - from;
    /* Without a single number there is no memory to point into. */
    return *dim > 0 ? (const float *)(const void *)l->floats.data + from : NULL;
}

bool
vector_lifted_of(const struct vector_lifted *l, const json_t *value, const float **floats,
                 size_t *dim)
{
    const json_t *index = json_array_get(value, 0);
    json_int_t i = json_integer_value(index);

    if (!json_is_integer(index) || json_array_size(value) != 1 || i < 0 ||
        (uint64_t)i >= vector_lifted_count(l))
        return false;
    *floats = vector_lifted_at(l, (size_t)i, dim);
    return true;
}
