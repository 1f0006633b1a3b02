/* divan doc list: {"rows":[...],"total_rows":N,"offset":N} as _all_docs, with the counts at the end
 * so that rows are printed as they are read; or a table. */
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/table.h"

#define ROW_BYTES_MAX ((size_t)256 << 20)

struct list_printer {
    struct dv_cli *cli;
    struct dv_buf line; /* reused for every row */
    struct dv_table table;
    bool include_docs;
    bool first;
};

static void add_row(struct list_printer *p, const struct dv_row *row)
{
    struct dv_json_writer w;

    dv_buf_add_str(&p->line, p->first ? "\n" : ",\n");
    p->first = false;
    dv_json_writer_init(&w, &p->line);
    dv_json_begin_object(&w);
    dv_out_text(&w, "id", row->key);
    dv_out_text(&w, "key", row->key);
    dv_json_key(&w, "value");
    dv_json_begin_object(&w);
    dv_out_text(&w, "rev", row->rev);
    dv_json_end_object(&w);
    if (p->include_docs)
        dv_out_json(&w, "doc", row->doc.n ? row->doc : DV_SLICE_LIT("null"));
    dv_json_end_object(&w);
}

static int print_row(void *arg, const struct dv_row *row, struct dv_err *err)
{
    struct list_printer *p = arg;
    struct dv_slice cells[3] = { row->key, row->rev, row->doc };
    int code = dv_cli_check_interrupt(err);

    if (code < 0)
        return code;
    if (p->cli->people)
        return dv_table_row(&p->table, cells, err);
    dv_buf_reset(&p->line);
    add_row(p, row);
    if (p->line.failed)
        return dv_err_set(err, p->line.failed, "document is too large to print");
    return dv_output_add(&p->cli->out, dv_buf_slice(&p->line), err);
}

static int print_rows(struct list_printer *p, struct dv_database *db,
                      const struct dv_all_docs_options *opt, struct dv_err *err)
{
    static const char *const heading[] = { "ID", "REVISION", "DOCUMENT" };
    uint64_t total = 0, offset = 0;
    bool people = p->cli->people;
    int code = people
                   ? dv_table_init(&p->table, &p->cli->out, heading, p->include_docs ? 3 : 2, err)
                   : dv_output_add_str(&p->cli->out, "{\"rows\":[", err);

    if (code == 0)
        code = dv_database_all_docs(db, opt, print_row, p, &total, &offset, err);
    if (code >= 0 && people)
        code = dv_table_flush(&p->table, err);
    else if (code >= 0)
        code = dv_output_printf(&p->cli->out, err,
                                "\n],\"total_rows\":%" PRIu64 ",\"offset\":%" PRIu64 "}\n", total,
                                offset);
    if (people)
        dv_table_fini(&p->table);
    return code;
}

static struct dv_all_docs_options list_options(const struct dv_options *o)
{
    bool start = dv_options_given(o, "start"), end = dv_options_given(o, "end");
    struct dv_all_docs_options opt = {
        .range = { .has_start = start,
                   .has_end = end,
                   .start_key = start ? dv_options_text(o, "start") : dv_slice("", 0),
                   .end_key = end ? dv_options_text(o, "end") : dv_slice("", 0),
                   .descending = dv_options_flag(o, "descending") },
        .skip = dv_options_number(o, "skip", 0),
        .limit = dv_options_number(o, "limit", UINT64_MAX),
        .include_docs = dv_options_flag(o, "include-docs"),
    };

    return opt;
}

int dv_cmd_doc_list(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_all_docs_options opt = list_options(&cli->options);
    struct list_printer printer = { .cli = cli, .include_docs = opt.include_docs, .first = true };
    struct dv_database *db;
    int code = dv_cli_open(cli, DV_USE_READ, &db, err);

    if (code < 0)
        return code;
    dv_cli_catch_interrupts();
    dv_buf_init(&printer.line, ROW_BYTES_MAX);
    code = print_rows(&printer, db, &opt, err);
    dv_buf_fini(&printer.line);
    dv_database_close(db);
    return code < 0 ? dv_err_wrap(err, code, "list %s", dv_cli_operand(cli, 0).p) : 0;
}
