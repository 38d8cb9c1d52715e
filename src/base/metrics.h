/*
 * metrics: counters, gauges and histograms of the process, printed in the Prometheus text format
 * 0.0.4.
 *
 * A family has a name, a help line and label names; a *series* is one combination of label values.
 * Look a series up once and keep the pointer where that is possible: updating it is one relaxed
 * atomic add, looking it up takes a lock. Families and series live as long as the process. A family
 * keeps at most 1,000 series; later combinations share one series whose label values are "other",
 * so that labels from outside cannot fill memory; a label value is cut to 128 bytes for the same
 * reason.
 *
 * Format   https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#ifndef LH_BASE_METRICS_H
#define LH_BASE_METRICS_H

#include "base/buf.h"

struct lh_metric; /* one series */

/* `labels` is a comma-separated list of label names, or ""; values follow in order, NULL-ended.
 *     lh_counter("lakehouse_http_requests_total", "Requests answered.", "route,status",
 *                "/healthz", "200", NULL) */
struct lh_metric *
lh_counter(const char *name, const char *help, const char *labels, ...) __attribute__((sentinel));
struct lh_metric *
lh_gauge(const char *name, const char *help, const char *labels, ...) __attribute__((sentinel));
/* Seconds, with buckets from 100 µs to 60 s. */
struct lh_metric *
lh_histogram(const char *name, const char *help, const char *labels, ...) __attribute__((sentinel));

void lh_metric_add(struct lh_metric *m, int64_t delta);
void lh_metric_set(struct lh_metric *m, int64_t value);
void lh_metric_observe_ns(struct lh_metric *m, int64_t duration_ns);
int64_t lh_metric_value(const struct lh_metric *m); /* counter or gauge; count of a histogram */

/* A gauge read by calling `read(arg)` when printed. Registering the name again replaces both; a
 * NULL `read` makes it an ordinary gauge. A print that has begun may still call the earlier one. */
void lh_gauge_callback(const char *name, const char *help, int64_t (*read)(void *), void *arg);

void lh_metrics_print(struct lh_buf *out);

#endif
