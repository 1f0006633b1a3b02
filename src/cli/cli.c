/* The dispatcher; see cli.h. From argv to a row of the table, and from what its function returned
 * to one line on standard error and an exit status. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/report.h"
#include "couch/docid.h"

/* ---- interrupts ------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void dv_cli_catch_interrupts(void)
{
    /* No SA_RESTART: a read that waits ends. The default action is back for the second one. */
    struct sigaction action = { .sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool dv_cli_interrupted(void)
{
    return interrupted != 0;
}

int dv_cli_check_interrupt(struct dv_err *err)
{
    return interrupted ? dv_err_set(err, DV_ECANCELLED, "interrupted") : 0;
}

/* ---- one command ------------------------------------------------------------------------ */

struct dv_slice dv_cli_operand(const struct dv_cli *cli, int i)
{
    return i < cli->options.n_operands ? dv_slice_str(cli->options.operands[i]) : dv_slice(NULL, 0);
}

/* An empty one would else be taken for none, which asks for a new id. */
int dv_cli_docid(const struct dv_cli *cli, struct dv_slice *id, struct dv_err *err)
{
    *id = dv_cli_operand(cli, 1);
    return dv_docid_check(*id, err);
}

void dv_cli_hint(struct dv_cli *cli, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(cli->hint, sizeof(cli->hint), fmt, args);
    va_end(args);
}

static void hint_help(struct dv_cli *cli)
{
    char title[64];

    dv_command_title(cli->command, title, sizeof(title));
    dv_cli_hint(cli, "see: divan help %s", title);
}

static int check_operands(const struct dv_cli *cli, struct dv_err *err)
{
    const struct dv_command *c = cli->command;
    int n = cli->options.n_operands;

    if (n < c->min_operands)
        return dv_err_set(err, DV_EUSAGE, "too few operands; needed: %s", c->usage);
    if (c->max_operands != DV_OPERANDS_ANY && n > c->max_operands)
        return dv_err_set(err, DV_EUSAGE, "an operand too many: '%s'",
                          cli->options.operands[c->max_operands]);
    return 0;
}

static int run_command(struct dv_cli *cli, int argc, char **argv, struct dv_err *err)
{
    int code =
        dv_options_parse(&cli->options, cli->command->options, dv_common_options, argc, argv, err);

    cli->json = code == 0 && dv_options_flag(&cli->options, "json");
    if (code == 0 && dv_options_flag(&cli->options, "help"))
        return dv_help_command(&cli->out, cli->command, err);
    if (code == 0)
        code = check_operands(cli, err);
    if (code < 0) {
        hint_help(cli);
        return code;
    }
    cli->people = !cli->json && (dv_options_flag(&cli->options, "table") || isatty(STDOUT_FILENO));
    code = dv_folder_init(&cli->folder, NULL, err);
    if (code == 0)
        code = cli->command->run(cli, err);
    if (code == DV_EUSAGE && !cli->hint[0])
        hint_help(cli);
    return code;
}

/* ---- finding it ------------------------------------------------------------------------- */

static bool asks_for_help(const char *word)
{
    return word && (!strcmp(word, "--help") || !strcmp(word, "-h"));
}

/* Without a word that could be run: the overview, which is an error when nothing was asked. */
static int no_command(struct dv_cli *cli, struct dv_slice group, bool asked, struct dv_err *err)
{
    int code;

    if (!asked)
        cli->out.fd = STDERR_FILENO;
    code = group.p ? dv_help_group(&cli->out, group, err) : dv_help_overview(&cli->out, err);
    return code < 0 ? code : asked ? DV_EXIT_OK : DV_EXIT_USAGE;
}

static int dispatch(struct dv_cli *cli, int argc, char **argv, struct dv_err *err)
{
    struct dv_slice first = dv_slice_str(argc > 1 ? argv[1] : NULL);
    bool is_group = first.p && dv_command_is_group(first);
    struct dv_slice second = dv_slice_str(is_group && argc > 2 ? argv[2] : NULL);
    int words = is_group ? 3 : 2;

    if (!first.p || asks_for_help(first.p))
        return no_command(cli, dv_slice(NULL, 0), first.p != NULL, err);
    if (is_group && (!second.p || asks_for_help(second.p)))
        return no_command(cli, first, second.p != NULL, err);
    if (dv_slice_eq_str(first, "--version"))
        first = DV_SLICE_LIT("version");
    else if (first.p[0] == '-')
        return dv_err_set(err, DV_EUSAGE, "the command comes before the options: '%s'", first.p);
    cli->command =
        is_group ? dv_command_find(first, second) : dv_command_find(dv_slice(NULL, 0), first);
    if (cli->command)
        return run_command(cli, argc - words, argv + words, err);
    dv_cli_hint(cli, "see: divan help");
    return is_group ? dv_help_unknown(first, second, err)
                    : dv_help_unknown(dv_slice("", 0), first, err);
}

/* ---- the whole -------------------------------------------------------------------------- */

/* A closed descriptor 1 would be given to the next file that is opened, and a database would be
 * printed over: take the place, with a mode in which its use is an error. */
static void occupy_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(DV_EXIT_FAILED);
}

/* What was printed must have arrived, whether the command succeeded or not. */
static int finish_output(struct dv_cli *cli, int code, struct dv_err *err)
{
    struct dv_err flush_err;
    int flushed;

    dv_err_clear(&flush_err);
    flushed = dv_output_flush(&cli->out, &flush_err);
    if (flushed == 0 && cli->out.fd == STDOUT_FILENO && close(STDOUT_FILENO) < 0 && errno != EBADF)
        flushed = dv_err_errno(&flush_err, errno, "write to standard output");
    if (code >= 0 && flushed < 0) {
        *err = flush_err;
        return flushed;
    }
    return code;
}

static int exit_status(int code)
{
    if (code >= 0)
        return code;
    if (code == DV_EUSAGE)
        return DV_EXIT_USAGE;
    if (code == DV_ECANCELLED && interrupted)
        return DV_EXIT_INTERRUPTED;
    return DV_EXIT_FAILED;
}

int dv_cli_main(int argc, char **argv)
{
    struct dv_cli cli = { .command = NULL };
    struct dv_err err;
    int code;

    occupy_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    dv_err_clear(&err);
    dv_output_init(&cli.out, STDOUT_FILENO);
    code = dispatch(&cli, argc, argv, &err);
    code = finish_output(&cli, code, &err);
    if (dv_output_is_gone(&cli.out))
        code = DV_EXIT_OK; /* the reader has all that it wanted */
    else if (code < 0)
        dv_report_error(&cli, &err);
    dv_folder_fini(&cli.folder);
    dv_output_fini(&cli.out);
    return exit_status(code);
}
