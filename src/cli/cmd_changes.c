/* divan changes: one JSON object per line as CouchDB's continuous feed, or a table. Following is a
 * loop of "print what there is" and "wait for more", so that nothing is held open while waiting. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/report.h"
#include "cli/table.h"

#define CHANGE_BYTES_MAX ((size_t)1 << 30)

/* How long an interrupt or a reader that went away may go unnoticed while nothing changes. */
enum { WAIT_MS = 250 };

struct feed {
    struct dv_cli *cli;
    struct dv_database *db;
    struct dv_changes_options opt;
    struct dv_buf line, seq; /* reused for every change */
    struct dv_table table;
    uint64_t printed;
};

static int add_change(struct feed *f, const struct dv_change *change, struct dv_err *err)
{
    struct dv_json_writer w;
    int code;

    dv_buf_reset(&f->seq);
    if ((code = dv_database_seq_text(f->db, change->seq, &f->seq, err)) < 0)
        return code;
    dv_buf_reset(&f->line);
    dv_json_writer_init(&w, &f->line);
    dv_json_begin_object(&w);
    dv_out_text(&w, "seq", dv_buf_slice(&f->seq));
    dv_out_text(&w, "id", change->id);
    dv_json_key(&w, "changes");
    dv_json_begin_array(&w);
    for (size_t i = 0; i < change->n_revs; i++) {
        dv_json_begin_object(&w);
        dv_out_text(&w, "rev", change->revs[i]);
        dv_json_end_object(&w);
    }
    dv_json_end_array(&w);
    if (change->deleted)
        dv_out_bool(&w, "deleted", true);
    if (f->opt.include_docs)
        dv_out_json(&w, "doc", change->doc.n ? change->doc : DV_SLICE_LIT("null"));
    dv_json_end_object(&w);
    return 0;
}

static int add_table_row(struct feed *f, const struct dv_change *change, struct dv_err *err)
{
    char seq[24];
    struct dv_slice cells[5];

    snprintf(seq, sizeof(seq), "%" PRIu64, change->seq);
    dv_buf_reset(&f->line);
    for (size_t i = 0; i < change->n_revs; i++) {
        if (i)
            dv_buf_add_char(&f->line, ' ');
        dv_buf_add_slice(&f->line, change->revs[i]);
    }
    if (f->line.failed)
        return dv_err_set(err, f->line.failed, "too many revisions to print");
    cells[0] = dv_slice_str(seq);
    cells[1] = change->id;
    cells[2] = dv_slice_str(change->deleted ? "deleted" : "");
    cells[3] = dv_buf_slice(&f->line);
    cells[4] = change->doc;
    return dv_table_row(&f->table, cells, err);
}

static int print_change(void *arg, const struct dv_change *change, struct dv_err *err)
{
    struct feed *f = arg;
    int code;

    if (dv_cli_interrupted())
        return 1;
    f->printed++;
    if (f->cli->people)
        return add_table_row(f, change, err);
    code = add_change(f, change, err);
    return code < 0 ? code : dv_output_line(&f->cli->out, &f->line, err);
}

/* Print what there is after opt.since, and move it past that. */
static int print_batch(struct feed *f, struct dv_err *err)
{
    uint64_t last_seq = f->opt.since;
    uint64_t before = f->printed;
    int code = dv_database_changes(f->db, &f->opt, print_change, f, &last_seq, err);

    if (code < 0)
        return code;
    f->opt.since = last_seq;
    if (f->opt.limit != UINT64_MAX)
        f->opt.limit -= f->printed - before;
    if (f->cli->people && (code = dv_table_flush(&f->table, err)) < 0)
        return code;
    return dv_output_flush(&f->cli->out, err);
}

static bool feed_is_over(const struct feed *f)
{
    return f->opt.limit == 0 || dv_cli_interrupted() || dv_output_poll_gone(&f->cli->out);
}

