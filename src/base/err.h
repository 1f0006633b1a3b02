/* Errors: a negative code from one table, and a record with the words.
 *
 * A function that can fail returns 0 (or a count) on success and a DV_E... code on
 * failure, and leaves its outputs untouched. The record is set once, where the failure
 * is first seen; callers upward add what they were doing with dv_err_wrap(); it is
 * printed once, at the top. `err` may be NULL everywhere: then only the code is left.
 *
 * `name` and `reason` are what a CouchDB client gets as {"error":name,"reason":reason}.
 * A reason never contains a secret. */
#ifndef DV_BASE_ERR_H
#define DV_BASE_ERR_H

#include <stddef.h>

/* What a caller may do about it. */
enum dv_retry {
    DV_RETRY_NEVER, /* the same call fails again: give up or change the input */
    DV_RETRY_NOW,   /* run the same closure again at once (optimistic commit) */
    DV_RETRY_LATER, /* with backoff */
};

/* clang-format off */
/* code, retry class, HTTP status, CouchDB's error name, text when no other is given */
#define DV_ERRORS(X)                                                                              \
    X(DV_ENOMEM, LATER, 500, "out_of_memory", "out of memory")                                    \
    X(DV_EINVAL, NEVER, 400, "bad_request", "invalid input")                                      \
    X(DV_EUTF8, NEVER, 400, "bad_request", "invalid UTF-8 JSON")                                  \
    X(DV_EVALIDATION, NEVER, 400, "doc_validation", "document is not valid")                      \
    X(DV_EILLEGALID, NEVER, 400, "illegal_docid", "illegal document id")                          \
    X(DV_EILLEGALNAME, NEVER, 400, "illegal_database_name", "illegal database name")              \
    X(DV_EUNAUTHORIZED, NEVER, 401, "unauthorized", "not authorised")                             \
    X(DV_EFORBIDDEN, NEVER, 403, "forbidden", "forbidden")                                        \
    X(DV_ENOTFOUND, NEVER, 404, "not_found", "missing")                                           \
    X(DV_ENODB, NEVER, 404, "not_found", "Database does not exist.")                              \
    X(DV_ECONFLICT, NEVER, 409, "conflict", "Document update conflict.")                          \
    X(DV_EEXISTS, NEVER, 412, "file_exists",                                                      \
      "The database could not be created, the file already exists.")                             \
    X(DV_EMISSINGSTUB, NEVER, 412, "missing_stub", "Invalid attachment stub")                     \
    X(DV_ETOOBIG, NEVER, 413, "too_large", "over a limit")                                        \
    X(DV_EDIGEST, NEVER, 400, "content_md5_mismatch", "digest does not match the data")           \
    X(DV_ECORRUPT, NEVER, 500, "corrupt", "stored data is damaged")                               \
    X(DV_EFORMAT, NEVER, 500, "format", "not a divan database file")                              \
    X(DV_ENEWER, NEVER, 500, "format", "written by a newer divan")                                \
    X(DV_EGONE, NEVER, 404, "not_found", "database was deleted or replaced")                      \
    X(DV_EBUSY, LATER, 503, "busy", "busy, try again")                                            \
    X(DV_ERETRY, NOW, 503, "retry", "transaction must run again")                                 \
    X(DV_EIO, LATER, 500, "io_error", "input or output failed")                                   \
    X(DV_EFULL, LATER, 507, "disk_full", "no space left")                                         \
    X(DV_EREADONLY, NEVER, 500, "read_only", "file or folder can not be written")                 \
    X(DV_ENETFS, NEVER, 500, "network_file_system", "database on a network file system")          \
    X(DV_ETLS, NEVER, 500, "tls_error", "the server's certificate is not trusted")                \
    X(DV_ECANCELLED, NEVER, 500, "cancelled", "cancelled")                                        \
    X(DV_ETIMEOUT, LATER, 504, "timeout", "took too long")                                        \
    X(DV_ENOTSUP, NEVER, 501, "not_implemented", "not supported")                                 \
    X(DV_EUSAGE, NEVER, 400, "usage", "wrong usage")                                              \
    X(DV_ESYS, NEVER, 500, "internal_error", "system call failed")
/* clang-format on */

enum dv_err_code {
    DV_OK = 0,
    DV_ERR_LAST_ = -100, /* codes count up from here, all negative */
#define X(code, retry, status, name, text) code,
    DV_ERRORS(X)
#undef X
};

struct dv_err {
    int code;          /* DV_E..., 0 when nothing was set */
    int http_status;   /* what a server would answer */
    int sys_errno;     /* errno of the failed system call, or 0 */
    char name[32];     /* CouchDB's "error" */
    char reason[512];  /* one line, no final newline; cut at the end when too long */
    char context[256]; /* "outer: inner", what was being done */
};

void dv_err_clear(struct dv_err *err);

/* Set code with its default HTTP status and name, and the given reason. Returns code. */
int dv_err_set_(struct dv_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As dv_err_set with CouchDB's own status and name. Returns code. */
int dv_err_couch_(struct dv_err *err, int code, int http_status, const char *name, const char *fmt,
                  ...) __attribute__((format(printf, 5, 6)));

/* From errno: ENOSPC/EDQUOT, EROFS/EACCES, ENOMEM, ENOENT get their own code. */
int dv_err_errno(struct dv_err *err, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "what was being done" in front of the context. Returns err's code (DV_EINVAL if err is
 * NULL is never produced: pass the code through yourself when err may be NULL). */
int dv_err_wrap_(struct dv_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "context: reason" as one line into out (terminated, cut when too long). */
void dv_err_text(const struct dv_err *err, char *out, size_t out_bytes);

/* The three are used under these names, so that compilers and analyzers see that what comes back is
 * the code that went in, and know a failure for one. */
static inline int dv_err_same_(int returned, int code)
{
    (void)returned;
    return code;
}
#define dv_err_set(err, code, ...) dv_err_same_(dv_err_set_((err), (code), __VA_ARGS__), (code))
#define dv_err_couch(err, code, status, name, ...)                                                 \
    dv_err_same_(dv_err_couch_((err), (code), (status), (name), __VA_ARGS__), (code))
#define dv_err_wrap(err, code, ...) dv_err_same_(dv_err_wrap_((err), (code), __VA_ARGS__), (code))

enum dv_retry dv_err_retry(int code);
int dv_err_http_status(int code);
const char *dv_err_name(int code);   /* CouchDB's error name */
const char *dv_err_symbol(int code); /* "DV_ENOMEM" */

#endif
