/* The table of commands; see command.h. The order is that of the help. */
#include "cli/command.h"

#include <stdio.h>

#include "cli/commands.h"

#define FLAG(name, letter, help)                                                                   \
    {                                                                                              \
        name, letter, DV_OPTION_FLAG, NULL, help                                                   \
    }
#define TEXT(name, letter, value, help)                                                            \
    {                                                                                              \
        name, letter, DV_OPTION_TEXT, value, help                                                  \
    }
#define COUNT(name, letter, help)                                                                  \
    {                                                                                              \
        name, letter, DV_OPTION_COUNT, "N", help                                                   \
    }
#define SIZE(name, help)                                                                           \
    {                                                                                              \
        name, 0, DV_OPTION_SIZE, "SIZE", help                                                      \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, 0, DV_OPTION_FLAG, NULL, NULL                                                        \
    }

const struct dv_option dv_common_options[] = {
    FLAG("json", 0, "print JSON, also on a terminal; errors too"),
    FLAG("table", 0, "print for people, also when not on a terminal"),
    FLAG("help", 'h', "print the help of the command"),
    END,
};

static const struct dv_option delete_db[] = {
    FLAG("yes", 'y', "do not ask, also on a terminal"),
    END,
};

static const struct dv_option check[] = {
    FLAG("deep", 0, "read every attachment and compare its digests"),
    END,
};

#define LIMITS                                                                                     \
    SIZE("max-document-size", "refuse larger documents (default 8000000 bytes)"),                  \
        SIZE("max-attachment-size", "refuse larger attachments (default 1G)")

static const struct dv_option put[] = {
    TEXT("rev", 'r', "REV", "the revision that is edited"),
    FLAG("replicated", 0, "store the revision as given (new_edits=false)"),
    LIMITS,
    END,
};

static const struct dv_option bulk[] = {
    FLAG("replicated", 0, "store the revisions as given (new_edits=false)"),
    LIMITS,
    END,
};

static const struct dv_option get[] = {
    TEXT("rev", 'r', "REV", "this revision instead of the winner"),
    FLAG("revs", 0, "add the ids of its ancestors (_revisions)"),
    FLAG("revs-info", 0, "add its ancestors and whether they are kept (_revs_info)"),
    FLAG("conflicts", 0, "add the conflicting revisions (_conflicts)"),
    FLAG("deleted-conflicts", 0, "add the deleted leaves (_deleted_conflicts)"),
    FLAG("local-seq", 0, "add its place in the changes (_local_seq)"),
    FLAG("attachments", 0, "add the attachments' data, in base64"),
    FLAG("latest", 0, "follow the revision to its newest descendants"),
    TEXT("open-revs", 0, "REVS", "several revisions: all, or a list with commas"),
    END,
};

static const struct dv_option delete_doc[] = {
    TEXT("rev", 'r', "REV", "the revision that is deleted"),
    END,
};

static const struct dv_option list[] = {
    TEXT("start", 0, "ID", "begin at this id"),
    TEXT("end", 0, "ID", "end at this id, which is shown"),
    COUNT("limit", 'n', "at most N documents"),
    COUNT("skip", 0, "leave out the first N documents"),
    FLAG("descending", 0, "from the last id to the first"),
    FLAG("include-docs", 0, "with the documents"),
    END,
};

static const struct dv_option attach[] = {
    TEXT("rev", 'r', "REV", "the revision that is edited"),
    TEXT("type", 't', "TYPE", "content type (default application/octet-stream)"),
    SIZE("max-attachment-size", "refuse a larger attachment (default 1G)"),
    END,
};

static const struct dv_option fetch[] = {
    TEXT("rev", 'r', "REV", "of this revision instead of the winner"),
    TEXT("output", 'o', "FILE", "write to a file; - is standard output"),
    END,
};

static const struct dv_option changes[] = {
    TEXT("since", 0, "SEQ", "only what changed after this sequence; now: nothing old"),
    FLAG("follow", 'f', "wait for further changes until interrupted"),
    COUNT("limit", 'n', "at most N changes"),
    TEXT("style", 0, "STYLE", "main_only (default) or all_docs: every leaf revision"),
    FLAG("descending", 0, "newest first"),
    FLAG("include-docs", 0, "with the documents"),
    FLAG("conflicts", 0, "with --include-docs: add _conflicts"),
    FLAG("attachments", 0, "with --include-docs: add the attachments' data"),
    END,
};

