/* One run of a command: what its function is given, and the shared steps around it. The dispatcher
 * parses, calls the function, prints its error once and turns it into the exit status.
 *
 * A function returns an exit status >= 0, or DV_E... with err filled. It prints through cli->out
 * only, so that a failed write is noticed. One thread. */
#ifndef DV_CLI_CLI_H
#define DV_CLI_CLI_H

#include "cli/options.h"
#include "cli/output.h"
#include "database/database.h"
#include "database/folder.h"

struct dv_command;

struct dv_cli {
    const struct dv_command *command;
    struct dv_options options;
    struct dv_output out;
    bool json;      /* --json: errors are JSON too */
    bool people;    /* print tables and words: a terminal without --json, or --table */
    char hint[512]; /* what to do about the error; empty: nothing better is known */
    struct dv_folder folder;
    struct dv_database_options limits; /* of documents and attachments, for dv_cli_open */
};

typedef int dv_command_fn(struct dv_cli *cli, struct dv_err *err);

/* The whole program. */
int dv_cli_main(int argc, char **argv);

/* ---- for commands ------------------------------------------------------------------------ */

/* i-th operand; empty when there are fewer. */
struct dv_slice dv_cli_operand(const struct dv_cli *cli, int i);

/* The document id that operand 1 is; illegal_docid as CouchDB has it. */
int dv_cli_docid(const struct dv_cli *cli, struct dv_slice *id, struct dv_err *err);

/* Say what to do about the error that is about to be returned. */
void dv_cli_hint(struct dv_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* How a command uses a database; a reader changes nothing in the file. */
enum dv_use { DV_USE_READ, DV_USE_WRITE };

/* Open the database that operand 0 names. Never creates one. The caller closes it. */
int dv_cli_open(struct dv_cli *cli, enum dv_use use, struct dv_database **db, struct dv_err *err);
int dv_cli_create(struct dv_cli *cli, struct dv_err *err);
int dv_cli_remove(struct dv_cli *cli, struct dv_err *err);
/* The terminated path of the file that operand 0 names, appended. */
int dv_cli_database_file(const struct dv_cli *cli, struct dv_buf *path, struct dv_err *err);

/* From here on SIGINT and SIGTERM only raise a flag, for commands that look at it between steps and
 * have something to finish; a second signal kills. */
void dv_cli_catch_interrupts(void);
bool dv_cli_interrupted(void);
int dv_cli_check_interrupt(struct dv_err *err); /* DV_ECANCELLED once interrupted */

#endif
