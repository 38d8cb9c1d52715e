/* Lists, removal of all that a prefix names, and calls that end. */
#include "conformance.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/time.h"

/* ---- lists ---- */

struct filler {
    const char *prefix;
    int from, to, failed;
};

static void *
fill(void *arg)
{
    struct filler *f = arg;
    struct lh_call call;

    thread_call(&call);
    for (int i = f->from; i < f->to; i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s/%05d", f->prefix, i);
        int tries = 0;
        while (lh_object_put(world.bucket, &call, lh_str_of(key), lh_str_bytes(LH_STR("x")), NULL,
                             NULL, NULL) != LH_OK &&
               ++tries < 20)
            continue;
        f->failed += tries == 20;
    }
    lh_call_fini(&call);
    return NULL;
}

static int
keys_wanted(void)
{
    const char *text = getenv("CONFORMANCE_KEYS");

    return text ? atoi(text) : 1100;
}

static void
folder_fill(const char *prefix, int count)
{
    struct filler fillers[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        fillers[i] = (struct filler){prefix, count * i / THREADS, count * (i + 1) / THREADS, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, fill, &fillers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(fillers[i].failed, 0);
    }
}

/* One listing from `after`, whose keys must be those from number `from` on. Gives how many. */
static size_t
list_check(struct scene *s, const char *prefix, lh_str after, size_t limit, int from, int count)
{
    LH_AUTO(lh_object_list) *list = NULL;
    LH_AUTO_CHARS folder = lh_asprintf("%s/", prefix);
    LH_AUTO_ERROR(err);

    persist(lh_object_list(world.bucket, &s->call, lh_str_of(folder), after, limit, &list, &err),
            err);
    for (size_t i = 0; i < list->count; i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s%05d", folder, from + (int)i);
        assert_string_equal(list->items[i].key, key);
        assert_int_equal(list->items[i].info.size_bytes, 1);
        assert_true(list->items[i].info.etag[0] && list->items[i].info.modified_us > 0);
    }
    assert_int_equal(list->has_more, from + (int)list->count < count);
    return list->count;
}

void
lists_are_whole_and_in_order_however_they_are_cut(void **state)
{
    static const size_t limits[] = {1, 7, 0, 1000, 1001, 5000};
    struct scene *s = *state;
    LH_AUTO_CHARS prefix = lh_str_dup(key_of(s, "list"));
    int count = keys_wanted();
    LH_AUTO_CHARS middle = lh_asprintf("%s/%05d", prefix, count / 2);
    LH_AUTO_CHARS between = lh_asprintf("%s/%05d!", prefix, count / 2);
    LH_AUTO_CHARS before = lh_asprintf("%s!", prefix);

    folder_fill(prefix, count);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        int expected = limits[i] == 0 ? 1000 : (int)limits[i];
        size_t got = list_check(s, prefix, LH_STR(""), limits[i], 0, count);
        assert_int_equal(got, expected < count ? expected : count);
    }
    assert_int_equal(list_check(s, prefix, lh_str_of(middle), 5, count / 2 + 1, count), 5);
    assert_int_equal(list_check(s, prefix, lh_str_of(between), 5, count / 2 + 1, count), 5);
    assert_int_equal(list_check(s, prefix, lh_str_of(before), 5, 0, count), 5);
    assert_int_equal(list_check(s, prefix, LH_STR("\x7F"), 5, count, count), 0);
}

static lh_status
count_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    (void)entry;
    (void)err;
    (*(int *)self)++;
    return LH_OK;
}

void
a_prefix_need_not_end_at_a_slash(void **state)
{
    static const char *const names[] = {"a", "ab", "abc", "abd/x", "abd/y", "b"};
    struct scene *s = *state;
    LH_AUTO_CHARS folder = lh_str_dup(key_of(s, "prefix"));
    LH_AUTO_CHARS prefix = lh_asprintf("%s/ab", folder);
    int count = 0;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s/%s", folder, names[i]);
        persist(put_text(s, lh_str_of(key), "x", NULL, NULL, &err), err);
    }
    persist((count = 0,
             lh_object_walk(world.bucket, &s->call, lh_str_of(prefix), count_visit, &count, &err)),
            err);
    assert_int_equal(count, 4);
}

void
everything_under_a_prefix_can_be_removed_at_once(void **state)
{
    static const char *const names[] = {"a", "a&b", "<c>", "d e", "\xC3\xA9", "x/y/z", "\"q\""};
    struct scene *s = *state;
    LH_AUTO_CHARS folder = lh_str_dup(key_of(s, "under"));
    LH_AUTO_CHARS prefix = lh_asprintf("%s/", folder);
    LH_AUTO_CHARS beside = lh_asprintf("%s-beside", folder);
    int count = 0;
    LH_AUTO_ERROR(err);

    persist(put_text(s, lh_str_of(beside), "stays", NULL, NULL, &err), err);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        LH_AUTO_CHARS key = lh_asprintf("%s%s", prefix, names[i]);
        persist(put_text(s, lh_str_of(key), "goes", NULL, NULL, &err), err);
    }
    folder_fill(folder, 30);
    persist(lh_object_delete_under(world.bucket, &s->call, lh_str_of(prefix), &err), err);
    persist((count = 0,
             lh_object_walk(world.bucket, &s->call, lh_str_of(prefix), count_visit, &count, &err)),
            err);
    assert_int_equal(count, 0);
    assert_text(s, lh_str_of(beside), "stays");
    persist(lh_object_delete_under(world.bucket, &s->call, lh_str_of(prefix), &err), err);
}

/* ---- calls that end ---- */

void
a_call_that_is_over_does_nothing(void **state)
{
    struct scene *s = *state;
    lh_str key = key_of(s, "over");
    struct lh_call call;
    LH_AUTO_ERROR(err);

    lh_call_init(&call);
    lh_call_cancel(&call);
    assert_fails(lh_object_put(world.bucket, &call, key, lh_bytes_of("x", 1), NULL, NULL, &err),
                 LH_CANCELED, "call.canceled", err);
    lh_call_fini(&call);
    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms();
    assert_fails(lh_object_put(world.bucket, &call, key, lh_bytes_of("x", 1), NULL, NULL, &err),
                 LH_TIMEOUT, "call.deadline", err);
    lh_call_fini(&call);
    assert_absent(s, key);
}
