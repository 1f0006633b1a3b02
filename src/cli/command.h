/* What the program can do: one table of commands, which the dispatcher, the help, the suggestions
 * and the test of the man page read. To add a command, add its row to command.c and its function to
 * commands.h. Constant data. */
#ifndef DV_CLI_COMMAND_H
#define DV_CLI_COMMAND_H

#include "cli/cli.h"
#include "cli/options.h"

/* Exit statuses of every command; the man page lists them. Those of replication are reserved here
 * so that no command gives them another meaning. */
enum dv_exit {
    DV_EXIT_OK = 0,
    DV_EXIT_FAILED = 1,    /* refused or impossible; or a check with findings */
    DV_EXIT_DOCUMENTS = 2, /* finished, but some documents were refused */
    DV_EXIT_SOURCE = 3,
    DV_EXIT_TARGET = 4,
    DV_EXIT_AUTH = 5,
    DV_EXIT_USAGE = 64,
    DV_EXIT_INTERRUPTED = 130,
};

enum { DV_OPERANDS_ANY = -1 };

struct dv_command {
    const char *group; /* "db"; NULL: a command of one word */
    const char *name;
    const char *usage; /* operands, as the help prints them */
    const char *summary;
    const char *details;             /* more lines for the help; may be NULL */
    const struct dv_option *options; /* besides the common ones; may be NULL */
    int min_operands, max_operands;  /* or DV_OPERANDS_ANY */
    dv_command_fn *run;
};

extern const struct dv_command dv_commands[];      /* ends with a NULL name */
extern const struct dv_option dv_common_options[]; /* --json, --table, --help */

/* group NULL: commands of one word. NULL when there is none. */
const struct dv_command *dv_command_find(struct dv_slice group, struct dv_slice name);
bool dv_command_is_group(struct dv_slice word);
/* "db create" into out. */
void dv_command_title(const struct dv_command *c, char *out, size_t out_bytes);

#endif
