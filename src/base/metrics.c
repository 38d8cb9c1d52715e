/*
 * Families hang in a list sorted by name, their series in a list in order of arrival, and a hash
 * table finds a series by family and label values. Nothing is ever removed, so a pointer once read
 * stays good; the lock guards the lists only. Values are atomics that updates and printing touch
 * without it.
 */
#include "base/metrics.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/abort.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/thread.h"

#define SERIES_MAX 1000
#define LABEL_VALUE_MAX 128
#define LABELS_MAX 16

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* Upper bounds of the buckets, as numbers and as the `le` label shows them. */
static const struct {
    int64_t ns;
    const char *seconds;
} bounds[] = {
    {100000, "0.0001"},  {250000, "0.00025"}, {500000, "0.0005"},  {1000000, "0.001"},
    {2500000, "0.0025"}, {5000000, "0.005"},  {10000000, "0.01"},  {25000000, "0.025"},
    {50000000, "0.05"},  {100000000, "0.1"},  {250000000, "0.25"}, {500000000, "0.5"},
    {1000000000, "1"},   {2500000000, "2.5"}, {5000000000, "5"},   {10000000000, "10"},
    {30000000000, "30"}, {60000000000, "60"},
};
#define BOUND_COUNT (sizeof(bounds) / sizeof(bounds[0]))

struct family {
    struct family *next;
    char *name;
    char *help;
    char *labels;
    enum metric_kind kind;
    size_t series_count;
    struct lh_metric *first, *last;
};

struct lh_metric {
    struct lh_metric *next;      /* in its family */
    struct lh_metric *hash_next; /* in its slot */
    const struct family *family;
    char *key;    /* family name, then each label value behind a 0xFF, which no UTF-8 text holds */
    char *labels; /* `route="/healthz",status="200"` as printed, or "" */
    _Atomic int64_t value; /* counter, gauge; of a histogram the sum in nanoseconds */
    _Atomic int64_t
        *buckets; /* BOUND_COUNT and one for +Inf, not cumulative; NULL unless a histogram */
    int64_t (*read)(void *); /* gauge by callback; guarded by the lock */
    void *arg;
};

static struct registry {
    pthread_mutex_t lock;
    struct family *families;
    size_t metric_count;
    size_t slot_count;
    struct lh_metric **slots;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- registry, under the lock ---- */

static struct lh_metric **
slot_of(const char *key)
{
    return &registry.slots[lh_xxh64(key, strlen(key), 0) & (registry.slot_count - 1)];
}

static struct lh_metric *
metric_find(const char *key)
{
    if (registry.slot_count == 0)
        return NULL;
    struct lh_metric *m = *slot_of(key);
    while (m != NULL && strcmp(m->key, key) != 0)
        m = m->hash_next;
    return m;
}

static void
slots_grow(void)
{
    struct lh_metric **old = registry.slots;
    size_t old_count = registry.slot_count;

    registry.slot_count = old_count > 0 ? old_count * 2 : 256;
    registry.slots = lh_alloc_array(registry.slot_count, sizeof(*registry.slots));
    for (size_t i = 0; i < old_count; i++)
        for (struct lh_metric *m = old[i], *next; m != NULL; m = next) {
            struct lh_metric **slot = slot_of(m->key);
            next = m->hash_next;
            m->hash_next = *slot;
            *slot = m;
        }
    free(old);
}

static struct family *
family_get(enum metric_kind kind, const char *name, const char *help, const char *labels)
{
    struct family **at = &registry.families;

    while (*at != NULL && strcmp((*at)->name, name) < 0)
        at = &(*at)->next;
    if (*at != NULL && strcmp((*at)->name, name) == 0) {
        if ((*at)->kind != kind || strcmp((*at)->labels, labels) != 0)
            lh_abort("metric %s is registered twice, differently", name);
        return *at;
    }
    struct family *f = LH_NEW(struct family);
    f->name = lh_strdup(name);
    f->help = lh_strdup(help);
    f->labels = lh_strdup(labels);
    f->kind = kind;
    f->next = *at;
    *at = f;
    return f;
}

static void
escape_label(struct lh_buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            lh_buf_add_cstr(out, "\\n");
        else if (*value == '"' || *value == '\\')
            lh_buf_add(out, (const char[]){'\\', *value}, 2);
        else
            lh_buf_add_char(out, *value);
    }
}

