/* See input.h. */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int dv_input_open(const struct dv_cli *cli, int operand, struct dv_input *in, struct dv_err *err)
{
    struct dv_slice name = dv_cli_operand(cli, operand);

    if (!name.p || dv_slice_eq_str(name, "-")) {
        *in = (struct dv_input){ STDIN_FILENO, false, "standard input" };
        return 0;
    }
    in->fd = open(name.p, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0)
        return dv_err_errno(err, errno, "open %s", name.p);
    in->is_file = true;
    in->name = name.p;
    return 0;
}

int dv_input_read(struct dv_input *in, void *out, size_t room, size_t *got, struct dv_err *err)
{
    ssize_t n;
    int code;

    do {
        if ((code = dv_cli_check_interrupt(err)) < 0)
            return code;
        n = read(in->fd, out, room);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return dv_err_errno(err, errno, "read %s", in->name);
    *got = (size_t)n;
    return 0;
}

void dv_input_close(struct dv_input *in)
{
    if (in->is_file)
        close(in->fd);
}

static int read_rest(struct dv_input *in, struct dv_buf *out, struct dv_err *err)
{
    enum { STEP_BYTES = 64 * 1024 };
    char step[STEP_BYTES];
    size_t got;
    int code;

    while ((code = dv_input_read(in, step, sizeof(step), &got, err)) == 0 && got > 0) {
        if (dv_buf_add(out, step, got) == 0)
            continue;
        return out->failed == DV_ETOOBIG ? dv_err_set(err, DV_ETOOBIG, "%s holds more than %zu MiB",
                                                      in->name, out->max >> 20)
                                         : dv_err_set(err, out->failed, NULL);
    }
    return code;
}

int dv_input_read_all(const struct dv_cli *cli, int operand, struct dv_buf *out, struct dv_err *err)
{
    struct dv_input in;
    int code = dv_input_open(cli, operand, &in, err);

    if (code < 0)
        return code;
    code = read_rest(&in, out, err);
    dv_input_close(&in);
    return code;
}
