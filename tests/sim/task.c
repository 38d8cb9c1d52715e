/*
 * Each task has a context and a stack of its own (ucontext). The scheduler runs on the caller's
 * stack: it looks for the task that is due first, moves the clock to that time and goes there; the
 * task comes back by sleeping or waiting. There is no real time and no second thread, so nothing
 * but the seed decides.
 *
 * A violation ends the run at once: the scheduler simply does not go on. What the tasks owned is
 * lost then, which is all right for a program that is about to report a failure.
 */
#include "task.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/abort.h"
#include "base/alloc.h"
#include "world.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES ((size_t)512 << 10)
#define STEPS_MAX UINT64_C(400000)
#define LINE_BYTES 512

enum { TASKS_MAX = 4096, NAME_BYTES = 24 };

struct task {
    ucontext_t context;
    char *stack;
    struct node *node;
    void *(*run)(void *);
    void *arg, *result;
    char name[NAME_BYTES];
    int64_t wake_us;                  /* SIM_NEVER: only when woken */
    uint64_t lot;                     /* among those that are due at the same time */
    const void *waits_on;             /* NULL: only for the time */
    bool was_woken, is_done, is_over; /* over: nobody will join it any more */
#if defined(__SANITIZE_ADDRESS__)
    void *fake_stack;
#endif
};

static struct {
    struct task *tasks[TASKS_MAX];
    size_t count;
    char *free_stacks[TASKS_MAX];
    size_t free_stack_count;
    struct task *running;
    ucontext_t scheduler;
    int64_t now_us;
    uint64_t random;
    char verdict[LINE_BYTES];
    bool is_over;
#if defined(__SANITIZE_ADDRESS__)
    void *fake_stack;
    const void *stack_bottom;
    size_t stack_bytes;
#endif
} sim;

struct sim_trace sim_trace;

/* ---- chance ---- */

