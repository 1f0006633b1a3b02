/* divan doc attach, detach, fetch: streams in constant memory, both ways. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/input.h"
#include "cli/json_out.h"
#include "couch/document.h"

enum { STEP_BYTES = 64 * 1024, PATH_BYTES_MAX = 4096 };

#define ARENA_BYTES_MAX          ((size_t)256 << 20)
#define ATTACHMENT_BYTES_DEFAULT ((uint64_t)1 << 30)

static int wrap(const struct dv_cli *cli, int code, const char *doing, struct dv_err *err)
{
    return code < 0 ? dv_err_wrap(err, code, "%s %s of %s in %s", doing, dv_cli_operand(cli, 2).p,
                                  dv_cli_operand(cli, 1).p, dv_cli_operand(cli, 0).p)
                    : 0;
}

/* ---- attach, detach --------------------------------------------------------------------- */

/* One edit of an attachment; its result is printed as that of a document. */
static int put_attachment(struct dv_cli *cli, struct dv_database *db,
                          const struct dv_edit_attachment *att, bool remove, struct dv_err *err)
{
    struct dv_edit_result result = { .code = 0 };
    struct dv_arena arena;
    struct dv_buf line;
    struct dv_slice id;
    int code = dv_cli_docid(cli, &id, err);

    if (code < 0)
        return code;
    dv_arena_init(&arena, ARENA_BYTES_MAX);
    dv_buf_init(&line, STEP_BYTES);
    code = dv_database_put_attachment(db, id, dv_options_text(&cli->options, "rev"), att, remove,
                                      DV_COMMIT_DURABLE, &arena, &result, err);
    if (code == 0 && result.code < 0) {
        *err = *result.err;
        code = result.code;
    }
    if (code == DV_ECONFLICT)
        dv_cli_hint(cli, "say with --rev which revision is edited; see: divan doc get %s %s",
                    dv_cli_operand(cli, 0).p, dv_cli_operand(cli, 1).p);
    if (code == 0) {
        dv_out_edit_result(&line, &result);
        code = dv_output_line(&cli->out, &line, err);
    }
    dv_buf_fini(&line);
    dv_arena_fini(&arena);
    return code;
}

static int copy_input(struct dv_input *in, struct dv_att_writer *w, struct dv_err *err)
{
    char step[STEP_BYTES];
    size_t got = 0;
    int code;

    while ((code = dv_input_read(in, step, sizeof(step), &got, err)) == 0 && got > 0)
        if ((code = dv_att_writer_append(w, dv_slice(step, got), err)) < 0)
            return code;
    return code;
}

static int store_input(struct dv_cli *cli, struct dv_database *db, struct dv_edit_attachment *att,
                       struct dv_err *err)
{
    uint64_t limit =
        dv_options_number(&cli->options, "max-attachment-size", ATTACHMENT_BYTES_DEFAULT);
    enum dv_att_mode mode = dv_type_compresses(att->content_type) ? DV_ATT_COMPRESS : DV_ATT_AS_IS;
    struct dv_att_writer *w = NULL;
    struct dv_input in;
    int code = dv_input_open(cli, 3, &in, err);

    if (code < 0)
        return code;
    code = dv_att_writer_open(dv_database_store(db), NULL, mode, limit, &w, err);
    if (code == 0 && (code = copy_input(&in, w, err)) < 0)
        dv_att_writer_abort(w);
    else if (code == 0)
        code = dv_att_writer_finish(w, &att->info, err);
    dv_input_close(&in);
    if (code != DV_ETOOBIG)
        return code;
    dv_cli_hint(cli, "a larger one needs --max-attachment-size");
    return dv_err_couch(err, code, 413, "attachment_too_large",
                        "%.*s is over max_attachment_size, %" PRIu64 " bytes", (int)att->name.n,
                        att->name.p, limit);
}

static int attach(struct dv_cli *cli, struct dv_database *db, struct dv_err *err)
{
    struct dv_edit_attachment att = { .name = dv_cli_operand(cli, 2),
                                      .content_type = dv_options_text(&cli->options, "type") };
    int code;

    if (!att.content_type.n)
        att.content_type = DV_SLICE_LIT("application/octet-stream");
    if ((code = store_input(cli, db, &att, err)) < 0)
        return code;
    code = put_attachment(cli, db, &att, false, err);
    if (code < 0)
        dv_att_forget(dv_database_store(db), &att.info.key);
    return code;
}

int dv_cmd_doc_attach(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_database *db;
    int code;

    dv_cli_catch_interrupts();
    cli->limits.max_attachment_bytes = dv_options_number(&cli->options, "max-attachment-size", 0);
    if ((code = dv_cli_open(cli, DV_USE_WRITE, &db, err)) < 0)
        return code;
    code = attach(cli, db, err);
    dv_database_close(db);
    return wrap(cli, code, "attach", err);
}

int dv_cmd_doc_detach(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_edit_attachment att = { .name = dv_cli_operand(cli, 2) };
    struct dv_database *db;
    int code = dv_cli_open(cli, DV_USE_WRITE, &db, err);

    if (code < 0)
        return code;
    code = put_attachment(cli, db, &att, true, err);
    dv_database_close(db);
    return wrap(cli, code, "detach", err);
}

