/* See report.h. */
#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/utf8.h"
#include "json/writer.h"

enum { MESSAGE_BYTES_MAX = 8192 };

void dv_report_add_visible(struct dv_buf *out, struct dv_slice text)
{
    while (text.n > 0) {
        uint32_t character = 0;
        size_t n = dv_utf8_next(text, &character);

        if (n > 0 && dv_utf8_columns(character) >= 0) {
            dv_buf_add(out, text.p, n);
        } else {
            n = n > 0 ? n : 1;
            for (size_t i = 0; i < n; i++)
                dv_buf_printf(out, "\\x%02x", (unsigned char)text.p[i]);
        }
        text.p += n;
        text.n -= n;
    }
}

/* A reason that CouchDB would give, which its error name belongs to; else a trouble of ours. */
static bool is_refusal(const struct dv_err *err)
{
    return err->http_status >= 400 && err->http_status < 500 && err->sys_errno == 0 &&
           err->code != DV_EUSAGE;
}

static void write_line(struct dv_buf *line)
{
    dv_buf_add_char(line, '\n');
    /* Nothing is left to be done about a failure here; the exit status tells. */
    dv_output_write_all(STDERR_FILENO, dv_buf_slice(line), NULL);
}

static void add_text(struct dv_buf *line, const struct dv_cli *cli, const struct dv_err *err)
{
    dv_buf_add_str(line, "divan: ");
    if (err->context[0]) {
        dv_report_add_visible(line, dv_slice_str(err->context));
        dv_buf_add_str(line, ": ");
    }
    if (is_refusal(err) && err->name[0])
        dv_buf_printf(line, "%s: ", err->name);
    dv_report_add_visible(line, dv_slice_str(err->reason));
    if (cli->hint[0]) {
        dv_buf_add_str(line, " (");
        dv_report_add_visible(line, dv_slice_str(cli->hint));
        dv_buf_add_char(line, ')');
    }
}

/* Empty values are left out. Control characters come out as JSON's escapes. */
static void add_member(struct dv_json_writer *w, const char *name, const char *value)
{
    if (!*value)
        return;
    dv_json_key(w, name);
    dv_json_cstring(w, value);
}

static void add_json(struct dv_buf *line, const struct dv_cli *cli, const struct dv_err *err)
{
    struct dv_json_writer w;

    dv_json_writer_init(&w, line);
    dv_json_begin_object(&w);
    add_member(&w, "error", err->name);
    add_member(&w, "reason", err->reason);
    add_member(&w, "context", err->context);
    add_member(&w, "hint", cli->hint);
    dv_json_end_object(&w);
}

void dv_report_error(const struct dv_cli *cli, const struct dv_err *err)
{
    struct dv_buf line;

    dv_buf_init(&line, MESSAGE_BYTES_MAX);
    if (cli->json)
        add_json(&line, cli, err);
    else
        add_text(&line, cli, err);
    write_line(&line);
    dv_buf_fini(&line);
}

void dv_report_note(const char *fmt, ...)
{
    struct dv_buf line;
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    dv_buf_init(&line, MESSAGE_BYTES_MAX);
    dv_buf_add_str(&line, "divan: ");
    dv_report_add_visible(&line, dv_slice_str(text));
    write_line(&line);
    dv_buf_fini(&line);
}
