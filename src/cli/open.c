/* From the name that a user gave to an open database; see cli.h. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/mem.h"

static void hint_about(struct dv_cli *cli, int code)
{
    struct dv_slice name = dv_cli_operand(cli, 0);

    if (code == DV_ENODB)
        dv_cli_hint(cli, "create it with: divan db create %s", name.p);
    else if (code == DV_EILLEGALNAME)
        dv_cli_hint(cli, "the path of a file begins with / or ./ or ends in .divan");
    else if (code == DV_EEXISTS)
        dv_cli_hint(cli, "see what it holds with: divan db info %s", name.p);
    else if (code == DV_ENEWER)
        dv_cli_hint(cli, "this is divan %s: use the divan that wrote it, or a newer one",
                    PACKAGE_VERSION);
    else if (code == DV_EBUSY)
        dv_cli_hint(cli, "another process is at work in it; try again");
}

int dv_cli_database_file(const struct dv_cli *cli, struct dv_buf *path, struct dv_err *err)
{
    dv_buf_init(path, PATH_MAX);
    return dv_folder_file_of(&cli->folder, dv_cli_operand(cli, 0), path, err);
}

/* Options for the storage; writing makes the node id (and the data folder) when there is none. */
static int store_options(struct dv_cli *cli, enum dv_use use, struct dv_database_options *opt,
                         struct dv_err *err)
{
    int code;

    *opt = cli->limits;
    opt->store.read_only = use == DV_USE_READ;
    if (use == DV_USE_WRITE)
        return dv_folder_node(&cli->folder, opt->store.node, err);
    code = dv_folder_peek_node(&cli->folder, opt->store.node, err);
    if (code == DV_ENOTFOUND)
        opt->store.node[0] = '\0';
    return code == DV_ENOTFOUND ? 0 : code;
}

static int finish(struct dv_cli *cli, struct dv_buf *path, int code, const char *doing,
                  struct dv_err *err)
{
    dv_buf_fini(path);
    if (code == 0)
        return 0;
    hint_about(cli, code);
    /* What lies below says that it opens the file too; the reason names its path. */
    if (err)
        err->context[0] = '\0';
    return dv_err_wrap(err, code, "%s database %s", doing, dv_cli_operand(cli, 0).p);
}

/* A file that is there but not for this user. */
static int check_readable(const char *path, struct dv_err *err)
{
    return access(path, R_OK) < 0 && errno == EACCES ? dv_err_errno(err, errno, "open %s", path)
                                                     : 0;
}

int dv_cli_open(struct dv_cli *cli, enum dv_use use, struct dv_database **db, struct dv_err *err)
{
    struct dv_database_options opt;
    struct dv_buf path;
    bool exists = true;
    int code = dv_cli_database_file(cli, &path, err);

    if (code == 0)
        code = check_readable(path.p, err);
    /* A name that leads nowhere makes no data folder. */
    if (code == 0)
        code = dv_store_exists(&dv_engine_sqlite, path.p, &exists, err);
    if (code == 0 && !exists)
        code = dv_err_set(err, DV_ENODB, NULL);
    if (code == 0)
        code = store_options(cli, use, &opt, err);
    if (code == 0)
        code = dv_database_open(path.p, &opt, db, err);
    return finish(cli, &path, code, "open", err);
}

/* SQLite says no more than "unable to open": the reason is nearly always the folder. */
static int check_parent(const char *path, struct dv_err *err)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash ? dv_memdup(path, (size_t)(slash - path) + 1) : dv_strdup(".");
    int code = 0;

    if (!parent)
        return dv_err_set(err, DV_ENOMEM, NULL);
    if (access(parent, W_OK | X_OK) < 0)
        code = dv_err_errno(err, errno, "folder %s", parent);
    dv_free(parent);
    return code;
}

int dv_cli_create(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_database_options opt;
    struct dv_database *db;
    struct dv_buf path;
    int code = dv_cli_database_file(cli, &path, err);

    if (code == 0)
        code = store_options(cli, DV_USE_WRITE, &opt, err);
    if (code == 0)
        code = check_parent(path.p, err);
    if (code == 0)
        code = dv_database_create(path.p, &opt, &db, err);
    if (code == 0)
        dv_database_close(db);
    return finish(cli, &path, code, "create", err);
}

int dv_cli_remove(struct dv_cli *cli, struct dv_err *err)
{
    struct dv_database_options opt = { .engine = NULL };
    struct dv_buf path;
    int code = dv_cli_database_file(cli, &path, err);

    if (code == 0)
        code = dv_database_remove(path.p, &opt, err);
    return finish(cli, &path, code, "delete", err);
}
