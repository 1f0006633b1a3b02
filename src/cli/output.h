/* What a command prints on standard output, buffered. The first failed write is remembered and
 * given by every later call, so that a full disk is never a success; a reader that has gone away
 * (EPIPE) is told apart by dv_output_is_gone, since that ends a command quietly. SIGPIPE is ignored
 * by the program. One thread. */
#ifndef DV_CLI_OUTPUT_H
#define DV_CLI_OUTPUT_H

#include "base/buf.h"
#include "base/err.h"

struct dv_output {
    int fd; /* borrowed */
    struct dv_buf buf;
    int failed_errno;
};

void dv_output_init(struct dv_output *o, int fd);
void dv_output_fini(struct dv_output *o); /* what was not flushed is lost */

int dv_output_add(struct dv_output *o, struct dv_slice bytes, struct dv_err *err);
int dv_output_add_str(struct dv_output *o, const char *text, struct dv_err *err);
int dv_output_printf(struct dv_output *o, struct dv_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* One JSON value and a newline; a buffer that had failed is the error. */
int dv_output_line(struct dv_output *o, const struct dv_buf *line, struct dv_err *err);
int dv_output_flush(struct dv_output *o, struct dv_err *err);

bool dv_output_is_gone(const struct dv_output *o); /* a write met EPIPE */
/* Asks the system whether the reader of a pipe or socket has gone, without writing. */
bool dv_output_poll_gone(const struct dv_output *o);

/* Write all of it to any descriptor. DV_EIO, DV_EFULL with errno. */
int dv_output_write_all(int fd, struct dv_slice bytes, struct dv_err *err);

#endif
