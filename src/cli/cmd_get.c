/* divan doc get: one document, or several of its revisions. */
#include "cli/commands.h"
#include "cli/json_out.h"

/* Attachments inline are held in memory, in base64; larger ones are fetched in a stream. */
#define DOCUMENT_BYTES_MAX ((size_t)1 << 30)
#define ARENA_BYTES_MAX    ((size_t)256 << 20)

static unsigned get_flags(const struct dv_options *o)
{
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {
        { "revs", DV_GET_REVS },           { "revs-info", DV_GET_REVS_INFO },
        { "conflicts", DV_GET_CONFLICTS }, { "deleted-conflicts", DV_GET_DELETED_CONFLICTS },
        { "local-seq", DV_GET_LOCAL_SEQ }, { "attachments", DV_GET_ATTACHMENTS },
        { "latest", DV_GET_LATEST },
    };
    unsigned set = 0;

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (dv_options_flag(o, flags[i].name))
            set |= flags[i].flag;
    return set;
}

static int print_one(struct dv_cli *cli, struct dv_database *db, const struct dv_get_options *opt,
                     struct dv_arena *arena, struct dv_err *err)
{
    struct dv_buf json;
    int code;

    dv_buf_init(&json, DOCUMENT_BYTES_MAX);
    code = dv_database_get(db, dv_cli_operand(cli, 1), opt, arena, &json, NULL, err);
    if (code == 0)
        code = dv_output_line(&cli->out, &json, err);
    else if (code == DV_ETOOBIG && (opt->flags & DV_GET_ATTACHMENTS))
        dv_cli_hint(cli, "get large attachments with: divan doc fetch");
    dv_buf_fini(&json);
    return code;
}

/* ---- open_revs -------------------------------------------------------------------------- */

struct revs_printer {
    struct dv_cli *cli;
    bool first;
};

static int print_rev(void *arg, struct dv_slice missing, struct dv_slice json,
                     const struct dv_revision_read *read, struct dv_err *err)
{
    struct revs_printer *p = arg;
    struct dv_json_writer w;
    struct dv_buf line;
    int code;

    (void)read;
    dv_buf_init(&line, DOCUMENT_BYTES_MAX);
    if (!p->first)
        dv_buf_add_str(&line, ",\n");
    p->first = false;
    dv_json_writer_init(&w, &line);
    dv_json_begin_object(&w);
    if (missing.n)
        dv_out_text(&w, "missing", missing);
    else
        dv_out_json(&w, "ok", json);
    dv_json_end_object(&w);
    code = line.failed ? dv_err_set(err, line.failed, "revision is too large to print")
                       : dv_output_add(&p->cli->out, dv_buf_slice(&line), err);
    dv_buf_fini(&line);
    return code;
}

/* "1-a,2-b" in the arena; ids of revisions that hold commas can be read one by one. */
static int split_revs(struct dv_slice list, struct dv_arena *arena, struct dv_slice **revs,
                      size_t *n, struct dv_err *err)
{
    size_t count = 1;

    for (size_t i = 0; i < list.n; i++)
        count += list.p[i] == ',';
    *revs = dv_arena_alloc(arena, count * sizeof(**revs));
    if (!*revs)
        return dv_err_set(err, DV_ENOMEM, "too many revisions");
    *n = 0;
    while (*n < count) {
        const char *comma = list.n ? memchr(list.p, ',', list.n) : NULL;
        size_t length = comma ? (size_t)(comma - list.p) : list.n;

        (*revs)[(*n)++] = dv_slice(list.p, length);
        list = comma ? dv_slice(comma + 1, list.n - length - 1) : dv_slice("", 0);
    }
    return 0;
}

static int print_open_revs(struct dv_cli *cli, struct dv_database *db,
                           const struct dv_get_options *opt, struct dv_arena *arena,
                           struct dv_err *err)
{
    struct dv_slice list = dv_options_text(&cli->options, "open-revs");
    struct revs_printer printer = { cli, true };
    bool all = dv_slice_eq_str(list, "all");
    struct dv_slice *revs = NULL;
    size_t n = 0;
    int code = all ? 0 : split_revs(list, arena, &revs, &n, err);

    if (code == 0)
        code = dv_output_add_str(&cli->out, "[", err);
    if (code == 0)
        code = dv_database_open_revs(db, dv_cli_operand(cli, 1), all, revs, n, opt, print_rev,
                                     &printer, err);
    return code < 0 ? code : dv_output_add_str(&cli->out, "]\n", err);
}

int dv_cmd_doc_get(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_get_options opt = { .flags = get_flags(&cli->options),
                                  .rev = dv_options_text(&cli->options, "rev") };
    bool open_revs = dv_options_given(&cli->options, "open-revs");
    struct dv_database *db;
    struct dv_arena arena;
    int code;

    if (open_revs && opt.rev.n)
        return dv_err_set(err, DV_EUSAGE, "--rev and --open-revs exclude each other");
    if ((code = dv_cli_open(cli, DV_USE_READ, &db, err)) < 0)
        return code;
    dv_arena_init(&arena, ARENA_BYTES_MAX);
    code = open_revs ? print_open_revs(cli, db, &opt, &arena, err)
                     : print_one(cli, db, &opt, &arena, err);
    dv_arena_fini(&arena);
    dv_database_close(db);
    return code < 0 ? dv_err_wrap(err, code, "get %s from %s", dv_cli_operand(cli, 1).p,
                                  dv_cli_operand(cli, 0).p)
                    : 0;
}
