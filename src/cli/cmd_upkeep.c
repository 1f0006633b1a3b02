/* divan db compact, check, purge. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/report.h"
#include "cli/table.h"

enum { LINE_BYTES_MAX = 1 << 20, PURGE_BYTES_MAX = 16 << 20 };

/* ---- compact ---------------------------------------------------------------------------- */

static bool is_cancelled(void *arg)
{
    (void)arg;
    return dv_cli_interrupted();
}

static int print_sizes(struct dv_cli *cli, uint64_t before, uint64_t after, struct dv_err *err)
{
    char from[32], to[32];

    if (!cli->people)
        return dv_output_printf(&cli->out, err,
                                "{\"ok\":true,\"file_before\":%" PRIu64 ",\"file_after\":%" PRIu64
                                "}\n",
                                before, after);
    dv_table_size(before, from, sizeof(from));
    dv_table_size(after, to, sizeof(to));
    return dv_output_printf(&cli->out, err, "compacted: %s before, %s now\n", from, to);
}

static int compact(struct dv_cli *cli, struct dv_database *db, struct dv_err *err)
{
    struct dv_compact_options opt = { .cancelled = is_cancelled };
    struct dv_props before, after = { .file_bytes = 0 };
    int code = dv_database_props(db, &before, err);

    dv_cli_catch_interrupts();
    if (code == 0)
        code = dv_database_compact(db, &opt, err);
    if (code == 0)
        code = dv_database_props(db, &after, err);
    return code < 0 ? code : print_sizes(cli, before.file_bytes, after.file_bytes, err);
}

int dv_cmd_db_compact(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_database *db;
    int code = dv_cli_open(cli, DV_USE_WRITE, &db, err);

    if (code < 0)
        return code;
    code = compact(cli, db, err);
    dv_database_close(db);
    return code < 0 ? dv_err_wrap(err, code, "compact %s", dv_cli_operand(cli, 0).p) : 0;
}

/* ---- check ------------------------------------------------------------------------------ */

/* Findings are printed as they are found: a badly damaged file has many. */
struct findings {
    struct dv_cli *cli;
    uint64_t n;
    int code; /* of printing */
    struct dv_err err;
};

static void print_finding(void *arg, const char *finding)
{
    struct findings *f = arg;
    struct dv_buf line;

    f->n++;
    if (f->code < 0)
        return;
    dv_buf_init(&line, LINE_BYTES_MAX);
    if (f->cli->people) {
        dv_report_add_visible(&line, dv_slice_str(finding));
        dv_buf_add_char(&line, '\n');
    } else {
        if (f->n > 1)
            dv_buf_add_char(&line, ',');
        dv_json_quote(&line, dv_slice_str(finding));
    }
    f->code = line.failed ? dv_err_set(&f->err, line.failed, "a finding is too long")
                          : dv_output_add(&f->cli->out, dv_buf_slice(&line), &f->err);
    dv_buf_fini(&line);
}

static int print_check_result(struct dv_cli *cli, const struct dv_check_result *r,
                              struct dv_err *err)
{
    if (cli->people)
        return dv_output_printf(&cli->out, err,
                                "%s: %" PRIu64 " documents, %" PRIu64 " bodies, %" PRIu64
                                " local documents, %" PRIu64 " attachments in %" PRIu64
                                " chunks, %" PRIu64 " purges; findings: %" PRIu64 "\n",
                                r->findings ? "DAMAGED" : "ok", r->docs, r->bodies, r->locals,
                                r->attachments, r->chunks, r->purges, r->findings);
    return dv_output_printf(&cli->out, err,
                            "],\"ok\":%s,\"docs\":%" PRIu64 ",\"bodies\":%" PRIu64
                            ",\"locals\":%" PRIu64 ",\"attachments\":%" PRIu64
                            ",\"chunks\":%" PRIu64 ",\"purges\":%" PRIu64 "}\n",
                            r->findings ? "false" : "true", r->docs, r->bodies, r->locals,
                            r->attachments, r->chunks, r->purges);
}

