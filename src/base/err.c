/* The error table and the formatting of its record. No allocation: it must work when
 * memory is out. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
    enum dv_retry retry;
    int status;
    const char *name;
    const char *text;
    const char *symbol;
};

static const struct err_row rows[] = {
#define X(code, retry, status, name, text) { DV_RETRY_##retry, status, name, text, #code },
    DV_ERRORS(X)
#undef X
};

static const struct err_row *row_of(int code)
{
    static const struct err_row unknown = { DV_RETRY_NEVER, 500, "internal_error", "unknown error",
                                            "DV_E?" };
    int i = code - (DV_ERR_LAST_ + 1);

    if (i < 0 || (size_t)i >= sizeof(rows) / sizeof(rows[0]))
        return &unknown;
    return &rows[i];
}

void dv_err_clear(struct dv_err *err)
{
    if (err)
        memset(err, 0, sizeof(*err));
}

/* One line: control characters from outside must not forge log lines. */
static void flatten(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
}

static void fill(struct dv_err *err, int code, int status, const char *name, const char *fmt,
                 va_list ap)
{
    memset(err, 0, sizeof(*err));
    err->code = code;
    err->http_status = status;
    snprintf(err->name, sizeof(err->name), "%s", name);
    vsnprintf(err->reason, sizeof(err->reason), fmt ? fmt : row_of(code)->text, ap);
    flatten(err->reason);
}

int dv_err_set_(struct dv_err *err, int code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    fill(err, code, row_of(code)->status, row_of(code)->name, fmt, ap);
    va_end(ap);
    return code;
}

int dv_err_couch_(struct dv_err *err, int code, int http_status, const char *name, const char *fmt,
                  ...)
{
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    fill(err, code, http_status, name, fmt, ap);
    va_end(ap);
    return code;
}

static int code_of_errno(int e)
{
    switch (e) {
    case ENOMEM:
        return DV_ENOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return DV_EFULL;
    case EROFS:
    case EACCES:
    case EPERM:
        return DV_EREADONLY;
    case ENOENT:
        return DV_ENOTFOUND;
    case EIO:
        return DV_EIO;
    default:
        return DV_ESYS;
    }
}

int dv_err_errno(struct dv_err *err, int sys_errno, const char *fmt, ...)
{
    int code = code_of_errno(sys_errno);
    size_t n;
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    fill(err, code, row_of(code)->status, row_of(code)->name, fmt, ap);
    va_end(ap);
    err->sys_errno = sys_errno;
    n = strlen(err->reason);
    snprintf(err->reason + n, sizeof(err->reason) - n, ": %s", strerror(sys_errno));
    return code;
}

int dv_err_wrap_(struct dv_err *err, int code, const char *fmt, ...)
{
    char inner[sizeof(err->context)];
    size_t n;
    va_list ap;

    if (!err)
        return code;
    memcpy(inner, err->context, sizeof(inner));
    va_start(ap, fmt);
    vsnprintf(err->context, sizeof(err->context), fmt, ap);
    va_end(ap);
    flatten(err->context);
    n = strlen(err->context);
    if (inner[0])
        snprintf(err->context + n, sizeof(err->context) - n, ": %s", inner);
    return code;
}

void dv_err_text(const struct dv_err *err, char *out, size_t out_bytes)
{
    if (err->context[0])
        snprintf(out, out_bytes, "%s: %s", err->context, err->reason);
    else
        snprintf(out, out_bytes, "%s", err->reason);
}

enum dv_retry dv_err_retry(int code)
{
    return row_of(code)->retry;
}

int dv_err_http_status(int code)
{
    return row_of(code)->status;
}

const char *dv_err_name(int code)
{
    return row_of(code)->name;
}

const char *dv_err_symbol(int code)
{
    return row_of(code)->symbol;
}
