/* divan db create, info, list, delete. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/report.h"
#include "cli/table.h"

enum { LINE_BYTES_MAX = 64 * 1024 };
/* Names of a data folder that a listing may hold: some hundred thousand. */
#define LIST_BYTES_MAX ((size_t)64 << 20)

static int print_done(struct dv_cli *cli, const char *what, struct dv_err *err)
{
    if (cli->people)
        return dv_output_printf(&cli->out, err, "%s\n", what);
    return dv_output_add_str(&cli->out, "{\"ok\":true}\n", err);
}

int dv_cmd_db_create(struct dv_cli *cli, struct dv_err *err)
{
    int code = dv_cli_create(cli, err);

    return code < 0 ? code : print_done(cli, "created", err);
}

/* ---- info ------------------------------------------------------------------------------- */

static void add_info(struct dv_buf *out, struct dv_slice name, struct dv_slice seq,
                     const struct dv_props *props)
{
    struct dv_json_writer w;

    dv_json_writer_init(&w, out);
    dv_json_begin_object(&w);
    dv_out_text(&w, "db_name", name);
    dv_out_number(&w, "doc_count", props->doc_count);
    dv_out_number(&w, "doc_del_count", props->deleted_doc_count);
    dv_out_text(&w, "update_seq", seq);
    dv_out_number(&w, "purge_seq", props->purge_seq);
    dv_out_bool(&w, "compact_running", false);
    dv_json_key(&w, "sizes");
    dv_json_begin_object(&w);
    dv_out_number(&w, "file", props->file_bytes);
    dv_out_number(&w, "active", props->active_bytes);
    dv_out_number(&w, "external", props->external_bytes);
    dv_json_end_object(&w);
    dv_out_number(&w, "disk_format_version", props->disk_version);
    dv_out_text(&w, "instance_start_time", DV_SLICE_LIT("0"));
    dv_out_json(&w, "props", DV_SLICE_LIT("{}"));
    dv_out_text(&w, "uuid", dv_slice_str(props->uuid));
    dv_json_end_object(&w);
}

static int print_pair(struct dv_cli *cli, const char *name, const char *value, struct dv_err *err)
{
    return dv_output_printf(&cli->out, err, "%-20s %s\n", name, value);
}

static int print_count(struct dv_cli *cli, const char *name, uint64_t value, struct dv_err *err)
{
    return dv_output_printf(&cli->out, err, "%-20s %" PRIu64 "\n", name, value);
}

static int print_size(struct dv_cli *cli, const char *name, uint64_t value, struct dv_err *err)
{
    char text[32];

    dv_table_size(value, text, sizeof(text));
    return print_pair(cli, name, text, err);
}

static int print_info(struct dv_cli *cli, const char *name, const struct dv_props *props,
                      struct dv_err *err)
{
    int code = print_pair(cli, "name", name, err);

    if (code == 0)
        code = print_count(cli, "documents", props->doc_count, err);
    if (code == 0)
        code = print_count(cli, "deleted documents", props->deleted_doc_count, err);
    if (code == 0)
        code = print_count(cli, "update sequence", props->update_seq, err);
    if (code == 0)
        code = print_count(cli, "purge sequence", props->purge_seq, err);
    if (code == 0)
        code = print_count(cli, "compacted up to", props->compacted_seq, err);
    if (code == 0)
        code = print_size(cli, "file", props->file_bytes, err);
    if (code == 0)
        code = print_size(cli, "of it in use", props->active_bytes, err);
    if (code == 0)
        code = print_size(cli, "content", props->external_bytes, err);
    if (code == 0)
        code = print_count(cli, "format version", props->disk_version, err);
    return code < 0 ? code : print_pair(cli, "uuid", props->uuid, err);
}