/* SplitMix64 (Steele, Lea, Flood, 2014). */
uint64_t
sim_draw(void)
{
    uint64_t z = (sim.random += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t
sim_draw_below(uint64_t n)
{
    return n > 0 ? sim_draw() % n : 0;
}

bool
sim_chance(unsigned per_mille)
{
    return sim_draw_below(1000) < per_mille;
}

/* ---- going from stack to stack ---- */

static void
stack_leave(struct task *t, bool is_for_ever)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(is_for_ever ? NULL : &t->fake_stack, sim.stack_bottom,
                                   sim.stack_bytes);
#else
    (void)is_for_ever;
#endif
    swapcontext(&t->context, &sim.scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(t->fake_stack, &sim.stack_bottom, &sim.stack_bytes);
#endif
}

static void
stack_enter(struct task *t)
{
    sim.running = t;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&sim.fake_stack, t->stack, STACK_BYTES);
#endif
    swapcontext(&sim.scheduler, &t->context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(sim.fake_stack, NULL, NULL);
#endif
    sim.running = NULL;
}

static void
task_main(void)
{
    struct task *t = sim.running;

#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(NULL, &sim.stack_bottom, &sim.stack_bytes);
#endif
    t->result = t->run(t->arg);
    t->is_done = true;
    t->wake_us = SIM_NEVER;
    sim_wake(t, true);
    stack_leave(t, true);
    lh_abort("a task that has ended was run again");
}

static char *
stack_take(void)
{
    char *stack;

    if (sim.free_stack_count > 0)
        return sim.free_stacks[--sim.free_stack_count];
    stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        lh_abort("no memory for a stack");
    return stack;
}

static void
task_free(struct task *t)
{
    sim.free_stacks[sim.free_stack_count++] = t->stack;
    free(t);
}

struct task *
sim_task_start(struct node *node, const char *name, void *(*run)(void *), void *arg)
{
    struct task *t = LH_NEW(struct task);

    if (sim.count == TASKS_MAX)
        lh_abort("too many tasks");
    t->node = node;
    t->run = run;
    t->arg = arg;
    t->wake_us = sim.now_us;
    t->lot = sim_draw();
    t->stack = stack_take();
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    getcontext(&t->context);
    t->context.uc_stack.ss_sp = t->stack;
    t->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&t->context, task_main, 0);
    sim.tasks[sim.count++] = t;
    return t;
}

void *
sim_task_join(struct task *t)
{
    while (!t->is_done)
        (void)sim_wait(t, SIM_NEVER);
    t->is_over = true;
    return t->result;
}

void
sim_task_detach(struct task *t)
{
    t->is_over = true;
}

struct node *
sim_node(void)
{
    return sim.running ? sim.running->node : NULL;
}

void
sim_node_enter(struct node *node)
{
    sim.running->node = node;
}

const char *
sim_task_name(void)
{
    return sim.running ? sim.running->name : "";
}

void
sim_task_rename(const char *name)
{
    (void)snprintf(sim.running->name, sizeof(sim.running->name), "%s", name);
}

/* ---- waiting ---- */

int64_t
sim_now_us(void)
{
    return sim.now_us;
}

bool
sim_wait(const void *what, int64_t until_us)
{
    struct task *t = sim.running;

    t->waits_on = what;
    t->was_woken = false;
    t->wake_us = until_us > sim.now_us || what == NULL ? until_us : sim.now_us;
    t->lot = sim_draw();
    stack_leave(t, false);
    t->waits_on = NULL;
    return t->was_woken;
}

void
sim_sleep_us(int64_t us)
{
    (void)sim_wait(NULL, sim.now_us + (us > 0 ? us : 0));
}

/* The one who has waited longest would be fair; a drawn one is what pthreads promise. */
void
sim_wake(const void *what, bool is_for_all)
{
    struct task *chosen = NULL;

    for (size_t i = 0; i < sim.count; i++) {
        struct task *t = sim.tasks[i];

        if (t->waits_on != what || t->was_woken)
            continue;
        if (is_for_all) {
            t->was_woken = true;
            t->wake_us = sim.now_us;
        } else if (chosen == NULL || t->lot < chosen->lot) {
            chosen = t;
        }
    }
    if (chosen == NULL)
        return;
    chosen->was_woken = true;
    chosen->wake_us = sim.now_us;
}

/* ---- locks ---- */

/* Who holds one: the address is enough, since a lock is held for a few steps only. */
enum { LOCKS_MAX = 256 };
static void *locks_held[LOCKS_MAX];
static size_t locks_count;

bool
sim_lock_try(void *mutex)
{
    for (size_t i = 0; i < locks_count; i++)
        if (locks_held[i] == mutex)
            return false;
    if (locks_count == LOCKS_MAX)
        lh_abort("too many locks are held at once");
    locks_held[locks_count++] = mutex;
    return true;
}

void
sim_lock(void *mutex)
{
    while (!sim_lock_try(mutex))
        (void)sim_wait(mutex, SIM_NEVER);
}

void
sim_unlock(void *mutex)
{
    for (size_t i = locks_count; i-- > 0;) {
        if (locks_held[i] != mutex)
            continue;
        locks_held[i] = locks_held[--locks_count];
        sim_wake(mutex, false);
        return;
    }
}

/* ---- the run ---- */

static int64_t
task_due_us(const struct task *t)
{
    int64_t held_us;

    if (t->is_done || t->wake_us == SIM_NEVER)
        return SIM_NEVER;
    held_us = t->node ? node_paused_until_us(t->node) : 0;
    return t->wake_us > held_us ? t->wake_us : held_us;
}

static struct task *
task_next(int64_t *due_us)
{
    struct task *best = NULL;

    *due_us = SIM_NEVER;
    for (size_t i = 0; i < sim.count; i++) {
        int64_t due = task_due_us(sim.tasks[i]);

        if (due == SIM_NEVER)
            continue;
        if (best == NULL || due < *due_us || (due == *due_us && sim.tasks[i]->lot < best->lot)) {
            best = sim.tasks[i];
            *due_us = due;
        }
    }
    return best;
}

static void
tasks_sweep(void)
{
    size_t kept = 0;

    for (size_t i = 0; i < sim.count; i++) {
        struct task *t = sim.tasks[i];

        if (t->is_done && t->is_over)
            task_free(t);
        else
            sim.tasks[kept++] = t;
    }
    sim.count = kept;
}

static void
schedule(struct task *director)
{
    for (uint64_t steps = 0; !sim.is_over; steps++) {
        int64_t due_us;
        struct task *t = task_next(&due_us);

        if (director->is_done)
            return;
        if (t == NULL) {
            sim_violation("nothing can go on any more");
            return;
        }
        if (steps == STEPS_MAX) {
            sim_violation("no end after %llu steps", (unsigned long long)steps);
            return;
        }
        if (due_us > sim.now_us)
            sim.now_us = due_us;
        stack_enter(t);
        if (steps % 64 == 0 && !director->is_done)
            tasks_sweep();
    }
}

bool
sim_is_on(void)
{
    return sim.running != NULL;
}

void
sim_run(uint64_t seed, void *(*director)(void *), void *arg)
{
    struct task *first;

    sim.random = seed * UINT64_C(0xD1342543DE82EF95) + 1;
    sim.now_us = SIM_EPOCH_US;
    sim.verdict[0] = '\0';
    sim.is_over = false;
    locks_count = 0;
    sim_trace.hash = UINT64_C(14695981039346656037);
    sim_trace.lines = 0;
    first = sim_task_start(NULL, "director", director, arg);
    schedule(first);
    for (size_t i = 0; i < sim.count; i++)
        task_free(sim.tasks[i]);
    sim.count = 0;
}

/* ---- what happened ---- */

/* FNV-1a, 64 bits. */
static void
trace_hash(const char *line)
{
    for (; *line != '\0'; line++)
        sim_trace.hash = (sim_trace.hash ^ (uint8_t)*line) * UINT64_C(1099511628211);
    sim_trace.lines++;
}

static void
line_add(const char *format, va_list args)
{
    char line[LINE_BYTES];
    int at = snprintf(line, sizeof(line), "%10.3f ", (double)(sim.now_us - SIM_EPOCH_US) / 1e6);

    if (sim_node() != NULL)
        at += snprintf(line + at, sizeof(line) - (size_t)at, "%s %-16s ", node_name(sim_node()),
                       sim_task_name());
    else
        at += snprintf(line + at, sizeof(line) - (size_t)at, "     %-16s ", sim_task_name());
    (void)vsnprintf(line + at, sizeof(line) - (size_t)at, format, args);
    trace_hash(line);
    if (sim_trace.is_printed)
        puts(line);
}

void
sim_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line_add(format, args);
    va_end(args);
}

void
sim_violation(const char *format, ...)
{
    va_list args;

    if (sim.verdict[0] == '\0') {
        va_start(args, format);
        (void)vsnprintf(sim.verdict, sizeof(sim.verdict), format, args);
        va_end(args);
        sim_say("VIOLATION %s", sim.verdict);
    }
    sim.is_over = true;
    while (sim.running != NULL)
        stack_leave(sim.running, false);
}

const char *
sim_verdict(void)
{
    return sim.verdict[0] != '\0' ? sim.verdict : NULL;
}
