/* See help.h; also `divan help` and `divan version`. */
#include "cli/help.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/suggest.h"

/* Where the summaries begin, behind the longest usage. */
enum { COMMAND_COLUMN = 34, OPTION_COLUMN = 32, TITLE_BYTES = 64 };

static int print_entry(struct dv_output *out, const char *left, const char *right, int column,
                       struct dv_err *err)
{
    return dv_output_printf(out, err, "  %-*s %s\n", column, left, right);
}

static int print_commands(struct dv_output *out, struct dv_slice group, bool all,
                          struct dv_err *err)
{
    char left[128], title[TITLE_BYTES];
    int code = 0;

    for (const struct dv_command *c = dv_commands; code == 0 && c->name; c++) {
        if (!all && !(c->group && dv_slice_eq_str(group, c->group)))
            continue;
        dv_command_title(c, title, sizeof(title));
        snprintf(left, sizeof(left), "%s%s%s", title, *c->usage ? " " : "", c->usage);
        code = print_entry(out, left, c->summary, COMMAND_COLUMN, err);
    }
    return code;
}

int dv_help_overview(struct dv_output *out, struct dv_err *err)
{
    int code = dv_output_add_str(
        out,
        "divan keeps CouchDB documents, with their revisions and conflicts, in local files.\n\n"
        "usage: divan COMMAND [OPTIONS] [OPERANDS]\n\n",
        err);

    if (code == 0)
        code = print_commands(out, dv_slice("", 0), true, err);
    if (code == 0)
        code = dv_output_add_str(
            out,
            "\n'divan help COMMAND' tells more about one of them; so does the page divan(1).\n",
            err);
    return code;
}

int dv_help_group(struct dv_output *out, struct dv_slice group, struct dv_err *err)
{
    int code = dv_output_printf(out, err, "usage: divan %.*s COMMAND [OPTIONS] [OPERANDS]\n\n",
                                (int)group.n, group.p);

    return code < 0 ? code : print_commands(out, group, false, err);
}

static int print_options(struct dv_output *out, const struct dv_option *table, struct dv_err *err)
{
    int code = 0;

    for (; code == 0 && table && table->name; table++) {
        char left[64];
        char letter[8] = "    ";

        if (table->letter)
            snprintf(letter, sizeof(letter), "-%c, ", table->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, table->name, table->value ? " " : "",
                 table->value ? table->value : "");
        code = print_entry(out, left, table->help, OPTION_COLUMN, err);
    }
    return code;
}

int dv_help_command(struct dv_output *out, const struct dv_command *c, struct dv_err *err)
{
    char title[TITLE_BYTES];
    int code;

    dv_command_title(c, title, sizeof(title));
    code = dv_output_printf(out, err, "divan %s: %s\n\nusage: divan %s [OPTIONS]%s%s\n", title,
                            c->summary, title, *c->usage ? " " : "", c->usage);
    if (code == 0 && c->details)
        code = dv_output_printf(out, err, "\n%s\n", c->details);
    if (code == 0)
        code = dv_output_add_str(out, "\n", err);
    if (code == 0)
        code = print_options(out, c->options, err);
    return code < 0 ? code : print_options(out, dv_common_options, err);
}

/* The last word of a command is offered too: `divan create` means `divan db create`. */
static const struct dv_command *same_last_word(struct dv_slice word)
{
    for (const struct dv_command *c = dv_commands; c->name; c++)
        if (dv_slice_eq_str(word, c->name))
            return c;
    return NULL;
}

static void offer_words(struct dv_suggestion *nearest, struct dv_slice group)
{
    for (const struct dv_command *c = dv_commands; c->name; c++) {
        if (!group.n)
            dv_suggest_offer(nearest, c->group ? c->group : c->name);
        else if (c->group && dv_slice_eq_str(group, c->group))
            dv_suggest_offer(nearest, c->name);
    }
}

int dv_help_unknown(struct dv_slice group, struct dv_slice word, struct dv_err *err)
{
    const struct dv_command *same = same_last_word(word);
    struct dv_suggestion nearest;
    char title[TITLE_BYTES] = "";
    const char *space = group.n ? " " : "";

    dv_suggest_init(&nearest, word);
    offer_words(&nearest, group);
    if (same)
        dv_command_title(same, title, sizeof(title));
    else if (nearest.best)
        snprintf(title, sizeof(title), "%.*s%s%s", (int)group.n, group.p ? group.p : "", space,
                 nearest.best);
    if (title[0])
        return dv_err_set(err, DV_EUSAGE, "unknown command '%.*s%s%.*s'; did you mean '%s'?",
                          (int)group.n, group.p ? group.p : "", space, (int)word.n, word.p, title);
    return dv_err_set(err, DV_EUSAGE, "unknown command '%.*s%s%.*s'", (int)group.n,
                      group.p ? group.p : "", space, (int)word.n, word.p);
}

int dv_cmd_help(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_slice first = dv_cli_operand(cli, 0), second = dv_cli_operand(cli, 1);
    bool is_group = dv_command_is_group(first);
    const struct dv_command *c;

    if (!first.p)
        return dv_help_overview(&cli->out, err);
    if (is_group && !second.p)
        return dv_help_group(&cli->out, first, err);
    c = is_group ? dv_command_find(first, second) : dv_command_find(second, first);
    if (c)
        return dv_help_command(&cli->out, c, err);
    dv_cli_hint(cli, "see: divan help");
    return is_group ? dv_help_unknown(first, second, err)
                    : dv_help_unknown(dv_slice("", 0), first, err);
}

int dv_cmd_version(struct dv_cli *cli, struct dv_err *err)
{
    return dv_output_printf(&cli->out, err, "divan %s\n", PACKAGE_VERSION);
}