static const char database_help[] =
    "DB is the name of a database in the data folder, or the path of its file: whatever\n"
    "begins with / or ./ or ends in .divan.";
static const char input_help[] = "Without FILE, or with -, standard input is read.";
static const char bulk_help[] =
    "Reads JSON objects one after another, or {\"docs\":[...]}, of any number; without FILE, or\n"
    "with -, from standard input. Prints one line for each, in order. What was printed is durable\n"
    "when the command has ended. Exit status 2: some documents were refused.";
static const char changes_help[] =
    "Prints one JSON object per line, and {\"last_seq\":...} at the end: give it to --since to go\n"
    "on from there. --follow ends when interrupted or when nobody reads any more.";
static const char fetch_help[] =
    "Without --output the attachment goes to standard output. A file is written under a temporary\n"
    "name first, so that it is never seen half.";

const struct dv_command dv_commands[] = {
    { "db", "create", "DB", "create a database", database_help, NULL, 1, 1, dv_cmd_db_create },
    { "db", "info", "DB", "show counts, sequences and sizes", NULL, NULL, 1, 1, dv_cmd_db_info },
    { "db", "list", "", "list the databases of the data folder", NULL, NULL, 0, 0, dv_cmd_db_list },
    { "db", "delete", "DB", "delete a database and everything in it", NULL, delete_db, 1, 1,
      dv_cmd_db_delete },
    { "db", "compact", "DB", "drop old bodies and give space back", NULL, NULL, 1, 1,
      dv_cmd_db_compact },
    { "db", "check", "DB", "look for damage; changes nothing",
      "Exit status 1 when anything was found.", check, 1, 1, dv_cmd_db_check },
    { "db", "purge", "DB ID REV...", "forget leaf revisions without a trace", NULL, NULL, 3,
      DV_OPERANDS_ANY, dv_cmd_db_purge },
    { "doc", "put", "DB ID [FILE]", "store a document", input_help, put, 2, 3, dv_cmd_doc_put },
    { "doc", "bulk", "DB [FILE]", "store many documents", bulk_help, bulk, 1, 2, dv_cmd_doc_bulk },
    { "doc", "get", "DB ID", "print a document", NULL, get, 2, 2, dv_cmd_doc_get },
    { "doc", "delete", "DB ID", "delete a document", NULL, delete_doc, 2, 2, dv_cmd_doc_delete },
    { "doc", "list", "DB", "list documents by id", NULL, list, 1, 1, dv_cmd_doc_list },
    { "doc", "attach", "DB ID NAME [FILE]", "add or replace an attachment", input_help, attach, 3,
      4, dv_cmd_doc_attach },
    { "doc", "detach", "DB ID NAME", "remove an attachment", NULL, delete_doc, 3, 3,
      dv_cmd_doc_detach },
    { "doc", "fetch", "DB ID NAME", "get an attachment", fetch_help, fetch, 3, 3,
      dv_cmd_doc_fetch },
    { NULL, "changes", "DB", "list changes, or follow them", changes_help, changes, 1, 1,
      dv_cmd_changes },
    { NULL, "help", "[COMMAND]", "print the help of a command", NULL, NULL, 0, 2, dv_cmd_help },
    { NULL, "version", "", "print the version, as --version does", NULL, NULL, 0, 0,
      dv_cmd_version },
    { NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};

static bool in_group(const struct dv_command *c, struct dv_slice group)
{
    return c->group ? group.p && dv_slice_eq_str(group, c->group) : !group.p;
}

const struct dv_command *dv_command_find(struct dv_slice group, struct dv_slice name)
{
    for (const struct dv_command *c = dv_commands; c->name; c++)
        if (in_group(c, group) && dv_slice_eq_str(name, c->name))
            return c;
    return NULL;
}

bool dv_command_is_group(struct dv_slice word)
{
    for (const struct dv_command *c = dv_commands; c->name; c++)
        if (c->group && dv_slice_eq_str(word, c->group))
            return true;
    return false;
}

void dv_command_title(const struct dv_command *c, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s%s%s", c->group ? c->group : "", c->group ? " " : "", c->name);
}
