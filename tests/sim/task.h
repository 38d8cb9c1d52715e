/*
 * task: cooperative threads over one simulated clock.
 *
 * A task runs until it sleeps, waits or ends; then the task that is due first runs, and of several
 * that are due at the same instant a drawn one. So everything that happens follows from the seed.
 * What the tested code calls a thread, a lock, a condition, a clock or a random number is led here
 * by the linker (seams.c): the code itself does not know.
 *
 * Owns     the stacks, which are used again by the next run.
 * Threads  one.
 */
#ifndef LH_SIM_TASK_H
#define LH_SIM_TASK_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_NEVER INT64_MAX
#define SIM_SECOND INT64_C(1000000)
#define SIM_EPOCH_US INT64_C(1767225600000000) /* 2026-01-01, where every run begins */

struct node;
struct task;

/* ---- a run ---- */

/* Runs `director(arg)` and whatever it starts until the director returns; what is still running
 * then is forgotten. */
void sim_run(uint64_t seed, void *(*director)(void *), void *arg);
bool sim_is_on(void); /* false outside of a run: the seams then lead to the real thing */

/* ---- tasks ---- */

struct task *sim_task_start(struct node *node, const char *name, void *(*run)(void *), void *arg);
void *sim_task_join(struct task *t);
void sim_task_detach(struct task *t);   /* nobody will join it */
struct node *sim_node(void);            /* of the running task; NULL for the world's own */
void sim_node_enter(struct node *node); /* what the running task does from here on, it does there */
const char *sim_task_name(void);
void sim_task_rename(const char *name);

void sim_sleep_us(int64_t us);
/* Until woken (true) or the time has come. `what` is any address. */
bool sim_wait(const void *what, int64_t until_us);
void sim_wake(const void *what, bool is_for_all);

int64_t sim_now_us(void);

/* ---- chance ---- */

uint64_t sim_draw(void);
uint64_t sim_draw_below(uint64_t n);
bool sim_chance(unsigned per_mille);

/* ---- what happened ---- */

struct sim_trace {
    uint64_t hash; /* over every line */
    uint64_t lines;
    bool is_printed;
};
extern struct sim_trace sim_trace;

void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The run has failed: the first reason is kept, and the run ends. Returns only outside of a run. */
void sim_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *sim_verdict(void); /* of the last run; NULL: none */

/* ---- for seams.c ---- */

bool sim_lock_try(void *mutex);
void sim_lock(void *mutex);
void sim_unlock(void *mutex);

#endif
