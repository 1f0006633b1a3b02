/* Formats a line whole and writes it with one call, so that lines of threads do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int threshold = DV_LOG_WARN;

void dv_log_set_level(enum dv_log_level level)
{
    threshold = (int)level;
}

void dv_log(enum dv_log_level level, const char *fmt, ...)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    char line[1024];
    va_list ap;

    if ((int)level > threshold)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = ' ';
    fprintf(stderr, "divan: %s: %s\n", names[level], line);
}
