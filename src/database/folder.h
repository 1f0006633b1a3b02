/* The data folder: where databases live that are named by a bare name, and which node this is.
 *
 *   <folder>/node            32 hexadecimal digits and a newline: the node id
 *   <folder>/<name>.divan    a database; each '/' of the name is a '.' in the file's
 *
 * No database name holds a '.', so two names never meet in one file and none leaves the
 * folder; the longest name (238) gives a file name of 244 bytes, with SQLite's suffixes below 255.
 * The folder is $DIVAN_DATA, else $XDG_DATA_HOME/divan (when absolute, as the XDG
 * specification asks), else $HOME/.local/share/divan. It is made, with mode 0700, when
 * something has to be written to it, never by looking. Any thread. */
#ifndef DV_DATABASE_FOLDER_H
#define DV_DATABASE_FOLDER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct dv_folder {
    char *path; /* owned */
};

/* path NULL: from the environment. Touches no file. */
int dv_folder_init(struct dv_folder *f, const char *path, struct dv_err *err);
void dv_folder_fini(struct dv_folder *f);

/* Make the folder and its parents; fine when it is there. */
int dv_folder_make(const struct dv_folder *f, struct dv_err *err);

/* The node id, made at the first call of any process (the folder too) and the same ever after.
 * A file that holds anything else is DV_ECORRUPT and stays as it is. */
int dv_folder_node(const struct dv_folder *f, char node[33], struct dv_err *err);
/* The same without making anything: DV_ENOTFOUND when there is none yet. */
int dv_folder_peek_node(const struct dv_folder *f, char node[33], struct dv_err *err);

/* True when a database is named by the path of its file: it begins with "/", "./" or "../", or
 * ends in ".divan". */
bool dv_folder_is_path(struct dv_slice name);

/* The file of a database name or path, terminated, appended to an empty buffer. A bare name that
 * is none is DV_EILLEGALNAME with CouchDB's reason. */
int dv_folder_file_of(const struct dv_folder *f, struct dv_slice name, struct dv_buf *path,
                      struct dv_err *err);
/* What to call the database of that name or path in answers: the name, or for a path its last part
 * without ".divan", decoded. Appended. */
int dv_folder_name_of(struct dv_slice name, struct dv_buf *out);

struct dv_folder_listing {
    struct dv_slice *names; /* sorted by bytes */
    size_t n;
    struct dv_slice *foreign; /* file names that are neither databases nor ours, sorted */
    size_t n_foreign;
};

/* In the arena. A folder that does not exist is empty. */
int dv_folder_list(const struct dv_folder *f, struct dv_arena *arena, struct dv_folder_listing *out,
                   struct dv_err *err);

#endif
