#include "base/fault.h"

#ifdef LH_FAULTS

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "base/abort.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/time.h"

enum fault_action { FAULT_KILL, FAULT_ERROR, FAULT_NOSPACE, FAULT_DELAY };

struct fault_rule {
    struct fault_rule *next;
    char *point;
    enum fault_action action;
    int64_t delay_ms;
    uint64_t only_at; /* 0: at every passing */
    uint64_t passed;
};

static struct faults {
    pthread_mutex_t lock;
    bool is_loaded;
    struct fault_rule *rules;
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
action_parse(lh_str s, struct fault_rule *rule)
{
    if (lh_str_eq(s, LH_STR("kill")))
        rule->action = FAULT_KILL;
    else if (lh_str_eq(s, LH_STR("error")))
        rule->action = FAULT_ERROR;
    else if (lh_str_eq(s, LH_STR("nospace")))
        rule->action = FAULT_NOSPACE;
    else if (lh_str_starts(s, LH_STR("delay:")))
        rule->action = FAULT_DELAY;
    else
        return false;
    return rule->action != FAULT_DELAY ||
           lh_duration_parse_ms(lh_str_slice(s, sizeof("delay:") - 1, s.len), &rule->delay_ms);
}

/* A rule that does nothing because it was misspelt would make a test pass for nothing. */
static struct fault_rule *
rule_parse(lh_str text)
{
    struct fault_rule *rule = LH_NEW(struct fault_rule);
    lh_str rest = text, point, action;
    bool has_action = lh_str_cut(&rest, '=', &point);
    bool has_count = lh_str_cut(&rest, '@', &action);

    if (!has_action || point.len == 0 || !action_parse(action, rule) ||
        (has_count && (!lh_str_u64(rest, &rule->only_at) || rule->only_at == 0)))
        lh_abort("LAKEHOUSE_FAULTS: cannot read the rule \"%.*s\"", LH_FMT(text));
    rule->point = lh_str_dup(point);
    return rule;
}

static void
rules_free(struct fault_rule *rule)
{
    while (rule != NULL) {
        struct fault_rule *next = rule->next;
        free(rule->point);
        free(rule);
        rule = next;
    }
}

static void
rules_load(const char *text)
{
    lh_str rest = lh_str_of(text), part;

    rules_free(faults.rules);
    faults.rules = NULL;
    while (lh_str_next(&rest, ';', &part)) {
        part = lh_str_trim(part);
        if (part.len == 0)
            continue;
        struct fault_rule *rule = rule_parse(part);
        rule->next = faults.rules;
        faults.rules = rule;
    }
    faults.is_loaded = true;
}

/* Copies the rule that applies to this passing, so that it is carried out without the lock. */
static bool
rule_find(const char *point, struct fault_rule *out)
{
    bool is_found = false;
    LH_AUTO_LOCK(&faults.lock);

    if (!faults.is_loaded)
        rules_load(getenv("LAKEHOUSE_FAULTS"));
    for (struct fault_rule *rule = faults.rules; rule != NULL; rule = rule->next) {
        if (strcmp(rule->point, point) != 0)
            continue;
        rule->passed++;
        if (rule->only_at == 0 || rule->only_at == rule->passed) {
            *out = *rule;
            is_found = true;
        }
    }
    return is_found;
}

static void
sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

lh_status
lh_fault_pass(const char *point, struct lh_error *err)
{
    struct fault_rule rule;

    if (!rule_find(point, &rule))
        return LH_OK;
    switch (rule.action) {
    case FAULT_KILL:
        raise(SIGKILL);
        break;
    case FAULT_ERROR:
        return lh_fail(err, LH_IO, "fault.injected", "fault injected at %s", point);
    case FAULT_NOSPACE:
        return lh_fail(err, LH_NO_SPACE, "fault.injected", "no space, injected at %s", point);
    case FAULT_DELAY:
        sleep_ms(rule.delay_ms);
        break;
    }
    return LH_OK;
}

void
lh_fault_rules_set(const char *rules)
{
    LH_AUTO_LOCK(&faults.lock);

    rules_load(rules);
}

#endif
