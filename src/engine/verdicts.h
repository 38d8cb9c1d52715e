/*
 * verdicts: what the guard has said about a text, for the next time the same text comes.
 *
 * A verdict follows from the text alone, so remembering it changes nothing but the time: DuckDB's
 * way from text to tree and to JSON and back costs more than a small query itself. Only consent is
 * kept, and only of statements that are whole (no PIVOT that waits for values).
 *
 * Limits   256 texts of at most 16 KiB; a text that falls on the place of another takes it.
 * Threads  all functions from any thread.
 */
#ifndef LH_ENGINE_VERDICTS_H
#define LH_ENGINE_VERDICTS_H

#include "engine/guard.h"

struct engine_verdicts;

struct engine_verdicts *engine_verdicts_new(void);
void engine_verdicts_free(struct engine_verdicts *v);

/* A copy in `arena`; false when the text is not known. */
bool engine_verdicts_find(struct engine_verdicts *v, lh_str sql, struct lh_arena *arena,
                          struct guard_verdict *out);
void
engine_verdicts_put(struct engine_verdicts *v, lh_str sql, const struct guard_verdict *verdict);

#endif
