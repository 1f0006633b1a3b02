/* See folder.h. The node file is written under a temporary name and then linked to its own, which
 * fails when another process was first: then that one's id is read. Nothing here ever
 * replaces or removes a file with a name of its own. */
#include "database/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "couch/dbname.h"

static const char suffix[] = ".divan";

enum { NODE_DIGITS = 32, PATH_BYTES_MAX = 4096 };

/* ---- where ------------------------------------------------------------------------------ */

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static int default_path(struct dv_buf *out, struct dv_err *err)
{
    const char *base;

    if ((base = environment("DIVAN_DATA"))) {
        dv_buf_add_str(out, base);
    } else if ((base = environment("XDG_DATA_HOME")) && *base == '/') {
        dv_buf_printf(out, "%s/divan", base);
    } else if ((base = environment("HOME"))) {
        dv_buf_printf(out, "%s/.local/share/divan", base);
    } else {
        return dv_err_set(err, DV_EINVAL, "no place for data: set DIVAN_DATA to a folder");
    }
    return 0;
}

int dv_folder_init(struct dv_folder *f, const char *path, struct dv_err *err)
{
    struct dv_buf buf;
    int code = 0;

    dv_buf_init(&buf, PATH_BYTES_MAX);
    if (path)
        dv_buf_add_str(&buf, path);
    else
        code = default_path(&buf, err);
    while (buf.n > 1 && buf.p[buf.n - 1] == '/')
        buf.n--;
    if (code == 0 && !dv_buf_cstr(&buf))
        code = dv_err_set(err, buf.failed, "path of the data folder");
    if (code == 0 && buf.failed)
        code = dv_err_set(err, buf.failed, "path of the data folder is too long");
    if (code == 0)
        f->path = dv_buf_take(&buf, NULL);
    dv_buf_fini(&buf);
    return code;
}

void dv_folder_fini(struct dv_folder *f)
{
    dv_free(f->path);
    f->path = NULL;
}

