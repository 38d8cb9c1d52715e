/* A long random history, against what must be believed after it. */
#include "conformance.h"

#include <stdlib.h>

/* What may be under a key: after an operation whose outcome is not known, more than one thing. */
struct belief {
    char key[128];
    int values[8]; /* -1: absent */
    int count;
    int created; /* the last one put if absent; 0: none */
};

static void
believe(struct belief *b, int value)
{
    b->values[0] = value;
    b->count = 1;
}

/* A first copy of a creation that is late on its way may come true after the removal; no client of
 * S3 can prevent that. */
static void
believe_removed(struct belief *b)
{
    believe(b, -1);
    if (world.is_faulty && b->created)
        b->values[b->count++] = b->created;
}

static void
believe_also(struct belief *b, int value)
{
    if (b->count < 8)
        b->values[b->count++] = value;
    else
        b->values[7] = value;
}

static bool
is_believed(const struct belief *b, int value)
{
    for (int i = 0; i < b->count; i++) {
        if (b->values[i] == value)
            return true;
    }
    return false;
}

static void
step_get(struct scene *s, struct belief *b)
{
    LH_AUTO_BUF(out, 100);
    LH_AUTO_ERROR(err);
    lh_status status = get(s, lh_str_of(b->key), &out, NULL, &err);
    int value = -1;

    if (is_excused(status))
        return;
    assert_true(status == LH_OK || status == LH_NOT_FOUND);
    if (status == LH_OK)
        value = atoi(lh_buf_cstr(&out));
    if (!is_believed(b, value))
        fail_msg("%s holds %d, which nobody put or somebody removed", b->key, value);
    believe(b, value);
}

static void
step_put(struct scene *s, struct belief *b, int value, bool if_absent)
{
    const struct lh_put_options o = {.if_absent = if_absent};
    LH_AUTO_ERROR(err);
    char text[32];
    lh_status status;

    (void)snprintf(text, sizeof(text), "%d", value);
    b->created = if_absent ? value : b->created;
    status = put_text(s, lh_str_of(b->key), text, &o, NULL, &err);
    if (status == LH_OK) {
        assert_true(!if_absent || is_believed(b, -1));
        believe(b, value);
    } else if (status == LH_CONFLICT) {
        assert_true(if_absent && !(b->count == 1 && b->values[0] == -1));
    } else if (is_excused(status)) {
        believe_also(b, value);
    } else {
        fail_msg("%s: %s", err.reason, err.text);
    }
}

static void
step_remove(struct scene *s, struct belief *b)
{
    LH_AUTO_ERROR(err);
    lh_status status = lh_object_delete(world.bucket, &s->call, lh_str_of(b->key), NULL, &err);

    if (status == LH_OK)
        believe_removed(b);
    else if (status == LH_NOT_FOUND)
        assert_true(is_believed(b, -1)), believe_removed(b);
    else if (is_excused(status))
        believe_also(b, -1);
    else
        fail_msg("%s: %s", err.reason, err.text);
}

void
a_history_of_operations_makes_sense(void **state)
{
    enum { KEYS = 6, STEPS = 150 };
    struct scene *s = *state;
    struct belief beliefs[KEYS];

    for (int i = 0; i < KEYS; i++) {
        (void)lh_str_copy(beliefs[i].key, sizeof(beliefs[i].key), key_of(s, "history"));
        beliefs[i].created = 0;
        believe(&beliefs[i], -1);
    }
    for (int i = 1; i <= STEPS; i++) {
        struct belief *b = &beliefs[draw(&world.random) % KEYS];

        switch (draw(&world.random) % 6) {
        case 0:
        case 1:
            step_put(s, b, i, false);
            break;
        case 2:
            step_put(s, b, i, true);
            break;
        case 3:
            step_remove(s, b);
            break;
        default:
            step_get(s, b);
        }
    }
    for (int i = 0; i < KEYS; i++)
        step_get(s, &beliefs[i]);
}
