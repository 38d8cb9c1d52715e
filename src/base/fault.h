/*
 * fault: named points where the tests make things go wrong.
 *
 * `LH_FAULT("store.put.before_rename", err)` does nothing in a release build. In a build with
 * -DLH_FAULTS, the environment variable LAKEHOUSE_FAULTS holds "point=action[@n]" rules, parted by
 * ';' — action `kill` (SIGKILL to ourselves), `error` (IO, reason "fault.injected"), `nospace`
 * (NO_SPACE), `delay:MS`; `@n` means: at the n-th passing only, counted from 1. The macro returns
 * from the enclosing function when the action is an error.
 */
#ifndef LH_BASE_FAULT_H
#define LH_BASE_FAULT_H

#include "base/status.h"

#ifdef LH_FAULTS
lh_status lh_fault_pass(const char *point, struct lh_error *err);
/* Replaces the rules of the environment and forgets all counts; aborts on a rule that does not
 * parse. */
void lh_fault_rules_set(const char *rules);
#define LH_FAULT(point, err) LH_TRY(lh_fault_pass((point), (err)))
#else
#define LH_FAULT(point, err) ((void)(err))
#endif

#endif