int dv_folder_make(const struct dv_folder *f, struct dv_err *err)
{
    char *path = dv_strdup(f->path);
    int code = 0;

    if (!path)
        return dv_err_set(err, DV_ENOMEM, NULL);
    for (char *p = path + 1; code == 0; p++) {
        char was = *p;

        if (was && was != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            code = dv_err_errno(err, errno, "make folder %s", path);
        *p = was;
        if (!was)
            break;
    }
    dv_free(path);
    return code;
}

/* "<folder>/<file>", terminated. */
static int join(const struct dv_folder *f, struct dv_slice file, struct dv_buf *out,
                struct dv_err *err)
{
    dv_buf_add_str(out, f->path);
    dv_buf_add_char(out, '/');
    dv_buf_add_slice(out, file);
    dv_buf_cstr(out);
    if (out->failed == DV_ETOOBIG)
        return dv_err_set(err, DV_ETOOBIG, "the path is over %d bytes", (int)out->max);
    return out->failed ? dv_err_set(err, out->failed, NULL) : 0;
}

/* ---- node ------------------------------------------------------------------------------- */

/* DV_ENOTFOUND when the file is not there. */
static int read_node(const char *path, char node[33], struct dv_err *err)
{
    char text[NODE_DIGITS + 3] = ""; /* room for a byte too many, and a NUL */
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return dv_err_errno(err, errno, "open %s", path);
    n = read(fd, text, sizeof(text) - 1);
    if (n < 0) {
        int code = dv_err_errno(err, errno, "read %s", path);

        close(fd);
        return code;
    }
    close(fd);
    if (n != NODE_DIGITS + 1 || text[NODE_DIGITS] != '\n' ||
        strspn(text, "0123456789abcdef") != NODE_DIGITS)
        return dv_err_set(err, DV_ECORRUPT,
                          "%s does not hold a node id (32 hexadecimal digits); restore it, or "
                          "remove it to become a new node",
                          path);
    memcpy(node, text, NODE_DIGITS);
    node[NODE_DIGITS] = '\0';
    return 0;
}

/* A synced file with a new id; path is a template for mkstemp and becomes the file's name. */
static int write_new_node(char *path, struct dv_err *err)
{
    char text[NODE_DIGITS + 2];
    int fd = mkostemp(path, O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return dv_err_errno(err, errno, "create %s", path);
    dv_rand_uuid(text);
    text[NODE_DIGITS] = '\n';
    errno = ENOSPC; /* what a short write means */
    n = write(fd, text, NODE_DIGITS + 1);
    if (n != NODE_DIGITS + 1 || fsync(fd) < 0) {
        int code = dv_err_errno(err, errno, "write %s", path);

        close(fd);
        unlink(path);
        return code;
    }
    close(fd);
    return 0;
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    /* Losing the name in a power cut makes another node of us, as a fresh folder is: no error. */
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

/* Put a new id at `path` unless one is there. Where links are not known (FAT) a rename that does
 * not replace does the same. */
static int make_node(const struct dv_folder *f, const char *path, struct dv_err *err)
{
    struct dv_buf temporary;
    int code;

    dv_buf_init(&temporary, PATH_BYTES_MAX);
    code = join(f, DV_SLICE_LIT(".node.XXXXXX"), &temporary, err);
    if (code == 0)
        code = write_new_node(temporary.p, err);
    if (code == 0) {
        if (link(temporary.p, path) < 0 && errno != EEXIST &&
            renameat2(AT_FDCWD, temporary.p, AT_FDCWD, path, RENAME_NOREPLACE) < 0 &&
            errno != EEXIST)
            code = dv_err_errno(err, errno, "create %s", path);
        unlink(temporary.p);
        sync_folder(f->path);
    }
    dv_buf_fini(&temporary);
    return code;
}

static int find_node(const struct dv_folder *f, bool make, char node[33], struct dv_err *err)
{
    struct dv_buf path;
    int code;

    dv_buf_init(&path, PATH_BYTES_MAX);
    code = join(f, DV_SLICE_LIT("node"), &path, err);
    if (code == 0)
        code = read_node(path.p, node, err);
    if (code == DV_ENOTFOUND && make) {
        code = dv_folder_make(f, err);
        if (code == 0)
            code = make_node(f, path.p, err);
        if (code == 0)
            code = read_node(path.p, node, err);
    }
    dv_buf_fini(&path);
    return code < 0 ? dv_err_wrap(err, code, "data folder") : 0;
}

int dv_folder_node(const struct dv_folder *f, char node[33], struct dv_err *err)
{
    return find_node(f, true, node, err);
}

int dv_folder_peek_node(const struct dv_folder *f, char node[33], struct dv_err *err)
{
    return find_node(f, false, node, err);
}

/* ---- names ------------------------------------------------------------------------------ */

static bool ends_with_suffix(struct dv_slice s)
{
    size_t n = sizeof(suffix) - 1;

    return s.n > n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

static void swap_bytes(char *p, size_t n, char from, char to)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == from)
            p[i] = to;
}

bool dv_folder_is_path(struct dv_slice name)
{
    return dv_slice_starts(name, "/") || dv_slice_starts(name, "./") ||
           dv_slice_starts(name, "../") || ends_with_suffix(name);
}

int dv_folder_file_of(const struct dv_folder *f, struct dv_slice name, struct dv_buf *path,
                      struct dv_err *err)
{
    size_t at;
    int code;

    if (memchr(name.p ? name.p : "", '\0', name.n))
        return dv_err_set(err, DV_EILLEGALNAME, "a database name holds no NUL");
    if (dv_folder_is_path(name)) {
        dv_buf_add_slice(path, name);
        return dv_buf_cstr(path) ? 0 : dv_err_set(err, path->failed, "path of the database");
    }
    code = dv_dbname_check(name, err);
    if (code == 0)
        code = join(f, name, path, err);
    if (code < 0)
        return code;
    at = path->n - name.n;
    swap_bytes(path->p + at, name.n, '/', '.');
    dv_buf_add_str(path, suffix);
    return dv_buf_cstr(path) ? 0 : dv_err_set(err, path->failed, "path of the database");
}

int dv_folder_name_of(struct dv_slice name, struct dv_buf *out)
{
    size_t at = out->n;
    int code;

    if (!dv_folder_is_path(name))
        return dv_buf_add_slice(out, name);
    if (ends_with_suffix(name))
        name.n -= sizeof(suffix) - 1;
    for (size_t i = name.n; i > 0; i--) {
        if (name.p[i - 1] == '/') {
            name = dv_slice(name.p + i, name.n - i);
            break;
        }
    }
    code = dv_buf_add_slice(out, name);
    if (code == 0)
        swap_bytes(out->p + at, name.n, '.', '/');
    return code;
}

/* ---- list ------------------------------------------------------------------------------- */

/* Names while they are read; grown on the heap, moved to the arena at the end. */
struct name_list {
    struct dv_slice *items; /* owned; bytes in the arena */
    size_t n, capacity;
};

static int add_name(struct name_list *list, struct dv_arena *arena, struct dv_slice name)
{
    struct dv_slice copy = dv_arena_copy(arena, name);

    if (!copy.p || !dv_grow(&list->items, &list->capacity, list->n + 1, sizeof(*list->items)))
        return DV_ENOMEM;
    list->items[list->n++] = copy;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return dv_slice_cmp(*(const struct dv_slice *)a, *(const struct dv_slice *)b);
}

static int take_names(struct name_list *list, struct dv_arena *arena, struct dv_slice **names,
                      size_t *n)
{
    struct dv_slice *sorted = dv_arena_alloc(arena, (list->n + 1) * sizeof(*sorted));

    if (!sorted)
        return DV_ENOMEM;
    if (list->n) {
        qsort(list->items, list->n, sizeof(*list->items), compare_names);
        memcpy(sorted, list->items, list->n * sizeof(*sorted));
    }
    *names = sorted;
    *n = list->n;
    return 0;
}

/* Ours, but no database: the node id, dot files (ours while they are written), what SQLite
 * keeps beside a database. */
static bool is_companion(const char *file)
{
    static const char *const endings[] = { ".divan-wal", ".divan-shm", ".divan-journal" };
    size_t n = strlen(file);

    if (file[0] == '.' || !strcmp(file, "node"))
        return true;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t m = strlen(endings[i]);

        if (n > m && !strcmp(file + n - m, endings[i]))
            return true;
    }
    return false;
}

/* The database that a file of the folder keeps, decoded in the arena; empty when it keeps none. */
static int name_of_file(int dir_fd, const char *file, struct dv_arena *arena, struct dv_slice *name)
{
    struct dv_slice text = dv_slice_str(file);
    struct stat st;
    char *copy;

    *name = dv_slice("", 0);
    if (!ends_with_suffix(text) || fstatat(dir_fd, file, &st, 0) < 0 || !S_ISREG(st.st_mode))
        return 0;
    text.n -= sizeof(suffix) - 1;
    if (!(copy = dv_arena_alloc(arena, text.n + 1)))
        return DV_ENOMEM;
    memcpy(copy, text.p, text.n);
    swap_bytes(copy, text.n, '.', '/');
    if (dv_dbname_check(dv_slice(copy, text.n), NULL) == 0)
        *name = dv_slice(copy, text.n);
    return 0;
}

static int read_entries(const struct dv_folder *f, DIR *dir, struct dv_arena *arena,
                        struct name_list *names, struct name_list *foreign, struct dv_err *err)
{
    struct dirent *entry;
    int code = 0;

    while (errno = 0, code == 0 && (entry = readdir(dir))) {
        struct dv_slice name;

        if (is_companion(entry->d_name))
            continue;
        code = name_of_file(dirfd(dir), entry->d_name, arena, &name);
        if (code == 0 && name.n)
            code = add_name(names, arena, name);
        else if (code == 0)
            code = add_name(foreign, arena, dv_slice_str(entry->d_name));
    }
    if (code < 0)
        return dv_err_set(err, code, "too many files in %s", f->path);
    return errno ? dv_err_errno(err, errno, "read data folder %s", f->path) : 0;
}

int dv_folder_list(const struct dv_folder *f, struct dv_arena *arena, struct dv_folder_listing *out,
                   struct dv_err *err)
{
    struct name_list names = { NULL, 0, 0 }, foreign = { NULL, 0, 0 };
    struct dv_folder_listing listing = { NULL, 0, NULL, 0 };
    DIR *dir = opendir(f->path);
    int code = 0;

    if (!dir && errno != ENOENT)
        return dv_err_errno(err, errno, "read data folder %s", f->path);
    if (dir) {
        code = read_entries(f, dir, arena, &names, &foreign, err);
        closedir(dir);
    }
    if (code == 0 && (take_names(&names, arena, &listing.names, &listing.n) < 0 ||
                      take_names(&foreign, arena, &listing.foreign, &listing.n_foreign) < 0))
        code = dv_err_set(err, DV_ENOMEM, "too many files in %s", f->path);
    dv_free(names.items);
    dv_free(foreign.items);
    if (code == 0)
        *out = listing;
    return code;
}
