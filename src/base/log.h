/* One log line per call, to stderr. Never pass a secret. Thread-safe. */
#ifndef DV_BASE_LOG_H
#define DV_BASE_LOG_H

enum dv_log_level { DV_LOG_ERROR, DV_LOG_WARN, DV_LOG_INFO, DV_LOG_DEBUG };

void dv_log_set_level(enum dv_log_level level); /* default DV_LOG_WARN */
void dv_log(enum dv_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
