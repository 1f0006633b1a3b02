/* What a command reads: the file that an operand names, or standard input for "-" and for no
 * operand. One thread; an interrupt that was caught (cli.h) ends a read that waits. */
#ifndef DV_CLI_INPUT_H
#define DV_CLI_INPUT_H

#include "cli/cli.h"

struct dv_input {
    int fd;
    bool is_file;     /* fd is owned */
    const char *name; /* for messages; borrowed: argv */
};

int dv_input_open(const struct dv_cli *cli, int operand, struct dv_input *in, struct dv_err *err);
/* *got 0: the end. */
int dv_input_read(struct dv_input *in, void *out, size_t room, size_t *got, struct dv_err *err);
void dv_input_close(struct dv_input *in);

/* All of it, appended. More than the buffer's ceiling is DV_ETOOBIG. */
int dv_input_read_all(const struct dv_cli *cli, int operand, struct dv_buf *out,
                      struct dv_err *err);

#endif
