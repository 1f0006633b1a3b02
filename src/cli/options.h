/* Options and operands of one command, parsed by its tables: `--name VALUE`, `--name=VALUE`, `-x
 * VALUE`,
 * `-xVALUE`, options before and after operands, `--` ends the options, `-` is an operand. Names
 * are never abbreviated, so that a new option cannot change what a script means. Of an option given
 * twice the last stands. Pure: nothing is printed, argv is borrowed. */
#ifndef DV_CLI_OPTIONS_H
#define DV_CLI_OPTIONS_H

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum dv_option_kind {
    DV_OPTION_FLAG,
    DV_OPTION_TEXT,
    DV_OPTION_COUNT, /* a decimal number */
    DV_OPTION_SIZE,  /* bytes: a number with an optional k, M or G (powers of 1024) */
};

/* Tables end with a NULL name. */
struct dv_option {
    const char *name;
    char letter; /* 0: none */
    enum dv_option_kind kind;
    const char *value; /* what the help calls it; NULL for a flag */
    const char *help;  /* one line */
};

/* Most options of a command, the common ones included. */
enum { DV_OPTIONS_MAX = 24 };

struct dv_option_value {
    bool given;
    const char *text; /* borrowed: argv */
    uint64_t number;
};

struct dv_options {
    const struct dv_option
        *tables[2]; /* borrowed: the command's own, the common ones; may be NULL */
    struct dv_option_value values[DV_OPTIONS_MAX];
    char **operands; /* borrowed: argv, which is put in order for it */
    int n_operands;
};

/* DV_EUSAGE names the option, and the nearest one when it is unknown. */
int dv_options_parse(struct dv_options *o, const struct dv_option *own,
                     const struct dv_option *common, int argc, char **argv, struct dv_err *err);

/* By long name; asking for a name that is in no table is a bug. */
bool dv_options_flag(const struct dv_options *o, const char *name);
struct dv_slice dv_options_text(const struct dv_options *o,
                                const char *name); /* empty: not given */
bool dv_options_given(const struct dv_options *o, const char *name);
uint64_t dv_options_number(const struct dv_options *o, const char *name, uint64_t otherwise);

#endif
