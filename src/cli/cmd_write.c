/* divan doc put, delete. */
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/json_out.h"

/* What is read of a document with its attachments inline; larger ones are attached in a stream. */
#define INPUT_BYTES_MAX ((size_t)256 << 20)

enum { RESULT_BYTES_MAX = 64 * 1024 };

static int print_result(struct dv_cli *cli, const struct dv_edit_result *result, struct dv_err *err)
{
    struct dv_buf line;
    int code;

    dv_buf_init(&line, RESULT_BYTES_MAX);
    dv_out_edit_result(&line, result);
    code = dv_output_line(&cli->out, &line, err);
    dv_buf_fini(&line);
    return code;
}

static void hint_refused(struct dv_cli *cli, int code)
{
    if (code == DV_ETOOBIG)
        dv_cli_hint(cli, "over max_document_size or max_attachment_size; see: divan help doc put");
    if (code != DV_ECONFLICT)
        return;
    if (dv_options_given(&cli->options, "rev"))
        dv_cli_hint(cli, "the document has moved on from that revision; see: divan doc get %s %s",
                    dv_cli_operand(cli, 0).p, dv_cli_operand(cli, 1).p);
    else
        dv_cli_hint(cli, "it exists: say with --rev which revision is edited");
}

/* Write the one edit durably and print its result. */
static int write_edit(struct dv_cli *cli, const struct dv_edit *edit, bool replicated,
                      struct dv_err *err)
{
    struct dv_write_options opt = { .replicated = replicated, .commit = DV_COMMIT_DURABLE };
    struct dv_edit_result result = { .code = 0 };
    struct dv_database *db;
    struct dv_arena arena;
    int code = dv_cli_open(cli, DV_USE_WRITE, &db, err);

    if (code < 0)
        return code;
    dv_arena_init(&arena, INPUT_BYTES_MAX);
    code = dv_database_write(db, edit, 1, &opt, &arena, &result, err);
    if (code == 0 && result.code < 0) {
        *err = *result.err;
        code = result.code;
        hint_refused(cli, code);
    }
    if (code == 0)
        code = print_result(cli, &result, err);
    dv_arena_fini(&arena);
    dv_database_close(db);
    return code;
}

int dv_cmd_doc_put(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_edit edit = { .rev = dv_options_text(&cli->options, "rev") };
    struct dv_buf json;
    int code = dv_cli_docid(cli, &edit.id, err);

    cli->limits.max_document_bytes = dv_options_number(&cli->options, "max-document-size", 0);
    cli->limits.max_attachment_bytes = dv_options_number(&cli->options, "max-attachment-size", 0);
    dv_buf_init(&json, INPUT_BYTES_MAX);
    if (code == 0)
        code = dv_input_read_all(cli, 2, &json, err);
    edit.json = dv_buf_slice(&json);
    if (code == 0)
        code = write_edit(cli, &edit, dv_options_flag(&cli->options, "replicated"), err);
    dv_buf_fini(&json);
    return code < 0 ? dv_err_wrap(err, code, "put %s into %s", edit.id.p, dv_cli_operand(cli, 0).p)
                    : 0;
}

int dv_cmd_doc_delete(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_edit edit = { .json = DV_SLICE_LIT("{\"_deleted\":true}"),
                            .rev = dv_options_text(&cli->options, "rev") };
    int code = dv_cli_docid(cli, &edit.id, err);

    if (code == 0)
        code = write_edit(cli, &edit, false, err);
    return code < 0 ? dv_err_wrap(err, code, "delete %s in %s", edit.id.p, dv_cli_operand(cli, 0).p)
                    : 0;
}
