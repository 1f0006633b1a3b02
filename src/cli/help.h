/* The help, printed from the table of commands. */
#ifndef DV_CLI_HELP_H
#define DV_CLI_HELP_H

#include "cli/command.h"

int dv_help_overview(struct dv_output *out, struct dv_err *err);
int dv_help_group(struct dv_output *out, struct dv_slice group, struct dv_err *err);
int dv_help_command(struct dv_output *out, const struct dv_command *c, struct dv_err *err);

/* DV_EUSAGE "unknown command", naming the nearest one. group empty: the word is the first. */
int dv_help_unknown(struct dv_slice group, struct dv_slice word, struct dv_err *err);

#endif
