#include "services/queryd/near.h"

enum { NAME_MAX_BYTES = 64 };

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static size_t
min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Row by row; a swap looks back two rows. */
static size_t
distance(lh_str a, lh_str b)
{
    size_t rows[3][NAME_MAX_BYTES + 1];

    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool is_same = lower(a.ptr[i - 1]) == lower(b.ptr[j - 1]);

            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + !is_same);
            if (i > 1 && j > 1 && lower(a.ptr[i - 1]) == lower(b.ptr[j - 2]) &&
                lower(a.ptr[i - 2]) == lower(b.ptr[j - 1]) && older[j - 2] + 1 < now[j])
                now[j] = older[j - 2] + 1;
        }
    }
    return rows[a.len % 3][b.len];
}

static bool
begins(lh_str s, lh_str with)
{
    return with.len >= 3 && lh_str_eq_nocase(lh_str_slice(s, 0, with.len), with);
}

/* SIZE_MAX: not near. */
static size_t
nearness(lh_str wanted, lh_str name)
{
    size_t limit = wanted.len / 3 > 2 ? wanted.len / 3 : 2;
    size_t steps;

    if (wanted.len > NAME_MAX_BYTES || name.len > NAME_MAX_BYTES)
        return SIZE_MAX;
    steps = distance(wanted, name);
    if (steps <= limit && steps < wanted.len)
        return steps;
    return begins(name, wanted) || begins(wanted, name) ? limit + 1 : SIZE_MAX;
}

size_t
query_near_find(lh_str wanted, const lh_str *names, size_t count, lh_str near[QUERY_NEAR_MAX])
{
    size_t steps[QUERY_NEAR_MAX], found = 0;

    for (size_t i = 0; i < count; i++) {
        size_t n = nearness(wanted, names[i]);
        size_t at = found;

        if (n == SIZE_MAX)
            continue;
        while (at > 0 && steps[at - 1] > n)
            at--;
        if (at == QUERY_NEAR_MAX)
            continue;
        if (found < QUERY_NEAR_MAX)
            found++;
        for (size_t k = found - 1; k > at; k--) {
            steps[k] = steps[k - 1];
            near[k] = near[k - 1];
        }
        steps[at] = n;
        near[at] = names[i];
    }
    return found;
}