static char *
labels_text(const char *names, const char *const *values, size_t count)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    lh_str rest = *names != '\0' ? lh_str_of(names) : LH_STR_NONE, name;

    for (size_t i = 0; i < count && lh_str_next(&rest, ',', &name); i++) {
        lh_buf_printf(&out, "%s%.*s=\"", i > 0 ? "," : "", LH_FMT(name));
        escape_label(&out, values[i]);
        lh_buf_add_char(&out, '"');
    }
    return lh_buf_take_cstr(&out);
}

static char *
key_text(const char *family_name, const char *const *values, size_t count)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);

    lh_buf_add_cstr(&out, family_name);
    for (size_t i = 0; i < count; i++) {
        lh_buf_add_char(&out, (char)0xFF);
        lh_buf_add_cstr(&out, values[i]);
    }
    return lh_buf_take_cstr(&out);
}

/* Takes `key`. */
static struct lh_metric *
metric_add(struct family *f, char *key, const char *const *values, size_t label_count)
{
    struct lh_metric *m = LH_NEW(struct lh_metric);

    m->family = f;
    m->key = key;
    m->labels = labels_text(f->labels, values, label_count);
    if (f->kind == METRIC_HISTOGRAM)
        m->buckets = lh_alloc_array(BOUND_COUNT + 1, sizeof(*m->buckets));
    if (registry.metric_count >= registry.slot_count)
        slots_grow();
    struct lh_metric **slot = slot_of(key);
    m->hash_next = *slot;
    *slot = m;
    if (f->last != NULL)
        f->last->next = m;
    else
        f->first = m;
    f->last = m;
    f->series_count++;
    registry.metric_count++;
    return m;
}

/* The family's last place is for the series that stands for all later ones. */
static struct lh_metric *
metric_other(struct family *f, size_t label_count)
{
    const char *values[LABELS_MAX];

    for (size_t i = 0; i < label_count; i++)
        values[i] = "other";
    char *key = key_text(f->name, values, label_count);
    struct lh_metric *m = metric_find(key);
    if (m == NULL)
        return metric_add(f, key, values, label_count);
    free(key);
    return m;
}

static struct lh_metric *
metric_get(struct family *f, const char *const *values, size_t label_count)
{
    char *key = key_text(f->name, values, label_count);
    struct lh_metric *m = metric_find(key);

    if (m == NULL && f->series_count < SERIES_MAX - 1)
        return metric_add(f, key, values, label_count);
    free(key);
    return m != NULL ? m : metric_other(f, label_count);
}

/* ---- registering ---- */

static size_t
label_count_of(const char *labels)
{
    size_t count = *labels != '\0';

    for (; *labels != '\0'; labels++)
        count += *labels == ',';
    return count;
}

/* Label values as they may be kept: short and UTF-8. */
struct label_values {
    char text[LABELS_MAX][LABEL_VALUE_MAX + 1];
    const char *ptr[LABELS_MAX];
};

static void
label_value_take(struct label_values *v, size_t i, const char *value)
{
    lh_str cut = lh_str_fit(lh_str_of(value), LABEL_VALUE_MAX);

    (void)lh_str_copy(v->text[i], sizeof(v->text[i]),
                      lh_str_is_utf8(cut) ? cut : LH_STR("invalid"));
    v->ptr[i] = v->text[i];
}

static struct lh_metric *
metric_register(enum metric_kind kind, const char *name, const char *help, const char *labels,
                va_list args)
{
    size_t label_count = label_count_of(labels), count = 0;
    struct label_values values;

    for (const char *v = va_arg(args, const char *); v != NULL; v = va_arg(args, const char *)) {
        if (count == label_count || count == LABELS_MAX)
            lh_abort("metric %s has more label values than labels", name);
        label_value_take(&values, count++, v);
    }
    if (count != label_count)
        lh_abort("metric %s has fewer label values than labels", name);
    LH_AUTO_LOCK(&registry.lock);
    return metric_get(family_get(kind, name, help, labels), values.ptr, count);
}

struct lh_metric *
lh_counter(const char *name, const char *help, const char *labels, ...)
{
    va_list args;

    va_start(args, labels);
    struct lh_metric *m = metric_register(METRIC_COUNTER, name, help, labels, args);
    va_end(args);
    return m;
}

struct lh_metric *
lh_gauge(const char *name, const char *help, const char *labels, ...)
{
    va_list args;

    va_start(args, labels);
    struct lh_metric *m = metric_register(METRIC_GAUGE, name, help, labels, args);
    va_end(args);
    return m;
}

struct lh_metric *
lh_histogram(const char *name, const char *help, const char *labels, ...)
{
    va_list args;

    va_start(args, labels);
    struct lh_metric *m = metric_register(METRIC_HISTOGRAM, name, help, labels, args);
    va_end(args);
    return m;
}

