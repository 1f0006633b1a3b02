/* Tables for people: columns aligned by the width of what a terminal shows. The first rows are held
 * back to find the widths; after them rows are printed as they come and a longer cell pushes
 * its row aside, so that a listing of any length needs constant memory. */
#ifndef DV_CLI_TABLE_H
#define DV_CLI_TABLE_H

#include "cli/output.h"

enum { DV_TABLE_COLUMNS_MAX = 8 };

struct dv_table {
    struct dv_output *out; /* borrowed */
    size_t columns;
    size_t widths[DV_TABLE_COLUMNS_MAX];
    bool right[DV_TABLE_COLUMNS_MAX]; /* set by the caller: numbers */
    struct dv_buf held;               /* cells, each ended by a NUL, rows one after another */
    size_t n_held;                    /* rows; the heading is the first */
    bool flowing;                     /* widths are fixed */
};

/* The heading names the columns, in capitals. */
int dv_table_init(struct dv_table *t, struct dv_output *out, const char *const *heading,
                  size_t columns, struct dv_err *err);
int dv_table_row(struct dv_table *t, const struct dv_slice *cells, struct dv_err *err);
/* Print what is held back; rows after it flow. */
int dv_table_flush(struct dv_table *t, struct dv_err *err);
void dv_table_fini(struct dv_table *t);

/* "1.5 MB" for people; at least 16 bytes. */
void dv_table_size(uint64_t bytes, char *out, size_t out_bytes);

#endif