/* ---- fetch ------------------------------------------------------------------------------ */

/* Where an attachment goes: standard output, or a file under a temporary name beside its own. */
struct sink {
    struct dv_output *out; /* borrowed; used when fd is -1 */
    int fd;
    const char *name;        /* borrowed: argv */
    struct dv_buf temporary; /* terminated; empty: name is written directly (a device, a pipe) */
    bool terminal;           /* only text may go there */
};

static bool is_device(const char *name)
{
    struct stat st;

    return stat(name, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int open_temporary(struct sink *s, struct dv_err *err)
{
    mode_t mask = umask(0);

    umask(mask);
    dv_buf_add_str(&s->temporary, s->name);
    dv_buf_add_str(&s->temporary, ".XXXXXX");
    if (!dv_buf_cstr(&s->temporary))
        return dv_err_set(err, s->temporary.failed, "name of the output");
    s->fd = mkostemp(s->temporary.p, O_CLOEXEC);
    if (s->fd < 0) {
        int code = dv_err_errno(err, errno, "create a file beside %s", s->name);

        dv_buf_reset(&s->temporary);
        return code;
    }
    /* mkostemp makes it private; a file that the user asked for gets the user's mode. */
    if (fchmod(s->fd, 0666 & ~mask) < 0)
        return dv_err_errno(err, errno, "set the mode of %s", s->temporary.p);
    return 0;
}

static int open_sink(struct sink *s, struct dv_cli *cli, struct dv_err *err)
{
    struct dv_slice name = dv_options_text(&cli->options, "output");

    *s = (struct sink){ .out = &cli->out, .fd = -1, .name = name.p };
    dv_buf_init(&s->temporary, PATH_BYTES_MAX);
    if (!name.n || dv_slice_eq_str(name, "-")) {
        s->terminal = !name.n && isatty(cli->out.fd);
        return 0;
    }
    if (!is_device(name.p))
        return open_temporary(s, err);
    s->fd = open(name.p, O_WRONLY | O_CLOEXEC);
    return s->fd < 0 ? dv_err_errno(err, errno, "open %s", name.p) : 0;
}

static bool is_text(struct dv_slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];

        if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f)
            return false;
    }
    return true;
}

static int write_sink(struct sink *s, struct dv_slice bytes, struct dv_err *err)
{
    if (s->terminal && !is_text(bytes))
        return dv_err_set(err, DV_EINVAL,
                          "binary data is not printed on a terminal; "
                          "name a file with --output, or - to have it anyway");
    if (s->fd < 0)
        return dv_output_add(s->out, bytes, err);
    return dv_output_write_all(s->fd, bytes, err);
}

/* Put the finished file in its place. */
static int finish_sink(struct sink *s, struct dv_err *err)
{
    if (!s->temporary.n)
        return 0;
    if (fsync(s->fd) < 0)
        return dv_err_errno(err, errno, "write %s", s->temporary.p);
    if (rename(s->temporary.p, s->name) < 0)
        return dv_err_errno(err, errno, "rename %s to %s", s->temporary.p, s->name);
    dv_buf_reset(&s->temporary);
    return 0;
}

static void close_sink(struct sink *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->temporary.n)
        unlink(s->temporary.p);
    dv_buf_fini(&s->temporary);
}

static int copy_to_sink(struct dv_att_source *source, struct sink *s, struct dv_err *err)
{
    char step[STEP_BYTES];
    size_t got = 0;
    int code;

    do {
        if ((code = dv_cli_check_interrupt(err)) < 0 ||
            (code = dv_att_source_read(source, step, sizeof(step), &got, err)) < 0 ||
            (code = write_sink(s, dv_slice(step, got), err)) < 0)
            return code;
    } while (got > 0);
    return finish_sink(s, err);
}

static int fetch(struct dv_cli *cli, struct dv_database *db, const struct dv_att_meta *meta,
                 struct dv_err *err)
{
    struct dv_att_source *source;
    struct sink sink;
    int code = dv_att_source_open(db, meta, true, 0, UINT64_MAX, &source, err);

    if (code < 0)
        return code;
    code = open_sink(&sink, cli, err);
    if (code == 0)
        code = copy_to_sink(source, &sink, err);
    close_sink(&sink);
    dv_att_source_close(source);
    return code;
}

int dv_cmd_doc_fetch(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_database *db;
    struct dv_att_meta meta;
    struct dv_arena arena;
    struct dv_slice rev;
    int code;

    dv_cli_catch_interrupts();
    if ((code = dv_cli_open(cli, DV_USE_READ, &db, err)) < 0)
        return code;
    dv_arena_init(&arena, ARENA_BYTES_MAX);
    code = dv_database_find_attachment(db, dv_cli_operand(cli, 1),
                                       dv_options_text(&cli->options, "rev"),
                                       dv_cli_operand(cli, 2), &arena, &meta, &rev, err);
    if (code == 0)
        code = fetch(cli, db, &meta, err);
    dv_arena_fini(&arena);
    dv_database_close(db);
    return wrap(cli, code, "fetch", err);
}
