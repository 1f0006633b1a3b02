/* What commands print as JSON: members in one call each, and the line about an edit. They append to
 * a writer; its buffer's failure is found when it is printed (dv_output_line). */
#ifndef DV_CLI_JSON_OUT_H
#define DV_CLI_JSON_OUT_H

#include "database/database.h"
#include "json/writer.h"

void dv_out_text(struct dv_json_writer *w, const char *name, struct dv_slice value);
void dv_out_number(struct dv_json_writer *w, const char *name, uint64_t value);
void dv_out_bool(struct dv_json_writer *w, const char *name, bool value);
void dv_out_json(struct dv_json_writer *w, const char *name, struct dv_slice json); /* as it is */

/* {"ok":true,"id":..,"rev":..}, or {"id":..,"error":..,"reason":..} when it was refused. */
void dv_out_edit_result(struct dv_buf *out, const struct dv_edit_result *result);

#endif
