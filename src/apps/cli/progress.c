#include "apps/cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/time.h"

#define REDRAW_MS 100
#define BAR_CELLS 24

char *
cli_size_text(uint64_t bytes, char text[CLI_SIZE_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(text, CLI_SIZE_TEXT, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

static void
bar_draw(const struct cli_progress *p, double part)
{
    int full = (int)(part * BAR_CELLS);
    fputc('[', stderr);
    for (int i = 0; i < BAR_CELLS; i++)
        fputc(i < full ? '#' : '-', stderr);
    fprintf(stderr, "] %3d%%  ", (int)(part * 100));
    (void)p;
}

static void
line_draw(struct cli_progress *p, int64_t now)
{
    char done[CLI_SIZE_TEXT], total[CLI_SIZE_TEXT], rate[CLI_SIZE_TEXT];
    double seconds = (double)(now - p->started_ms + 1) / 1000;
    double speed = (double)p->done / seconds;
    fprintf(stderr, "\r\033[K%s  ", p->label);
    if (p->total > 0) {
        double part = (double)p->done / (double)p->total;
        bar_draw(p, part > 1 ? 1 : part);
        fprintf(stderr, "%s of %s  ", cli_size_text(p->done, done), cli_size_text(p->total, total));
    } else
        fprintf(stderr, "%s  ", cli_size_text(p->done, done));
    if (p->total > 0 && p->done >= p->total)
        fputs("converting …", stderr);
    else
        fprintf(stderr, "%s/s", cli_size_text((uint64_t)speed, rate));
    if (p->total > p->done && speed > 0)
        fprintf(stderr, "  %.0f s left", (double)(p->total - p->done) / speed);
    fflush(stderr);
    p->shown_ms = now;
}

void
cli_progress_begin(struct cli_progress *p, const char *label, uint64_t total)
{
    int64_t now = lh_time_mono_ms();
    *p = (struct cli_progress){
        .label = label, .total = total, .started_ms = now, .is_on = isatty(STDERR_FILENO) == 1};
}

void
cli_progress_add(struct cli_progress *p, uint64_t bytes)
{
    p->done += bytes;
    if (!p->is_on)
        return;
    int64_t now = lh_time_mono_ms();
    if (now - p->shown_ms >= REDRAW_MS || (p->total > 0 && p->done >= p->total))
        line_draw(p, now);
}

void
cli_progress_end(struct cli_progress *p)
{
    if (p->is_on)
        fputs("\r\033[K", stderr);
}