static int show_info(struct dv_cli *cli, struct dv_database *db, struct dv_err *err)
{
    struct dv_buf name, seq, line;
    struct dv_props props;
    int code = dv_database_props(db, &props, err);

    dv_buf_init(&name, LINE_BYTES_MAX);
    dv_buf_init(&seq, LINE_BYTES_MAX);
    dv_buf_init(&line, LINE_BYTES_MAX);
    if (code == 0)
        code = dv_database_seq_text(db, props.update_seq, &seq, err);
    if (code == 0 && (dv_folder_name_of(dv_cli_operand(cli, 0), &name) < 0 || !dv_buf_cstr(&name)))
        code = dv_err_set(err, name.failed, "name of the database");
    if (code == 0 && cli->people) {
        dv_report_add_visible(&line, dv_buf_slice(&name));
        code = dv_buf_cstr(&line) ? print_info(cli, line.p, &props, err)
                                  : dv_err_set(err, line.failed, "name of the database");
    } else if (code == 0) {
        add_info(&line, dv_buf_slice(&name), dv_buf_slice(&seq), &props);
        code = dv_output_line(&cli->out, &line, err);
    }
    dv_buf_fini(&line);
    dv_buf_fini(&seq);
    dv_buf_fini(&name);
    return code;
}

int dv_cmd_db_info(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_database *db;
    int code = dv_cli_open(cli, DV_USE_READ, &db, err);

    if (code < 0)
        return code;
    code = show_info(cli, db, err);
    dv_database_close(db);
    return code < 0 ? dv_err_wrap(err, code, "info of %s", dv_cli_operand(cli, 0).p) : 0;
}

/* ---- list ------------------------------------------------------------------------------- */

static int print_names(struct dv_cli *cli, const struct dv_folder_listing *list, struct dv_err *err)
{
    struct dv_json_writer w;
    struct dv_buf line;
    int code;

    if (cli->people) {
        for (size_t i = 0; i < list->n; i++)
            if ((code = dv_output_printf(&cli->out, err, "%.*s\n", (int)list->names[i].n,
                                         list->names[i].p)) < 0)
                return code;
        return 0;
    }
    dv_buf_init(&line, LIST_BYTES_MAX);
    dv_json_writer_init(&w, &line);
    dv_json_begin_array(&w);
    for (size_t i = 0; i < list->n; i++)
        dv_json_string(&w, list->names[i]);
    dv_json_end_array(&w);
    code = dv_output_line(&cli->out, &line, err);
    dv_buf_fini(&line);
    return code;
}

int dv_cmd_db_list(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_folder_listing list;
    struct dv_arena arena;
    int code;

    dv_arena_init(&arena, LIST_BYTES_MAX);
    code = dv_folder_list(&cli->folder, &arena, &list, err);
    if (code == 0) {
        for (size_t i = 0; i < list.n_foreign; i++)
            dv_report_note("not a database, skipped: %s/%.*s", cli->folder.path,
                           (int)list.foreign[i].n, list.foreign[i].p);
        code = print_names(cli, &list, err);
    }
    dv_arena_fini(&arena);
    return code < 0 ? dv_err_wrap(err, code, "list databases") : 0;
}

/* ---- delete ----------------------------------------------------------------------------- */

/* A person at a terminal types the name again; a script is taken at its word. */
static int confirm_delete(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_slice name = dv_cli_operand(cli, 0);
    char answer[512];

    if (dv_options_flag(&cli->options, "yes") || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return 0;
    fprintf(stderr, "Delete database %s and everything in it? Type its name to go on: ", name.p);
    if (!fgets(answer, sizeof(answer), stdin))
        answer[0] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    return dv_slice_eq_str(name, answer)
               ? 0
               : dv_err_set(err, DV_ECANCELLED, "not deleted: '%s' is not the name", answer);
}

int dv_cmd_db_delete(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_buf path;
    bool exists = true;
    int code = dv_cli_database_file(cli, &path, err);

    /* Nobody is asked about a database that is not there. */
    if (code == 0)
        code = dv_store_exists(&dv_engine_sqlite, path.p, &exists, NULL);
    dv_buf_fini(&path);
    if (code == 0 && exists && (code = confirm_delete(cli, err)) < 0)
        return code;
    code = dv_cli_remove(cli, err);
    return code < 0 ? code : print_done(cli, "deleted", err);
}