/* A failure in the middle still ends as JSON: programs see what was found so far. */
static int check(struct dv_cli *cli, struct dv_database *db, struct dv_err *err)
{
    struct findings f = { .cli = cli };
    struct dv_check_result result = { .findings = 0 };
    int checked, code = 0;

    if (!cli->people)
        code = dv_output_add_str(&cli->out, "{\"findings\":[", err);
    if (code < 0)
        return code;
    checked = dv_database_check(db, dv_options_flag(&cli->options, "deep"), print_finding, &f,
                                &result, err);
    if (checked < 0) {
        if (!cli->people)
            dv_output_add_str(&cli->out, "],\"ok\":false}\n", NULL);
        return checked;
    }
    if (f.code < 0) {
        *err = f.err;
        return f.code;
    }
    code = print_check_result(cli, &result, err);
    return code < 0 ? code : result.findings || f.n ? DV_EXIT_FAILED : DV_EXIT_OK;
}

int dv_cmd_db_check(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_database *db;
    int code = dv_cli_open(cli, DV_USE_READ, &db, err);

    if (code < 0)
        return code;
    code = check(cli, db, err);
    dv_database_close(db);
    return code < 0 ? dv_err_wrap(err, code, "check %s", dv_cli_operand(cli, 0).p) : code;
}

/* ---- purge ------------------------------------------------------------------------------ */

static bool was_purged(const struct dv_purge_request *r, struct dv_slice rev)
{
    for (size_t i = 0; i < r->n_purged; i++)
        if (dv_slice_eq(r->purged[i], rev))
            return true;
    return false;
}

static int print_purged(struct dv_cli *cli, const struct dv_purge_request *r, uint64_t purge_seq,
                        struct dv_err *err)
{
    struct dv_json_writer w;
    struct dv_buf line;
    int code;

    dv_buf_init(&line, PURGE_BYTES_MAX);
    dv_json_writer_init(&w, &line);
    dv_json_begin_object(&w);
    dv_out_number(&w, "purge_seq", purge_seq);
    dv_json_key(&w, "purged");
    dv_json_begin_object(&w);
    dv_json_key_slice(&w, r->id);
    dv_json_begin_array(&w);
    for (size_t i = 0; i < r->n_purged; i++)
        dv_json_string(&w, r->purged[i]);
    dv_json_end_array(&w);
    dv_json_end_object(&w);
    dv_json_end_object(&w);
    code = dv_output_line(&cli->out, &line, err);
    dv_buf_fini(&line);
    return code;
}

static int purge(struct dv_cli *cli, struct dv_database *db, struct dv_purge_request *request,
                 struct dv_arena *arena, struct dv_err *err)
{
    uint64_t purge_seq;
    int status = DV_EXIT_OK;
    int code = dv_database_purge(db, request, 1, arena, &purge_seq, err);

    if (code < 0)
        return code;
    for (size_t i = 0; i < request->n_revs; i++) {
        if (was_purged(request, request->revs[i]))
            continue;
        dv_report_note("not purged, since it is no leaf revision of %.*s: %.*s", (int)request->id.n,
                       request->id.p, (int)request->revs[i].n, request->revs[i].p);
        status = DV_EXIT_FAILED;
    }
    code = print_purged(cli, request, purge_seq, err);
    return code < 0 ? code : status;
}

static int open_and_purge(struct dv_cli *cli, struct dv_purge_request *request,
                          struct dv_arena *arena, struct dv_err *err)
{
    struct dv_database *db;
    int code = dv_cli_open(cli, DV_USE_WRITE, &db, err);

    if (code < 0)
        return code;
    code = purge(cli, db, request, arena, err);
    dv_database_close(db);
    return code < 0 ? dv_err_wrap(err, code, "purge %.*s in %s", (int)request->id.n, request->id.p,
                                  dv_cli_operand(cli, 0).p)
                    : code;
}

int dv_cmd_db_purge(struct dv_cli *cli, struct dv_err *err)
{
    int n = cli->options.n_operands - 2;
    struct dv_arena arena;
    struct dv_slice *revs;
    int code;

    dv_arena_init(&arena, PURGE_BYTES_MAX);
    revs = dv_arena_alloc(&arena, (size_t)n * sizeof(*revs));
    if (revs) {
        struct dv_purge_request request = { .id = dv_cli_operand(cli, 1),
                                            .revs = revs,
                                            .n_revs = (size_t)n };

        for (int i = 0; i < n; i++)
            revs[i] = dv_cli_operand(cli, i + 2);
        code = open_and_purge(cli, &request, &arena, err);
    } else {
        code = dv_err_set(err, DV_ENOMEM, "too many revisions for one purge");
    }
    dv_arena_fini(&arena);
    return code;
}