static int follow(struct feed *f, struct dv_err *err)
{
    while (!feed_is_over(f)) {
        bool changed = false;
        int code = dv_database_wait(f->db, f->opt.since, WAIT_MS, &changed, err);

        if (code == 0 && changed)
            code = print_batch(f, err);
        if (code < 0)
            return code;
    }
    return 0;
}

static int print_last_seq(struct feed *f, struct dv_err *err)
{
    struct dv_json_writer w;
    int code;

    if (f->cli->people)
        return 0;
    dv_buf_reset(&f->seq);
    if ((code = dv_database_seq_text(f->db, f->opt.since, &f->seq, err)) < 0)
        return code;
    dv_buf_reset(&f->line);
    dv_json_writer_init(&w, &f->line);
    dv_json_begin_object(&w);
    dv_out_text(&w, "last_seq", dv_buf_slice(&f->seq));
    dv_json_end_object(&w);
    return dv_output_line(&f->cli->out, &f->line, err);
}

static int run_feed(struct feed *f, struct dv_err *err)
{
    static const char *const heading[] = { "SEQ", "ID", "", "REVISIONS", "DOCUMENT" };
    bool people = f->cli->people;
    int code = 0;

    if (people)
        code = dv_table_init(&f->table, &f->cli->out, heading, f->opt.include_docs ? 5 : 4, err);
    f->table.right[0] = true;
    if (code == 0)
        code = print_batch(f, err);
    if (code == 0 && dv_options_flag(&f->cli->options, "follow"))
        code = follow(f, err);
    else if (code == 0)
        code = dv_cli_check_interrupt(err);
    if (code == 0)
        code = print_last_seq(f, err);
    if (people)
        dv_table_fini(&f->table);
    return code;
}

static int read_options(struct dv_cli *cli, struct dv_changes_options *opt, struct dv_err *err)
{
    const struct dv_options *o = &cli->options;
    struct dv_slice style = dv_options_text(o, "style");

    *opt = (struct dv_changes_options){
        .limit = dv_options_number(o, "limit", UINT64_MAX),
        .descending = dv_options_flag(o, "descending"),
        .all_docs = dv_slice_eq_str(style, "all_docs"),
        .include_docs = dv_options_flag(o, "include-docs"),
    };
    if (dv_options_flag(o, "conflicts"))
        opt->get_flags |= DV_GET_CONFLICTS;
    if (dv_options_flag(o, "attachments"))
        opt->get_flags |= DV_GET_ATTACHMENTS;
    if (style.n && !opt->all_docs && !dv_slice_eq_str(style, "main_only"))
        return dv_err_set(err, DV_EUSAGE, "--style is main_only or all_docs, not '%s'", style.p);
    if (opt->descending && dv_options_flag(o, "follow"))
        return dv_err_set(err, DV_EUSAGE, "--descending and --follow exclude each other");
    return 0;
}

static int open_feed(struct feed *f, struct dv_err *err)
{
    struct dv_slice since = dv_options_text(&f->cli->options, "since");
    int code = dv_cli_open(f->cli, DV_USE_READ, &f->db, err);

    if (code < 0 || !since.n)
        return code;
    code = dv_database_since(f->db, since, &f->opt.since, err);
    if (code < 0)
        dv_database_close(f->db);
    return code;
}

int dv_cmd_changes(struct dv_cli *cli, struct dv_err *err)
{
    struct feed f = { .cli = cli };
    int code = read_options(cli, &f.opt, err);

    if (code < 0 || (code = open_feed(&f, err)) < 0)
        return code;
    dv_cli_catch_interrupts();
    dv_buf_init(&f.line, CHANGE_BYTES_MAX);
    dv_buf_init(&f.seq, CHANGE_BYTES_MAX);
    code = run_feed(&f, err);
    dv_buf_fini(&f.seq);
    dv_buf_fini(&f.line);
    dv_database_close(f.db);
    return code < 0 ? dv_err_wrap(err, code, "changes of %s", dv_cli_operand(cli, 0).p) : 0;
}
