/* The one place that tells an error to the user: one line on standard error,
 *   divan: WHAT WAS BEING DONE: ERROR: REASON (WHAT TO DO)
 * where ERROR is CouchDB's name of it, left out when the trouble is not with the request; or with
 * --json
 *   {"error":ERROR,"reason":REASON,"context":WHAT WAS BEING DONE,"hint":WHAT TO DO}
 * Control characters and bytes that are not UTF-8 never reach a terminal from here. */
#ifndef DV_CLI_REPORT_H
#define DV_CLI_REPORT_H

#include "cli/cli.h"

void dv_report_error(const struct dv_cli *cli, const struct dv_err *err);
/* "divan: NOTE" for what is worth saying and no error. */
void dv_report_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Append text so that a terminal can show it: control characters become \xNN, and so does what is
 * no UTF-8. */
void dv_report_add_visible(struct dv_buf *out, struct dv_slice text);

#endif