void
lh_gauge_callback(const char *name, const char *help, int64_t (*read)(void *), void *arg)
{
    struct lh_metric *m = lh_gauge(name, help, "", NULL);
    LH_AUTO_LOCK(&registry.lock);

    m->read = read;
    m->arg = arg;
}

/* ---- updating ---- */

void
lh_metric_add(struct lh_metric *m, int64_t delta)
{
    atomic_fetch_add_explicit(&m->value, delta, memory_order_relaxed);
}

void
lh_metric_set(struct lh_metric *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void
lh_metric_observe_ns(struct lh_metric *m, int64_t duration_ns)
{
    size_t i = 0;

    while (i < BOUND_COUNT && duration_ns > bounds[i].ns)
        i++;
    atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->value, duration_ns, memory_order_relaxed);
}

int64_t
lh_metric_value(const struct lh_metric *m)
{
    int64_t count = 0;

    if (m->buckets == NULL)
        return atomic_load_explicit(&m->value, memory_order_relaxed);
    for (size_t i = 0; i <= BOUND_COUNT; i++)
        count += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
    return count;
}

/* ---- printing ---- */

/* What one series needs to be printed, copied under the lock so that no callback runs under it. */
struct sample {
    const struct lh_metric *metric;
    int64_t (*read)(void *);
    void *arg;
};

static struct sample *
samples_take(size_t *count)
{
    LH_AUTO_LOCK(&registry.lock);
    struct sample *samples = lh_alloc_array(registry.metric_count, sizeof(*samples));
    size_t n = 0;

    for (const struct family *f = registry.families; f != NULL; f = f->next)
        for (const struct lh_metric *m = f->first; m != NULL; m = m->next)
            samples[n++] = (struct sample){m, m->read, m->arg};
    *count = n;
    return samples;
}

static void
print_family(struct lh_buf *out, const struct family *f)
{
    lh_buf_printf(out, "# HELP %s ", f->name);
    for (const char *c = f->help; *c != '\0'; c++) {
        if (*c == '\n')
            lh_buf_add_cstr(out, "\\n");
        else if (*c == '\\')
            lh_buf_add_cstr(out, "\\\\");
        else
            lh_buf_add_char(out, *c);
    }
    lh_buf_printf(out, "\n# TYPE %s %s\n", f->name, kind_names[f->kind]);
}

static void
print_name(struct lh_buf *out, const struct lh_metric *m, const char *suffix)
{
    lh_buf_printf(out, "%s%s", m->family->name, suffix);
    if (*m->labels != '\0')
        lh_buf_printf(out, "{%s}", m->labels);
    lh_buf_add_char(out, ' ');
}

static void
print_bucket(struct lh_buf *out, const struct lh_metric *m, const char *le, int64_t cumulative)
{
    lh_buf_printf(out, "%s_bucket{%s%sle=\"%s\"} ", m->family->name, m->labels,
                  *m->labels != '\0' ? "," : "", le);
    lh_buf_add_i64(out, cumulative);
    lh_buf_add_char(out, '\n');
}

/* The count is the last bucket as read, not read again, so that a scrape never contradicts itself.
 */
static void
print_histogram(struct lh_buf *out, const struct lh_metric *m)
{
    int64_t cumulative = 0;

    for (size_t i = 0; i <= BOUND_COUNT; i++) {
        cumulative += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        print_bucket(out, m, i < BOUND_COUNT ? bounds[i].seconds : "+Inf", cumulative);
    }
    print_name(out, m, "_sum");
    lh_json_f64_text(out, (double)atomic_load_explicit(&m->value, memory_order_relaxed) / 1e9);
    lh_buf_add_char(out, '\n');
    print_name(out, m, "_count");
    lh_buf_add_i64(out, cumulative);
    lh_buf_add_char(out, '\n');
}

static void
print_sample(struct lh_buf *out, const struct sample *s)
{
    if (s->metric->buckets != NULL) {
        print_histogram(out, s->metric);
        return;
    }
    print_name(out, s->metric, "");
    lh_buf_add_i64(out, s->read != NULL ? s->read(s->arg) : lh_metric_value(s->metric));
    lh_buf_add_char(out, '\n');
}

void
lh_metrics_print(struct lh_buf *out)
{
    size_t count;
    struct sample *samples = samples_take(&count);

    for (size_t i = 0; i < count; i++) {
        const struct family *f = samples[i].metric->family;
        if (i == 0 || f != samples[i - 1].metric->family)
            print_family(out, f);
        print_sample(out, &samples[i]);
    }
    free(samples);
}
