/* See table.h. */
#include "cli/table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/report.h"
#include "cli/utf8.h"

enum { HELD_ROWS_MAX = 500, HELD_BYTES_MAX = 1 << 20, GAP = 2 };

static size_t width_of(struct dv_slice text)
{
    size_t columns = 0;

    while (text.n > 0) {
        uint32_t character = 0;
        size_t n = dv_utf8_next(text, &character);

        columns +=
            n > 0 && dv_utf8_columns(character) >= 0 ? (size_t)dv_utf8_columns(character) : 1;
        n = n > 0 ? n : 1;
        text.p += n;
        text.n -= n;
    }
    return columns;
}

static void pad(struct dv_buf *line, size_t columns)
{
    while (columns-- > 0)
        dv_buf_add_char(line, ' ');
}

static void add_cell(const struct dv_table *t, size_t column, struct dv_slice cell,
                     struct dv_buf *line)
{
    size_t width = width_of(cell);
    size_t missing = width < t->widths[column] ? t->widths[column] - width : 0;

    if (t->right[column])
        pad(line, missing);
    dv_buf_add_slice(line, cell);
    if (column + 1 == t->columns)
        return;
    if (!t->right[column])
        pad(line, missing);
    pad(line, GAP);
}

/* One row of cells that end with a NUL; returns where the next row begins. */
static const char *add_row(const struct dv_table *t, const char *cells, struct dv_buf *line)
{
    for (size_t i = 0; i < t->columns; i++) {
        struct dv_slice cell = dv_slice_str(cells);

        add_cell(t, i, cell, line);
        cells += cell.n + 1;
    }
    return cells;
}

static void measure_row(struct dv_table *t, const char *cells)
{
    for (size_t i = 0; i < t->columns; i++) {
        size_t width = width_of(dv_slice_str(cells));

        if (width > t->widths[i])
            t->widths[i] = width;
        cells += strlen(cells) + 1;
    }
}

int dv_table_init(struct dv_table *t, struct dv_output *out, const char *const *heading,
                  size_t columns, struct dv_err *err)
{
    struct dv_slice cells[DV_TABLE_COLUMNS_MAX];

    assert(columns <= DV_TABLE_COLUMNS_MAX);
    *t = (struct dv_table){ .out = out, .columns = columns };
    dv_buf_init(&t->held, HELD_BYTES_MAX + (1 << 20));
    for (size_t i = 0; i < columns; i++)
        cells[i] = dv_slice_str(heading[i]);
    return dv_table_row(t, cells, err);
}

int dv_table_row(struct dv_table *t, const struct dv_slice *cells, struct dv_err *err)
{
    size_t start = t->held.n;

    for (size_t i = 0; i < t->columns; i++) {
        dv_report_add_visible(&t->held, cells[i]);
        dv_buf_add_char(&t->held, '\0');
    }
    if (t->held.failed)
        return dv_err_set(err, t->held.failed, "a row of the table is too large");
    t->n_held++;
    if (!t->flowing)
        measure_row(t, t->held.p + start);
    if (t->flowing || t->n_held >= HELD_ROWS_MAX || t->held.n >= HELD_BYTES_MAX)
        return dv_table_flush(t, err);
    return 0;
}

int dv_table_flush(struct dv_table *t, struct dv_err *err)
{
    struct dv_buf line;
    const char *cells = t->held.p;
    int code = 0;

    dv_buf_init(&line, HELD_BYTES_MAX * 4);
    for (size_t row = 0; code == 0 && row < t->n_held; row++) {
        dv_buf_reset(&line);
        cells = add_row(t, cells, &line);
        code = dv_output_line(t->out, &line, err);
    }
    dv_buf_fini(&line);
    dv_buf_reset(&t->held);
    t->n_held = 0;
    t->flowing = true;
    return code;
}

void dv_table_fini(struct dv_table *t)
{
    dv_buf_fini(&t->held);
}

void dv_table_size(uint64_t bytes, char *out, size_t out_bytes)
{
    static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
    double value = (double)bytes / 1000;
    size_t unit = 0;

    if (bytes < 1000) {
        snprintf(out, out_bytes, "%" PRIu64 " B", bytes);
        return;
    }
    while (value >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    snprintf(out, out_bytes, "%.1f %s", value, units[unit]);
}
